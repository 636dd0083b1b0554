//! Reads TOML files of settings: sections, with the line of every value and every mistake in one run.
//!
//! Knows the sections; of the settings only their names, for in a torn file anything may stand where a
//! name should, a password as well.
//!
//! The parser is `toml`: of a text with mistakes it finds all of them and still gives the rest. One that is
//! five times as fast (toml-spanner) stops at the first, and would save some 45 ms of a plan of ten thousand
//! services, which is within its goal.

mod lines;

use std::ops::Range;
use std::sync::Arc;

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use crate::nearest::{nearest, sounds_like};
use crate::text::key_of;
use crate::{Given, Origin, Problem, Section, Value};
use lines::Lines;

/// Which sections a file has, and the names of its settings.
#[derive(Debug)]
pub struct Layout {
    /// Sections that hold settings: `[pgweir]`.
    pub plain: &'static [&'static str],
    /// Sections that hold sections with names of the operator's choice: `[databases.NAME]`.
    pub named: &'static [&'static str],
    /// Settings that stand outside all sections.
    pub outside: &'static [&'static str],
    /// Sections of other files, with what to say of each.
    pub foreign: &'static [(&'static str, &'static str)],
    /// What to do with other settings that stand outside all sections.
    pub advice: &'static str,
    /// Names of all settings, and what other programs call them.
    pub settings: Vec<&'static str>,
}

/// What a file says.
#[derive(Debug, Default)]
pub struct File {
    /// Settings outside all sections.
    pub outside: Section,
    /// Sections that hold settings.
    pub plain: Vec<(&'static str, Section)>,
    /// Sections with names of the operator's choice, in the order of the text: `("databases", "app", ..)`.
    pub named: Vec<(&'static str, String, Section)>,
    /// Whether parts could not be read at all. What is missing then is no mistake of its own.
    pub torn: bool,
    /// What is wrong with the text.
    pub problems: Vec<Problem>,
}

/// A value of a file of any form, by the names of the sections and lists around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// Those names, the value's own last; in a list of sections the number of the section.
    pub path: Vec<String>,
    /// The value.
    pub given: Given,
}

/// Every value of a TOML file, whatever its sections are.
///
/// # Errors
/// The text is no TOML. No line of it is quoted.
pub fn leaves(path: &str, text: &str) -> Result<Vec<Leaf>, Vec<Problem>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let path: Arc<str> = path.into();
    let lines = Lines::new(text);
    if !errors.is_empty() {
        let problems = errors.iter().map(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let origin = Origin::line(path.clone(), lines.place(start..start, 0..0).0);
            Problem::new(&origin, "", error.message())
        });
        return Err(problems.collect());
    }
    let mut found = Vec::new();
    let at = |offset: usize| Origin::line(path.clone(), lines.place(offset..offset, 0..0).0);
    walk(root.get_ref(), &mut Vec::new(), &at, &mut found);
    Ok(found)
}

fn walk(
    table: &DeTable<'_>,
    path: &mut Vec<String>,
    at: &dyn Fn(usize) -> Origin,
    found: &mut Vec<Leaf>,
) {
    for (name, item) in table {
        path.push(name.get_ref().as_ref().to_owned());
        match item.get_ref() {
            DeValue::Table(table) => walk(table, path, at, found),
            DeValue::Array(items) if items.iter().any(|item| item.get_ref().is_table()) => {
                for (number, item) in items.iter().enumerate() {
                    if let DeValue::Table(table) = item.get_ref() {
                        path.push(number.to_string());
                        walk(table, path, at, found);
                        path.pop();
                    }
                }
            }
            item => found.push(Leaf {
                path: path.clone(),
                given: Given {
                    value: value(item),
                    origin: at(name.span().start),
                },
            }),
        }
        path.pop();
    }
}

/// Reads `text`, the content of the file called `path`. What could be read is returned beside the
/// problems, so that mistakes of all kinds show in one run.
pub fn read(path: &str, text: &str, layout: &Layout) -> File {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader {
        path: path.into(),
        lines: Lines::new(text),
        layout,
        has_mistakes: !errors.is_empty(),
        file: File {
            torn: !errors.is_empty(),
            ..File::default()
        },
    };
    for error in &errors {
        let (origin, name) = reader.mistake(error.span().map_or(0, |span| span.start));
        // The parser's message alone: its full text quotes the line, which may hold a password.
        let problem = Problem::new(&origin, name, error.message().trim());
        reader.file.problems.push(problem);
    }
    for (name, item) in root.get_ref() {
        reader.section(name, item);
    }
    // The library sorts tables by name.
    let named = &mut reader.file.named;
    named.sort_by(|(_, _, a), (_, _, b)| a.origin.cmp(&b.origin));
    reader.file
}

struct Reader<'a> {
    path: Arc<str>,
    lines: Lines<'a>,
    layout: &'a Layout,
    /// Mistakes of syntax: lines of a password may have become names.
    has_mistakes: bool,
    file: File,
}

type Name<'i> = Spanned<std::borrow::Cow<'i, str>>;
type Item<'i> = Spanned<DeValue<'i>>;

impl Reader<'_> {
    fn section(&mut self, name: &Name<'_>, item: &Item<'_>) {
        let layout = self.layout;
        let origin = self.origin(name.span(), item.span());
        let name = name.get_ref().as_ref();
        let is = |known: &&&'static str| **known == name;
        let plain = layout.plain.iter().find(is);
        let named = layout.named.iter().find(is);
        let foreign = layout.foreign.iter().find(|(known, _)| *known == name);
        match (item.get_ref(), plain, named) {
            (DeValue::Table(table), Some(known), _) => {
                let section = self.settings(origin, table);
                self.file.plain.push((known, section));
            }
            (DeValue::Table(table), None, Some(known)) => self.named(known, table),
            (DeValue::Table(_), None, None) => match foreign {
                Some((_, message)) => self.problem(&origin, name, *message),
                None => self.unknown(&origin, name),
            },
            (value, None, None) if layout.outside.contains(&name) => {
                let value = self::value(value);
                self.file.outside.give(name, value, origin);
            }
            (_, None, None) if !self.may_be_a_name(name) => self.nameless(&origin),
            (_, None, None) => {
                let problem = Problem::new(&origin, name, "stands outside every section");
                let problem = problem.with_suggestion(layout.advice);
                self.file.problems.push(problem);
            }
            (_, Some(known), _) => {
                self.problem(&origin, known, format!("must be a section: [{known}]"));
            }
            (_, None, Some(known)) => {
                self.problem(&origin, known, format!("must be a section: [{known}.NAME]"));
            }
        }
    }

    fn unknown(&mut self, origin: &Origin, name: &str) {
        self.file.torn = true;
        let known = self.layout.plain.iter().chain(self.layout.named);
        let near = nearest(name, known.clone().copied());
        if self.has_mistakes && near.is_none() {
            self.nameless(origin);
            return;
        }
        let suggestion = match near {
            Some(near) => format!("did you mean [{near}]?"),
            None => format!(
                "known are {}",
                known.copied().collect::<Vec<_>>().join(", ")
            ),
        };
        let problem = Problem::new(origin, name, "unknown section").with_suggestion(suggestion);
        self.file.problems.push(problem);
    }

    /// The sections `[kind.NAME]`.
    fn named(&mut self, kind: &'static str, table: &DeTable<'_>) {
        self.file.named.reserve(table.len());
        for (name, item) in table {
            let origin = self.origin(name.span(), item.span());
            let name = name.get_ref().as_ref();
            if let DeValue::Table(table) = item.get_ref() {
                let section = self.settings(origin, table);
                self.file.named.push((kind, name.to_owned(), section));
            } else if self.may_be_a_name(name) {
                let path = key_of(kind, name);
                self.problem(&origin, &path, format!("must be a section: [{path}]"));
            } else {
                self.nameless(&origin);
            }
        }
    }

    fn settings(&mut self, origin: Origin, table: &DeTable<'_>) -> Section {
        let mut section = Section::with_room(origin, table.len());
        for (name, item) in table {
            // The line of the name: that of a text over several lines would be its first or last.
            let origin = self.origin(name.span(), item.span());
            let name = name.get_ref().as_ref();
            if self.may_be_a_name(name) {
                let value = value(item.get_ref());
                section.put(name.into(), Given { value, origin });
            } else {
                self.nameless(&origin);
            }
        }
        section
    }

    /// Whether this may be shown as the name of a setting.
    fn may_be_a_name(&self, name: &str) -> bool {
        !self.has_mistakes || sounds_like(name, self.layout.settings.iter().copied())
    }

    /// Reports something unknown in a torn text, by its line alone.
    fn nameless(&mut self, origin: &Origin) {
        let origin = match origin {
            Origin::File { path, line, .. } => Origin::line(path.clone(), *line),
            elsewhere => elsewhere.clone(),
        };
        let problem = Problem::new(&origin, "", "is not a known setting")
            .with_suggestion("correct the mistakes of syntax first");
        self.file.problems.push(problem);
    }

    fn problem(&mut self, origin: &Origin, name: &str, message: impl Into<String>) {
        let problem = Problem::new(origin, name, message);
        self.file.problems.push(problem);
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
    fn mistake(&self, offset: usize) -> (Origin, &'static str) {
        let line = self.lines.around(offset);
        let text = &self.lines.text[line.clone()];
        let indent = text.len() - text.trim_start().len();
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (bracket, rest) = match text.trim_start().strip_prefix('[') {
            Some(rest) => (1, rest),
            None => (0, text.trim_start()),
        };
        let name = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
        let mut settings = self.layout.settings.iter();
        let mut sections = self.layout.plain.iter().chain(self.layout.named);
        let known = match bracket {
            0 => settings.find(|known| **known == name),
            _ => sections.find(|known| **known == name),
        };
        let known = known.copied().unwrap_or_default();
        let start = line.start + indent + bracket;
        (self.origin(start..start + known.len(), 0..0), known)
    }
}

fn value(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.as_ref().into()),
        DeValue::Boolean(fact) => Value::Bool(*fact),
        DeValue::Integer(number) => {
            let digits = without_underscores(number.as_str());
            // Beyond any bound either way.
            let most = if digits.starts_with('-') {
                i128::MIN
            } else {
                i128::MAX
            };
            Value::Integer(i128::from_str_radix(&digits, number.radix()).unwrap_or(most))
        }
        DeValue::Float(number) => {
            let number = without_underscores(number.as_str()).parse();
            number.map_or(Value::Other("no number"), Value::Float)
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

fn without_underscores(digits: &str) -> String {
    digits.chars().filter(|c| *c != '_').collect()
}

#[cfg(test)]
mod tests;
