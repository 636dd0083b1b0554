//! Files of settings in YAML and JSON, with what Ruby puts into them, and `.properties`.

use crate::inventory::Text;
use crate::yaml::{self, Data, Node};

use super::code::{Code, Language};
use super::settings::{Settings, at};
use crate::file::SourceFile;

/// The documents of a YAML or JSON file; none if it is neither.
pub(crate) fn documents(source: &SourceFile<'_>) -> Vec<Node> {
    yaml::documents(source).unwrap_or_default()
}

/// A YAML file with ERB in it.
pub(crate) struct Erb<'a> {
    settings: Settings<'a>,
    /// What each expression is.
    values: Vec<Text>,
}

impl<'a> Erb<'a> {
    /// The documents of such a file, with marks for expressions.
    pub(crate) fn read(settings: Settings<'a>) -> (Self, Vec<Node>) {
        let mut erb = Self {
            settings,
            values: Vec::new(),
        };
        let text = erb.marked();
        let source = SourceFile {
            name: settings.source.name,
            text: &text,
        };
        (erb, documents(&source))
    }

    /// The text with a mark in the place of each expression, and no other Ruby.
    fn marked(&mut self) -> String {
        let mut marked = String::new();
        let mut rest = self.settings.text();
        let mut line = 1;
        while let Some(open) = rest.find("<%") {
            let Some(length) = rest[open..].find("%>") else {
                break;
            };
            line += rest[..open].matches('\n').count();
            marked.push_str(&rest[..open].replace([OPEN, CLOSE], ""));
            let inner = &rest[open + 2..open + length];
            if let Some(expression) = inner.strip_prefix('=') {
                let value = self.value(expression.trim_matches(['-', ' ']), line);
                marked.push(OPEN);
                marked.push_str(&self.values.len().to_string());
                marked.push(CLOSE);
                self.values.push(value);
            }
            let lines = inner.matches('\n').count();
            marked.extend(std::iter::repeat_n('\n', lines));
            line += lines;
            rest = &rest[open + length + 2..];
        }
        marked.push_str(&rest.replace([OPEN, CLOSE], ""));
        marked
    }

    fn value(&self, expression: &str, line: usize) -> Text {
        let source = SourceFile {
            name: self.settings.source.name,
            text: expression,
        };
        let settings = Settings {
            source: &source,
            ..self.settings
        };
        let code = Code::new(settings, Language::Ruby);
        at(code.value(0..expression.len()), self.settings.line(line))
    }

    /// The text of a scalar, with its expressions; `None` if it is none.
    pub(crate) fn text(&self, node: &Node) -> Option<Text> {
        let text = node.text()?;
        let mut whole = Text::plain("", self.settings.line(node.line));
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(OPEN) {
            let (number, after) = after.split_once(CLOSE).unwrap_or((after, ""));
            whole.push_str(before);
            match number
                .parse::<usize>()
                .ok()
                .and_then(|number| self.values.get(number))
            {
                Some(value) => whole.push(value),
                None => whole.push_gap("an expression"),
            }
            rest = after;
        }
        whole.push_str(rest);
        Some(whole)
    }

    /// The text of a field.
    pub(crate) fn at(&self, node: &Node, name: &str) -> Option<Text> {
        self.text(node.get(name)?).filter(|text| !text.is_empty())
    }
}

/// Marks around the number of an expression. They are in no text by themselves.
const OPEN: char = '\u{e000}';
const CLOSE: char = '\u{e001}';

/// A key with dots, its value, and the line.
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) line: usize,
}

/// All scalars below a node, by the path that leads there.
pub(crate) fn flat(node: &Node) -> Vec<Entry> {
    let mut found = Vec::new();
    flatten(node, &mut String::new(), &mut found);
    found
}

fn flatten(node: &Node, path: &mut String, found: &mut Vec<Entry>) {
    let length = path.len();
    match &node.data {
        Data::Text(text) => found.push(Entry {
            key: path.clone(),
            value: text.clone(),
            line: node.line,
        }),
        Data::Null => {}
        Data::List(entries) => {
            for (number, entry) in entries.iter().enumerate() {
                path.push_str(&format!("[{number}]"));
                flatten(entry, path, found);
                path.truncate(length);
            }
        }
        Data::Map(_) => {
            for (key, value) in node.fields() {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
                flatten(value, path, found);
                path.truncate(length);
            }
        }
    }
}

/// The sections of a `.properties` file, which `#---` and `!---` part.
pub(crate) fn properties(text: &str) -> Vec<Vec<Entry>> {
    let mut sections = vec![Vec::new()];
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let line = line.trim_start();
        if line.trim_end() == "#---" || line.trim_end() == "!---" {
            sections.push(Vec::new());
            continue;
        }
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut whole = line.trim_end().to_owned();
        while whole.ends_with('\\') && !whole.ends_with("\\\\") {
            whole.pop();
            let Some((_, next)) = lines.next() else { break };
            whole.push_str(next.trim());
        }
        let end = whole.find(['=', ':']).or_else(|| whole.find(' '));
        let Some(end) = end else { continue };
        if let Some(section) = sections.last_mut() {
            section.push(Entry {
                key: whole[..end].trim().to_owned(),
                value: whole[end + 1..]
                    .trim()
                    .replace("\\:", ":")
                    .replace("\\=", "="),
                line: number + 1,
            });
        }
    }
    sections
}
