//! What an error means: its text, SQLSTATE or number, as PostgreSQL, poolers and drivers say it.
//!
//! A text that is known says more than its code, so codes count only where no text is known, and the
//! class of an SQLSTATE only where the code is not known either.

mod clients;
mod poolers;
mod postgres;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

/// Who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Speaker {
    /// The server, whoever passes it on.
    Postgres,
    /// PgBouncer.
    PgBouncer,
    /// pgweir.
    Pgweir,
    /// Prisma.
    Prisma,
    /// SQLx.
    Sqlx,
    /// PDO, and Laravel on it.
    Pdo,
    /// asyncpg, and SQLAlchemy's pool.
    Asyncpg,
    /// HikariCP, and pgjdbc below it.
    Hikari,
    /// node-postgres.
    NodePostgres,
    /// libpq and the system.
    Network,
}

impl Speaker {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::PgBouncer => "PgBouncer",
            Self::Pgweir => "pgweir",
            Self::Prisma => "Prisma",
            Self::Sqlx => "SQLx",
            Self::Pdo => "PDO",
            Self::Asyncpg => "asyncpg",
            Self::Hikari => "HikariCP",
            Self::NodePostgres => "node-postgres",
            Self::Network => "the network",
        }
    }
}

/// An error and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// Who says it.
    pub speaker: Speaker,
    /// SQLSTATE or a number of its own; empty if it has none that tells it apart.
    pub code: &'static str,
    /// How it is worded. `*` stands for anything. Empty where the code alone is known.
    pub texts: &'static [&'static str],
    /// What it says.
    pub means: &'static str,
    /// What is usually behind it.
    pub cause: &'static str,
    /// What to do first.
    pub first: &'static str,
    /// Checks of the doctor that look into it.
    pub checks: &'static [&'static str],
}

/// What is known of an error, the best match first, at most a few.
pub fn explain(error: &str) -> Vec<Meaning> {
    // What is matched is bounded, so a log that is piped in costs no more than its first part.
    let text: String = error.chars().take(LEN_MAX).collect();
    let text = text.to_lowercase();
    let codes = codes(&text);
    let of_code = |meaning: &Meaning| {
        codes
            .iter()
            .any(|code| code.eq_ignore_ascii_case(meaning.code))
    };
    let mut by_text: Vec<(bool, usize, Meaning)> = all()
        .filter_map(|meaning| {
            let matched = meaning
                .texts
                .iter()
                .filter_map(|pattern| matched(&text, pattern));
            Some((of_code(&meaning), matched.max()?, meaning))
        })
        .collect();
    by_text.sort_by_key(|(of_code, len, _)| std::cmp::Reverse((*of_code, *len)));
    let mut found: Vec<Meaning> = by_text.into_iter().map(|(.., meaning)| meaning).collect();
    if found.is_empty() {
        found = all().filter(of_code).collect();
        // Who speaks matters where a code has several meanings: the server's comes first.
        found.sort_by_key(|meaning| meaning.speaker);
    }
    // Any number of five digits, such as a process's, would name some class.
    let names_a_code =
        text.contains("sqlstate") || text.split_whitespace().count() <= CODE_WORDS_MAX;
    if found.is_empty() && names_a_code {
        found.extend(codes.iter().find_map(|code| class(code)));
    }
    found.truncate(SHOWN_MAX);
    found
}

/// Everything that is known.
pub(crate) fn all() -> impl Iterator<Item = Meaning> {
    let tables = [postgres::MEANINGS, poolers::MEANINGS, clients::MEANINGS];
    tables.into_iter().flatten().copied()
}

/// How much of a text a pattern matches, in bytes; `None` if it does not.
fn matched(text: &str, pattern: &str) -> Option<usize> {
    let mut rest = text;
    let mut len = 0;
    for part in pattern.split('*') {
        let at = rest.find(part)?;
        rest = &rest[at + part.len()..];
        len += part.len();
    }
    Some(len)
}

/// Words that may be an SQLSTATE or a number of Prisma's.
fn codes(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .filter(|word| word.len() == 5 && word.bytes().any(|byte| byte.is_ascii_digit()))
        .collect()
}

/// The class of an SQLSTATE, which its first two characters name.
fn class(code: &str) -> Option<Meaning> {
    let (_, means, cause, first) = CLASSES.iter().find(|(class, ..)| {
        code.get(..2)
            .is_some_and(|start| start.eq_ignore_ascii_case(class))
    })?;
    Some(Meaning {
        speaker: Speaker::Postgres,
        code: "",
        texts: &[],
        means,
        cause,
        first,
        checks: &[],
    })
}

/// Source: PostgreSQL documentation, "PostgreSQL Error Codes".
const CLASSES: &[(&str, &str, &str, &str)] = &[
    (
        "08",
        "class 08: the connection failed",
        "the network, the server or a pooler ended it",
        "look into the log of whoever ended it; retry what may be repeated",
    ),
    (
        "0a",
        "class 0A: a feature that is not supported",
        "the statement, or what stands between client and server",
        "read the message: it names the feature",
    ),
    (
        "22",
        "class 22: a value cannot be used",
        "data of the application",
        "read the message; connections are not the cause",
    ),
    (
        "23",
        "class 23: a constraint is violated",
        "data of the application",
        "read the message; connections are not the cause",
    ),
    (
        "25",
        "class 25: the state of the transaction does not allow it",
        "an error before it, a read-only server or a time limit",
        "look at the statements before it in the same transaction",
    ),
    (
        "26",
        "class 26: there is no such prepared statement",
        "a pooler gave the session another server",
        "have the pooler keep prepared statements (max_prepared_statements), or switch the driver's cache off",
    ),
    (
        "28",
        "class 28: the login is refused",
        "the password, the role, or pg_hba.conf",
        "compare them with the server's log, which says more than the client is told",
    ),
    (
        "40",
        "class 40: the transaction was rolled back",
        "it collided with another",
        "run the whole transaction again",
    ),
    (
        "42",
        "class 42: the statement or a privilege is wrong",
        "the statement, the schema or the search_path",
        "read the message; connections are not the cause",
    ),
    (
        "53",
        "class 53: a resource is used up",
        "connections, memory or disk",
        "read the message for which; then run pgweir doctor",
    ),
    (
        "54",
        "class 54: a limit of the program is exceeded",
        "the statement, or what stands between",
        "read the message: it names the limit",
    ),
    (
        "55",
        "class 55: an object is not in the state for it",
        "a lock, or a setting that takes a restart",
        "read the message: it names the object",
    ),
    (
        "57",
        "class 57: somebody intervened",
        "an administrator, a time limit, a shutdown or a crash",
        "look into the server's log at that moment",
    ),
    (
        "58",
        "class 58: the system failed",
        "disk or files of the server",
        "look into the server's log; do not restart before you did",
    ),
    (
        "xx",
        "class XX: an internal error",
        "a bug, or damaged data",
        "save the server's log, and do not write until you know",
    ),
];

/// As text, for a terminal.
pub fn explanation(meanings: &[Meaning]) -> String {
    let blocks = meanings.iter().map(|meaning| {
        let Meaning {
            speaker,
            code,
            means,
            cause,
            first,
            checks,
            ..
        } = meaning;
        let code = match *code {
            "" => String::new(),
            code => format!(" {code}"),
        };
        let more = match checks {
            [] => String::new(),
            checks => format!("  look   pgweir doctor --check {}\n", checks.join(",")),
        };
        let speaker = speaker.name();
        format!("{speaker}{code}: {means}\n  cause  {cause}\n  first  {first}\n{more}")
    });
    blocks.collect::<Vec<_>>().join("\n")
}

/// As JSON.
pub fn explanation_json(meanings: &[Meaning]) -> Value {
    let all = meanings.iter().map(|meaning| {
        json!({
            "speaker": meaning.speaker.name(),
            "code": meaning.code,
            "means": meaning.means,
            "cause": meaning.cause,
            "first": meaning.first,
            "checks": meaning.checks,
        })
    });
    json!({ "schema": SCHEMA, "meanings": all.collect::<Vec<_>>() })
}

const SCHEMA: &str = "pgweir-doctor-explain/1";
/// Characters of an error that are looked at.
const LEN_MAX: usize = 64 * 1024;
const SHOWN_MAX: usize = 4;
/// Words beside a code that stands alone: `ERROR: 53300`.
const CODE_WORDS_MAX: usize = 3;
