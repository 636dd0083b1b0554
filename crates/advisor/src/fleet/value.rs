//! The kinds a setting may have, and what each kind makes of a value.

use std::time::Duration;

use compact_str::CompactString;
use pgweir_settings::{Value, nearest, text, time, without_secrets};

use super::host;
use super::typed::Typed;
use crate::formula::demand::Surge;
use crate::formula::scaling::Step;
use crate::units::{Bytes, Rate};

/// The value as written, but for what looks like a password: no setting of a fleet is one, but one may have
/// landed in the wrong place.
pub(super) fn as_written(value: &Value) -> String {
    let text = value.to_string();
    let text = without_secrets(&text);
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

/// What a setting may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A whole number.
    Count {
        /// The smallest allowed.
        min: u64,
        /// The largest allowed.
        max: u64,
    },
    /// A number.
    Number {
        /// The smallest allowed.
        min: f64,
        /// The largest allowed.
        max: f64,
    },
    /// A whole number of percent, with or without the sign.
    Percent {
        /// The smallest allowed.
        min: u32,
        /// The largest allowed.
        max: u32,
    },
    /// A share: a number from 0 to 1, or percent with the sign.
    Share,
    /// An amount of memory with its unit.
    Size {
        /// The smallest allowed.
        min: Bytes,
        /// The largest allowed.
        max: Bytes,
    },
    /// A time with its unit, at most a hundred days; `zero` says what 0 and `off` mean, or that
    /// they are not allowed.
    Time {
        /// What 0 means.
        zero: Option<&'static str>,
    },
    /// Instances added during a rollout: a number of them or percent.
    Surge,
    /// One of several words.
    Choice(&'static [&'static str]),
    /// True or false.
    Bool,
    /// Text without control characters.
    Text,
    /// A host name, an IP address or the folder of a socket.
    Host,
    /// The name of a role or a database.
    Name,
    /// A list of texts.
    Names,
    /// A list of pairs: concurrency, throughput.
    Steps,
}

impl Kind {
    /// What is allowed, to stand behind "must be".
    pub fn allowed(&self) -> String {
        match self {
            Self::Count { min, max } => format!("a whole number from {min} to {max}"),
            Self::Number { min, max } => {
                format!("a number from {min} to {max}")
            }
            Self::Percent { min, max } => format!("percent from {min} to {max}, as in \"80%\""),
            Self::Share => "a share from 0 to 1, or percent as in \"99%\"".to_owned(),
            Self::Size { min, max } => format!(
                "memory from {} to {} with its unit kB, MB, GB or TB, as in \"4MB\"",
                min.postgres(),
                max.postgres()
            ),
            Self::Time { zero } => {
                let least = if zero.is_some() { "" } else { "from 1us " };
                let zero = zero.map_or(String::new(), |zero| format!(" (0 is {zero})"));
                format!(
                    "a time {least}up to 100d with its unit us, ms, s, min, h or d, as in \"5s\"{zero}"
                )
            }
            Self::Surge => "percent from 0 to 1000, as in \"25%\", or a number of instances up to \
                            10000"
                .to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Bool => "true or false".to_owned(),
            Self::Text => "text of up to 200 letters on one line, and no URL".to_owned(),
            Self::Host => {
                "a host name, an IP address or the folder of a socket, alone, as in \"db.internal\""
                    .to_owned()
            }
            Self::Name => {
                "a name of up to 200 letters on one line, and no URL or password".to_owned()
            }
            Self::Names => "a list of texts, as in [\"standby1\"]".to_owned(),
            Self::Steps => "a list of pairs of concurrency and requests/s, as in [[1, 65], [18, \
                            996]]"
                .to_owned(),
        }
    }

    /// Whether it may be this.
    pub fn allows(&self, value: &Value) -> bool {
        self.read(value).is_some()
    }

    /// What the value means. `None`: it is not allowed.
    pub(super) fn read(&self, value: &Value) -> Option<Typed> {
        match self {
            Self::Count { min, max } => {
                let count = count(value)?;
                (*min..=*max)
                    .contains(&count)
                    .then_some(Typed::Count(count))
            }
            Self::Number { min, max } => {
                let number = number(value)?;
                (*min..=*max)
                    .contains(&number)
                    .then_some(Typed::Number(number))
            }
            Self::Percent { min, max } => {
                let percent = u32::try_from(percent(value)?).ok()?;
                (*min..=*max)
                    .contains(&percent)
                    .then_some(Typed::Percent(percent))
            }
            Self::Share => share(value).map(Typed::Number),
            Self::Size { min, max } => {
                let size = size(value)?;
                (*min..=*max).contains(&size).then_some(Typed::Size(size))
            }
            Self::Time { zero } => {
                let time = read_time(value)?;
                (zero.is_some() || !time.is_zero()).then_some(Typed::Time(time))
            }
            Self::Surge => surge(value).map(Typed::Surge),
            Self::Choice(words) => {
                let Value::Text(text) = value else {
                    return None;
                };
                let word = words.iter().find(|word| *word == text)?;
                Some(Typed::Choice(word))
            }
            Self::Bool => match value {
                Value::Bool(fact) => Some(Typed::Bool(*fact)),
                _ => None,
            },
            Self::Text => one_line(value)
                .filter(|text| !text.contains("://"))
                .cloned()
                .map(Typed::Text),
            Self::Host => one_line(value)
                .filter(|text| host::is_host(text))
                .cloned()
                .map(Typed::Text),
            Self::Name => one_line(value)
                .filter(|text| !host::holds_a_login(text))
                .cloned()
                .map(Typed::Text),
            Self::Names => match value {
                Value::List(values) if values.len() <= LIST_MAX => values
                    .iter()
                    .map(|value| {
                        let name = one_line(value).filter(|text| !host::holds_a_login(text));
                        name.map(|text| text.to_string())
                    })
                    .collect::<Option<Vec<_>>>()
                    .map(Typed::Names),
                _ => None,
            },
            Self::Steps => match value {
                Value::List(values) if values.len() <= LIST_MAX => values
                    .iter()
                    .map(step)
                    .collect::<Option<Vec<_>>>()
                    .map(Typed::Steps),
                _ => None,
            },
        }
    }

    /// An allowed value near the one written, where there is an obvious one.
    pub(super) fn suggestion(&self, value: &Value) -> Option<String> {
        let nearest_count = |min: u64, max: u64| match value {
            Value::Integer(number) => Some(if *number < i128::from(min) {
                min.to_string()
            } else {
                max.to_string()
            }),
            Value::Float(number) if number.is_finite() => {
                // `as` clamps to the range of u64.
                Some((number.round() as u64).clamp(min, max).to_string())
            }
            Value::Text(text) => {
                let number: u64 = text.trim().parse().ok()?;
                Some(number.clamp(min, max).to_string())
            }
            _ => None,
        };
        match self {
            Self::Count { min, max } => nearest_count(*min, *max),
            Self::Percent { min, max } => match value {
                Value::Float(share) if *share > 0.0 && *share < 1.0 => {
                    Some(of_hundred(*share).clamp((*min).into(), (*max).into()))
                }
                _ => nearest_count((*min).into(), (*max).into()).and_then(|n| n.parse().ok()),
            }
            .map(|percent: u64| format!("\"{percent}%\"")),
            Self::Share => match value {
                Value::Integer(percent @ 2..=100) => Some(format!("\"{percent}%\"")),
                _ => None,
            },
            Self::Surge => match value {
                Value::Float(share) if *share > 0.0 && *share <= 10.0 => {
                    Some(format!("\"{}%\"", of_hundred(*share)))
                }
                _ => None,
            },
            Self::Size { min, max } => match value {
                Value::Integer(number) if *number > 0 => {
                    let mib = u64::try_from(*number).unwrap_or(u64::MAX);
                    let near = Bytes(mib.saturating_mul(1 << 20)).clamp(*min, *max);
                    Some(format!("\"{}\"", near.postgres()))
                }
                _ => None,
            },
            Self::Time { .. } => match value {
                Value::Integer(number @ 1..=TIME_MAX_SECONDS) => Some(format!("\"{number}s\"")),
                _ => None,
            },
            Self::Choice(words) => match value {
                Value::Text(text) => {
                    nearest(text, words.iter().copied()).map(|word| format!("\"{word}\""))
                }
                _ => None,
            },
            Self::Bool => text::boolean(&value.bare()).map(|fact| fact.to_string()),
            Self::Names => one_line(value)
                .filter(|text| !host::holds_a_login(text))
                .map(|_| format!("[{value}]")),
            Self::Host => match value {
                Value::Text(text) => host::within(text).map(|host| format!("\"{host}\"")),
                _ => None,
            },
            Self::Name => None,
            Self::Number { .. } | Self::Text | Self::Steps => None,
        }
    }
}

/// Whole percent of a share; `as` clamps to the range of u64.
fn of_hundred(share: f64) -> u64 {
    (share * 100.0).round() as u64
}

fn count(value: &Value) -> Option<u64> {
    match value {
        Value::Integer(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) if number.is_finite() => Some(*number),
        _ => None,
    }
}

fn percent(value: &Value) -> Option<u64> {
    match value {
        Value::Integer(_) => count(value),
        Value::Text(text) => text.strip_suffix('%')?.trim().parse().ok(),
        _ => None,
    }
}

fn share(value: &Value) -> Option<f64> {
    let share = match value {
        Value::Text(text) => text.strip_suffix('%')?.trim().parse::<f64>().ok()? / 100.0,
        other => number(other)?,
    };
    (0.0..=1.0).contains(&share).then_some(share)
}

fn size(value: &Value) -> Option<Bytes> {
    let Value::Text(text) = value else {
        return None;
    };
    let (digits, unit) = split_unit(text)?;
    let factor: u64 = match unit {
        "kB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        "TB" => 1 << 40,
        _ => return None,
    };
    if let Ok(count) = digits.parse::<u64>() {
        return count.checked_mul(factor).map(Bytes);
    }
    let number: f64 = digits.parse().ok()?;
    let bytes = number * factor as f64;
    (0.0..SIZE_MAX)
        .contains(&bytes)
        .then_some(Bytes(bytes as u64))
}

fn read_time(value: &Value) -> Option<Duration> {
    let text = match value {
        Value::Integer(0) => return Some(Duration::ZERO),
        Value::Text(text) if text == "off" => return Some(Duration::ZERO),
        Value::Text(text) => text,
        _ => return None,
    };
    let micros = [("us", Duration::from_micros(1))];
    let time = time::read(text, time::UNITS.iter().chain(&micros)).ok()?;
    // Rounded to what is written again, so that a value survives any number of rounds.
    let rounded = u64::try_from((time.as_nanos() + 500) / 1_000).ok()?;
    (time <= TIME_MAX).then(|| Duration::from_micros(rounded))
}

fn split_unit(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let digits = text[..at].trim();
    let plain = |c: char| c.is_ascii_digit() || c == '.';
    digits.chars().all(plain).then_some((digits, &text[at..]))
}

fn surge(value: &Value) -> Option<Surge> {
    match value {
        Value::Integer(_) => count(value)
            .filter(|count| *count <= 10_000)
            .map(Surge::Instances),
        _ => {
            let percent = u32::try_from(percent(value)?).ok()?;
            (percent <= 1_000).then_some(Surge::Percent(percent))
        }
    }
}

fn one_line(value: &Value) -> Option<&CompactString> {
    match value {
        Value::Text(text) => {
            let good = !text.is_empty()
                && text.chars().count() <= TEXT_MAX
                && !text.chars().any(char::is_control);
            good.then_some(text)
        }
        _ => None,
    }
}

fn step(value: &Value) -> Option<Step> {
    let Value::List(pair) = value else {
        return None;
    };
    let [concurrency, throughput] = pair.as_slice() else {
        return None;
    };
    let step = Step {
        concurrency: number(concurrency)?,
        throughput: Rate(number(throughput)?),
    };
    (step.concurrency >= 1.0 && step.throughput.0 > 0.0).then_some(step)
}

const TEXT_MAX: usize = 200;
const LIST_MAX: usize = 1_000;
const SIZE_MAX: f64 = 1.8e19;
const TIME_MAX_SECONDS: i128 = 100 * 86_400;
const TIME_MAX: Duration = Duration::from_secs(TIME_MAX_SECONDS as u64);
/// Longer values help nobody on a terminal.
const SHOWN_MAX: usize = 80;
