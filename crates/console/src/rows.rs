//! Rows of a table, and those of them that were asked for.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use crate::query::{Comparison, Condition, Query};

/// What stands in one column of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A text.
    Text(Cow<'static, str>),
    /// A text that others have, too.
    Shared(Arc<str>),
    /// A number.
    Number(i64),
}

impl Cell {
    /// A number that may be too large for its column, and then is the largest.
    pub fn number(number: impl TryInto<i64>) -> Self {
        Self::Number(number.try_into().unwrap_or(i64::MAX))
    }

    /// A text, or nothing.
    pub fn maybe(text: Option<String>) -> Self {
        text.map_or(Self::Null, Self::from)
    }

    /// A number, or nothing.
    pub fn maybe_number(number: Option<impl TryInto<i64>>) -> Self {
        number.map_or(Self::Null, Self::number)
    }

    /// Its text, as it is shown; `None` is nothing.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Shared(text) => Some(Cow::Borrowed(text)),
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
        }
    }

    /// How it stands to a value of a condition, or to another one. Numbers are compared as such where both are.
    fn compare(&self, other: &str) -> Option<Ordering> {
        if let Self::Number(own) = self
            && let Ok(number) = other.trim().parse::<f64>()
        {
            return (*own as f64).partial_cmp(&number);
        }
        Some(self.text()?.as_ref().cmp(other))
    }

    /// The order of two cells of one column; nothing comes last, as in PostgreSQL.
    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.cmp(b),
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Null, _) => Ordering::Greater,
            (_, Self::Null) => Ordering::Less,
            (a, b) => a.text().cmp(&b.text()),
        }
    }
}

impl From<&'static str> for Cell {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<Arc<str>> for Cell {
    fn from(text: Arc<str>) -> Self {
        Self::Shared(text)
    }
}

impl From<u32> for Cell {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<bool> for Cell {
    /// As PgBouncer says yes and no in numbers.
    fn from(is_so: bool) -> Self {
        Self::Number(is_so.into())
    }
}

/// One row.
pub type Row = Vec<Cell>;

/// The rows that a query has, one after the other.
pub struct Rows(Box<dyn Iterator<Item = Row> + Send>);

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").finish_non_exhaustive()
    }
}

impl Rows {
    /// Those of `all` that `query` wants. They are made as they are asked for, unless they have to be sorted.
    pub fn new(all: impl Iterator<Item = Row> + Send + 'static, query: &Query) -> Self {
        let conditions = query.conditions.clone();
        let fitting = all.filter(move |row| conditions.iter().all(|one| holds(one, row)));
        let limit = query.limit.map_or(usize::MAX, |limit| {
            usize::try_from(limit).unwrap_or(usize::MAX)
        });
        let offset = usize::try_from(query.offset).unwrap_or(usize::MAX);
        if query.order.is_empty() {
            return Self(Box::new(fitting.skip(offset).take(limit)));
        }
        let mut sorted: Vec<Row> = fitting.collect();
        sorted.sort_by(|a, b| {
            let orders = query.order.iter().map(|sort| {
                let order = a[sort.column].order(&b[sort.column]);
                if sort.descending {
                    order.reverse()
                } else {
                    order
                }
            });
            orders.fold(Ordering::Equal, Ordering::then)
        });
        Self(Box::new(sorted.into_iter().skip(offset).take(limit)))
    }

    /// A row, or none.
    pub(crate) fn few(row: Option<Row>) -> Self {
        Self(Box::new(row.into_iter()))
    }
}

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        self.0.next()
    }
}

fn holds(condition: &Condition, row: &Row) -> bool {
    let cell = &row[condition.column];
    let holds = match &condition.comparison {
        Comparison::Null => Some(*cell == Cell::Null),
        Comparison::OneOf(values) => cell.text().map(|_| {
            let mut values = values.iter();
            values.any(|value| cell.compare(value) == Some(Ordering::Equal))
        }),
        Comparison::Below(value) => cell.compare(value).map(Ordering::is_lt),
        Comparison::Above(value) => cell.compare(value).map(Ordering::is_gt),
        Comparison::Like { pattern, exact } => cell.text().map(|text| {
            if *exact {
                is_like(&text, pattern)
            } else {
                is_like(&text.to_lowercase(), &pattern.to_lowercase())
            }
        }),
    };
    holds.is_some_and(|holds| holds != condition.negated)
}

/// Whether a text fits a pattern, in which `%` is anything, `_` any character, and a backslash takes the next
/// character's meaning away. In time of the product of the lengths at most.
fn is_like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut parts = Vec::new();
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        parts.push(match c {
            '%' => Part::Any,
            '_' => Part::One,
            '\\' => Part::Exactly(characters.next().unwrap_or('\\')),
            c => Part::Exactly(c),
        });
    }
    let (mut at, mut part) = (0, 0);
    // Where to go on if what follows the last `%` does not fit here.
    let mut again: Option<(usize, usize)> = None;
    while at < text.len() {
        match parts.get(part) {
            Some(Part::Any) => {
                again = Some((at, part + 1));
                part += 1;
            }
            Some(Part::One) => (at, part) = (at + 1, part + 1),
            Some(Part::Exactly(c)) if *c == text[at] => (at, part) = (at + 1, part + 1),
            Some(Part::Exactly(_)) | None => {
                let Some((from, behind)) = again else {
                    return false;
                };
                again = Some((from + 1, behind));
                (at, part) = (from + 1, behind);
            }
        }
    }
    parts[part..].iter().all(|part| matches!(part, Part::Any))
}

enum Part {
    Any,
    One,
    Exactly(char),
}

#[cfg(test)]
mod tests;
