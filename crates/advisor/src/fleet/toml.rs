//! Reads `fleet.toml` into a draft, with the line of every value. Knows the sections; of the settings
//! only whether something may be the name of one, for in a torn file anything may stand where a name
//! should, a password as well.

mod tree;

use std::ops::Range;
use std::sync::Arc;

use super::draft::{Draft, Given, Section, service_path};
use super::keys::{self, SECTIONS, Scope};
use super::lines::Lines;
use super::nearest::nearest;
use super::problem::Problem;
use super::value::Value;
use crate::facts::Origin;
use crate::profile::Profile;
use tree::{Content, Entry};

/// Reads `text`, the content of the file called `path`.
///
/// What could be read is returned beside the problems, so that mistakes of all kinds show in one
/// run.
pub fn read(path: &str, text: &str) -> (Draft, Vec<Problem>) {
    let mut reader = Reader {
        path: path.into(),
        lines: Lines::new(text),
        problems: Vec::new(),
        is_torn: false,
    };
    let mut draft = Draft::default();
    let (entries, mistakes) = tree::parse(text);
    reader.is_torn = !mistakes.is_empty();
    draft.torn = reader.is_torn;
    for mistake in mistakes {
        let (origin, name) = reader.torn(mistake.offset);
        reader
            .problems
            .push(Problem::new(&origin, name, mistake.message));
    }
    for entry in entries {
        reader.section(&mut draft, entry);
    }
    (draft, reader.problems)
}

struct Reader<'t> {
    path: Arc<str>,
    lines: Lines<'t>,
    problems: Vec<Problem>,
    /// The text has mistakes of syntax.
    is_torn: bool,
}

impl Reader<'_> {
    fn section(&mut self, draft: &mut Draft, entry: Entry) {
        let origin = self.origin(entry.at, entry.content_at);
        let name = entry.name.as_str();
        let table = match entry.content {
            Content::Table(table) => table,
            Content::Value(value) if name == "profile" => {
                self.profile(draft, &origin, &value);
                return;
            }
            Content::Value(_) => {
                let problem = if SECTIONS.contains(&name) {
                    let section = match name {
                        "services" => Scope::Service.title(),
                        fixed => fixed,
                    };
                    Problem::new(&origin, name, format!("must be a section: [{section}]"))
                } else if self.may_be_a_name(name) {
                    Problem::new(&origin, name, "stands outside every section")
                        .with_suggestion("put it below [database], [operations] or [services.NAME]")
                } else {
                    self.nameless(&origin)
                };
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
                for Entry {
                    name, at, content, ..
                } in table
                {
                    let origin = self.origin(at, 0..0);
                    match content {
                        Content::Table(table) => {
                            let section = self.values(origin, table);
                            draft.services.push((name.into(), section));
                        }
                        Content::Value(_) => {
                            let path = service_path(&name);
                            let message = format!("must be a section: [{path}]");
                            self.problems.push(Problem::new(&origin, path, message));
                        }
                    }
                }
            }
            _ => {
                draft.torn = true;
                let near = nearest(name, SECTIONS.into_iter());
                if self.is_torn && near.is_none() {
                    let problem = self.nameless(&origin);
                    self.problems.push(problem);
                    return;
                }
                let problem = Problem::new(&origin, name, "is no section of a fleet");
                let suggestion = match near {
                    Some(near) => format!("did you mean [{near}]?"),
                    None => format!("sections are {}", SECTIONS.join(", ")),
                };
                self.problems.push(problem.with_suggestion(suggestion));
            }
        }
    }

    fn profile(&mut self, draft: &mut Draft, origin: &Origin, value: &Value) {
        let name = match value {
            Value::Text(text) => text.as_str(),
            _ => "",
        };
        draft.profile = Profile::named(name);
        if draft.profile.is_none() {
            let names = Profile::ALL.map(Profile::name);
            let message = format!("must be one of {}", names.join(", "));
            let mut problem =
                Problem::new(origin, "profile", message).with_value(value.to_string());
            if let Some(near) = nearest(name, names.into_iter()) {
                problem = problem.with_suggestion(format!("write \"{near}\""));
            }
            self.problems.push(problem);
        }
    }

    fn values(&mut self, origin: Origin, table: Vec<Entry>) -> Section {
        let mut section = Section::with_room(origin, table.len());
        for entry in table {
            let origin = self.origin(entry.at, entry.content_at);
            if !self.may_be_a_name(&entry.name) {
                let problem = self.nameless(&origin);
                self.problems.push(problem);
                continue;
            }
            let value = match entry.content {
                Content::Value(value) => value,
                Content::Table(_) => Value::Other("a section"),
            };
            section.put(entry.name, Given { value, origin });
        }
        section
    }

    /// Whether this may be shown as the name of a setting.
    fn may_be_a_name(&self, name: &str) -> bool {
        !self.is_torn || keys::sounds_like_one(name)
    }

    /// Something unknown in a torn text, told without its name.
    fn nameless(&self, origin: &Origin) -> Problem {
        let origin = match origin {
            Origin::File { path, line, .. } => Origin::line(path.clone(), *line),
            elsewhere => elsewhere.clone(),
        };
        Problem::new(&origin, "", "stands where a setting should, and is none")
            .with_suggestion("correct the mistakes of syntax first")
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
