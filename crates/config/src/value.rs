//! The kinds of values: reading one from what was written, and showing it again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use pgweir_settings::Value;
use pgweir_settings::text::{boolean, printable};
use pgweir_settings::time::{self, MILLISECOND, SECOND, Unreadable};
use pgweir_settings::without_secrets;
use pgweir_wire::login::Methods;

use super::Networks;

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
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `auto`, which is 0, or a number of threads.
    Workers,
    /// Addresses to listen at, separated by commas.
    Addresses,
    /// Networks, as a text with commas or a list of texts.
    Networks,
    /// A program and its arguments, as a list of texts. The arguments are never shown.
    Command,
    /// Methods of authentication, as libpq's `require_auth` has them.
    Methods,
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
    Word(&'static str),
    Addresses(Vec<IpAddr>),
    Networks(Networks),
    Words(Vec<String>),
    Methods(Methods),
}

/// Text as it may be shown: a URL, where only a part of one belongs, has a password as a rule.
pub(super) fn shown_text(text: &str) -> String {
    let is_url = text.contains("://") || text.contains('@');
    printable(&if is_url {
        without_secrets(text)
    } else {
        text.into()
    })
}

impl Kind {
    /// Reads a value; the error says what it has to be.
    pub(super) fn parse(self, value: &Value) -> Result<Parsed, String> {
        match self {
            Self::Text { len_max } => text(value, len_max),
            Self::Secret => text(value, SECRET_LEN_MAX),
            Self::Bool => match boolean(&value.bare()) {
                Some(fact) => Ok(Parsed::Bool(fact)),
                None => Err("must be true or false".to_owned()),
            },
            Self::Number { min, max, zero } => number(value, min, max, zero).map(Parsed::Number),
            Self::Time { zero, unit } => read_time(value, zero, unit).map(Parsed::Time),
            Self::FileMode => file_mode(value),
            Self::Choice(words) => word(value, words).map(Parsed::Word),
            Self::Workers => workers(value),
            Self::Addresses => addresses(value).map(Parsed::Addresses),
            Self::Networks => networks(value).map(Parsed::Networks),
            Self::Command => command(value).map(Parsed::Words),
            Self::Methods => match Methods::parse(in_quotes(value)?) {
                Ok(methods) => Ok(Parsed::Methods(methods)),
                Err(error) => Err(error.to_string()),
            },
        }
    }

    /// The value as `pgweir check` shows it. Secrets are not shown by this.
    pub(super) fn show(self, parsed: &Parsed) -> String {
        match (self, parsed) {
            (Self::Secret, Parsed::Text(text)) if text.is_empty() => "unset".to_owned(),
            (Self::Secret, _) => "set".to_owned(),
            (Self::FileMode, Parsed::Number(mode)) => format!("{mode:04o}"),
            (Self::Workers, Parsed::Number(0)) => "auto".to_owned(),
            (Self::Number { zero, .. }, Parsed::Number(0)) if !zero.is_empty() => zero.to_owned(),
            (Self::Time { zero, .. }, Parsed::Time(Duration::ZERO)) => zero.to_owned(),
            (_, Parsed::Text(text)) if text.is_empty() => "unset".to_owned(),
            (_, Parsed::Text(text)) => shown_text(text),
            (_, Parsed::Bool(fact)) => fact.to_string(),
            (_, Parsed::Number(number)) => number.to_string(),
            (_, Parsed::Time(time)) => show_time(*time),
            (_, Parsed::Word(word)) => (*word).to_owned(),
            (_, Parsed::Addresses(list)) if list.is_empty() => "none".to_owned(),
            (_, Parsed::Addresses(list)) => {
                let list: Vec<String> = list.iter().map(IpAddr::to_string).collect();
                list.join(", ")
            }
            (_, Parsed::Networks(networks)) if networks.is_empty() => "none".to_owned(),
            (_, Parsed::Networks(networks)) => networks.to_string(),
            (_, Parsed::Words(words)) => match &words[..] {
                [] => "unset".to_owned(),
                [program] => printable(program),
                [program, arguments @ ..] => {
                    format!("{} and {} arguments", printable(program), arguments.len())
                }
            },
            (_, Parsed::Methods(Methods::ALL)) => "all".to_owned(),
            (_, Parsed::Methods(methods)) => methods.to_string(),
        }
    }

    /// The value as PgBouncer's console shows it, and as it can be written again: times as numbers of their
    /// unit, yes and no as 1 and 0, what is unset as nothing.
    pub(super) fn bare(self, parsed: &Parsed) -> String {
        match (self, parsed) {
            (_, Parsed::Bool(fact)) => u8::from(*fact).to_string(),
            (Self::Time { unit, .. }, Parsed::Time(time)) => match unit {
                Unit::Seconds => time.as_secs_f64().to_string(),
                Unit::Milliseconds => (time.as_secs_f64() * 1e3).to_string(),
            },
            (_, Parsed::Text(text)) if text.is_empty() => String::new(),
            (Self::FileMode | Self::Workers | Self::Secret, parsed) => self.show(parsed),
            (_, Parsed::Number(number)) => number.to_string(),
            (_, Parsed::Addresses(list)) if list.is_empty() => String::new(),
            (_, Parsed::Networks(networks)) if networks.is_empty() => String::new(),
            (_, Parsed::Methods(Methods::ALL)) => String::new(),
            (_, parsed) => self.show(parsed),
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
            Self::Choice(words) => format!("`{}`", words.join("`, `")),
            Self::Workers => format!("`auto` or 1 to {WORKERS_MAX}"),
            Self::Addresses => "addresses, comma separated; `*`: all; empty: none".to_owned(),
            Self::Networks => "networks such as `10.0.0.0/8`, and `unix`, comma separated or as a list; empty: none".to_owned(),
            Self::Command => "a list of texts".to_owned(),
            Self::Methods => "`none`, `password`, `md5`, `scram-sha-256`, comma separated, or those not answered, each with a `!`; empty: all".to_owned(),
        }
    }
}

fn text(value: &Value, len_max: usize) -> Result<Parsed, String> {
    let text = in_quotes(value)?;
    if text.len() > len_max {
        return Err(format!(
            "must be at most {len_max} bytes; it has {}",
            text.len()
        ));
    }
    if text.contains('\0') {
        return Err("must not contain a NUL: the protocol ends text there".to_owned());
    }
    Ok(Parsed::Text(text.to_owned()))
}

fn in_quotes(value: &Value) -> Result<&str, String> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err("must be text: put it in quotes".to_owned()),
    }
}

fn number(value: &Value, min: u32, max: u32, zero: &str) -> Result<u32, String> {
    let meaning = match zero {
        "" => String::new(),
        zero => format!("; 0 means {zero}"),
    };
    let number: Option<i128> = match value {
        Value::Integer(number) => Some(*number),
        _ => in_quotes(value)
            .ok()
            .and_then(|text| text.trim().parse().ok()),
    };
    let Some(number) = number else {
        return Err(format!("must be a whole number of {min} or more{meaning}"));
    };
    if number < i128::from(min) {
        return Err(format!("must be {min} or more{meaning}"));
    }
    match u32::try_from(number) {
        Ok(number) if number <= max => Ok(number),
        _ => Err(format!("must be at most {max}{meaning}")),
    }
}

fn read_time(value: &Value, zero: &str, unit: Unit) -> Result<Duration, String> {
    let (bare, name) = match unit {
        Unit::Seconds => (SECOND, "seconds"),
        Unit::Milliseconds => (MILLISECOND, "milliseconds"),
    };
    let days_max = TIME_MAX.as_secs() / 86_400;
    match time::read(&value.bare(), time::UNITS.iter().chain(&[("", bare)])) {
        Ok(time) if time > TIME_MAX => Err(format!("must be at most {days_max} days")),
        Err(Unreadable::TooLong) => Err(format!("must be at most {days_max} days")),
        // Rounded down it would be 0, which means something else.
        Ok(time) if !time.is_zero() && time < MILLISECOND => {
            Err(format!("must be at least 1ms, or 0, which means {zero}"))
        }
        Ok(time) => Ok(time),
        Err(Unreadable::Negative) => Err(format!("must be 0 or more; 0 means {zero}")),
        Err(Unreadable::Form) => Err(format!(
            "must be a number of {name}, or a text with a unit such as \"100ms\", \"5s\", \
             \"10min\", \"1h\" or \"7d\""
        )),
    }
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
    let mode = match value {
        // TOML's own octal form (0o770) arrives as a number; a bare 770 is beyond the bound.
        Value::Integer(mode) => u32::try_from(*mode).ok(),
        _ => in_quotes(value)
            .ok()
            .and_then(|text| u32::from_str_radix(text.trim().trim_start_matches("0o"), 8).ok()),
    };
    match mode {
        Some(mode) if mode <= 0o777 => Ok(Parsed::Number(mode)),
        _ => Err("must be a file mode in octal, such as \"0770\", at most \"0777\"".to_owned()),
    }
}

fn word(value: &Value, words: &'static [&str]) -> Result<&'static str, String> {
    let given = value.bare();
    let found = words.iter().find(|word| **word == given.trim());
    found
        .copied()
        .ok_or_else(|| format!("must be one of {}", words.join(", ")))
}

fn networks(value: &Value) -> Result<Networks, String> {
    let mut networks = Networks::default();
    let items: Vec<&str> = match value {
        Value::List(items) => items.iter().map(in_quotes).collect::<Result<_, _>>()?,
        value => in_quotes(value)?.split(',').collect(),
    };
    let items = items.into_iter().map(str::trim);
    for item in items.filter(|item| !item.is_empty()) {
        networks.add(item)?;
    }
    Ok(networks)
}

fn command(value: &Value) -> Result<Vec<String>, String> {
    let must = || {
        "must be a list of the program and its arguments, such as [\"/usr/bin/token\", \"--user\"]"
            .to_owned()
    };
    let items = match value {
        Value::List(items) => items,
        // The default.
        Value::Text(text) if text.is_empty() => return Ok(Vec::new()),
        _ => return Err(must()),
    };
    let mut words = Vec::new();
    for item in items {
        match item {
            Value::Text(text) if text.contains('\0') => {
                return Err("must not contain a NUL".to_owned());
            }
            Value::Text(text) => words.push(text.to_string()),
            _ => return Err(must()),
        }
    }
    let len: usize = words.iter().map(String::len).sum();
    if words.first().is_none_or(String::is_empty) {
        return Err(must());
    }
    if len > COMMAND_LEN_MAX {
        return Err(format!(
            "must be at most {COMMAND_LEN_MAX} bytes; it has {len}"
        ));
    }
    Ok(words)
}

fn workers(value: &Value) -> Result<Parsed, String> {
    if value.bare().trim() == "auto" {
        return Ok(Parsed::Number(0));
    }
    number(value, 1, WORKERS_MAX, "")
        .map(Parsed::Number)
        .map_err(|_| format!("must be \"auto\" or a number from 1 to {WORKERS_MAX}"))
}

fn addresses(value: &Value) -> Result<Vec<IpAddr>, String> {
    let text = in_quotes(value)?;
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

/// Far below what the system takes.
const COMMAND_LEN_MAX: usize = 16 * 1024;
/// PostgreSQL's clients cut passwords at about this length too.
const SECRET_LEN_MAX: usize = 2048;
/// More threads than any machine has use for.
const WORKERS_MAX: u32 = 256;
/// Each address is a socket; a machine has few.
const ADDRESSES_MAX: usize = 64;
/// Ten years: anything longer is a typing error, and sums of times stay far from overflow.
const TIME_MAX: Duration = Duration::from_secs(3650 * 86_400);
