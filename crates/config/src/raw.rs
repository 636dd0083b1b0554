//! The one form that every source of configuration is read into.
//!
//! A source says which settings were given, with which value and where; it does not know which
//! settings exist. That is decided once, in `resolve`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What one source says.
#[derive(Debug, Clone, Default)]
pub struct Raw {
    /// Settings of the whole pooler (`[pgweir]`).
    pub globals: Section,
    /// Settings by database (`[databases.NAME]`).
    pub databases: BTreeMap<String, Section>,
    /// Settings by user (`[users.NAME]`).
    pub users: BTreeMap<String, Section>,
    /// Folder that relative paths start from: that of the file.
    pub folder: PathBuf,
    /// Whether parts could not be read at all. What is missing then is no mistake of its own.
    pub torn: bool,
}

/// Settings of one section, by name. A name given twice holds the last.
#[derive(Debug, Clone, Default)]
pub struct Section {
    /// Where the section starts.
    pub origin: Origin,
    /// The settings given, by the name written.
    pub settings: BTreeMap<String, Given>,
}

impl Section {
    /// An empty section that starts at `origin`.
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            settings: BTreeMap::new(),
        }
    }

    /// Adds a setting; an earlier one of the same name gives way.
    pub fn give(&mut self, name: &str, value: Value, origin: Origin) {
        self.settings
            .insert(name.to_owned(), Given { value, origin });
    }
}

/// A value and where it was written.
#[derive(Debug, Clone)]
pub struct Given {
    /// The value.
    pub value: Value,
    /// Where it was written.
    pub origin: Origin,
}

/// A value as written. Sources without types of their own give text only.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// True or false.
    Bool(bool),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Bool(fact) => fact.fmt(f),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Any value may be a password under a misspelt name.
        f.write_str("Value(..)")
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A line of a file, counted from 1; 0 stands for the file as a whole.
    File {
        /// The file as the operator named it.
        path: Arc<Path>,
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
    /// Given nowhere, chosen because there is no configuration file.
    WithoutFile,
    /// Given nowhere.
    #[default]
    Default,
}

/// Where a setting stands in its line, in bytes from the start of the line. Empty where that is not
/// known, or beyond 65,535.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Columns {
    /// The name, from its first byte to the one behind its last.
    pub name: (u16, u16),
    /// The value, or its part on that line. It may be a secret; what a problem says of a value is none.
    pub value: (u16, u16),
}

impl Origin {
    /// A line of a file, where its columns are not known.
    pub fn file(path: &Path, line: u32) -> Self {
        Self::File {
            path: path.into(),
            line,
            columns: Columns::default(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line: 0, .. } => write!(f, "{}", path.display()),
            Self::File { path, line, .. } => write!(f, "{}:{line}", path.display()),
            Self::Url => f.write_str("DATABASE_URL"),
            Self::UrlParameter(name) => write!(f, "DATABASE_URL parameter {name}"),
            Self::Variable(name) => f.write_str(name),
            Self::WithoutFile => f.write_str("default without a file"),
            Self::Default => f.write_str("default"),
        }
    }
}
