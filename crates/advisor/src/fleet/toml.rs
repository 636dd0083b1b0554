//! Reads `fleet.toml` into a draft, with the line of every value. Knows the sections, not the
//! settings.

use std::ops::Range;
use std::sync::Arc;

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use super::draft::{Draft, Section, service_path};
use super::keys::{self, SECTIONS, Scope};
use super::lines::Lines;
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
        let origin = reader.torn(error.span().map_or(0, |span| span.start));
        reader
            .problems
            .push(Problem::new(&origin, "", error.message().trim()));
    }
    for (key, value) in root.into_inner() {
        reader.section(&mut draft, &key, value);
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

struct Reader<'t> {
    path: Arc<str>,
    lines: Lines<'t>,
    problems: Vec<Problem>,
}

type Key<'i> = Spanned<std::borrow::Cow<'i, str>>;

impl Reader<'_> {
    fn section(&mut self, draft: &mut Draft, key: &Key<'_>, value: Spanned<DeValue<'_>>) {
        let origin = self.origin(key.span(), value.span());
        let name = key.get_ref().as_ref();
        let table = match value.into_inner() {
            DeValue::Table(table) => table,
            value if name == "profile" => {
                self.profile(draft, &origin, value);
                return;
            }
            _ => {
                let problem = Problem::new(&origin, name, "stands outside every section")
                    .with_suggestion("put it below [database], [operations] or [services.NAME]");
                self.problems.push(problem);
                return;
            }
        };
        match name {
            "database" => draft.database = self.values(origin, table),
            "operations" => draft.operations = self.values(origin, table),
            "pooler" => draft.pooler = Some(self.values(origin, table)),
            "measured" => draft.measured = self.values(origin, table),
            "services" => {
                draft.services.reserve(table.len());
                for (key, value) in table {
                    let origin = self.origin(key.span(), 0..0);
                    let name = key.into_inner().into_owned();
                    match value.into_inner() {
                        DeValue::Table(table) => {
                            let section = self.values(origin, table);
                            draft.services.push((name, section));
                        }
                        _ => {
                            let path = service_path(&name);
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

    fn profile(&mut self, draft: &mut Draft, origin: &Origin, value: DeValue<'_>) {
        let name = value.as_str().unwrap_or_default();
        draft.profile = Profile::named(name);
        if draft.profile.is_none() {
            let names = Profile::ALL.map(Profile::name);
            let message = format!("must be one of {}", names.join(", "));
            let mut problem = Problem::new(origin, "profile", message)
                .with_value(plain(value.clone()).to_string());
            if let Some(near) = nearest(name, names.into_iter()) {
                problem = problem.with_suggestion(format!("write \"{near}\""));
            }
            self.problems.push(problem);
        }
    }

    fn values(&self, origin: Origin, table: DeTable<'_>) -> Section {
        let mut section = Section::with_room(origin, table.len());
        for (key, value) in table {
            let origin = self.origin(key.span(), value.span());
            section.give(key.get_ref(), plain(value.into_inner()), origin);
        }
        section
    }

    fn origin(&self, name: Range<usize>, value: Range<usize>) -> Origin {
        let (line, columns) = self.lines.place(name, value);
        Origin::File {
            path: self.path.clone(),
            line,
            columns,
        }
    }

    /// The place of a mistake of syntax. What stands there may be anything, a password as well: it
    /// covers a name only where that is the name of a setting or a section.
    fn torn(&self, offset: usize) -> Origin {
        let line = self.lines.around(offset);
        let text = &self.lines.text[line.clone()];
        let indent = text.len() - text.trim_start().len();
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (bracket, rest) = match text.trim_start().strip_prefix('[') {
            Some(rest) => (1, rest),
            None => (0, text.trim_start()),
        };
        let name = &rest[..rest.find(|c| !word(c)).unwrap_or(rest.len())];
        let known = match bracket {
            0 => Scope::ALL
                .iter()
                .any(|scope| keys::find(*scope, name).is_some()),
            _ => SECTIONS.contains(&name),
        };
        let start = line.start + indent + bracket;
        let end = if known { start + name.len() } else { start };
        self.origin(start..end, 0..0)
    }
}

fn plain(value: DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.into()),
        DeValue::Boolean(fact) => Value::Bool(fact),
        DeValue::Integer(number) => {
            if let (10, Ok(number)) = (number.radix(), number.as_str().parse()) {
                return Value::Integer(number);
            }
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
        DeValue::Array(values) => Value::List(
            values
                .into_iter()
                .map(|value| plain(value.into_inner()))
                .collect(),
        ),
        DeValue::Table(_) => Value::Other("a section"),
    }
}
