//! Numbers that carry their unit: connections, bytes, rates, and how they are written.
//!
//! Times are [`Duration`].

use std::fmt;
use std::iter::Sum;
use std::ops::Add;
use std::time::Duration;

use serde::Serialize;

/// A number of connections.
///
/// Sums and products saturate: a fleet that asks for more fails every check anyway, and must not wrap
/// around to a small number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Connections(pub u64);

impl Connections {
    /// No connection.
    pub const ZERO: Self = Self(0);

    /// This number, multiplied.
    #[must_use]
    pub fn times(self, factor: u64) -> Self {
        Self(self.0.saturating_mul(factor))
    }

    /// What is left after `other` is taken, at least zero.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// `self / other`, for display and advice; `None` for a division by zero.
    pub fn ratio(self, other: Self) -> Option<f64> {
        (other.0 > 0).then(|| self.0 as f64 / other.0 as f64)
    }
}

impl Add for Connections {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Connections {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An amount of memory in bytes. Sums and products saturate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    /// No memory.
    pub const ZERO: Self = Self(0);

    /// Kilobytes of 1024 bytes, PostgreSQL's `kB`.
    pub const fn kib(count: u64) -> Self {
        Self(count.saturating_mul(1024))
    }

    /// Megabytes of 1024² bytes, PostgreSQL's `MB`.
    pub const fn mib(count: u64) -> Self {
        Self(count.saturating_mul(1024 * 1024))
    }

    /// Gigabytes of 1024³ bytes, PostgreSQL's `GB`.
    pub const fn gib(count: u64) -> Self {
        Self(count.saturating_mul(1024 * 1024 * 1024))
    }

    /// This amount, multiplied.
    #[must_use]
    pub fn times(self, factor: u64) -> Self {
        Self(self.0.saturating_mul(factor))
    }

    /// A multiple that need not be whole; negative numbers and NaN give nothing.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        // `as` clamps to the range of u64 and turns NaN into 0.
        Self((self.0 as f64 * factor) as u64)
    }

    /// What is left after `other` is taken, at least nothing.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Whole megabytes, rounded down.
    pub fn whole_mib(self) -> u64 {
        self.0 / (1024 * 1024)
    }

    /// In the largest of PostgreSQL's units that divides it, as `postgresql.conf` reads it.
    pub fn postgres(self) -> String {
        for (name, bytes) in [
            ("TB", 1u64 << 40),
            ("GB", 1 << 30),
            ("MB", 1 << 20),
            ("kB", 1 << 10),
        ] {
            if self.0 >= bytes && self.0.is_multiple_of(bytes) {
                return format!("{}{name}", self.0 / bytes);
            }
        }
        // PostgreSQL counts memory in kB at the finest.
        format!("{}kB", self.0.div_ceil(1024))
    }
}

impl Add for Bytes {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Bytes {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Bytes {
    /// For people, in about three digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.0 as f64 / (1024.0 * 1024.0);
        if mib >= 10_240.0 {
            write!(f, "{:.1} GB", mib / 1024.0)
        } else if mib >= 1.0 || self.0 == 0 {
            write!(f, "{mib:.0} MB")
        } else {
            write!(f, "{} kB", self.0 / 1024)
        }
    }
}

/// Events per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Rate(pub f64);

impl Rate {
    /// The share of one of `count` equal parts.
    #[must_use]
    pub fn shared_by(self, count: u64) -> Self {
        Self(self.0 / count.max(1) as f64)
    }
}

impl Add for Rate {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", short(self.0))
    }
}

/// A time as operators write it: `250ms`, `5s`, `10min`, `1h`.
pub fn time_text(time: Duration) -> String {
    let ms = time.as_millis();
    for (name, size) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("min", 60_000),
        ("s", 1_000),
    ] {
        if ms >= size && ms.is_multiple_of(size) {
            return format!("{}{name}", ms / size);
        }
    }
    if ms == 0 && !time.is_zero() {
        return format!("{}us", time.as_micros());
    }
    if !time.subsec_micros().is_multiple_of(1000) && ms < 1000 {
        return format!("{}us", time.as_micros());
    }
    format!("{ms}ms")
}

/// Whole seconds for programs that know no smaller unit. Rounded up, because a timeout of 0 means none.
pub fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// Milliseconds for programs that count in them, rounded up for the same reason.
pub fn whole_ms(time: Duration) -> u64 {
    let ms = time.as_nanos().div_ceil(1_000_000);
    u64::try_from(ms).unwrap_or(u64::MAX)
}

/// `100 · part / whole` in tenths of a percent, rounded half up. For display only: verdicts use
/// the integers themselves.
pub fn percent_text(part: Connections, whole: Connections) -> String {
    if whole.0 == 0 {
        return "n/a".to_owned();
    }
    let tenths = (u128::from(part.0) * 2000 + u128::from(whole.0)) / (u128::from(whole.0) * 2);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// A number with at most three decimals and no trailing zeros.
pub fn short(number: f64) -> String {
    let text = format!("{number:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() || text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentages_round_half_up_and_are_exact_at_the_borders() {
        let text = |part, whole| percent_text(Connections(part), Connections(whole));
        for (part, whole, expected) in [
            (50, 97, "51.5 %"),
            (60, 97, "61.9 %"),
            (65, 97, "67.0 %"),
            (80, 97, "82.5 %"),
            (100, 97, "103.1 %"),
            (150, 97, "154.6 %"),
            (100, 197, "50.8 %"),
            (25, 97, "25.8 %"),
            (80, 100, "80.0 %"),
            (1, 2000, "0.1 %"),
            (1, 2001, "0.0 %"),
            (1, 0, "n/a"),
        ] {
            assert_eq!(text(part, whole), expected, "{part}/{whole}");
        }
        assert_eq!(text(u64::MAX, u64::MAX), "100.0 %");
    }

    #[test]
    fn sums_never_wrap() {
        let most = Connections(u64::MAX);
        assert_eq!(most + Connections(1), most);
        assert_eq!(most.times(2), most);
        assert_eq!(Bytes(u64::MAX).times(3), Bytes(u64::MAX));
        assert_eq!(Bytes::gib(1).scaled(f64::NAN), Bytes::ZERO);
    }

    #[test]
    fn sizes_and_times_are_written_in_their_largest_unit() {
        assert_eq!(Bytes::mib(4).postgres(), "4MB");
        assert_eq!(Bytes::mib(1024).postgres(), "1GB");
        assert_eq!(Bytes(1).postgres(), "1kB");
        assert_eq!(Bytes::kib(2427).postgres(), "2427kB");
        assert_eq!(time_text(Duration::from_millis(1500)), "1500ms");
        assert_eq!(time_text(Duration::from_secs(1800)), "30min");
        assert_eq!(time_text(Duration::from_micros(250)), "250us");
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_ms(Duration::from_micros(1)), 1);
        assert_eq!(short(0.5), "0.5");
        assert_eq!(short(-0.0), "0");
    }

    proptest! {
        #[test]
        fn a_size_in_postgres_units_is_read_back_as_itself(kib in 1u64..1 << 40) {
            let text = Bytes::kib(kib).postgres();
            let digits = text.trim_end_matches(|c: char| c.is_alphabetic());
            let unit = match &text[digits.len()..] {
                "kB" => 1,
                "MB" => 1 << 10,
                "GB" => 1 << 20,
                _ => 1 << 30,
            };
            prop_assert_eq!(digits.parse::<u64>().unwrap() * unit, kib);
        }
    }
}
