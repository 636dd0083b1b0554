//! Which prepared statements the text of a query drops.

use crate::kind::Kind;
use crate::lexer::{Lexer, TokenKind};
use crate::statements::Statements;

/// The names in the statements `DEALLOCATE name` of a text, in order: one for each answer with the tag
/// `DEALLOCATE`. Empty where that cannot be told for certain: with `EXECUTE`, which answers with the tag of
/// what it runs, or if the text has literals or bytes whose reading depends on the session's settings.
/// `DEALLOCATE ALL` has a tag of its own and is not among them.
pub fn deallocated(sql: &[u8]) -> Vec<Vec<u8>> {
    let depends = |byte: &u8| !byte.is_ascii() || matches!(byte, b'\'' | b'\\' | b'$');
    if !mentions_deallocate(sql) || sql.iter().any(depends) {
        return Vec::new();
    }
    let mut names = Vec::new();
    for statement in Statements::new(sql, true) {
        match Kind::of(statement, true) {
            Kind::Execute => return Vec::new(),
            Kind::Deallocate => match name(statement) {
                Name::Of(name) => names.push(name),
                Name::All => {}
                Name::Unreadable => return Vec::new(),
            },
            _ => {}
        }
    }
    names
}

/// Spares most texts the lexer.
fn mentions_deallocate(sql: &[u8]) -> bool {
    const WORD: &[u8] = b"deallocate";
    sql.windows(WORD.len())
        .any(|window| window.eq_ignore_ascii_case(WORD))
}

enum Name {
    Of(Vec<u8>),
    All,
    Unreadable,
}

/// What `DEALLOCATE [ PREPARE ] { name | ALL }` names.
fn name(statement: &[u8]) -> Name {
    let tokens = Lexer::new(statement, true).filter(|token| token.kind.significant());
    let mut rest: Vec<_> = tokens.skip(1).collect();
    let is = |at: usize, word: &[u8], rest: &[crate::lexer::Token]| {
        let token = &rest[at];
        token.kind == TokenKind::Word && token.text(statement).eq_ignore_ascii_case(word)
    };
    if rest.len() == 2 && is(0, b"prepare", &rest) {
        rest.remove(0);
    }
    let [token] = &*rest else {
        return Name::Unreadable;
    };
    let text = token.text(statement);
    match token.kind {
        TokenKind::Word if is(0, b"all", &rest) => Name::All,
        TokenKind::Word => Name::Of(text.to_ascii_lowercase()),
        TokenKind::QuotedIdentifier if token.terminated && text.starts_with(b"\"") => {
            Name::Of(unquoted(&text[1..text.len() - 1]))
        }
        _ => Name::Unreadable,
    }
}

/// What stands between the quotes, where two stand for one.
fn unquoted(text: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(text.len());
    let mut is_second = false;
    for &byte in text {
        is_second = byte == b'"' && !is_second;
        if !is_second {
            name.push(byte);
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::deallocated;

    #[test]
    fn names_are_read_as_postgresql_reads_them() {
        for (sql, expected) in [
            ("DEALLOCATE a", "a"),
            ("deallocate prepare A", "a"),
            ("DEALLOCATE \"A\"", "A"),
            ("deallocate prepare \"say \"\"so\"\"\"", "say \"so\""),
            ("deallocate prepare", "prepare"),
            ("/* it */ deallocate -- this\n a", "a"),
            ("select 1; deallocate a; deallocate b;", "a b"),
            ("deallocate \"all\"", "all"),
            // Of these nothing is dropped that has a name, or it is not certain what.
            ("deallocate all", ""),
            ("deallocate prepare all", ""),
            ("deallocate a; execute b", ""),
            ("deallocate a; select 'b'", ""),
            ("deallocate U&\"a\"", ""),
            ("deallocate \"\u{e9}\"", ""),
            ("deallocate a b", ""),
            ("deallocate", ""),
            ("select deallocate", ""),
            ("", ""),
        ] {
            let names: Vec<_> = deallocated(sql.as_bytes());
            let names: Vec<_> = names
                .iter()
                .map(|name| String::from_utf8_lossy(name))
                .collect();
            assert_eq!(names.join(" "), expected, "{sql}");
        }
    }
}
