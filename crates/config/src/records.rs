//! The form that `pg_hba.conf` and `pg_ident.conf` share: records of fields, each a list of tokens.
//!
//! A record is a line, and goes on in the next one behind a backslash at its end. White space parts its
//! fields, commas the tokens of a field, `#` begins a comment. Double quotes take away every special
//! meaning of what is in them, and of a keyword that is whole in them; two of them are one. `include`,
//! `include_if_exists` and `include_dir` put other files in their place, and `@name` the tokens of a file.
//!
//! Source: PostgreSQL documentation, "The pg_hba.conf File".

use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::str::Chars;
use std::sync::Arc;

use pgweir_settings::text::printable;
use pgweir_settings::{Origin, Problem};

use super::outside::Outside;

#[cfg(test)]
mod tests;

/// One word of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    /// It begins with a quote, so that it is no keyword.
    pub(super) is_quoted: bool,
}

impl Token {
    /// Whether it is this keyword.
    pub(super) fn is(&self, keyword: &str) -> bool {
        !self.is_quoted && self.text == keyword
    }

    /// What follows `prefix`, where that has its special meaning.
    pub(super) fn behind(&self, prefix: char) -> Option<&str> {
        let text = (!self.is_quoted).then_some(&*self.text)?;
        text.strip_prefix(prefix)
    }
}

/// The fields of a record; none of them is empty.
pub(super) struct Record {
    pub(super) origin: Origin,
    pub(super) fields: Vec<Vec<Token>>,
}

/// Reads the records of a file, and of those that it includes, with the mistakes on the way.
pub(super) fn read(path: &Path, outside: &Outside<'_>, problems: &mut Vec<Problem>) -> Vec<Record> {
    let mut reader = Reader {
        outside,
        problems,
        files: 0,
        records: Vec::new(),
    };
    match reader.text(path) {
        Ok(text) => reader.file(path, &text, 0),
        Err(error) => {
            let origin = Origin::line(path.display().to_string().into(), 0);
            reader.report(&origin, format!("cannot be read: {error}"));
        }
    }
    reader.records
}

struct Reader<'a> {
    outside: &'a Outside<'a>,
    problems: &'a mut Vec<Problem>,
    /// Files read so far.
    files: usize,
    records: Vec<Record>,
}

impl Reader<'_> {
    fn text(&mut self, path: &Path) -> Result<String, std::io::Error> {
        self.files += 1;
        if self.files > FILES_MAX {
            let message = format!("it is one of more than {FILES_MAX} files");
            return Err(std::io::Error::other(message));
        }
        (self.outside.file)(path)
    }

    fn report(&mut self, origin: &Origin, message: impl Into<String>) {
        self.problems.push(Problem::new(origin, "", message));
    }

    fn file(&mut self, path: &Path, text: &str, depth: u32) {
        let name: Arc<str> = path.display().to_string().into();
        let folder = path.parent().unwrap_or(Path::new(""));
        for (number, line) in lines(text) {
            let origin = Origin::line(name.clone(), number);
            match fields(&line) {
                Ok(fields) if fields.is_empty() => {}
                Ok(fields) => self.record(folder, origin, fields, depth),
                Err(message) => self.report(&origin, message),
            }
        }
    }

    fn record(&mut self, folder: &Path, origin: Origin, fields: Vec<Vec<Token>>, depth: u32) {
        let directive = match &*fields[0] {
            [only] => Directive::of(only),
            _ => None,
        };
        let Some(directive) = directive else {
            let mut expanded = Vec::with_capacity(fields.len());
            for field in fields {
                let mut tokens = Vec::with_capacity(field.len());
                self.expand(folder, &origin, field, depth, &mut tokens);
                expanded.push(tokens);
            }
            // A file of names may be empty, and a field without names matches nothing.
            let fields = expanded;
            self.records.push(Record { origin, fields });
            return;
        };
        let named = match &fields[1..] {
            [name] if name.len() == 1 && !name[0].text.is_empty() => folder.join(&name[0].text),
            _ => return self.report(&origin, format!("{} takes one name", directive.name())),
        };
        if depth >= DEPTH_MAX {
            let message = format!("includes files more than {DEPTH_MAX} deep");
            return self.report(&origin, message);
        }
        match directive {
            Directive::Include => self.include(&origin, &named, depth),
            Directive::IfExists => {
                if !matches!((self.outside.file)(&named), Err(error) if error.kind() == std::io::ErrorKind::NotFound)
                {
                    self.include(&origin, &named, depth);
                }
            }
            Directive::Folder => self.include_folder(&origin, &named, depth),
        }
    }

    fn include(&mut self, origin: &Origin, path: &Path, depth: u32) {
        match self.text(path) {
            Ok(text) => self.file(path, &text, depth + 1),
            Err(error) => self.report(origin, unreadable(path, &error)),
        }
    }

    fn include_folder(&mut self, origin: &Origin, folder: &Path, depth: u32) {
        let mut names = match (self.outside.folder)(folder) {
            Ok(names) => names,
            Err(error) => return self.report(origin, unreadable(folder, &error)),
        };
        names.retain(|name| name.ends_with(".conf") && !name.starts_with('.'));
        names.sort_unstable();
        for name in names {
            self.include(origin, &folder.join(name), depth);
        }
    }

    /// Puts the tokens of files in the place of those that name them.
    fn expand(
        &mut self,
        folder: &Path,
        origin: &Origin,
        field: Vec<Token>,
        depth: u32,
        out: &mut Vec<Token>,
    ) {
        for token in field {
            let Some(name) = token.behind('@').filter(|name| !name.is_empty()) else {
                out.push(token);
                continue;
            };
            let path = folder.join(name);
            if depth >= DEPTH_MAX {
                let message = format!("names files more than {DEPTH_MAX} deep");
                self.report(origin, message);
                continue;
            }
            match self.text(&path) {
                Ok(text) => self.expand_file(&path, &text, depth + 1, out),
                Err(error) => self.report(origin, unreadable(&path, &error)),
            }
        }
    }

    fn expand_file(&mut self, path: &Path, text: &str, depth: u32, out: &mut Vec<Token>) {
        let folder: PathBuf = path.parent().unwrap_or(Path::new("")).to_owned();
        let name: Arc<str> = path.display().to_string().into();
        for (number, line) in lines(text) {
            let origin = Origin::line(name.clone(), number);
            match fields(&line) {
                Ok(fields) => {
                    for field in fields {
                        self.expand(&folder, &origin, field, depth, out);
                    }
                }
                Err(message) => self.report(&origin, message),
            }
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    let name = printable(&path.display().to_string());
    format!("names {name}, which cannot be read: {error}")
}

#[derive(Clone, Copy)]
enum Directive {
    Include,
    IfExists,
    Folder,
}

impl Directive {
    fn of(token: &Token) -> Option<Self> {
        let all = [Self::Include, Self::IfExists, Self::Folder];
        all.into_iter().find(|one| token.is(one.name()))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Include => "include",
            Self::IfExists => "include_if_exists",
            Self::Folder => "include_dir",
        }
    }
}

/// Lines with their numbers, those that go on joined.
fn lines(text: &str) -> Vec<(u32, String)> {
    let mut joined: Vec<(u32, String)> = Vec::new();
    let mut goes_on = false;
    for (number, line) in (1..).zip(text.lines()) {
        let (line, more) = match line.strip_suffix('\\') {
            Some(line) => (line, true),
            None => (line, false),
        };
        match joined.last_mut().filter(|_| goes_on) {
            Some((_, before)) => before.push_str(line),
            None => joined.push((number, line.to_owned())),
        }
        goes_on = more;
    }
    joined
}

/// The words of a text that is no file: white space or commas part them.
///
/// # Errors
/// A sentence.
pub(super) fn words(text: &str) -> Result<Vec<Token>, String> {
    Ok(fields(text)?.into_iter().flatten().collect())
}

/// The fields of a line.
fn fields(line: &str) -> Result<Vec<Vec<Token>>, &'static str> {
    let mut rest = line.chars().peekable();
    let mut fields = Vec::new();
    loop {
        let mut field = Vec::new();
        loop {
            let (token, has_more) = token(&mut rest)?;
            let is_end = token.is_none();
            field.extend(token);
            if is_end || !has_more {
                break;
            }
        }
        if field.is_empty() {
            return Ok(fields);
        }
        fields.push(field);
    }
}

/// The next token, and whether a comma says that another one of the same field follows.
fn token(rest: &mut Peekable<Chars<'_>>) -> Result<(Option<Token>, bool), &'static str> {
    while rest.next_if(|c| is_blank(*c) || *c == ',').is_some() {}
    let mut token = Token {
        text: String::new(),
        is_quoted: rest.peek() == Some(&'"'),
    };
    let mut in_quotes = false;
    while let Some(&c) = rest.peek() {
        if !in_quotes && (is_blank(c) || c == '#') {
            break;
        }
        rest.next();
        match c {
            ',' if !in_quotes => return Ok((Some(token), true)),
            '"' if in_quotes && rest.next_if_eq(&'"').is_some() => token.text.push('"'),
            '"' => in_quotes = !in_quotes,
            c => token.text.push(c),
        }
    }
    if in_quotes {
        return Err("has a quote that is not closed on its line");
    }
    if rest.peek() == Some(&'#') {
        while rest.next().is_some() {}
    }
    let is_some = token.is_quoted || !token.text.is_empty();
    Ok((is_some.then_some(token), false))
}

/// What parts fields. A carriage return is the end of a line on other systems.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// How deep files may include each other: PostgreSQL's `CONF_FILE_MAX_DEPTH`.
const DEPTH_MAX: u32 = 10;
/// Files of one set of rules, so that those that include each other have an end.
const FILES_MAX: usize = 1000;
