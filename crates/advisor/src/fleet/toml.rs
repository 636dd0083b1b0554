//! Reads `fleet.toml` into a draft, with the line of every value. Knows the sections, not the
//! settings.

use std::ops::Range;
use std::sync::Arc;

use toml_spanner::{Arena, Item, Key, Table, Value as Toml};

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
    let arena = Arena::new();
    let document = toml_spanner::parse_recoverable(text, &arena);
    draft.torn = document.has_errors();
    for error in document.errors() {
        let (origin, name) = reader.torn(error.span().range().start);
        // Without the text: parts of it would be quoted, which may be a password.
        reader
            .problems
            .push(Problem::new(&origin, name, error.message("")));
    }
    for (key, item) in document.table() {
        reader.section(&mut draft, key, item);
    }
    (draft, reader.problems)
}

struct Reader<'t> {
    path: Arc<str>,
    lines: Lines<'t>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn section(&mut self, draft: &mut Draft, key: &Key<'_>, item: &Item<'_>) {
        let origin = self.origin(key.span.range(), item.span().range());
        let name = key.name;
        let table = match item.value() {
            Toml::Table(table) => table,
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
                for (key, item) in table {
                    let origin = self.origin(key.span.range(), 0..0);
                    match item.as_table() {
                        Some(table) => {
                            let section = self.values(origin, table);
                            draft.services.push((key.name.to_owned(), section));
                        }
                        None => {
                            let path = service_path(key.name);
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

    fn profile(&mut self, draft: &mut Draft, origin: &Origin, value: Toml<'_, '_>) {
        let name = match value {
            Toml::String(text) => text,
            _ => "",
        };
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

    fn values(&self, origin: Origin, table: &Table<'_>) -> Section {
        let mut section = Section::with_room(origin, table.len());
        for (key, item) in table {
            let origin = self.origin(key.span.range(), item.span().range());
            section.give(key.name, plain(item.value()), origin);
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

    /// The place of a mistake of syntax, and the name in its line. What stands there may be anything, a
    /// password as well: only the name of a setting or a section is one.
    fn torn(&self, offset: usize) -> (Origin, &'static str) {
        let line = self.lines.around(offset);
        let text = &self.lines.text[line.clone()];
        let indent = text.len() - text.trim_start().len();
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (bracket, rest) = match text.trim_start().strip_prefix('[') {
            Some(rest) => (1, rest),
            None => (0, text.trim_start()),
        };
        let name = &rest[..rest.find(|c| !word(c)).unwrap_or(rest.len())];
        let mut keys = Scope::ALL
            .iter()
            .filter_map(|scope| keys::find(*scope, name));
        let known = match bracket {
            0 => keys.next().map(|key| key.name),
            _ => SECTIONS.into_iter().find(|section| *section == name),
        };
        let known = known.unwrap_or_default();
        let start = line.start + indent + bracket;
        (self.origin(start..start + known.len(), 0..0), known)
    }
}

fn plain(value: Toml<'_, '_>) -> Value {
    match value {
        Toml::String(text) => Value::Text((*text).into()),
        Toml::Boolean(fact) => Value::Bool(*fact),
        Toml::Integer(number) => Value::Integer(number.as_i128()),
        Toml::Float(number) => Value::Float(*number),
        Toml::DateTime(_) => Value::Other("a date or time of day"),
        Toml::Array(items) => Value::List(items.iter().map(|item| plain(item.value())).collect()),
        Toml::Table(_) => Value::Other("a section"),
    }
}
