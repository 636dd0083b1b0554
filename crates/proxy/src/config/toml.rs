//! Reads the TOML file into the raw form, with the line of every setting.
//!
//! Knows the sections, not the settings.

use std::ops::Range;
use std::path::Path;

use toml_spanner::{Arena, Item, Key, Table, Value as Toml};

use super::nearest::nearest;
use super::problem::Problem;
use super::raw::{Columns, Origin, Raw, Section, Value};

/// Reads `text`, the content of the file at `path`.
///
/// What could be read is returned beside the problems, so that mistakes of both kinds show in one
/// run.
pub(super) fn read(path: &Path, text: &str) -> (Raw, Vec<Problem>) {
    let mut reader = Reader {
        path,
        lines: Lines::new(text),
        problems: Vec::new(),
    };
    let mut raw = Raw {
        globals: Section::new(Origin::file(path, 0)),
        folder: path.parent().unwrap_or(Path::new("")).to_owned(),
        ..Raw::default()
    };
    let arena = Arena::new();
    let document = toml_spanner::parse_recoverable(text, &arena);
    raw.torn = document.has_errors();
    for error in document.errors() {
        let start = error.span().range().start;
        // No columns: what stands there may be a password.
        let origin = reader.origin(start..start, 0..0);
        // Without the text: parts of it would be quoted, which may be a password.
        reader
            .problems
            .push(Problem::new(&origin, "", error.message("")));
    }
    for (key, item) in document.table() {
        reader.section(&mut raw, key, item);
    }
    (raw, reader.problems)
}

struct Reader<'a> {
    path: &'a Path,
    lines: Lines,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn section(&mut self, raw: &mut Raw, key: &Key<'_>, item: &Item<'_>) {
        let origin = self.origin(key.span.range(), item.span().range());
        let name = key.name;
        let Some(table) = item.as_table() else {
            let message = "stands outside every section; settings go below [pgweir]";
            self.problem(&origin, name, message);
            return;
        };
        match name {
            "pgweir" => raw.globals = self.settings("", origin, table),
            "databases" => raw.databases = self.named("databases", table),
            "users" => raw.users = self.named("users", table),
            "pgbouncer" => self.problem(&origin, name, "is called [pgweir] in this file"),
            "peers" => self.problem(
                &origin,
                name,
                "is not supported yet by this version; remove it",
            ),
            _ => {
                raw.torn = true;
                let message = match nearest(name, SECTIONS.into_iter()) {
                    Some(known) => format!("unknown section; did you mean {known}?"),
                    None => format!("unknown section; known are {}", SECTIONS.join(", ")),
                };
                self.problem(&origin, name, message);
            }
        }
    }

    /// The sections `[kind.NAME]`.
    fn named(
        &mut self,
        kind: &str,
        table: &Table<'_>,
    ) -> std::collections::BTreeMap<String, Section> {
        let mut sections = std::collections::BTreeMap::new();
        for (key, item) in table {
            let origin = self.origin(key.span.range(), 0..0);
            let path = path_of(kind, key.name);
            match item.as_table() {
                Some(table) => {
                    let section = self.settings(&path, origin, table);
                    sections.insert(key.name.to_owned(), section);
                }
                None => self.problem(&origin, &path, format!("must be a section: [{path}]")),
            }
        }
        sections
    }

    fn settings(&mut self, path: &str, origin: Origin, table: &Table<'_>) -> Section {
        let mut section = Section::new(origin);
        for (key, item) in table {
            // The line of the key: that of a text over several lines would be its first or last.
            let origin = self.origin(key.span.range(), item.span().range());
            match plain(item.value()) {
                Ok(value) => section.give(key.name, value, origin),
                Err(message) => self.problem(&origin, &path_of(path, key.name), message),
            }
        }
        section
    }

    fn origin(&self, name: Range<usize>, value: Range<usize>) -> Origin {
        let (line, columns) = self.lines.place(name, value);
        Origin::File {
            path: self.path.into(),
            line,
            columns,
        }
    }

    fn problem(&mut self, origin: &Origin, key: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(origin, key, message));
    }
}

/// `section.name`, the name in quotes where TOML needs them.
pub(super) fn path_of(section: &str, name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name = if !name.is_empty() && name.chars().all(bare) {
        name.to_owned()
    } else {
        format!("{name:?}")
    };
    if section.is_empty() {
        name
    } else {
        format!("{section}.{name}")
    }
}

fn plain(value: Toml<'_, '_>) -> Result<Value, &'static str> {
    match value {
        Toml::String(text) => Ok(Value::Text((*text).to_owned())),
        Toml::Boolean(fact) => Ok(Value::Bool(*fact)),
        Toml::Integer(number) => {
            let number = number.as_i64().ok_or("is too large a number")?;
            Ok(Value::Integer(number))
        }
        Toml::Float(number) => Ok(Value::Float(*number)),
        Toml::DateTime(_) => Err("must not be a date or time of day"),
        Toml::Array(_) => {
            Err("must not be a list; where several values may stand, write one text with commas")
        }
        Toml::Table(_) => Err("must not be a section of its own"),
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

    /// The line of the name, counted from 1, and where in it name and value stand.
    fn place(&self, name: Range<usize>, value: Range<usize>) -> (u32, Columns) {
        let line = self.starts.partition_point(|start| *start <= name.start);
        let start = self.starts[line - 1];
        let end = self.starts.get(line).map_or(usize::MAX, |next| next - 1);
        let columns = |range: Range<usize>| {
            let inside = (start..end).contains(&range.start) && !range.is_empty();
            let from = u16::try_from(range.start.wrapping_sub(start));
            let to = u16::try_from(range.end.min(end).wrapping_sub(start));
            match (inside, from, to) {
                (true, Ok(from), Ok(to)) => (from, to),
                _ => (0, 0),
            }
        };
        let columns = Columns {
            name: columns(name),
            value: columns(value),
        };
        (u32::try_from(line).unwrap_or(u32::MAX), columns)
    }
}

const SECTIONS: [&str; 3] = ["pgweir", "databases", "users"];
