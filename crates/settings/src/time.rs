//! Times as text: a number with a unit, exact to the nanosecond.

use std::time::Duration;

/// Units by their names; the empty one is what a bare number counts.
pub type Units = [(&'static str, Duration)];

/// Units that PostgreSQL has for its own settings, from milliseconds on.
pub const UNITS: [(&str, Duration); 5] = [
    ("ms", MILLISECOND),
    ("s", SECOND),
    ("min", Duration::from_secs(60)),
    ("h", Duration::from_secs(3600)),
    ("d", Duration::from_secs(86_400)),
];

/// A millisecond.
pub const MILLISECOND: Duration = Duration::from_millis(1);
/// A second.
pub const SECOND: Duration = Duration::from_secs(1);

/// Why a text is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// It is not a number with one of the units.
    Form,
    /// It is below zero.
    Negative,
    /// It has too many digits to be meant.
    TooLong,
}

/// Reads a number with one of `units`. What lies below a nanosecond is cut off, but what is not zero
/// does not become zero.
///
/// # Errors
/// It is no time.
pub fn read<'u>(
    text: &str,
    units: impl IntoIterator<Item = &'u (&'static str, Duration)>,
) -> Result<Duration, Unreadable> {
    let text = text.trim();
    let (is_negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (amount, suffix) = text.split_at(end.unwrap_or(text.len()));
    let unit = units.into_iter().find(|(name, _)| *name == suffix.trim());
    let unit = unit.ok_or(Unreadable::Form)?.1.as_nanos();
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    if whole.len() + fraction.len() == 0 || fraction.contains('.') {
        return Err(Unreadable::Form);
    }
    let whole = whole.trim_start_matches('0');
    if whole.len() > DIGITS_MAX {
        return Err(Unreadable::TooLong);
    }
    let digit = |byte: u8| u128::from(byte - b'0');
    let mut nanos = whole.bytes().fold(0, |n, byte| n * 10 + digit(byte) * unit);
    let mut place = unit;
    for byte in fraction.bytes() {
        place /= 10;
        nanos += digit(byte) * place;
    }
    let is_zero = amount.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    if is_negative && !is_zero {
        return Err(Unreadable::Negative);
    }
    let nanos = nanos.max(u128::from(!is_zero));
    let (seconds, rest) = (nanos / NANOS, nanos % NANOS);
    Ok(Duration::new(seconds as u64, rest as u32))
}

const NANOS: u128 = SECOND.as_nanos();
/// A trillion days in nanoseconds need 87 bits, and fit into a [`Duration`].
const DIGITS_MAX: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_a_unit_are_times_and_others_are_not() {
        let bare = [("", SECOND)];
        let time = |text| read(text, UNITS.iter().chain(&bare));
        for (text, millis) in [
            ("5", 5_000),
            (" 5 s", 5_000),
            ("0.25", 250),
            (".5s", 500),
            ("1.5min", 90_000),
            ("0002h", 7_200_000),
            ("-0", 0),
            ("7d", 604_800_000),
        ] {
            assert_eq!(time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", ".", "1.2.3s", "1 2s", "1e3", "inf", "5m", "--1"] {
            assert_eq!(time(text), Err(Unreadable::Form), "{text}");
        }
        assert_eq!(time("-0.1ms"), Err(Unreadable::Negative));
        assert_eq!(time("1000000000000s"), Err(Unreadable::TooLong));
        assert_eq!(time("0.0000000000001s"), Ok(Duration::from_nanos(1)));
        assert_eq!(read("5", &UNITS), Err(Unreadable::Form));
    }
}
