//! Where a value comes from: a line of a file, and where in that line, or something that is no file.

use std::fmt;
use std::sync::Arc;

/// Where a value comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A line of a file, counted from 1; 0 stands for the file as a whole.
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

/// Where a setting stands in its line, in bytes from the start of the line. Empty where that is not
/// known, or beyond 65,535.
///
/// What it covers may be shown as it is written: the name of a setting that is known as one, and its
/// value, which is no secret where the problem itself says it.
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
    /// The one behind the last.
    pub end: u16,
}

impl Span {
    /// Whether there is nothing in it.
    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }
}
