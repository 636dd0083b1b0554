//! Values as they are written in variables and URLs.

use std::time::Duration;

use pgweir_settings::text::boolean;
use pgweir_settings::time;

/// A value that was understood.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Count(u32),
    /// `None` is never, or without limit.
    Time(Option<Duration>),
    Part(f64),
    Switch(bool),
    Text(String),
}

/// What a value has to be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A whole number within bounds.
    Count(u32, u32),
    /// Seconds, of which zero is never.
    TimeOrNever,
    /// Seconds, more than zero, with the reason why zero will not do.
    Time(&'static str),
    /// A number within bounds.
    Part(f64, f64),
    /// On or off.
    Switch,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any text.
    Text,
}

impl Kind {
    /// Understands a value, or says what it has to be.
    pub(super) fn parse(self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        let found = || match shown(text) {
            Some(text) => format!(", not {text}"),
            None => String::new(),
        };
        match self {
            Self::Count(min, max) => text
                .parse()
                .ok()
                .filter(|count| (min..=max).contains(count))
                .map(Value::Count)
                .ok_or_else(|| format!("must be a whole number from {min} to {max}{}", found())),
            Self::TimeOrNever => match seconds(text) {
                Some(Duration::ZERO) => Ok(Value::Time(None)),
                Some(time) => Ok(Value::Time(Some(time))),
                None => Err(format!("must be seconds, 0 for never{}", found())),
            },
            Self::Time(reason) => match seconds(text) {
                Some(Duration::ZERO) => Err(format!("must be more than 0: {reason}")),
                Some(time) => Ok(Value::Time(Some(time))),
                None => Err(format!("must be seconds, such as 5 or 0.5{}", found())),
            },
            Self::Part(min, max) => text
                .parse()
                .ok()
                .filter(|part| (min..=max).contains(part))
                .map(Value::Part)
                .ok_or_else(|| format!("must be a number from {min} to {max}{}", found())),
            Self::Switch => boolean(text)
                .map(Value::Switch)
                .ok_or_else(|| "must be true or false".to_owned()),
            Self::Word(words) => {
                let text = text.to_ascii_lowercase();
                if words.contains(&text.as_str()) {
                    Ok(Value::Text(text))
                } else {
                    Err(format!("must be {}", words.join(" or ")))
                }
            }
            Self::Text if text.is_empty() => Err("must not be empty".to_owned()),
            Self::Text => Ok(Value::Text(text.to_owned())),
        }
    }
}

/// Seconds, with a fraction or a unit if need be: `5`, `0.5`, `500ms`, `5s`, `10min`, `1h`.
fn seconds(text: &str) -> Option<Duration> {
    let units = time::UNITS.iter().filter(|(name, _)| *name != "d");
    let time = time::read(text, units.chain(&[("", time::SECOND)])).ok()?;
    (time <= TIME_MAX).then_some(time)
}

/// The value, if nobody could have put a secret there by mistake.
fn shown(text: &str) -> Option<&str> {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.');
    (!text.is_empty() && text.len() <= 12 && text.chars().all(plain)).then_some(text)
}

/// A duration as the start-up line writes it.
pub(super) fn in_seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}

/// PostgreSQL keeps timeouts in 31 bits of milliseconds.
const TIME_MAX: Duration = Duration::from_secs(2_147_483);
