//! A mistake in what was said about a fleet, worded for whoever has to mend it.

use std::fmt;

use crate::facts::Origin;

/// One mistake. All of them are collected, so that one run shows everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where the value was read.
    pub origin: Origin,
    /// The setting with its section, such as `services.api.pool`; empty where the text itself
    /// cannot be read.
    pub key: String,
    /// The value as written; `None` where there is none to show.
    pub value: Option<String>,
    /// What is wrong, and what is allowed.
    pub message: String,
    /// What to write in its place.
    pub suggestion: Option<String>,
}

impl Problem {
    /// A problem with `key` as such.
    pub fn new(origin: &Origin, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            origin: origin.clone(),
            key: key.into(),
            value: None,
            message: message.into(),
            suggestion: None,
        }
    }

    /// Adds the value as written.
    #[must_use]
    pub fn with_value(mut self, value: impl Into<String>) -> Self {
        let mut value: String = value.into();
        if value.chars().count() > SHOWN_MAX {
            value = value.chars().take(SHOWN_MAX).chain(['…']).collect();
        }
        self.value = Some(value);
        self
    }

    /// Adds what to write in its place.
    #[must_use]
    pub fn with_suggestion(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "{}", self.key)?;
            if let Some(value) = &self.value {
                write!(f, " = {value}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; {suggestion}"),
            None => Ok(()),
        }
    }
}

/// Longer values help nobody on a terminal.
const SHOWN_MAX: usize = 80;
