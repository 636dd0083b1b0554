use proptest::prelude::*;

use super::{Kind, Scope, Setting};
use crate::tests::{CORPUS, text};

fn kind(sql: &str) -> Kind<'_> {
    Kind::of(sql.as_bytes(), true)
}

#[test]
fn the_first_words_say_what_a_statement_is() {
    for (sql, expected) in [
        ("", "empty"),
        (" /* a */ ; -- b", "empty"),
        (";;select 1", "select"),
        ("/*a*/SELECT 1", "select"),
        ("select/**/1", "select"),
        ("((select 1) union select 2)", "select"),
        ("values (1)", "select"),
        ("table a", "select"),
        ("insert into a values (1)", "insert"),
        ("Update a set b = 1", "update"),
        ("delete from a", "delete"),
        (
            "merge into a using b on true when matched then delete",
            "merge",
        ),
        ("copy a from stdin", "copy"),
        ("begin isolation level serializable", "begin"),
        ("start transaction", "begin"),
        ("commit", "commit"),
        ("end", "commit"),
        ("commit and chain", "commit"),
        ("commit prepared 'a'", "commit prepared"),
        ("rollback", "rollback"),
        ("abort work", "rollback"),
        ("rollback prepared 'a'", "rollback prepared"),
        ("rollback to a", "rollback to"),
        ("rollback work to savepoint a", "rollback to"),
        ("savepoint a", "savepoint"),
        ("release a", "release"),
        ("prepare a as select 1", "prepare"),
        ("prepare transaction 'a'", "prepare transaction"),
        ("execute a(1)", "execute"),
        ("deallocate all", "deallocate"),
        ("listen a", "listen"),
        ("unlisten *", "unlisten"),
        ("notify a, 'b'", "notify"),
        ("fetch 10 from a", "fetch"),
        ("move all in a", "fetch"),
        ("close a", "close"),
        ("lock table a", "lock"),
        ("alter table a add b int", "alter"),
        ("drop table a", "drop"),
        ("truncate a", "truncate"),
        ("grant select on a to b", "grant"),
        ("comment on table a is 'b'", "define"),
        ("explain (analyze) delete from a", "explain"),
        ("call a()", "call"),
        ("do $$begin end$$", "do"),
        ("vacuum a", "maintain"),
        ("analyze", "maintain"),
        ("load 'a'", "load"),
        ("set constraints all deferred", "set constraints"),
        ("set transaction read only", "set transaction"),
        ("set local transaction read only", "set transaction"),
        (
            "set session characteristics as transaction read only",
            "set session characteristics",
        ),
        ("\"select\" 1", "other"),
        ("selecting", "other"),
        ("(", "other"),
        ("1", "other"),
        ("'", "other"),
        ("set", "other"),
        ("reset", "other"),
    ] {
        assert_eq!(kind(sql).label(), expected, "{sql}");
    }
}

#[test]
fn with_has_the_kind_of_its_main_statement() {
    for (sql, expected) in [
        (
            "with a as (delete from b returning *) select * from a",
            "select",
        ),
        (
            "with a as (select 1), b(c, d) as materialized (select 2) insert into e select 1",
            "insert",
        ),
        (
            "with recursive a as (select 1) update b set c = 1",
            "update",
        ),
        ("with recursive as (select 1) delete from a", "delete"),
        (
            "with a as not materialized (select 1) merge into b using a on true when matched then delete",
            "merge",
        ),
        (
            "with insert as (select 1), delete as (select 2) select 3",
            "select",
        ),
        ("with values as (select 1) insert into a select 1", "insert"),
        ("with a as (select 1) (select 2)", "select"),
        ("with a(insert) as (select 1) table a", "select"),
        (
            "with a as (select 1) search depth first by update, b set delete select 1",
            "select",
        ),
        (
            "with a as (select 1) cycle b, c set merge to 'x' default 'y' using update delete from d",
            "delete",
        ),
        ("(with a as (select 1) select 2)", "select"),
        ("with a as (select 1); select 1", "other"),
        ("with a as (insert", "other"),
        ("with", "other"),
    ] {
        assert_eq!(kind(sql).label(), expected, "{sql}");
    }
}

#[test]
fn set_names_its_setting_and_scope() {
    for (sql, expected_scope, expected) in [
        ("set a = 1", Scope::Session, "A"),
        ("SET A TO 1", Scope::Session, "a"),
        ("set session a to 1", Scope::Session, "a"),
        ("set local a to 1", Scope::Local, "a"),
        ("set a . \"B\" = 1", Scope::Session, "a.b"),
        ("set \"search_path\" = b", Scope::Session, "search_path"),
        ("set local.a = 1", Scope::Session, "local.a"),
        ("set session.a to 1", Scope::Session, "session.a"),
        ("set local session.a to 1", Scope::Local, "session.a"),
        ("set time zone 'UTC'", Scope::Session, "TimeZone"),
        ("set local time zone local", Scope::Local, "timezone"),
        ("set names 'utf8'", Scope::Session, "client_encoding"),
        ("set schema 'a'", Scope::Session, "search_path"),
        ("set xml option document", Scope::Session, "xmloption"),
        ("set role none", Scope::Session, "role"),
        ("set local role a", Scope::Local, "role"),
        (
            "set session authorization a",
            Scope::Session,
            "session_authorization",
        ),
        (
            "set session session authorization a",
            Scope::Session,
            "session_authorization",
        ),
        (
            "set local session authorization a",
            Scope::Local,
            "session_authorization",
        ),
        (
            "set transaction_isolation = 'serializable'",
            Scope::Session,
            "transaction_isolation",
        ),
        ("set transaction.a = 1", Scope::Session, "transaction.a"),
    ] {
        match kind(sql) {
            Kind::Set { scope, setting } => {
                assert_eq!(scope, expected_scope, "{sql}");
                assert!(setting.is(expected), "{sql}: {setting:?}");
                assert!(!setting.is("other"), "{sql}");
                assert!(!setting.is(&expected[1..]), "{sql}");
            }
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[test]
fn reset_and_show_name_their_setting() {
    assert_eq!(kind("reset all"), Kind::Reset(None));
    assert_eq!(kind("show all;"), Kind::Show(None));
    assert_eq!(kind("reset a.b"), Kind::Reset(Some(Setting(b"a.b"))));
    assert_eq!(
        kind("show time zone"),
        Kind::Show(Some(Setting(b"timezone")))
    );
    assert_eq!(
        kind("reset session authorization"),
        Kind::Reset(Some(Setting(b"session_authorization")))
    );
    assert_eq!(
        kind("show transaction isolation level"),
        Kind::Show(Some(Setting(b"transaction_isolation")))
    );
    assert_eq!(
        kind("show Work_Mem"),
        Kind::Show(Some(Setting(b"Work_Mem")))
    );
}

#[test]
fn statements_that_change_the_session_are_recognised() {
    for (sql, hold) in [
        ("declare a cursor with hold for select 1", true),
        (
            "declare a binary no scroll cursor WITH HOLD for select 1",
            true,
        ),
        ("declare a cursor without hold for select 1", false),
        (
            "declare a cursor for select hold from b, c with hold",
            false,
        ),
        (
            "declare a cursor for with hold as (select 1) select 1",
            false,
        ),
    ] {
        assert_eq!(kind(sql), Kind::Declare { hold }, "{sql}");
    }
    for (sql, temporary) in [
        ("create table a (b int)", false),
        ("create temp table a (b int)", true),
        ("create local temporary table a (b int)", true),
        ("create or replace temp view a as select 1", true),
        ("create unlogged table temp (b int)", false),
        ("create", false),
    ] {
        assert_eq!(kind(sql), Kind::Create { temporary }, "{sql}");
    }
    assert_eq!(kind("discard all"), Kind::Discard { all: true });
    assert_eq!(kind("discard plans"), Kind::Discard { all: false });
}

#[test]
fn every_prefix_has_a_kind() {
    for sql in CORPUS {
        for end in 0..=sql.len() {
            let _ = Kind::of(&sql.as_bytes()[..end], true);
        }
    }
}

proptest! {
    #[test]
    fn comments_and_case_do_not_change_the_kind(sql in text()) {
        // The tag of a dollar quote is case-sensitive.
        let sql = sql.replace('$', "");
        let expected = kind(&sql).label();
        let upper = sql.to_ascii_uppercase();
        prop_assert_eq!(kind(&upper).label(), expected);
        let commented = format!("/* a */ -- b\n{sql}");
        prop_assert_eq!(kind(&commented).label(), expected);
    }
}
