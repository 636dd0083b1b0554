//! The kinds of values: reading one from what was written, and showing it again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use super::raw::Value;
use super::{AuthType, PoolMode, Workers};

/// What a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text of at most so many bytes, without a NUL.
    Text {
        /// Longest, in bytes.
        len_max: usize,
    },
    /// A password or verifier; like text, but never shown.
    Secret,
    /// Yes or no.
    Bool,
    /// A whole number.
    Number {
        /// Smallest.
        min: u32,
        /// Largest.
        max: u32,
        /// What 0 stands for; empty where it is a number like any other.
        zero: &'static str,
    },
    /// A time; a bare number counts `unit`s.
    Time {
        /// What 0 stands for.
        zero: &'static str,
        /// Unit of a bare number.
        unit: Unit,
    },
    /// Permissions of a file in octal.
    FileMode,
    /// `session`, `transaction` or `statement`.
    PoolMode,
    /// `trust`, `md5` or `scram-sha-256`.
    AuthType,
    /// `auto`, `error`, `warn`, `info`, `debug` or `trace`.
    LogLevel,
    /// `auto` or a number of threads.
    Workers,
    /// Addresses to listen at, separated by commas.
    Addresses,
}

/// Unit of a time written as a bare number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

/// A value that was read and lies within its bounds. Without `Debug`: it may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Parsed {
    Text(String),
    Bool(bool),
    Number(u32),
    Time(Duration),
    FileMode(u32),
    PoolMode(PoolMode),
    AuthType(AuthType),
    LogLevel(Option<&'static str>),
    Workers(Workers),
    Addresses(Vec<IpAddr>),
}

impl Kind {
    /// Reads a value; the error says what it has to be.
    pub(super) fn parse(self, value: &Value) -> Result<Parsed, String> {
        match self {
            Self::Text { len_max } => text(value, len_max),
            Self::Secret => text(value, SECRET_LEN_MAX),
            Self::Bool => boolean(value),
            Self::Number { min, max, zero } => number(value, min, max, zero).map(Parsed::Number),
            Self::Time { zero, unit } => time(value, zero, unit).map(Parsed::Time),
            Self::FileMode => file_mode(value),
            Self::PoolMode => word(value, &POOL_MODES).map(Parsed::PoolMode),
            Self::AuthType => word(value, &AUTH_TYPES).map(Parsed::AuthType),
            Self::LogLevel => word(value, &LOG_LEVELS).map(Parsed::LogLevel),
            Self::Workers => workers(value),
            Self::Addresses => addresses(value).map(Parsed::Addresses),
        }
    }

    /// The value as `pgweir check` shows it. Secrets are not shown by this.
    pub(super) fn show(self, parsed: &Parsed) -> String {
        match (self, parsed) {
            (Self::Secret, _) => "set".to_owned(),
            (Self::Number { zero, .. }, Parsed::Number(0)) if !zero.is_empty() => zero.to_owned(),
            (Self::Time { zero, .. }, Parsed::Time(Duration::ZERO)) => zero.to_owned(),
            (_, Parsed::Text(text)) if text.is_empty() => "unset".to_owned(),
            (_, Parsed::Text(text)) => printable(text),
            (_, Parsed::Bool(fact)) => fact.to_string(),
            (_, Parsed::Number(number)) => number.to_string(),
            (_, Parsed::Time(time)) => show_time(*time),
            (_, Parsed::FileMode(mode)) => format!("{mode:04o}"),
            (_, Parsed::PoolMode(mode)) => name_of(*mode, &POOL_MODES).to_owned(),
            (_, Parsed::AuthType(kind)) => name_of(*kind, &AUTH_TYPES).to_owned(),
            (_, Parsed::LogLevel(level)) => name_of(*level, &LOG_LEVELS).to_owned(),
            (_, Parsed::Workers(Workers::Auto)) => "auto".to_owned(),
            (_, Parsed::Workers(Workers::Count(count))) => count.to_string(),
            (_, Parsed::Addresses(list)) if list.is_empty() => "none".to_owned(),
            (_, Parsed::Addresses(list)) => {
                let list: Vec<String> = list.iter().map(IpAddr::to_string).collect();
                list.join(", ")
            }
        }
    }

    /// What the setting takes, for the manual.
    pub fn describe(self) -> String {
        match self {
            Self::Text { .. } => "text".to_owned(),
            Self::Secret => "secret".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Number { min, max, zero: "" } => format!("{min} to {max}"),
            Self::Number { max, zero, .. } => format!("1 to {max}; 0: {zero}"),
            Self::Time { zero, unit } => match unit {
                Unit::Seconds => format!("time; 0: {zero}"),
                Unit::Milliseconds => format!("time, a bare number is milliseconds; 0: {zero}"),
            },
            Self::FileMode => "octal, such as `0770`".to_owned(),
            Self::PoolMode => names(&POOL_MODES),
            Self::AuthType => names(&AUTH_TYPES),
            Self::LogLevel => names(&LOG_LEVELS),
            Self::Workers => format!("`auto` or 1 to {WORKERS_MAX}"),
            Self::Addresses => "addresses, comma separated; `*`: all; empty: none".to_owned(),
        }
    }
}

fn text(value: &Value, len_max: usize) -> Result<Parsed, String> {
    let Value::Text(text) = value else {
        return Err("must be text: put it in quotes".to_owned());
    };
    if text.len() > len_max {
        return Err(format!(
            "must be at most {len_max} bytes; it has {}",
            text.len()
        ));
    }
    if text.contains('\0') {
        return Err("must not contain a NUL: the protocol ends text there".to_owned());
    }
    Ok(Parsed::Text(text.clone()))
}

fn boolean(value: &Value) -> Result<Parsed, String> {
    // PgBouncer writes 0 and 1.
    match value.to_string().trim().to_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(Parsed::Bool(true)),
        "0" | "false" | "no" | "off" => Ok(Parsed::Bool(false)),
        _ => Err("must be true or false".to_owned()),
    }
}

fn number(value: &Value, min: u32, max: u32, zero: &str) -> Result<u32, String> {
    let meaning = match zero {
        "" => String::new(),
        zero => format!("; 0 means {zero}"),
    };
    let number: i128 = match value {
        Value::Integer(number) => i128::from(*number),
        Value::Text(text) => match text.trim().parse() {
            Ok(number) => number,
            Err(_) => return Err(format!("must be a whole number of {min} or more{meaning}")),
        },
        Value::Float(_) | Value::Bool(_) => {
            return Err(format!("must be a whole number of {min} or more{meaning}"));
        }
    };
    if number < i128::from(min) {
        return Err(format!("must be {min} or more{meaning}"));
    }
    match u32::try_from(number) {
        Ok(number) if number <= max => Ok(number),
        _ => Err(format!("must be at most {max}{meaning}")),
    }
}

fn time(value: &Value, zero: &str, unit: Unit) -> Result<Duration, String> {
    let not_a_time = || {
        let unit = match unit {
            Unit::Seconds => "seconds",
            Unit::Milliseconds => "milliseconds",
        };
        Err(format!(
            "must be a number of {unit}, or a text with a unit such as \"100ms\", \"5s\", \
             \"10min\", \"1h\" or \"7d\""
        ))
    };
    if matches!(value, Value::Bool(_)) {
        return not_a_time();
    }
    let text = value.to_string();
    let text = text.trim();
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (amount, suffix) = text.split_at(end);
    let nanos_per_unit: u64 = match (suffix.trim(), unit) {
        ("", Unit::Milliseconds) | ("ms", _) => 1_000_000,
        ("", Unit::Seconds) | ("s", _) => 1_000_000_000,
        ("min", _) => 60 * 1_000_000_000,
        ("h", _) => 3600 * 1_000_000_000,
        ("d", _) => 86_400 * 1_000_000_000,
        _ => return not_a_time(),
    };
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    if whole.is_empty() || fraction.contains('.') {
        return not_a_time();
    }
    let whole = whole.trim_start_matches('0');
    let too_long = || {
        Err(format!(
            "must be at most {} days",
            TIME_MAX.as_secs() / 86_400
        ))
    };
    if whole.len() > 12 {
        return too_long();
    }
    let mut nanos: u128 = 0;
    for digit in whole.bytes() {
        nanos = nanos * 10 + u128::from(digit - b'0') * u128::from(nanos_per_unit);
    }
    // What lies below a nanosecond is cut off.
    let mut place = u128::from(nanos_per_unit);
    for digit in fraction.bytes().take(15) {
        place /= 10;
        nanos += u128::from(digit - b'0') * place;
    }
    let given_zero = amount.bytes().all(|b| b == b'0' || b == b'.');
    if negative && !given_zero {
        return Err(format!("must be 0 or more; 0 means {zero}"));
    }
    if nanos > TIME_MAX.as_nanos() {
        return too_long();
    }
    let second = 1_000_000_000;
    let time = Duration::new((nanos / second) as u64, (nanos % second) as u32);
    // Rounded down it would be 0, which means something else.
    if time < TIME_MIN && !given_zero {
        return Err(format!("must be at least 1ms, or 0, which means {zero}"));
    }
    Ok(time)
}

/// A time as a text that reads back as the same time.
pub(super) fn show_time(time: Duration) -> String {
    let nanos = time.subsec_nanos();
    if nanos == 0 {
        return format!("{}s", time.as_secs());
    }
    if time.as_secs() == 0 && nanos.is_multiple_of(1_000_000) {
        return format!("{}ms", nanos / 1_000_000);
    }
    let fraction = format!("{nanos:09}");
    format!("{}.{}s", time.as_secs(), fraction.trim_end_matches('0'))
}

fn file_mode(value: &Value) -> Result<Parsed, String> {
    let message = "must be a file mode in octal, such as \"0770\", at most \"0777\"";
    let mode = match value {
        // TOML's own octal form (0o770) arrives as a number; a bare 770 is beyond the bound.
        Value::Integer(mode) => u32::try_from(*mode).ok(),
        Value::Text(text) => u32::from_str_radix(text.trim().trim_start_matches("0o"), 8).ok(),
        Value::Float(_) | Value::Bool(_) => None,
    };
    match mode {
        Some(mode) if mode <= 0o777 => Ok(Parsed::FileMode(mode)),
        _ => Err(message.to_owned()),
    }
}

fn word<T: Copy>(value: &Value, words: &[(&str, T)]) -> Result<T, String> {
    let given = value.to_string();
    words
        .iter()
        .find(|(word, _)| *word == given.trim())
        .map(|(_, meaning)| *meaning)
        .ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            format!("must be one of {}", words.join(", "))
        })
}

fn workers(value: &Value) -> Result<Parsed, String> {
    if matches!(value, Value::Text(text) if text.trim() == "auto") {
        return Ok(Parsed::Workers(Workers::Auto));
    }
    number(value, 1, WORKERS_MAX, "")
        .ok()
        .and_then(NonZeroU32::new)
        .map(|count| Parsed::Workers(Workers::Count(count)))
        .ok_or_else(|| format!("must be \"auto\" or a number from 1 to {WORKERS_MAX}"))
}

fn addresses(value: &Value) -> Result<Vec<IpAddr>, String> {
    let Value::Text(text) = value else {
        return Err("must be text: put it in quotes".to_owned());
    };
    let mut list: Vec<IpAddr> = Vec::new();
    for item in text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
    {
        let start = list.len();
        match item {
            "*" => list.extend([
                IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            ]),
            // A machine without IPv6 names itself so too; clients that try ::1 first try this next.
            "localhost" => list.push(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            item => match item.parse() {
                Ok(address) => list.push(address),
                Err(_) => {
                    return Err(format!(
                        "\"{}\" is no address; write one such as 127.0.0.1 or ::1, or * for all",
                        printable(item)
                    ));
                }
            },
        }
        if list.len() > ADDRESSES_MAX {
            return Err(format!("must be at most {ADDRESSES_MAX} addresses"));
        }
        for at in start..list.len() {
            if list[..at].contains(&list[at]) {
                return Err(format!("lists {} twice; remove one", list[at]));
            }
        }
    }
    for address in &list {
        let covered = |all: &IpAddr| all.is_unspecified() && all.is_ipv4() == address.is_ipv4();
        if !address.is_unspecified() && list.iter().any(covered) {
            return Err(format!(
                "lists {address} beside the address for all, which covers it; remove one"
            ));
        }
    }
    Ok(list)
}

fn name_of<T: PartialEq>(value: T, words: &[(&'static str, T)]) -> &'static str {
    let found = words.iter().find(|(_, meaning)| *meaning == value);
    found.expect("every meaning has its word in the list").0
}

fn names<T>(words: &[(&str, T)]) -> String {
    let words: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
    words.join(", ")
}

/// Text with control characters escaped, so that a file cannot steer the operator's terminal.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

const POOL_MODES: [(&str, PoolMode); 3] = [
    ("session", PoolMode::Session),
    ("transaction", PoolMode::Transaction),
    ("statement", PoolMode::Statement),
];

const LOG_LEVELS: [(&str, Option<&str>); 6] = [
    ("auto", None),
    ("error", Some("error")),
    ("warn", Some("warn")),
    ("info", Some("info")),
    ("debug", Some("debug")),
    ("trace", Some("trace")),
];

const AUTH_TYPES: [(&str, AuthType); 3] = [
    ("trust", AuthType::Trust),
    ("md5", AuthType::Md5),
    ("scram-sha-256", AuthType::ScramSha256),
];

/// PostgreSQL's clients cut passwords at about this length too.
const SECRET_LEN_MAX: usize = 2048;
/// More threads than any machine has use for.
const WORKERS_MAX: u32 = 256;
/// Each address is a socket; a machine has few.
const ADDRESSES_MAX: usize = 64;
/// Ten years: anything longer is a typing error, and sums of times stay far from overflow.
const TIME_MAX: Duration = Duration::from_secs(3650 * 86_400);
/// Times are checked in a coarse sweep; less than this cannot be kept.
const TIME_MIN: Duration = Duration::from_millis(1);
