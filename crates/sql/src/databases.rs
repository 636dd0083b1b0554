//! Databases that a text needs nobody else to be connected to.
//!
//! PostgreSQL drops, renames, moves or copies a database only while no other session is in it.

use crate::lexer::{Lexer, Token, TokenKind};
use crate::name::name;
use crate::statements::Statements;

/// Databases of one text that are named. More than one cannot run in one text, as each of these statements
/// refuses to share its transaction.
const NAMES_MAX: usize = 4;

/// Bytes of the longest name. A longer one is cut where a character ends, which depends on the encoding.
const NAME_LEN_MAX: usize = 63;

/// What PostgreSQL copies unless it is told otherwise.
const USUAL_TEMPLATE: &[u8] = b"template1";

/// The names in `sql`, in the order of its statements, as far as they are certain.
///
/// `conforming` is `standard_conforming_strings`.
pub fn databases_wanted(sql: &[u8], conforming: bool) -> Vec<Vec<u8>> {
    let statements = Statements::new(sql, conforming);
    let names = statements.filter_map(|statement| wanted(statement, conforming));
    let names = names.filter(|name| name.len() <= NAME_LEN_MAX);
    names.take(NAMES_MAX).collect()
}

/// Whether a statement that `sql` begins with is one of those.
pub(crate) fn wants_database(sql: &[u8], conforming: bool) -> bool {
    let mut words = Lexer::new(sql, conforming).filter(|token| token.kind.significant());
    let second = words.nth(1);
    second.is_some_and(|token| is(sql, &token, "database")) && wanted(sql, conforming).is_some()
}

fn wanted(statement: &[u8], conforming: bool) -> Option<Vec<u8>> {
    let tokens = Lexer::new(statement, conforming).filter(|token| token.kind.significant());
    let mut tokens = tokens.take_while(|token| token.kind != TokenKind::Semicolon);
    let is = |token: &Token, word| is(statement, token, word);
    let first = tokens.next()?;
    if !is(&tokens.next()?, "database") {
        return None;
    }
    let mut named = tokens.next()?;
    if is(&first, "drop") {
        let follows = tokens.next();
        if is(&named, "if") && follows.is_some_and(|token| is(&token, "exists")) {
            named = tokens.next()?;
        }
        return name(&named, statement);
    }
    if is(&first, "alter") {
        let (verb, what) = (tokens.next()?, tokens.next()?);
        let is_renamed = is(&verb, "rename");
        let is_moved = is(&verb, "set") && is(&what, "tablespace");
        return (is_renamed || is_moved)
            .then(|| name(&named, statement))
            .flatten();
    }
    if !is(&first, "create") {
        return None;
    }
    if !tokens.any(|token| is(&token, "template")) {
        return Some(USUAL_TEMPLATE.to_vec());
    }
    let mut template = tokens.next()?;
    if template.text(statement) == b"=" {
        template = tokens.next()?;
    }
    if is(&template, "default") {
        return Some(USUAL_TEMPLATE.to_vec());
    }
    name(&template, statement)
}

fn is(sql: &[u8], token: &Token, word: &str) -> bool {
    let text = token.text(sql);
    token.kind == TokenKind::Word && text.eq_ignore_ascii_case(word.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::databases_wanted;

    #[test]
    fn databases_that_must_be_empty_are_named() {
        for (sql, expected) in [
            ("DROP DATABASE a", "a"),
            ("drop database if exists \"A b\" with (force)", "A b"),
            ("drop database if", "if"),
            ("/* x */ drop /* y */ database A;", "a"),
            ("alter database a rename to b", "a"),
            ("alter database \"a\" set tablespace b", "a"),
            ("create database a template = b owner c", "b"),
            ("create database a with owner c template \"B\"", "B"),
            ("create database a template default", "template1"),
            ("create database a", "template1"),
            ("drop database a; drop database b", "a b"),
            ("select 1; drop database a", "a"),
            ("alter database a set work_mem = 1", ""),
            ("alter database a owner to b", ""),
            ("alter database a", ""),
            ("drop table database", ""),
            ("select 'drop database a'", ""),
            ("comment on database a is ''", ""),
            ("drop database U&\"a\"", ""),
            ("drop database", ""),
            ("", ""),
        ] {
            let names = databases_wanted(sql.as_bytes(), true);
            let names: Vec<_> = names
                .iter()
                .map(|name| String::from_utf8_lossy(name))
                .collect();
            assert_eq!(names.join(" "), expected, "{sql}");
        }
    }
}
