//! A mistake in the configuration, worded for the operator who has to mend it.

use std::fmt;

use super::raw::Origin;

/// One mistake. All of them are collected, so that one run of `pgweir check` shows everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where the setting was read.
    pub origin: Origin,
    /// Name of the setting with its section; empty when the text itself cannot be read.
    pub key: String,
    /// The value as written, where it helps and is no secret.
    pub value: Option<String>,
    /// What is wrong and what to do.
    pub message: String,
}

impl Problem {
    /// A problem with the setting `key` as such.
    pub fn new(origin: &Origin, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            origin: origin.clone(),
            key: key.into(),
            value: None,
            message: message.into(),
        }
    }

    /// Adds the value as written. Not for secrets.
    #[must_use]
    pub fn with_value(mut self, value: impl Into<String>) -> Self {
        self.value = Some(value.into());
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
        f.write_str(&self.message)
    }
}

/// The value if there are no problems, else the problems in the order of the text.
pub(super) fn finish<T>(value: T, mut problems: Vec<Problem>) -> Result<T, Vec<Problem>> {
    if problems.is_empty() {
        return Ok(value);
    }
    problems.sort_by(|a, b| a.origin.cmp(&b.origin).then_with(|| a.key.cmp(&b.key)));
    // A global value may be wrong for several databases in the same way.
    problems.dedup();
    Err(problems)
}
