//! The form of the file: sections, `name = value`, comments, and files that it includes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pgweir_settings::text::{printable, quoted};
use pgweir_settings::{Origin, Problem};

use crate::outside::Outside;

/// A line that says something.
pub(crate) struct Line {
    /// Where it stands.
    pub(crate) origin: Origin,
    /// What it says.
    pub(crate) said: Said,
}

/// What a line says.
// No `Debug`: a value may be a password.
pub(crate) enum Said {
    /// `[name]`.
    Section(String),
    /// `name = value`, without what quotes the name.
    Pair {
        /// The name.
        name: String,
        /// The value as it stands, without spaces around it.
        value: String,
    },
}

/// Reads the lines of a file, and of those that it includes, with the mistakes on the way.
pub(crate) fn read(
    path: &Path,
    text: &str,
    outside: &Outside<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<Line> {
    let mut reader = Reader {
        outside,
        problems,
        files: 1,
        lines: Vec::new(),
    };
    reader.file(path, text, 0);
    reader.lines
}

struct Reader<'a> {
    outside: &'a Outside<'a>,
    problems: &'a mut Vec<Problem>,
    /// Files read so far.
    files: usize,
    lines: Vec<Line>,
}

impl Reader<'_> {
    fn file(&mut self, path: &Path, text: &str, depth: u32) {
        let name: Arc<str> = path.display().to_string().into();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in (1..).zip(text.lines()) {
            let origin = Origin::line(name.clone(), number);
            match parse(line.trim()) {
                Ok(Parsed::Nothing) => {}
                Ok(Parsed::Said(said)) => self.lines.push(Line { origin, said }),
                Ok(Parsed::Include(included)) => self.include(&origin, &included, depth),
                Err(message) => self.problems.push(Problem::new(&origin, "", message)),
            }
        }
    }

    fn include(&mut self, origin: &Origin, path: &Path, depth: u32) {
        self.files += 1;
        let message = if depth >= DEPTH_MAX {
            format!("includes files more than {DEPTH_MAX} deep")
        } else if self.files > FILES_MAX {
            format!("includes more than {FILES_MAX} files")
        } else {
            match (self.outside.file)(path) {
                Ok(text) => return self.file(path, &text, depth + 1),
                Err(error) => {
                    let name = printable(&path.display().to_string());
                    format!("includes {name}, which cannot be read: {error}")
                }
            }
        };
        self.problems.push(Problem::new(origin, "", message));
    }
}

enum Parsed {
    Nothing,
    Said(Said),
    Include(PathBuf),
}

fn parse(line: &str) -> Result<Parsed, &'static str> {
    if line.is_empty() || line.starts_with([';', '#']) {
        return Ok(Parsed::Nothing);
    }
    if let Some(directive) = line.strip_prefix('%') {
        let name = directive.strip_prefix("include").map(str::trim);
        return match name.filter(|name| !name.is_empty()) {
            Some(name) => Ok(Parsed::Include(name.into())),
            None => Err("is no directive; %include FILE is the only one"),
        };
    }
    if let Some(rest) = line.strip_prefix('[') {
        let name = rest.strip_suffix(']').filter(|name| !name.contains(']'));
        return match name {
            Some(name) => Ok(Parsed::Said(Said::Section(name.trim().to_owned()))),
            None => Err("begins a section and does not end with its ]"),
        };
    }
    let (name, rest) = name(line)?;
    // The line is not quoted: it may be a password that lost its name.
    let value = rest.trim_start().strip_prefix('=').ok_or(NO_VALUE)?;
    Ok(Parsed::Said(Said::Pair {
        name,
        value: value.trim().to_owned(),
    }))
}

/// The name that a line begins with, and what follows it.
fn name(line: &str) -> Result<(String, &str), &'static str> {
    if !line.starts_with('"') {
        let end = line.find(|c: char| c.is_whitespace() || c == '=');
        let (name, rest) = line.split_at(end.ok_or(NO_VALUE)?);
        return match name {
            "" => Err("has no name before its ="),
            name => Ok((name.to_owned(), rest)),
        };
    }
    quoted(line, '"').ok_or("has a name whose quote is not closed")
}

const NO_VALUE: &str = "is neither a section nor name = value";

/// How deep files may include each other, as in PgBouncer.
const DEPTH_MAX: u32 = 10;
/// Files in all, so that those that include each other have an end.
const FILES_MAX: usize = 1000;
