//! A mistake in settings, worded for whoever has to mend it.

use std::borrow::Cow;
use std::fmt;

use crate::Origin;

/// One mistake. All of them are collected, so that one run shows everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where the value was read.
    pub origin: Origin,
    /// The setting with its section, such as `databases.app.pool_size`; empty where the text itself
    /// cannot be read.
    pub key: String,
    /// The value as written; `None` where there is none, or it may be a secret.
    pub value: Option<String>,
    /// What is wrong, and what is allowed.
    pub message: String,
    /// What is allowed, where it can be said of the setting by itself.
    pub allowed: Option<String>,
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
            allowed: None,
            suggestion: None,
        }
    }

    /// A problem with a name that nobody knows: what should have such a name, the known name that was
    /// probably meant, and where all of them are listed.
    pub fn unknown(
        origin: &Origin,
        key: impl Into<String>,
        what: &str,
        meant: Option<&str>,
        listed: &str,
    ) -> Self {
        let problem = Self::new(origin, key, format!("unknown {what}"));
        problem.with_suggestion(match meant {
            Some(known) => format!("did you mean {known}?"),
            None => format!("{listed} lists the known ones"),
        })
    }

    /// A problem with a value that its setting may not have.
    pub fn not_allowed(origin: &Origin, key: impl Into<String>, allowed: String) -> Self {
        let mut problem = Self::new(origin, key, format!("must be {allowed}"));
        problem.allowed = Some(allowed);
        problem
    }

    /// Adds the value as written. Not for secrets.
    #[must_use]
    pub fn with_value(mut self, value: impl Into<String>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// What is wrong, and what to write in its place.
    pub fn advice(&self) -> Cow<'_, str> {
        match &self.suggestion {
            Some(suggestion) => format!("{}; {suggestion}", self.message).into(),
            None => self.message.as_str().into(),
        }
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
        f.write_str(&self.advice())
    }
}

/// The value if there are no problems, else the problems in the order of the text.
///
/// # Errors
/// There are problems.
pub fn finish<T>(value: T, mut problems: Vec<Problem>) -> Result<T, Vec<Problem>> {
    if problems.is_empty() {
        return Ok(value);
    }
    problems.sort_by(|a, b| a.origin.cmp(&b.origin).then_with(|| a.key.cmp(&b.key)));
    // A value that several sections inherit may be wrong for each of them in the same way.
    problems.dedup();
    Err(problems)
}
