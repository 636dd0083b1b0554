//! A mend: statements that put something right, how to see that they did, and how to take them back.
//!
//! Never in one: the warm connections of a pool, replication, maintenance, our own session, a slot, a
//! prepared transaction. Sessions are named by number and start and looked at again in the statement that
//! acts on them.

use serde_json::{Value, json};

use crate::words::{identifier, literal};

/// How far a mend goes. Whoever mends begins with the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// A setting for what comes next; nobody who is connected notices.
    Setting,
    /// A pool is asked to go on, or to shrink; clients keep their connections.
    Pool,
    /// A setting that takes a restart, which is somebody else's to do.
    Restart,
    /// A statement is cancelled; its session goes on.
    Cancel,
    /// A session is ended, and its transaction rolled back.
    Terminate,
}

impl Rung {
    /// What it does, in a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Setting => "setting",
            Self::Pool => "pool",
            Self::Restart => "restart",
            Self::Cancel => "cancel",
            Self::Terminate => "terminate",
        }
    }
}

/// Where statements are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// PostgreSQL.
    Server,
    /// The console that is shown so.
    Console(String),
}

/// How a mend is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undo {
    /// It cannot be.
    Never,
    /// By the statement that this query gives, asked before the mend.
    Asked(String),
    /// By these.
    Statements(Vec<String>),
}

/// How to see that a mend is in effect: a row and a column of what a query gives, and what should be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The query.
    pub sql: String,
    /// The row in which this column has this text; without it, the first.
    pub row: Option<(&'static str, String)>,
    /// The column.
    pub column: &'static str,
    /// Its text afterwards.
    pub expected: String,
}

/// What a proof gives where the setting waits for a restart.
pub const PENDING: &str = "pending restart";

/// Something that can be put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mend {
    /// The check that found it.
    pub check: &'static str,
    /// How far it goes.
    pub rung: Rung,
    /// Where.
    pub place: Place,
    /// What it does.
    pub what: String,
    /// Exactly how.
    pub statements: Vec<String>,
    /// How it is taken back.
    pub undo: Undo,
    /// How to see that it is in effect, where that is more than looking at the check again.
    pub proof: Option<Proof>,
    /// What else to know.
    pub caution: &'static str,
}

impl Mend {
    /// For a program that reads it.
    pub fn json(&self) -> Value {
        json!({
            "check": self.check,
            "rung": self.rung.word(),
            "place": match &self.place {
                Place::Server => "server",
                Place::Console(shown) => shown,
            },
            "what": self.what,
            "statements": self.statements,
            "can_be_undone": self.undo != Undo::Never,
            "caution": self.caution,
        })
    }

    /// A setting for the next sessions of a role.
    pub(crate) fn of_role(
        check: &'static str,
        role: &str,
        name: &'static str,
        value: &str,
    ) -> Self {
        let quoted = identifier(role);
        let (role_text, prefix) = (literal(role), literal(&format!("{name}=")));
        let own = format!("(SELECT oid FROM pg_roles WHERE rolname = {role_text})");
        Self {
            check,
            rung: Rung::Setting,
            place: Place::Server,
            what: format!(
                "{name} = {value} for the next sessions of role {}",
                crate::words::flat(role)
            ),
            statements: vec![format!(
                "ALTER ROLE {quoted} SET {name} = {}",
                literal(value)
            )],
            undo: Undo::Asked(format!(
                "SELECT coalesce((SELECT format('ALTER ROLE %I SET {name} = %L', {role_text}, \
                 substr(setting, length({prefix}) + 1)) FROM pg_db_role_setting, unnest(setconfig) AS setting \
                 WHERE setrole = {own} AND setdatabase = 0 AND starts_with(setting, {prefix})), \
                 format('ALTER ROLE %I RESET {name}', {role_text})) AS undo"
            )),
            proof: Some(Proof {
                sql: format!(
                    "SELECT substr(setting, length({prefix}) + 1) AS value \
                     FROM pg_db_role_setting, unnest(setconfig) AS setting \
                     WHERE setrole = {own} AND setdatabase = 0 AND starts_with(setting, {prefix})"
                ),
                row: None,
                column: "value",
                expected: value.to_owned(),
            }),
            caution: "sessions that are open keep what they have; a setting of the role in one database wins over it",
        }
    }

    /// A setting of the server; `expected` is what `pg_settings` shows of it, in its unit.
    pub(crate) fn of_system(
        check: &'static str,
        name: &'static str,
        value: &str,
        expected: &str,
    ) -> Self {
        Self {
            check,
            rung: Rung::Setting,
            place: Place::Server,
            what: format!("{name} = {value} for the server"),
            statements: vec![
                format!("ALTER SYSTEM SET {name} = {}", literal(value)),
                "SELECT pg_reload_conf()".to_owned(),
            ],
            undo: Undo::Asked(format!(
                "SELECT coalesce((SELECT format('ALTER SYSTEM SET {name} = %L', setting) FROM pg_file_settings \
                 WHERE name = '{name}' AND sourcefile LIKE '%postgresql.auto.conf' ORDER BY seqno DESC LIMIT 1), \
                 'ALTER SYSTEM RESET {name}') AS undo"
            )),
            proof: Some(Proof {
                sql: format!(
                    "SELECT CASE WHEN pending_restart THEN '{PENDING}' ELSE reset_val END AS value FROM pg_settings \
                     WHERE name = '{name}'"
                ),
                row: None,
                column: "value",
                expected: expected.to_owned(),
            }),
            caution: "",
        }
    }

    /// A setting of a pooler, until it reads its file again.
    pub(crate) fn of_console(
        check: &'static str,
        console: &str,
        name: &'static str,
        (before, value): (Option<f64>, u64),
    ) -> Self {
        Self {
            check,
            rung: Rung::Setting,
            place: Place::Console(console.to_owned()),
            what: format!("{name} = {value} at {console}"),
            statements: vec![format!("SET {name} = {value}")],
            undo: match before {
                Some(before) => Undo::Statements(vec![format!("SET {name} = {before}")]),
                None => Undo::Never,
            },
            proof: Some(Proof {
                sql: "SHOW CONFIG".to_owned(),
                row: Some(("key", name.to_owned())),
                column: "value",
                expected: value.to_string(),
            }),
            caution: "write it into the pooler's file, too: SET lasts until it reads the file again",
        }
    }
}
