//! Where a value comes from: a line of a file, and where in that line, or something that is no file.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Where a value comes from. The order is that in which problems are reported.
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
    /// `DATABASE_URL` outside its parameters: user, password, host, port, database.
    Url,
    /// A parameter of `DATABASE_URL`.
    UrlParameter(String),
    /// An environment variable.
    Variable(String),
    /// Something else, by its name: a preset, an option, a live database.
    Named(Cow<'static, str>),
    /// Given nowhere.
    #[default]
    Default,
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

    /// Something that is neither a file nor the environment.
    pub const fn named(name: &'static str) -> Self {
        Self::Named(Cow::Borrowed(name))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line: 0, .. } => f.write_str(path),
            Self::File { path, line, .. } => write!(f, "{path}:{line}"),
            Self::Url => f.write_str("DATABASE_URL"),
            Self::UrlParameter(name) => write!(f, "DATABASE_URL parameter {name}"),
            Self::Variable(name) => f.write_str(name),
            Self::Named(name) => f.write_str(name),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Where a setting stands in its line, in bytes from the start of the line. Empty where that is not
/// known, or beyond 65,535.
///
/// The name may be shown as it is written where it is known to be one; of the value only what the
/// problem says of it, for it may be a secret.
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
