//! A file of settings, and the variables that its program runs with.

use pgweir_advisor::facts::Origin;

use crate::file::SourceFile;
use crate::inventory::{Text, Variable};

/// A file, and what references in it to variables stand for.
#[derive(Clone, Copy)]
pub(crate) struct Settings<'a> {
    pub(crate) source: &'a SourceFile<'a>,
    pub(crate) variables: &'a [Variable],
}

impl<'a> Settings<'a> {
    pub(crate) fn text(&self) -> &'a str {
        self.source.text
    }

    /// A line, counted from 1.
    pub(crate) fn line(&self, line: usize) -> Origin {
        self.source.line(line)
    }

    /// The file as a whole.
    pub(crate) fn whole(&self) -> Origin {
        self.source.line(0)
    }

    /// The name of the file without its folder, in small letters.
    pub(crate) fn file_name(&self) -> String {
        let name = self.source.name;
        let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
        name.to_ascii_lowercase()
    }

    /// What a reference to a variable stands for: its value, else the default that the file has, else
    /// nothing that is known.
    pub(crate) fn variable(&self, name: &str, default: Option<Text>, origin: Origin) -> Text {
        let mut all = self.variables.iter();
        let set = all.find(|variable| variable.name == name && !variable.value.is_empty());
        match (set, default) {
            (Some(variable), _) => at(variable.value.clone(), origin),
            (None, Some(default)) => default,
            (None, None) => Text::gap(format!("${{{name}}}"), origin),
        }
    }
}

/// A text as if it stood there.
pub(crate) fn at(mut text: Text, origin: Origin) -> Text {
    text.origin = origin;
    text
}
