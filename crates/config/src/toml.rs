//! Reads the TOML file into the raw form, with the line of every setting.
//!
//! Knows the sections; of the settings only whether something may be the name of one.

use std::ops::Range;
use std::path::Path;

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use super::nearest::nearest;
use super::problem::Problem;
use super::raw::{Columns, Origin, Raw, Section, Value};
use super::settings;

/// Reads `text`, the content of the file at `path`.
///
/// What could be read is returned beside the problems, so that mistakes of both kinds show in one
/// run.
pub(super) fn read(path: &Path, text: &str) -> (Raw, Vec<Problem>) {
    let mut reader = Reader {
        path,
        lines: Lines::new(text),
        problems: Vec::new(),
        is_torn: false,
    };
    let mut raw = Raw {
        globals: Section::new(Origin::file(path, 0)),
        folder: path.parent().unwrap_or(Path::new("")).to_owned(),
        ..Raw::default()
    };
    let (root, errors) = DeTable::parse_recoverable(text);
    reader.is_torn = !errors.is_empty();
    raw.torn = reader.is_torn;
    for error in errors {
        let start = error.span().map_or(0, |span| span.start);
        // No columns: what stands there may be a password.
        let origin = reader.origin(start..start, 0..0);
        // The parser's message alone: its full text quotes the line, which may hold a password.
        reader
            .problems
            .push(Problem::new(&origin, "", error.message()));
    }
    for (key, value) in root.get_ref().iter() {
        reader.section(&mut raw, key, value);
    }
    (raw, reader.problems)
}

struct Reader<'a> {
    path: &'a Path,
    lines: Lines,
    problems: Vec<Problem>,
    /// The text has mistakes of syntax: lines of a password may have become names.
    is_torn: bool,
}

type Key<'i> = Spanned<std::borrow::Cow<'i, str>>;

impl Reader<'_> {
    fn section(&mut self, raw: &mut Raw, key: &Key<'_>, value: &Spanned<DeValue<'_>>) {
        let origin = self.origin(key.span(), value.span());
        let name = key.get_ref().as_ref();
        let Some(table) = value.get_ref().as_table() else {
            if !self.may_be_a_name(name) {
                self.nameless(&origin);
                return;
            }
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
                let near = nearest(name, SECTIONS.into_iter());
                if self.is_torn && near.is_none() {
                    self.nameless(&origin);
                    return;
                }
                let message = match near {
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
        table: &DeTable<'_>,
    ) -> std::collections::BTreeMap<String, Section> {
        let mut sections = std::collections::BTreeMap::new();
        for (key, value) in table.iter() {
            let origin = self.origin(key.span(), 0..0);
            let name = key.get_ref().as_ref();
            let path = path_of(kind, name);
            match value.get_ref().as_table() {
                Some(table) => {
                    let section = self.settings(&path, origin, table);
                    sections.insert(name.to_owned(), section);
                }
                None => self.problem(&origin, &path, format!("must be a section: [{path}]")),
            }
        }
        sections
    }

    fn settings(&mut self, path: &str, origin: Origin, table: &DeTable<'_>) -> Section {
        let mut section = Section::new(origin);
        for (key, value) in table.iter() {
            // The line of the key: that of a text over several lines would be its first or last.
            let origin = self.origin(key.span(), value.span());
            let name = key.get_ref().as_ref();
            if !self.may_be_a_name(name) {
                self.nameless(&origin);
                continue;
            }
            match plain(value.get_ref()) {
                Ok(value) => section.give(name, value, origin),
                Err(message) => self.problem(&origin, &path_of(path, name), message),
            }
        }
        section
    }

    /// Whether this may be shown as the name of a setting.
    fn may_be_a_name(&self, name: &str) -> bool {
        !self.is_torn || settings::sounds_like_one(name)
    }

    /// Tells of something unknown in a torn text, by its line alone.
    fn nameless(&mut self, origin: &Origin) {
        let origin = match origin {
            Origin::File { path, line, .. } => Origin::file(path, *line),
            elsewhere => elsewhere.clone(),
        };
        let message =
            "stands where a setting should, and is none; correct the mistakes of syntax first";
        self.problem(&origin, "", message);
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

fn plain(value: &DeValue<'_>) -> Result<Value, String> {
    match value {
        DeValue::String(text) => Ok(Value::Text(text.clone().into_owned())),
        DeValue::Boolean(fact) => Ok(Value::Bool(*fact)),
        DeValue::Integer(number) => {
            let digits: String = number.as_str().chars().filter(|c| *c != '_').collect();
            i64::from_str_radix(&digits, number.radix())
                .map(Value::Integer)
                .map_err(|_| "is too large a number".to_owned())
        }
        DeValue::Float(number) => {
            let digits: String = number.as_str().chars().filter(|c| *c != '_').collect();
            digits
                .parse()
                .map(Value::Float)
                .map_err(|_| "is no number".to_owned())
        }
        DeValue::Datetime(_) => Err("must not be a date or time of day".to_owned()),
        DeValue::Array(_) => Err(
            "must not be a list; where several values may stand, write one text with commas"
                .to_owned(),
        ),
        DeValue::Table(_) => Err("must not be a section of its own".to_owned()),
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
