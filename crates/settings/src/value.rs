//! Values as written.

use std::borrow::Cow;
use std::fmt;

use compact_str::CompactString;

/// A value as written.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// Text; of values it is mostly short.
    Text(CompactString),
    /// A whole number.
    Integer(i128),
    /// A number with a fraction.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// A list.
    List(Vec<Self>),
    /// Something that no setting may be, with what it is.
    Other(&'static str),
}

impl Value {
    /// A value out of text without types, as on a command line.
    pub fn from_text(text: &str) -> Self {
        if let Ok(number) = text.parse() {
            return Self::Integer(number);
        }
        match text {
            "true" => Self::Bool(true),
            "false" => Self::Bool(false),
            _ => match text.parse::<f64>() {
                // `inf` and `nan` are words here.
                Ok(number) if number.is_finite() => Self::Float(number),
                _ => Self::Text(text.into()),
            },
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Any value may be a password under a misspelt name.
        f.write_str("Value(..)")
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Integer(number.into())
    }
}

impl From<bool> for Value {
    fn from(fact: bool) -> Self {
        Self::Bool(fact)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl Value {
    /// The value in words without quotes, as sources without types write it.
    pub fn bare(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Float(number) => number.to_string().into(),
            Self::Integer(_) | Self::Bool(_) | Self::List(_) | Self::Other(_) => {
                self.to_string().into()
            }
        }
    }
}

impl fmt::Display for Value {
    /// As TOML writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => {
                f.write_str("\"")?;
                for c in text.chars() {
                    match c {
                        '"' => f.write_str("\\\"")?,
                        '\\' => f.write_str("\\\\")?,
                        '\n' => f.write_str("\\n")?,
                        '\t' => f.write_str("\\t")?,
                        c if c.is_control() => write!(f, "\\u{:04X}", u32::from(c))?,
                        c => write!(f, "{c}")?,
                    }
                }
                f.write_str("\"")
            }
            Self::Integer(number) => number.fmt(f),
            Self::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                write!(f, "{number:.1}")
            }
            // Without an exponent it would be read as a whole number.
            Self::Float(number) if number.fract() == 0.0 => write!(f, "{number:e}"),
            Self::Float(number) => number.fmt(f),
            Self::Bool(fact) => fact.fmt(f),
            Self::List(values) => {
                f.write_str("[")?;
                for (i, value) in values.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    value.fmt(f)?;
                }
                f.write_str("]")
            }
            Self::Other(what) => f.write_str(what),
        }
    }
}
