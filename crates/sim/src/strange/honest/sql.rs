//! The statements that the fake PostgreSQL knows: those of the templates, and those of the pooler.

use std::collections::VecDeque;

use super::Failure;
use super::session::{Session, Tx};

/// What a statement came to.
pub(super) enum Done {
    Rows(Vec<String>),
    Tag(&'static str),
    /// A prepared statement, or all.
    Dropped(Option<Vec<u8>>),
    Discarded,
    CopyIn,
    CopyOut,
}

/// The statements of a text, without white space around them. Quotes hide semicolons.
pub(super) fn split(text: &str) -> Result<VecDeque<Vec<u8>>, Failure> {
    let mut quoted = false;
    let statements = text.split(|c| {
        quoted ^= c == '\'';
        c == ';' && !quoted
    });
    let statements = statements.map(|statement| statement.trim().as_bytes().to_vec());
    let statements: VecDeque<_> = statements
        .filter(|statement| !statement.is_empty())
        .collect();
    if quoted || statements.iter().any(|statement| statement == b"broken") {
        return Err(*b"42601");
    }
    Ok(statements)
}

/// Whether there is such a statement.
pub(super) fn check(text: &[u8]) -> Result<(), Failure> {
    if text.is_empty() || !words(text).is_empty() {
        return Ok(());
    }
    Err(*b"42601")
}

pub(super) fn has_rows(text: &[u8]) -> bool {
    words(text).first().is_some_and(|word| word == "select")
}

pub(super) fn ends_transaction(text: &[u8]) -> bool {
    matches!(
        words(text).first().map(String::as_str),
        Some("commit" | "rollback")
    )
}

/// Runs a statement. `several`: it is one of a query of several.
pub(super) fn run(text: &[u8], session: &mut Session, several: bool) -> Result<Done, Failure> {
    let words = words(text);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Ok(match words[..] {
        ["select", ..] => Done::Rows(vec![select(text, session)?]),
        ["begin"] => {
            session.begin();
            Done::Tag("BEGIN")
        }
        ["commit"] => {
            let is_failed = session.tx == Tx::Failed;
            session.commit();
            Done::Tag(if is_failed { "ROLLBACK" } else { "COMMIT" })
        }
        ["rollback"] => {
            session.roll_back();
            Done::Tag("ROLLBACK")
        }
        ["copy", "in"] => Done::CopyIn,
        ["copy", "out"] => Done::CopyOut,
        ["deallocate", "all"] => Done::Dropped(None),
        ["deallocate", name] => Done::Dropped(Some(name.into())),
        ["discard", "all"] => {
            if several || session.tx == Tx::Block {
                return Err(*b"25001");
            }
            session.set("session_authorization", None)?;
            session.reset_all();
            Done::Discarded
        }
        ["discard", "sequences"] => Done::Tag("DISCARD SEQUENCES"),
        ["reset", "all"] => {
            session.reset_all();
            Done::Tag("RESET")
        }
        ["reset", "session", "authorization"] => reset(session, "session_authorization")?,
        ["reset", name] => reset(session, name)?,
        ["set", "session", "authorization", name] => set(session, "session_authorization", name)?,
        ["set", "role", name] => set(session, "role", name)?,
        ["set", name, "to", value] => set(session, name, value)?,
        _ => return Err(*b"42601"),
    })
}

fn reset(session: &mut Session, name: &str) -> Result<Done, Failure> {
    session.set(&name.replace('"', ""), None)?;
    Ok(Done::Tag("RESET"))
}

fn set(session: &mut Session, name: &str, value: &str) -> Result<Done, Failure> {
    let value = value.trim_matches('\'');
    session.set(name, (value != "default").then_some(value))?;
    Ok(Done::Tag("SET"))
}

/// The words of a statement; those in quotes as they are written, others in lower case.
fn words(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let words = text.split_whitespace();
    let lower = |word: &str| {
        if word.contains('\'') {
            word.to_owned()
        } else {
            word.to_ascii_lowercase()
        }
    };
    words.map(lower).collect()
}

/// The row of a query: what its calls of set_config set, or else the query and what it sees of the settings.
fn select(text: &[u8], session: &mut Session) -> Result<String, Failure> {
    let text = String::from_utf8_lossy(text).into_owned();
    let mut rest = text.get(7..).unwrap_or_default();
    if !rest.starts_with(CALL) {
        return Ok(format!("{text}|{}", session.digest()));
    }
    let mut set = Vec::new();
    while let Some(arguments) = rest.strip_prefix(CALL) {
        let (name, after) = expression(arguments)?;
        let (value, after) = expression(after.strip_prefix(", ").ok_or(*b"42601")?)?;
        let after = after.strip_prefix(", false)").ok_or(*b"42601")?;
        let after = after.strip_prefix(" IS NULL").unwrap_or(after);
        session.set(&name, Some(&value))?;
        set.push(value);
        rest = after.strip_prefix(", ").unwrap_or(after);
    }
    if !rest.is_empty() {
        return Err(*b"42601");
    }
    Ok(set.join(","))
}

const CALL: &str = "pg_catalog.set_config(";

/// The value of a literal, plain or with escapes, or of bytes in an encoding; and what follows.
fn expression(text: &str) -> Result<(String, &str), Failure> {
    if let Some(call) = text.strip_prefix("pg_catalog.convert_from(pg_catalog.decode(") {
        let (hex, rest) = literal(call)?;
        let rest = rest.strip_prefix(", 'hex'), ").ok_or(*b"42601")?;
        let (encoding, rest) = literal(rest)?;
        let rest = rest.strip_prefix(')').ok_or(*b"42601")?;
        let pairs = hex.as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Option<Vec<u8>> = pairs.map(byte).collect();
        let bytes = bytes.ok_or(*b"22023")?;
        let value = if encoding == "LATIN1" {
            bytes.into_iter().map(char::from).collect()
        } else {
            String::from_utf8(bytes).map_err(|_| *b"22021")?
        };
        return Ok((value, rest));
    }
    literal(text)
}

fn literal(text: &str) -> Result<(String, &str), Failure> {
    let (escapes, body) = match text.strip_prefix("E'") {
        Some(body) => (true, body),
        None => (false, text.strip_prefix('\'').ok_or(*b"42601")?),
    };
    let mut value = String::new();
    let mut chars = body.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if escapes => value.extend(chars.next().map(|(_, c)| c)),
            '\'' if chars.peek().is_some_and(|&(_, next)| next == '\'') => {
                chars.next();
                value.push('\'');
            }
            '\'' => return Ok((value, &body[at + 1..])),
            c => value.push(c),
        }
    }
    Err(*b"42601")
}
