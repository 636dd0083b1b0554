//! What the text of a query does to prepared statements by their names.

use crate::lexer::{Lexer, Token, TokenKind};
use crate::name::name;
use crate::statements::Statements;
use crate::word::mentions;

/// What is done to a prepared statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// `PREPARE name AS`.
    Prepare,
    /// `EXECUTE name`, also under `EXPLAIN` and in `CREATE TABLE ... AS`.
    Execute,
    /// `DEALLOCATE name`. `DEALLOCATE ALL` has a tag of its own and is not told.
    Deallocate,
}

/// What is done by name, in the order of the statements; `None` where that cannot be told for certain, because
/// of a name whose reading depends on more than the text.
///
/// `conforming` is `standard_conforming_strings`.
pub fn uses_by_name(sql: &[u8], conforming: bool) -> Option<Vec<(Use, Vec<u8>)>> {
    let mut uses = Vec::new();
    if !may_use_names(sql) {
        return Some(uses);
    }
    for statement in Statements::new(sql, conforming) {
        let tokens = Lexer::new(statement, conforming).filter(|token| token.kind.significant());
        let tokens: Vec<_> = tokens.collect();
        let is = |at: usize, word: &[u8]| {
            let token = tokens.get(at);
            let is_word = |token: &&Token| token.kind == TokenKind::Word;
            let token = token.filter(is_word);
            token.is_some_and(|token| token.text(statement).eq_ignore_ascii_case(word))
        };
        let (what, at) = if is(0, b"prepare") && !is(1, b"transaction") {
            (Use::Prepare, 1)
        } else if is(0, b"deallocate") {
            let is_long = is(1, b"prepare") && tokens.len() > 2;
            (Use::Deallocate, 1 + usize::from(is_long))
        } else if is(0, b"execute") {
            (Use::Execute, 1)
        } else if is(0, b"explain") || is(0, b"create") {
            match (0..tokens.len()).rfind(|&at| is(at, b"execute")) {
                Some(at) => (Use::Execute, at + 1),
                None => continue,
            }
        } else {
            continue;
        };
        if what == Use::Deallocate && is(at, b"all") {
            continue;
        }
        uses.push((what, name(tokens.get(at)?, statement)?));
    }
    Some(uses)
}

/// Spares most texts the lexer.
fn may_use_names(sql: &[u8]) -> bool {
    let words: [&[u8]; 3] = [b"prepare", b"execute", b"deallocate"];
    words.iter().any(|word| mentions(sql, word))
}

#[cfg(test)]
mod tests {
    use super::{Use, uses_by_name};

    fn told(sql: &str) -> Option<String> {
        let uses = uses_by_name(sql.as_bytes(), true)?;
        let words = uses.iter().map(|(what, name)| {
            let what = match what {
                Use::Prepare => '+',
                Use::Execute => '=',
                Use::Deallocate => '-',
            };
            format!("{what}{}", String::from_utf8_lossy(name))
        });
        Some(words.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn names_are_read_as_postgresql_reads_them() {
        for (sql, expected) in [
            ("DEALLOCATE a", "-a"),
            ("deallocate prepare A", "-a"),
            ("DEALLOCATE \"A\"", "-A"),
            ("deallocate prepare \"say \"\"so\"\"\"", "-say \"so\""),
            ("deallocate prepare", "-prepare"),
            ("/* it */ deallocate -- this\n a", "-a"),
            ("select 1; deallocate a; deallocate b;", "-a -b"),
            ("deallocate \"all\"", "-all"),
            ("deallocate all", ""),
            ("deallocate prepare all", ""),
            ("deallocate a; execute b", "-a =b"),
            ("deallocate a; select 'b'", "-a"),
            ("prepare a as select 1; execute a(1)", "+a =a"),
            ("PREPARE A (int) AS select 'execute b'", "+a"),
            ("prepare transaction 'a'", ""),
            ("explain (analyze) execute a(1, 2)", "=a"),
            ("create table t as execute \"B\"", "=B"),
            ("select deallocate", ""),
            ("", ""),
        ] {
            assert_eq!(told(sql).as_deref(), Some(expected), "{sql}");
        }
        for unreadable in [
            "deallocate U&\"a\"",
            "deallocate \"\u{e9}\"",
            "execute \u{e9}",
            "deallocate",
        ] {
            assert_eq!(told(unreadable), None, "{unreadable}");
        }
    }
}
