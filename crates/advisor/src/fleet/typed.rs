//! Values that are what their settings may be, and the types that they are read as.

use std::time::Duration;

use compact_str::CompactString;
use pgweir_settings::Value;

use crate::formula::demand::Surge;
use crate::formula::scaling::Step;
use crate::units::{Bytes, Connections, Rate, short, time_text};

/// A value that is what its setting may be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Typed {
    Count(u64),
    Number(f64),
    Percent(u32),
    Size(Bytes),
    Time(Duration),
    Surge(Surge),
    Choice(&'static str),
    Bool(bool),
    Text(CompactString),
    Names(Vec<String>),
    Steps(Vec<Step>),
}

impl Typed {
    /// The value as one would write it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Count(count) => count.to_string(),
            Self::Number(number) => short(*number),
            Self::Percent(percent) => format!("\"{percent}%\""),
            Self::Size(size) => format!("\"{}\"", size.postgres()),
            Self::Time(time) if time.is_zero() => "0".to_owned(),
            Self::Time(time) => format!("\"{}\"", time_text(*time)),
            Self::Surge(Surge::Percent(percent)) => format!("\"{percent}%\""),
            Self::Surge(Surge::Instances(count)) => count.to_string(),
            Self::Choice(word) => format!("\"{word}\""),
            Self::Bool(fact) => fact.to_string(),
            Self::Text(text) => Value::Text(text.clone()).to_string(),
            Self::Names(names) => format!("{names:?}"),
            Self::Steps(steps) => format!("{} steps", steps.len()),
        }
    }
}

/// A whole number of percent.
pub(super) struct Percent(pub(super) u32);

/// A type that settings of one kind are read as.
pub(super) trait ReadAs: Sized {
    fn from_typed(value: Typed) -> Option<Self>;

    fn typed(self) -> Typed;

    /// The value of the setting `name`.
    ///
    /// # Panics
    /// The table gives it another kind.
    fn of(name: &str, value: Typed) -> Self {
        Self::from_typed(value)
            .unwrap_or_else(|| panic!("{name} is read as another kind than the table's"))
    }
}

macro_rules! read_as {
    ($($kind:ident($value:ident): $read:ty, $from:expr, $to:expr;)*) => {$(
        impl ReadAs for $read {
            fn from_typed(value: Typed) -> Option<Self> {
                match value {
                    Typed::$kind($value) => $from,
                    _ => None,
                }
            }

            fn typed(self) -> Typed {
                let $value = self;
                Typed::$kind($to)
            }
        }
    )*};
}

// Of numbers that do not fit the table allows none.
read_as! {
    Count(count): u64, Some(count), count;
    Count(count): u32, count.try_into().ok(), count.into();
    Count(count): u16, count.try_into().ok(), count.into();
    Count(count): Connections, Some(Self(count)), count.0;
    Number(number): f64, Some(number), number;
    Number(number): Rate, Some(Self(number)), number.0;
    Percent(percent): Percent, Some(Self(percent)), percent.0;
    Size(size): Bytes, Some(size), size;
    Time(time): Duration, Some(time), time;
    // Zero is none.
    Time(time): Option<Duration>, Some(Some(time).filter(|time| !time.is_zero())), time.unwrap_or_default();
    Surge(surge): Surge, Some(surge), surge;
    Choice(word): &'static str, Some(word), word;
    Bool(fact): bool, Some(fact), fact;
    Text(text): String, Some(text.into()), text.into();
    Names(names): Vec<String>, Some(names), names;
    Steps(steps): Vec<Step>, Some(steps), steps;
}
