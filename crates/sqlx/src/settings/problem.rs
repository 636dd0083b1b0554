//! What is wrong with settings, all of it at once.

use std::fmt;

/// Everything that is wrong with settings. Neither a password nor any other part of a URL is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingsError {
    /// The mistakes, at least one, in the order in which they were found.
    pub problems: Vec<Problem>,
}

/// A mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Where it is.
    pub origin: Origin,
    /// What is wrong and what to do about it.
    pub message: String,
}

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// An environment variable, by name.
    Variable(String),
    /// A parameter of the URL, by name.
    Parameter(String),
    /// The URL itself.
    Url,
    /// A setting that was changed by the program, by the name of its method.
    Method(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => f.write_str(name),
            Self::Parameter(name) => write!(f, "parameter {name} of the database URL"),
            Self::Url => f.write_str("the database URL"),
            Self::Method(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.origin, self.message)
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        write!(f, "{count} {noun} with the pool's settings")?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingsError {}
