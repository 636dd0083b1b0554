//! What drivers say by themselves: when they connect, between queries, and to see whether anybody is there.

use pgweir_sql::lexer::TokenKind;

use crate::command::{Answer, Block, Command, Fixed, Tidy};
use crate::words::Words;

/// Settings of a session that drivers set or ask for, and what they are here. The first five are PgBouncer's.
const SETTINGS: [(&str, &str); 30] = [
    ("client_encoding", "UTF8"),
    ("datestyle", "ISO"),
    ("default_transaction_isolation", "read committed"),
    ("standard_conforming_strings", "on"),
    ("timezone", "GMT"),
    ("application_name", ""),
    ("bytea_output", "hex"),
    ("client_min_messages", "notice"),
    ("default_transaction_read_only", "off"),
    ("extra_float_digits", "1"),
    ("idle_in_transaction_session_timeout", "0"),
    ("idle_session_timeout", "0"),
    ("in_hot_standby", "off"),
    ("integer_datetimes", "on"),
    ("intervalstyle", "postgres"),
    ("is_superuser", "on"),
    ("jit", "off"),
    ("lc_collate", "C"),
    ("lc_ctype", "C"),
    ("lc_messages", "C"),
    ("lock_timeout", "0"),
    ("max_identifier_length", "63"),
    ("row_security", "on"),
    ("search_path", "public"),
    ("server_encoding", "UTF8"),
    ("standard_compliant_strings", "on"),
    ("statement_timeout", "0"),
    ("synchronize_seqscans", "on"),
    ("transaction_isolation", "read committed"),
    ("transaction_read_only", "off"),
];

/// Settings of a session that cannot be set.
const READ_ONLY: [&str; 8] = [
    "in_hot_standby",
    "integer_datetimes",
    "is_superuser",
    "lc_collate",
    "lc_ctype",
    "max_identifier_length",
    "server_encoding",
    "standard_compliant_strings",
];

/// A command that begins with `first` and is about the session alone.
pub(super) fn command(first: &str, words: &mut Words<'_>) -> Option<Command> {
    if let Some(block) = block(first, &mut words.clone()) {
        return Some(Command::Transaction(block));
    }
    let command = match first {
        "set" => return set(words).then_some(Command::SetSession),
        "reset" => {
            words.name()?;
            words.rest();
            Command::Tidy(Tidy::Reset)
        }
        "discard" => Command::Tidy(match words.word()?.as_str() {
            "all" => Tidy::DiscardAll,
            "plans" => Tidy::Discard("DISCARD PLANS"),
            "sequences" => Tidy::Discard("DISCARD SEQUENCES"),
            "temp" | "temporary" => Tidy::Discard("DISCARD TEMP"),
            _ => return None,
        }),
        "deallocate" => {
            words.is("prepare");
            if words.is("all") {
                Command::Tidy(Tidy::DeallocateAll)
            } else {
                Command::Tidy(Tidy::Deallocate(words.name()?))
            }
        }
        "close" => words.is("all").then_some(Command::Tidy(Tidy::Close))?,
        "unlisten" => {
            let is_all = words.operator() == Some("*");
            if !is_all {
                words.name()?;
            }
            Command::Tidy(Tidy::Unlisten)
        }
        _ => return None,
    };
    words.is_over().then_some(command)
}

/// A command about transactions.
fn block(first: &str, words: &mut Words<'_>) -> Option<Block> {
    // A savepoint's name may be in quotes.
    let second = words.name().map(|name| name.to_ascii_lowercase());
    Some(match (first, second.as_deref()) {
        ("begin", _) | ("start", Some("transaction")) => Block::Begin,
        ("commit" | "end", None | Some("work" | "transaction")) => Block::Commit,
        ("abort", None | Some("work" | "transaction")) => Block::Rollback,
        ("rollback", None | Some("work" | "transaction" | "to")) => {
            let is_to = second.as_deref() == Some("to") || words.is("to");
            if is_to {
                words.rest();
                return Some(Block::RollbackTo);
            }
            Block::Rollback
        }
        ("savepoint", Some(_)) => Block::Savepoint,
        ("release", Some(_)) => Block::Release,
        _ => return None,
    })
}

/// Whether what stands behind `SET` is a setting of the session.
fn set(words: &mut Words<'_>) -> bool {
    let is_scoped = words.is("local") || words.is("session");
    if (is_scoped && words.are(&["characteristics", "as", "transaction"]))
        || words.is("transaction")
    {
        return true;
    }
    if words.is("names") || words.are(&["time", "zone"]) {
        return words.value().is_some();
    }
    let Some(name) = words.name() else {
        return false;
    };
    let name = name.to_ascii_lowercase();
    let is_known = SETTINGS.iter().any(|(known, _)| *known == name);
    let has_sign = words.operator() == Some("=") || words.is("to");
    is_known && !READ_ONLY.contains(&&*name) && has_sign && !words.is_over()
}

/// A setting of the session that stands behind `SHOW`, if one does.
pub(super) fn shown(words: &mut Words<'_>) -> Option<Command> {
    let (name, answer) = if words.are(&["transaction", "isolation", "level"]) {
        setting("transaction_isolation")?
    } else if words.are(&["time", "zone"]) {
        setting("timezone")?
    } else {
        setting(&words.name()?)?
    };
    words.is_over().then(|| fixed(name, answer))
}

/// The setting with this name, in whichever case.
fn setting(name: &str) -> Option<(&'static str, Answer)> {
    if name.eq_ignore_ascii_case("server_version") {
        return Some(("server_version", Answer::ServerVersion));
    }
    let mut settings = SETTINGS.into_iter();
    let (name, value) = settings.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some((name, Answer::Text(value)))
}

/// What stands behind `SELECT`, if it is a question of a driver.
pub(super) fn select(words: &mut Words<'_>) -> Option<Command> {
    if words.have("pg_type") {
        // Drivers look for types of extensions. The console has none.
        return Some(fixed("oid", Answer::Nothing));
    }
    let mut ahead = words.clone();
    let (name, answer) = match ahead.number() {
        Some(number) => {
            *words = ahead;
            ("?column?", Answer::Number(i32::try_from(number).ok()?))
        }
        None => function(words)?,
    };
    let alias = words.is("as").then(|| words.name());
    let name = match alias {
        Some(alias) => alias?,
        None => name.to_owned(),
    };
    words.is_over().then(|| fixed(&name, answer))
}

/// A function, or a word that is one.
fn function(words: &mut Words<'_>) -> Option<(&'static str, Answer)> {
    let mut name = words.word()?;
    if name == "pg_catalog" && words.takes(TokenKind::Dot) {
        name = words.word()?;
    }
    let is_called = words.takes(TokenKind::Open);
    let (name, answer) = match (&*name, is_called) {
        ("current_setting", true) => setting(&words.value()?)?,
        ("set_config", true) => {
            // Its name, its value, and whether it is for the transaction alone.
            words.value()?;
            for _ in 0..2 {
                if !words.takes(TokenKind::Comma) {
                    return None;
                }
                words.value()?;
            }
            ("set_config", Answer::Text(""))
        }
        ("version", true) => ("version", Answer::Version),
        ("current_database", true) => ("current_database", Answer::Database),
        ("current_catalog", false) => ("current_catalog", Answer::Database),
        ("current_schema", _) => ("current_schema", Answer::Text("public")),
        ("current_user", false) => ("current_user", Answer::User),
        ("session_user", false) => ("session_user", Answer::User),
        ("user", false) => ("user", Answer::User),
        ("pg_backend_pid", true) => ("pg_backend_pid", Answer::Pid),
        ("pg_is_in_recovery", true) => ("pg_is_in_recovery", Answer::No),
        ("pg_advisory_unlock_all", true) => ("pg_advisory_unlock_all", Answer::Text("")),
        _ => return None,
    };
    (!is_called || words.takes(TokenKind::Close)).then_some((name, answer))
}

fn fixed(name: &str, answer: Answer) -> Command {
    let name = name.to_owned();
    Command::Fixed(Fixed { name, answer })
}
