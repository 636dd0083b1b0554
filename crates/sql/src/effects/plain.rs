//! Texts that tell all of what they do to the session, so that nobody has to be asked.

use super::is_word;
use crate::lexer::{Lexer, Token, TokenKind};

/// What the only statement of a text does outside a transaction, if it is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plain {
    /// `SET name TO value`.
    Set {
        /// Of the setting, in lower case.
        name: String,
        /// As `set_config` takes it, in ASCII; `None` where the text does not tell that.
        value: Option<String>,
    },
    /// `DISCARD ALL`.
    DiscardAll,
}

/// Settings whose value is a list, of which one text is one member and not the value.
const LISTS: [&str; 14] = [
    "createrole_self_grant",
    "datestyle",
    "debug_io_direct",
    "listen_addresses",
    "local_preload_libraries",
    "log_connections",
    "log_destination",
    "restrict_nonsystem_relation_kind",
    "search_path",
    "session_preload_libraries",
    "synchronized_standby_slots",
    "synchronous_standby_names",
    "temp_tablespaces",
    "wal_consistency_checking",
];

/// What is set like a setting of the session and is none, or not one like others.
const OTHERS: [&str; 3] = ["role", "seed", "session_authorization"];

impl Plain {
    /// What `sql` does, if that is all of it and certain, however strings are read.
    pub fn of(sql: &[u8]) -> Option<Self> {
        let mut tokens = [None; 10];
        let mut count = 0;
        for token in Lexer::new(sql, true).filter(|token| token.kind.significant()) {
            *tokens.get_mut(count)? = Some(token);
            count += 1;
        }
        let tokens = tokens[..count].iter().flatten();
        let mut tokens: Vec<Token> = tokens.copied().collect();
        if tokens.last()?.kind == TokenKind::Semicolon {
            tokens.pop();
        }
        let is = |at: usize, word: &str| {
            tokens
                .get(at)
                .is_some_and(|token| is_word(token, sql, word))
        };
        if tokens.len() == 2 && is(0, "discard") && is(1, "all") {
            return Some(Self::DiscardAll);
        }
        if !is(0, "set") {
            return None;
        }
        let takes_back =
            |token: &Token| is_word(token, sql, "default") || is_word(token, sql, "local");
        let ends = |token: &Token| token.kind == TokenKind::Semicolon;
        if tokens.iter().any(|token| ends(token) || takes_back(token)) {
            return None;
        }
        let from = 1 + usize::from(is(1, "session"));
        let (name, value) = if is(from, "time") && is(from + 1, "zone") {
            ("timezone".to_owned(), None)
        } else if is(from, "names") {
            ("client_encoding".to_owned(), None)
        } else {
            assignment(&tokens[from..], sql)?
        };
        let is_plain = !OTHERS.contains(&&*name) && !name.starts_with("transaction_");
        is_plain.then_some(Self::Set { name, value })
    }
}

/// Name and value of `name TO value`.
fn assignment(tokens: &[Token], sql: &[u8]) -> Option<(String, Option<String>)> {
    let is_sign = |token: &Token| {
        is_word(token, sql, "to") || token.kind == TokenKind::Operator && token.text(sql) == b"="
    };
    let at = tokens.iter().position(is_sign)?;
    let name = name(&tokens[..at], sql)?;
    if at + 1 == tokens.len() {
        return None;
    }
    let value = value(&tokens[at + 1..], sql).filter(|_| !LISTS.contains(&&*name));
    Some((name, value))
}

/// A name of words, perhaps with dots, in lower case.
fn name(tokens: &[Token], sql: &[u8]) -> Option<String> {
    let mut name = String::new();
    for (at, token) in tokens.iter().enumerate() {
        let expected = if at % 2 == 0 {
            TokenKind::Word
        } else {
            TokenKind::Dot
        };
        let text = str::from_utf8(token.text(sql)).ok()?;
        (token.kind == expected && text.is_ascii()).then_some(())?;
        name.push_str(&text.to_ascii_lowercase());
    }
    (tokens.len() % 2 == 1 && name.len() < 64).then_some(name)
}

/// A literal, or a word that stands for itself.
fn value(tokens: &[Token], sql: &[u8]) -> Option<String> {
    let text = |token: &Token| {
        str::from_utf8(token.text(sql))
            .ok()
            .filter(|text| text.is_ascii())
    };
    match tokens {
        [token] => match token.kind {
            TokenKind::String if token.terminated => {
                let inner = text(token)?.strip_prefix('\'')?.strip_suffix('\'')?;
                let is_plain = !inner.contains(['\\', '\n', '\r']);
                is_plain.then(|| inner.replace("''", "'"))
            }
            TokenKind::Number => Some(text(token)?.to_owned()),
            TokenKind::Word => {
                let word = text(token)?.to_ascii_lowercase();
                (word.len() < 64).then_some(word)
            }
            _ => None,
        },
        [sign, number] if sign.kind == TokenKind::Operator && number.kind == TokenKind::Number => {
            (sign.text(sql) == b"-").then(|| Some(format!("-{}", text(number)?)))?
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Plain;

    fn told(sql: &str) -> String {
        match Plain::of(sql.as_bytes()) {
            Some(Plain::Set { name, value }) => {
                format!("{name}={}", value.as_deref().unwrap_or("?"))
            }
            Some(Plain::DiscardAll) => "discard".to_owned(),
            None => String::new(),
        }
    }

    #[test]
    fn one_statement_with_one_literal_tells_all() {
        for (sql, expected) in [
            ("SET work_mem TO '7MB'", "work_mem=7MB"),
            ("set session Work_Mem = 64;", "work_mem=64"),
            ("set a.B to 'it''s'", "a.b=it's"),
            ("set app.tenant to ''", "app.tenant="),
            ("set geqo to OFF", "geqo=off"),
            ("set extra_float_digits = -1", "extra_float_digits=-1"),
            ("/* a */ set jit -- b\n to off;", "jit=off"),
            ("set search_path to 'a, b'", "search_path=?"),
            ("set search_path to a, b", "search_path=?"),
            ("set datestyle to 'ISO'", "datestyle=?"),
            ("set time zone interval '1' hour", "timezone=?"),
            ("set names 'UTF8'", "client_encoding=?"),
            ("set a.b to E'\\\\'", "a.b=?"),
            ("set a.b to 'caf\u{e9}'", "a.b=?"),
            ("set a.b to 'a\\'", "a.b=?"),
            ("set a.b to 'a'\n'b'", "a.b=?"),
            ("set a.b to $$a$$", "a.b=?"),
            ("set a.b to \"a\"", "a.b=?"),
            ("set a.b to + 7", "a.b=?"),
            ("discard all", "discard"),
            ("DISCARD ALL;", "discard"),
        ] {
            assert_eq!(told(sql), expected, "{sql}");
        }
    }

    #[test]
    fn what_tells_less_than_all_is_not_plain() {
        for sql in [
            "",
            "set",
            "set work_mem",
            "set work_mem to",
            "set work_mem to default",
            "set local work_mem to 7",
            "set session session authorization bob",
            "set session authorization bob",
            "set session characteristics as transaction read only",
            "set transaction read only",
            "set transaction_read_only to on",
            "set role to bob",
            "set role bob",
            "set seed to 0.5",
            "set \"work_mem\" to 7",
            "set caf\u{e9}.b to 'a'",
            "set time zone default",
            "set time zone local",
            "set names default",
            "set a.b to 'a\\'; set a.c to 7; --'",
            "set a.b to 'a'; select 1",
            "set a.b to 'a'; set a.c to 'b'",
            "select 1; set a.b to 'a'",
            "set a. to 'a'",
            "discard plans",
            "discard all; select 1",
            "select set_config('a.b', 'c', false)",
        ] {
            assert_eq!(told(sql), "", "{sql}");
        }
    }
}
