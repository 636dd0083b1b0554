//! Questions to a PostgreSQL and their answers, as plain data.

/// A statement that only reads, and whose answer is small whatever the server holds.
///
/// It must run on PostgreSQL 13 to 18 and as any role: columns of later versions are read through
/// `to_jsonb(row)`, and what a role may not read is refused or hidden by the server. Names are those of
/// `pg_catalog`; `{statements}` stands for the view of the extension `pg_stat_statements`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// Its name, in the keys of a [`Sample`](crate::Sample).
    pub name: &'static str,
    /// The text, without a semicolon at its end.
    pub sql: &'static str,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Its rows.
    Rows(Rows),
    /// The server refused it.
    Refused {
        /// Five characters.
        sqlstate: String,
        /// The server's words.
        message: String,
    },
    /// It was not answered within its limit of time.
    Late,
}

/// What a check needs and did not get: a sentence without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing(pub String);

/// Rows of text, as the simple query protocol sends them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// A value for each column; `None` is NULL.
    pub values: Vec<Vec<Option<String>>>,
}

impl Rows {
    /// The rows, one by one.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.values.iter().map(|values| Row {
            columns: &self.columns,
            values,
        })
    }

    /// The first row.
    pub fn first(&self) -> Option<Row<'_>> {
        self.iter().next()
    }
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    columns: &'a [String],
    values: &'a [Option<String>],
}

impl<'a> Row<'a> {
    /// The text of a column; `None` if it is NULL or there is no such column.
    pub fn get(&self, column: &str) -> Option<&'a str> {
        let index = self.columns.iter().position(|name| name == column)?;
        self.values.get(index)?.as_deref()
    }

    /// The text of a column, empty for NULL.
    pub fn text(&self, column: &str) -> &'a str {
        self.get(column).unwrap_or_default()
    }

    /// A number; `None` if it is NULL or not one.
    pub fn number(&self, column: &str) -> Option<f64> {
        let number: f64 = self.get(column)?.parse().ok()?;
        number.is_finite().then_some(number)
    }

    /// A whole number; `None` if it is NULL or not one.
    pub fn whole(&self, column: &str) -> Option<i64> {
        self.get(column)?.parse().ok()
    }

    /// Whether a boolean is true. NULL is not.
    pub fn is(&self, column: &str) -> bool {
        self.get(column) == Some("t")
    }
}
