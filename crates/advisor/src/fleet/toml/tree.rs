//! TOML as a tree of values with their places in the text, in the order of the text.
//!
//! Two libraries make it. A text without mistakes is read by toml-spanner, in a seventh of the time:
//! of a plan with ten thousand services that was the larger half. Any other is read by toml, which
//! finds all mistakes in one run and takes nothing inside a torn text for a name.

use std::ops::Range;

use compact_str::CompactString;
use toml::de::DeTable;
use toml_spanner::Arena;

use crate::fleet::value::Value;

/// What stands under one name.
pub(super) struct Entry {
    pub(super) name: CompactString,
    /// Bytes of the text that are the name.
    pub(super) at: Range<usize>,
    pub(super) content: Content,
    /// Bytes of the text that are the content.
    pub(super) content_at: Range<usize>,
}

pub(super) enum Content {
    Table(Vec<Entry>),
    Value(Value),
}

/// What is no TOML.
pub(super) struct Mistake {
    /// The byte where it was noticed.
    pub(super) offset: usize,
    /// Never quotes the text, which may hold a password.
    pub(super) message: String,
}

/// The tree of a text; of one with mistakes what could be read.
pub(super) fn parse(text: &str) -> (Vec<Entry>, Vec<Mistake>) {
    match toml_spanner::parse(text, &Arena::new()) {
        Ok(document) => (whole::table(document.table()), Vec::new()),
        Err(_) => {
            let (root, errors) = DeTable::parse_recoverable(text);
            let mistakes = errors.iter().map(|error| Mistake {
                offset: error.span().map_or(0, |span| span.start),
                message: error.message().trim().to_owned(),
            });
            (torn::table(root.get_ref()), mistakes.collect())
        }
    }
}

/// Trees of texts without mistakes.
mod whole {
    use toml_spanner::{Table, Value as Toml};

    use super::{Content, Entry, Value};

    pub(super) fn table(table: &Table<'_>) -> Vec<Entry> {
        let entries = table.into_iter().map(|(key, item)| Entry {
            name: key.name.into(),
            at: key.span.range(),
            content: match item.value() {
                Toml::Table(inner) => Content::Table(self::table(inner)),
                value => Content::Value(self::value(value)),
            },
            content_at: item.span().range(),
        });
        entries.collect()
    }

    fn value(value: Toml<'_, '_>) -> Value {
        match value {
            Toml::String(text) => Value::Text((*text).into()),
            Toml::Boolean(fact) => Value::Bool(*fact),
            Toml::Integer(number) => Value::Integer(number.as_i128()),
            Toml::Float(number) => Value::Float(*number),
            Toml::DateTime(_) => Value::Other("a date or time of day"),
            Toml::Array(items) => {
                Value::List(items.iter().map(|item| self::value(item.value())).collect())
            }
            Toml::Table(_) => Value::Other("a section"),
        }
    }
}

/// Trees of the others.
mod torn {
    use toml::de::{DeTable, DeValue};

    use super::{Content, Entry, Value};

    pub(super) fn table(table: &DeTable<'_>) -> Vec<Entry> {
        let entries = table.iter().map(|(key, item)| Entry {
            name: key.get_ref().as_ref().into(),
            at: key.span(),
            content: match item.get_ref() {
                DeValue::Table(inner) => Content::Table(self::table(inner)),
                value => Content::Value(self::value(value)),
            },
            content_at: item.span(),
        });
        let mut entries: Vec<_> = entries.collect();
        // The library sorts them by name.
        entries.sort_by_key(|entry| entry.at.start);
        entries
    }

    fn value(value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.as_ref().into()),
            DeValue::Boolean(fact) => Value::Bool(*fact),
            DeValue::Integer(number) => integer(number.as_str(), number.radix()),
            DeValue::Float(number) => {
                let digits = without_underscores(number.as_str());
                digits
                    .parse()
                    .map_or(Value::Other("no number"), Value::Float)
            }
            DeValue::Datetime(_) => Value::Other("a date or time of day"),
            DeValue::Array(items) => Value::List(
                items
                    .iter()
                    .map(|item| self::value(item.get_ref()))
                    .collect(),
            ),
            DeValue::Table(_) => Value::Other("a section"),
        }
    }

    fn integer(digits: &str, radix: u32) -> Value {
        let digits = without_underscores(digits);
        // Beyond any range either way.
        let most = if digits.starts_with('-') {
            i128::MIN
        } else {
            i128::MAX
        };
        Value::Integer(i128::from_str_radix(&digits, radix).unwrap_or(most))
    }

    fn without_underscores(digits: &str) -> String {
        digits.chars().filter(|c| *c != '_').collect()
    }
}

#[cfg(test)]
mod tests;
