//! What is wrong with a text.

use pgweir_wire::sqlstate::SqlState;

use crate::table::Table;

/// Why a text is no command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// It begins with no command, or has something behind it that it does not take.
    Invalid {
        /// Its beginning.
        text: String,
        /// What would be right, where that is known.
        usage: Option<&'static str>,
    },
    /// `SHOW` of what is no table.
    NoSuchTable {
        /// What was asked for.
        name: String,
        /// What it is like.
        nearest: Option<&'static str>,
    },
    /// A column that its table does not have.
    NoSuchColumn {
        /// What was asked for.
        name: String,
        /// Whose columns there are.
        table: Table,
    },
    /// What stands behind `KILL_CLIENT` is no number of a client.
    NotAClient,
    /// It has a parameter (`$1`).
    Parameters,
    /// There is more of something than a command may have.
    TooMany {
        /// Of what.
        what: &'static str,
        /// At most so many.
        max: usize,
    },
}

impl Problem {
    /// The code that it is reported with.
    pub fn sqlstate(&self) -> SqlState {
        match self {
            Self::NoSuchColumn { .. } => SqlState::UNDEFINED_COLUMN,
            Self::TooMany { .. } => SqlState::PROGRAM_LIMIT_EXCEEDED,
            Self::Parameters => SqlState::FEATURE_NOT_SUPPORTED,
            // What PgBouncer reports all errors of its console with.
            Self::Invalid { .. } | Self::NoSuchTable { .. } | Self::NotAClient => {
                SqlState::PROTOCOL_VIOLATION
            }
        }
    }

    /// What happened, in PgBouncer's words where it has some.
    pub fn message(&self) -> String {
        match self {
            Self::Invalid { text, .. } => format!("invalid command '{text}', use SHOW HELP;"),
            Self::NoSuchTable { name, .. } => {
                format!("invalid command 'SHOW {name}', use SHOW HELP;")
            }
            Self::NoSuchColumn { name, table } => {
                format!("column \"{name}\" does not exist in SHOW {}", table.word())
            }
            Self::NotAClient => "invalid client pointer supplied".to_owned(),
            Self::Parameters => "the console takes no parameters".to_owned(),
            Self::TooMany { what, max } => format!("a command may have at most {max} {what}"),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Invalid { usage, .. } => usage.map(|usage| format!("Usage: {usage}")),
            Self::NoSuchTable { nearest, .. } => {
                nearest.map(|nearest| format!("Perhaps you meant SHOW {nearest}."))
            }
            Self::NoSuchColumn { table, .. } => {
                let names: Vec<_> = table.columns().iter().map(|column| column.name).collect();
                Some(format!("Its columns are {}.", names.join(", ")))
            }
            Self::NotAClient => Some("Give the id that SHOW CLIENTS has for it.".to_owned()),
            Self::Parameters => Some("Write the value into the text, in single quotes.".to_owned()),
            Self::TooMany { .. } => None,
        }
    }
}
