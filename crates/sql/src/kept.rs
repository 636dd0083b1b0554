//! What a text shows to leave in its session whenever it runs.
//!
//! Where [`Effects`](crate::effects::Effects) says what a text may leave, so that PostgreSQL is asked, this is for
//! refusing it unasked: a word in a comment, a definition or a condition must not be enough. What is not told here,
//! the question finds.

use crate::effects::{Effects, Kinds};
use crate::kind::Kind;
use crate::lexer::{Lexer, Token, TokenKind};
use crate::statements::Statements;

/// What is not asked about: whatever may leave it counts as leaving it.
const UNASKED: Kinds = Kinds::LIBRARY.with(Kinds::FUNCTION).with(Kinds::UNNAMED);

/// What the statements of `sql` leave: kinds of [`Kinds::HELD`], and [`Kinds::PREPARED`] for `PREPARE`. A table that
/// is dropped with its transaction (`ON COMMIT DROP`) is not left. `conforming` is the session's
/// `standard_conforming_strings`.
pub fn kept(sql: &[u8], conforming: bool) -> Kinds {
    let may = Effects::of(sql, conforming).kinds;
    let mut kept = may.and(UNASKED);
    if !may.any(Kinds::HELD.with(Kinds::PREPARED)) {
        return kept;
    }
    for statement in Statements::new(sql, conforming) {
        kept.add(match Kind::of(statement, conforming) {
            Kind::Listen => Kinds::LISTEN,
            Kind::Load => Kinds::LIBRARY,
            Kind::Prepare => Kinds::PREPARED,
            Kind::Declare { hold: true } => Kinds::CURSOR,
            Kind::Create { temporary: true } if !is_dropped(statement, conforming) => {
                Kinds::TEMPORARY
            }
            Kind::Select => by_query(statement, conforming, true),
            Kind::Insert | Kind::Update | Kind::Delete | Kind::Merge => {
                by_query(statement, conforming, false)
            }
            _ => Kinds::NONE,
        });
    }
    kept
}

/// Whether a table goes when its transaction ends.
fn is_dropped(statement: &[u8], conforming: bool) -> bool {
    let tokens: Vec<_> = tokens(statement, conforming).collect();
    tokens
        .windows(2)
        .any(|pair| is_word(pair[0], statement, "commit") && is_word(pair[1], statement, "drop"))
}

/// Locks that a query takes, and the table of a `SELECT INTO`.
fn by_query(statement: &[u8], conforming: bool, is_select: bool) -> Kinds {
    let tokens: Vec<_> = tokens(statement, conforming).collect();
    let mut kept = Kinds::NONE;
    let mut depth = 0_usize;
    for (at, &token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1).copied();
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth = depth.saturating_sub(1),
            TokenKind::Word | TokenKind::QuotedIdentifier
                if next.is_some_and(|next| next.kind == TokenKind::Open)
                    && takes_lock(token.text(statement)) =>
            {
                kept.add(Kinds::ADVISORY_LOCK);
            }
            TokenKind::Word if is_select && depth == 0 && is_word(token, statement, "into") => {
                let temporary = into_temporary(&tokens[at + 1..], statement);
                kept.add(if temporary {
                    Kinds::TEMPORARY
                } else {
                    Kinds::NONE
                });
            }
            _ => {}
        }
    }
    kept
}

/// Whether what follows `INTO` is a temporary table. Alone, the word is the name of an ordinary one.
fn into_temporary(after: &[Token], statement: &[u8]) -> bool {
    let is = |at: usize, word| {
        after
            .get(at)
            .is_some_and(|&token| is_word(token, statement, word))
    };
    let at = usize::from(is(0, "local") || is(0, "global"));
    let is_named = after
        .get(at + 1)
        .is_some_and(|next| matches!(next.kind, TokenKind::Word | TokenKind::QuotedIdentifier));
    let ends = [
        "from", "where", "group", "having", "order", "limit", "union",
    ];
    (is(at, "temp") || is(at, "temporary")) && is_named && !ends.iter().any(|word| is(at + 1, word))
}

/// Whether a function of this name, perhaps in quotes, takes an advisory lock of the session.
fn takes_lock(name: &[u8]) -> bool {
    let name = name.strip_prefix(b"\"").unwrap_or(name);
    let name = name.strip_suffix(b"\"").unwrap_or(name);
    let locks: [&[u8]; 4] = [
        b"pg_advisory_lock",
        b"pg_advisory_lock_shared",
        b"pg_try_advisory_lock",
        b"pg_try_advisory_lock_shared",
    ];
    locks.iter().any(|lock| name.eq_ignore_ascii_case(lock))
}

fn tokens(statement: &[u8], conforming: bool) -> impl Iterator<Item = Token> {
    Lexer::new(statement, conforming).filter(|token| token.kind.significant())
}

fn is_word(token: Token, statement: &[u8], word: &str) -> bool {
    token.kind == TokenKind::Word && token.text(statement).eq_ignore_ascii_case(word.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::kept;
    use crate::effects::Kinds;

    #[test]
    fn what_outlives_its_transaction_is_told_by_its_statement() {
        for (sql, expected) in [
            ("create temp table t (a int)", Kinds::TEMPORARY),
            (
                "CREATE OR REPLACE TEMPORARY VIEW v AS SELECT 1",
                Kinds::TEMPORARY,
            ),
            (
                "create temp table t (a int) on commit delete rows",
                Kinds::TEMPORARY,
            ),
            (
                "insert into a values (1); create temp sequence s",
                Kinds::TEMPORARY,
            ),
            ("select 1 into temp t", Kinds::TEMPORARY),
            (
                "select 1 into local temporary table \"t\" from a",
                Kinds::TEMPORARY,
            ),
            ("select pg_advisory_lock(1)", Kinds::ADVISORY_LOCK),
            (
                "with a as (select 1) select pg_catalog.PG_TRY_ADVISORY_LOCK(1, 2)",
                Kinds::ADVISORY_LOCK,
            ),
            (
                "select \"pg_advisory_lock_shared\" (1)",
                Kinds::ADVISORY_LOCK,
            ),
            (
                "update t set a = 1 where pg_try_advisory_lock(b)",
                Kinds::ADVISORY_LOCK,
            ),
            ("listen a", Kinds::LISTEN),
            ("begin; listen a; commit", Kinds::LISTEN),
            ("declare c cursor with hold for select 1", Kinds::CURSOR),
            ("load 'auto_explain'", Kinds::LIBRARY),
            ("select dblink_connect('a', 'b')", Kinds::FUNCTION),
            ("select set_config($1, $2, false)", Kinds::UNNAMED),
            ("prepare a as select 1", Kinds::PREPARED),
        ] {
            assert_eq!(kept(sql.as_bytes(), true), expected, "{sql}");
        }
    }

    #[test]
    fn what_leaves_nothing_or_takes_back_is_let_through() {
        for sql in [
            "set work_mem = '1MB'; set app.x = 'y'; reset all",
            "set role bob",
            "select set_config('app.x', $1, false)",
            "create temp table t (a int) on commit drop",
            "select pg_advisory_unlock_all(); close all; unlisten *; reset all",
            "select pg_advisory_unlock(1), pg_advisory_xact_lock(2), pg_try_advisory_xact_lock(3)",
            "discard all; drop table pg_temp.t; deallocate all",
            "declare c cursor for select 1",
            "insert into temp (a) values (1)",
            "select 1 into temp from t",
            "select 1 into temp",
            "select pg_advisory_lock from t -- pg_advisory_lock(1)",
            "select 'create temp table t ()', 'pg_advisory_lock(1)'",
            "grant execute on function pg_advisory_lock(bigint) to bob",
            "create view v as select pg_advisory_lock(1)",
            "create function f() returns int language sql set search_path = a, pg_temp as 'select 1'",
            "create function f() returns int begin atomic; select pg_advisory_lock(1); end",
            "explain select pg_advisory_lock(1)",
            "do $$ begin create temp table t (); end $$",
            "call f()",
            "execute a",
            "prepare transaction 'a'",
        ] {
            assert_eq!(kept(sql.as_bytes(), true), Kinds::NONE, "{sql}");
        }
    }
}
