use proptest::prelude::*;

use super::Statements;
use crate::tests::{CORPUS, text};

fn check(sql: &str, expected: &[&str]) {
    let found: Vec<_> = Statements::new(sql.as_bytes(), true)
        .map(|statement| str::from_utf8(statement).expect("cut at ASCII"))
        .collect();
    assert_eq!(found, expected, "{sql}");
}

#[test]
fn semicolons_end_statements() {
    check("", &[]);
    check(" ;; -- a\n /* b */ ;", &[]);
    check("select 1", &["select 1"]);
    check(
        " select 1 ; /* a */ select 2; -- b",
        &["select 1", "select 2"],
    );
    check(
        "begin;select ';';commit",
        &["begin", "select ';'", "commit"],
    );
    check("do $$ a; b $$; select 1", &["do $$ a; b $$", "select 1"]);
    check("select 1; 'a; b", &["select 1", "'a; b"]);
}

#[test]
fn semicolons_in_parentheses_do_not() {
    let rule = "create rule a as on insert to b do also (insert into c values (1); delete from d)";
    check(&format!("{rule}; select 1"), &[rule, "select 1"]);
    check(") ; select 1", &[")", "select 1"]);
    check("(a; select 1", &["(a; select 1"]);
}

#[test]
fn semicolons_in_a_function_body_do_not() {
    let function = "create or replace function f(a int) returns int begin atomic \
         select case when a = 1 then 2 end; select 3 end; return a; end";
    check(&format!("{function}; select 1"), &[function, "select 1"]);
    let empty = "CREATE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC END";
    check(&format!("{empty};select 1"), &[empty, "select 1"]);
    check(
        "create function f() returns int as 'a' ; begin; select 1; end",
        &[
            "create function f() returns int as 'a'",
            "begin",
            "select 1",
            "end",
        ],
    );
    check("begin atomic; end", &["begin atomic", "end"]);
    check(
        "create table begin atomic; select 1",
        &["create table begin atomic", "select 1"],
    );
}

fn assert_covers(sql: &[u8]) {
    let base = sql.as_ptr() as usize;
    let mut last_end = 0;
    for statement in Statements::new(sql, true) {
        let start = statement.as_ptr() as usize - base;
        assert!(!statement.is_empty());
        assert!(start >= last_end);
        last_end = start + statement.len();
        // A single statement is returned unchanged.
        let again: Vec<_> = Statements::new(statement, true).collect();
        assert_eq!(again, [statement]);
    }
}

#[test]
fn every_prefix_is_split_into_statements() {
    for sql in CORPUS {
        for end in 0..=sql.len() {
            assert_covers(&sql.as_bytes()[..end]);
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_cut_into_statements(sql in text()) {
        assert_covers(sql.as_bytes());
    }
}
