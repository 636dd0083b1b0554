//! What is wanted of a table: which rows, in which order, how many.

use crate::table::Table;

/// Conditions of one command, and columns that it is sorted by.
pub(crate) const CONDITIONS_MAX: usize = 16;

/// `SHOW table [WHERE ...] [ORDER BY ...] [LIMIT ...] [OFFSET ...]`. Columns are numbers of places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Of which table.
    pub table: Table,
    /// All of them hold for a row that is shown; at most [`CONDITIONS_MAX`].
    pub conditions: Vec<Condition>,
    /// The first that differs decides; at most [`CONDITIONS_MAX`].
    pub order: Vec<Sort>,
    /// Rows at most.
    pub limit: Option<u64>,
    /// Rows that are passed over.
    pub offset: u64,
}

impl Query {
    /// All of a table.
    pub fn all(table: Table) -> Self {
        Self {
            table,
            conditions: Vec::new(),
            order: Vec::new(),
            limit: None,
            offset: 0,
        }
    }
}

/// What has to hold of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Which column.
    pub column: usize,
    /// How it is compared.
    pub comparison: Comparison,
    /// Whether it must not hold; what is NULL is not shown either way.
    pub negated: bool,
}

/// How a value is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// `=`, and `IN` of several.
    OneOf(Vec<String>),
    /// `<`; negated `>=`.
    Below(String),
    /// `>`; negated `<=`.
    Above(String),
    /// `LIKE`, or `ILIKE`.
    Like {
        /// With `%` and `_`.
        pattern: String,
        /// Whether case counts.
        exact: bool,
    },
    /// `IS NULL`.
    Null,
}

/// By what rows are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// Which column.
    pub column: usize,
    /// Whether the largest comes first.
    pub descending: bool,
}
