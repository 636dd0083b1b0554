//! Values as they are written in variables and URLs.

use std::time::Duration;

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
            Self::TimeOrNever => match time(text) {
                Some(Duration::ZERO) => Ok(Value::Time(None)),
                Some(time) => Ok(Value::Time(Some(time))),
                None => Err(format!("must be seconds, 0 for never{}", found())),
            },
            Self::Time(reason) => match time(text) {
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
            Self::Switch => match text.to_ascii_lowercase().as_str() {
                "true" | "on" | "yes" | "1" => Ok(Value::Switch(true)),
                "false" | "off" | "no" | "0" => Ok(Value::Switch(false)),
                _ => Err("must be true or false".to_owned()),
            },
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
fn time(text: &str) -> Option<Duration> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "min" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let seconds = number.parse::<f64>().ok()? * factor;
    // PostgreSQL keeps timeouts in 31 bits of milliseconds.
    (seconds <= TIME_MAX_S).then(|| Duration::from_secs_f64(seconds))
}

/// The value, if nobody could have put a secret there by mistake.
fn shown(text: &str) -> Option<&str> {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.');
    (!text.is_empty() && text.len() <= 12 && text.chars().all(plain)).then_some(text)
}

/// A duration as the start-up line writes it.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}

const TIME_MAX_S: f64 = 2_147_483.0;
