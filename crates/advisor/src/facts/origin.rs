//! Where a value comes from: a place in a line of a file, or something other than a file.

use std::fmt;
use std::sync::Arc;

/// Where a value comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A line of a file, counted from 1; 0 is the file as a whole.
    File {
        /// The file as the operator named it.
        path: Arc<str>,
        /// The line.
        line: u32,
        /// Where in the line.
        columns: Columns,
    },
    /// A preset.
    Preset(&'static str),
    /// `--what-if`.
    WhatIf,
    /// A live database.
    Database,
    /// An answer to a question.
    Answer,
    /// Nowhere in particular.
    #[default]
    Nowhere,
}

impl Origin {
    /// A line of a file, where its columns are not known.
    pub fn line(path: Arc<str>, line: u32) -> Self {
        Self::File {
            path,
            line,
            columns: Columns::default(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line: 0, .. } => f.write_str(path),
            Self::File { path, line, .. } => write!(f, "{path}:{line}"),
            Self::Preset(name) => write!(f, "preset {name}"),
            Self::WhatIf => f.write_str("--what-if"),
            Self::Database => f.write_str("the database"),
            Self::Answer => f.write_str("answer"),
            Self::Nowhere => f.write_str("fleet"),
        }
    }
}

/// The place of a setting in its line, in bytes from the start of the line. Empty where it is unknown or
/// beyond 65,535.
///
/// Only what it covers may be quoted from the file: the name of a known setting, and a value that the
/// problem itself quotes and that is therefore no secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Columns {
    /// The name.
    pub name: Span,
    /// The value, or its part on that line.
    pub value: Span,
}

/// Bytes of a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first.
    pub start: u16,
    /// The one after the last.
    pub end: u16,
}

impl Span {
    /// Whether there is nothing in it.
    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }
}
