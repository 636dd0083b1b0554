//! Reads `fleet.toml` into a draft, with the line of every value. Knows the sections, not the
//! settings.

use std::sync::Arc;

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use super::draft::{Draft, Section, service_path};
use super::keys::SECTIONS;
use super::nearest::nearest;
use super::problem::Problem;
use super::value::Value;
use crate::facts::Origin;
use crate::profile::Profile;

/// Reads `text`, the content of the file called `path`.
///
/// What could be read is returned beside the problems, so that mistakes of all kinds show in one
/// run.
pub fn read(path: &str, text: &str) -> (Draft, Vec<Problem>) {
    let mut reader = Reader {
        path: path.into(),
        lines: Lines::new(text),
        problems: Vec::new(),
    };
    let mut draft = Draft::default();
    let (root, errors) = DeTable::parse_recoverable(text);
    draft.torn = !errors.is_empty();
    for error in errors {
        let start = error.span().map_or(0, |span| span.start);
        let origin = reader.origin(start);
        reader
            .problems
            .push(Problem::new(&origin, "", error.message().trim()));
    }
    for (key, value) in root.get_ref().iter() {
        reader.section(&mut draft, key, value);
    }
    // A table sorts its keys; people read services in the order of their file.
    draft
        .services
        .sort_by_key(|(_, section)| match section.origin {
            Origin::File { line, .. } => line,
            Origin::Preset(_)
            | Origin::WhatIf
            | Origin::Database
            | Origin::Answer
            | Origin::Nowhere => 0,
        });
    (draft, reader.problems)
}

struct Reader {
    path: Arc<str>,
    lines: Lines,
    problems: Vec<Problem>,
}

type Key<'i> = Spanned<std::borrow::Cow<'i, str>>;

impl Reader {
    fn section(&mut self, draft: &mut Draft, key: &Key<'_>, value: &Spanned<DeValue<'_>>) {
        let origin = self.origin(key.span().start);
        let name = key.get_ref().as_ref();
        let Some(table) = value.get_ref().as_table() else {
            if name == "profile" {
                self.profile(draft, &origin, value.get_ref());
                return;
            }
            let problem = Problem::new(&origin, name, "stands outside every section")
                .with_suggestion("put it below [database], [operations] or [services.NAME]");
            self.problems.push(problem);
            return;
        };
        match name {
            "database" => draft.database = self.values(origin, table),
            "operations" => draft.operations = self.values(origin, table),
            "pooler" => draft.pooler = Some(self.values(origin, table)),
            "measured" => draft.measured = self.values(origin, table),
            "services" => {
                for (key, value) in table.iter() {
                    let origin = self.origin(key.span().start);
                    let name = key.get_ref().as_ref();
                    match value.get_ref().as_table() {
                        Some(table) => {
                            let section = self.values(origin, table);
                            draft.services.push((name.to_owned(), section));
                        }
                        None => {
                            let path = service_path(name);
                            let message = format!("must be a section: [{path}]");
                            self.problems.push(Problem::new(&origin, path, message));
                        }
                    }
                }
            }
            _ => {
                draft.torn = true;
                let problem = Problem::new(&origin, name, "is no section of a fleet");
                let suggestion = match nearest(name, SECTIONS.into_iter()) {
                    Some(near) => format!("did you mean [{near}]?"),
                    None => format!("sections are {}", SECTIONS.join(", ")),
                };
                self.problems.push(problem.with_suggestion(suggestion));
            }
        }
    }

    fn profile(&mut self, draft: &mut Draft, origin: &Origin, value: &DeValue<'_>) {
        let name = value.as_str().unwrap_or_default();
        draft.profile = Profile::named(name);
        if draft.profile.is_none() {
            let names = Profile::ALL.map(Profile::name);
            let message = format!("must be one of {}", names.join(", "));
            let mut problem =
                Problem::new(origin, "profile", message).with_value(plain(value).to_string());
            if let Some(near) = nearest(name, names.into_iter()) {
                problem = problem.with_suggestion(format!("write \"{near}\""));
            }
            self.problems.push(problem);
        }
    }

    fn values(&self, origin: Origin, table: &DeTable<'_>) -> Section {
        let mut section = Section::new(origin);
        for (key, value) in table.iter() {
            let origin = self.origin(key.span().start);
            section.give(key.get_ref(), plain(value.get_ref()), origin);
        }
        section
    }

    fn origin(&self, offset: usize) -> Origin {
        Origin::File {
            path: self.path.clone(),
            line: self.lines.line(offset),
        }
    }
}

fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Boolean(fact) => Value::Bool(*fact),
        DeValue::Integer(number) => {
            let digits: String = number.as_str().chars().filter(|c| *c != '_').collect();
            let negative = digits.starts_with('-');
            // Beyond any range either way.
            let most = if negative { i128::MIN } else { i128::MAX };
            Value::Integer(i128::from_str_radix(&digits, number.radix()).unwrap_or(most))
        }
        DeValue::Float(number) => {
            let digits: String = number.as_str().chars().filter(|c| *c != '_').collect();
            digits
                .parse()
                .map_or(Value::Other("no number"), Value::Float)
        }
        DeValue::Datetime(_) => Value::Other("a date or time of day"),
        DeValue::Array(values) => {
            Value::List(values.iter().map(|value| plain(value.get_ref())).collect())
        }
        DeValue::Table(_) => Value::Other("a section"),
    }
}

/// Where the lines of a text start.
struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    fn new(text: &str) -> Self {
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            starts: std::iter::once(0).chain(after_breaks).collect(),
        }
    }

    /// The line of a byte, counted from 1.
    fn line(&self, offset: usize) -> u32 {
        let line = self.starts.partition_point(|start| *start <= offset);
        u32::try_from(line).unwrap_or(u32::MAX)
    }
}
