//! Words of JSON that stand for one of a few. One that a newer pooler says is taken as
//! unknown, and never sent.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::words::{ABSENT, count, duration, rate};

/// When a server goes back to its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LiveMode {
    /// When the client leaves.
    Session,
    /// When a transaction ends.
    Transaction,
    /// After each query.
    Statement,
    /// Of a newer version.
    #[serde(other)]
    Unknown,
}

impl LiveMode {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Transaction => "transaction",
            Self::Statement => "statement",
            Self::Unknown => "unknown",
        }
    }
}

/// How much something matters; the worst first.
#[rustfmt::skip]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Clients see errors, or will.
    Error,
    /// Clients are slowed.
    Warning,
    /// Good to know, or good news.
    Info,
    /// Of a newer version.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Severity {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Unknown => "unknown",
        }
    }
}

/// What a figure is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FigureUnit {
    /// Things.
    Count,
    /// Things per second.
    Rate,
    /// A time.
    Milliseconds,
    /// A unit of a newer version; written as a count.
    #[default]
    #[serde(other)]
    Unknown,
}

impl FigureUnit {
    /// A figure as a person reads it; a mark where nothing was measured.
    pub fn write(self, value: Option<f64>) -> String {
        let Some(value) = value else {
            return ABSENT.to_owned();
        };
        match self {
            Self::Rate => rate(value),
            Self::Milliseconds => duration(Some(value)),
            Self::Count | Self::Unknown => count(value.max(0.0) as u64),
        }
    }
}
