use proptest::prelude::*;

use super::{Effects, Kinds};

/// Kinds by their names in the table.
const NAMES: [(&str, Kinds); 21] = [
    ("settings", Kinds::SETTINGS),
    ("reset", Kinds::RESET),
    ("unnamed", Kinds::UNNAMED),
    ("temporary", Kinds::TEMPORARY),
    ("lock", Kinds::ADVISORY_LOCK),
    ("listen", Kinds::LISTEN),
    ("cursor", Kinds::CURSOR),
    ("library", Kinds::LIBRARY),
    ("function", Kinds::FUNCTION),
    ("anything", Kinds::ANYTHING),
    ("drop", Kinds::DROP),
    ("close", Kinds::CLOSE),
    ("discard-all", Kinds::DISCARD_ALL),
    ("sequence-read", Kinds::SEQUENCE_READ),
    ("sequence", Kinds::SEQUENCE),
    ("prepared", Kinds::PREPARED),
    ("database", Kinds::DATABASE),
    ("create", Kinds::CREATE),
    ("reset-all", Kinds::RESET_ALL),
    ("unlock", Kinds::UNLOCK),
    ("unlisten", Kinds::UNLISTEN),
];

fn shown(sql: &str) -> String {
    let effects = Effects::of(sql.as_bytes(), true);
    let kinds = NAMES.iter().filter(|(_, kind)| effects.kinds.any(*kind));
    let kinds = kinds.map(|(name, _)| (*name).to_owned());
    kinds.chain(effects.names).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (sql, expected) in cases {
        assert_eq!(shown(sql), *expected, "{sql}");
    }
}

#[test]
fn what_comes_often_leaves_nothing() {
    check(&[
        ("select abalance from pgbench_accounts where aid = 1", ""),
        ("update t set search_path = 'a' where temp = $1", ""),
        ("insert into temp (a, temp) values ($1, 'set x to y')", ""),
        (
            "merge into t using u on true when not matched then do nothing",
            "",
        ),
        ("delete from t; begin; commit; end; rollback", ""),
        ("select count(*), max(set) from listen -- reset all", ""),
        ("select 'discard all' /* lock pg_advisory_lock(1) */", ""),
        ("notify a, 'b'", ""),
        ("", ""),
    ]);
}

#[test]
fn settings_of_the_session_and_not_of_the_transaction() {
    check(&[
        ("SET search_path TO a", "settings"),
        ("/* x */ set session work_mem = '1GB'", "settings"),
        ("set app.Tenant_ID to '7'", "settings app.tenant_id"),
        ("set \"App\".\"x\" = 1", "settings app.x"),
        ("set U&\"\\0061\".x = 1", "settings unnamed anything"),
        ("set local app.x = 1", ""),
        ("set local.x = 1", "settings reset local.x"),
        ("set transaction read only", ""),
        ("set constraints all deferred", ""),
        (
            "set session characteristics as transaction read only",
            "settings",
        ),
        ("set role bob", "settings"),
        (
            "set session authorization default",
            "settings reset session_authorization",
        ),
        ("select 1; set a.b = 1; reset a.c", "settings reset a.b a.c"),
        ("reset all", "reset reset-all"),
        ("set timezone to default", "settings reset timezone"),
        ("set time zone local", "settings reset timezone"),
        ("discard all", "reset drop discard-all reset-all"),
        ("discard plans", "drop"),
        ("begin; update pg_settings set setting = 1", "settings"),
        ("select * from pg_settings", ""),
    ]);
}

#[test]
fn calls_of_set_config_by_their_arguments() {
    check(&[
        ("select set_config('app.X', $1, false)", "settings app.x"),
        ("select set_config('app.x', $1, true)", ""),
        ("select set_config('app.x', f(1, true), TRUE), 1", ""),
        ("select set_config('app.x', $1, $2)", "settings app.x"),
        ("select set_config('app.x', $1, not true)", "settings app.x"),
        (
            "select pg_catalog.\"set_config\"('role', 'b', false)",
            "settings",
        ),
        (
            "select set_config('app.x'::text, '', f())",
            "settings app.x",
        ),
        ("select set_config($1, $2, true)", ""),
        ("select set_config($1, $2, false)", "settings unnamed"),
        (
            "select set_config('app.' || a, b, false)",
            "settings unnamed",
        ),
        ("select set_config(E'app.x', b, false)", "settings unnamed"),
        ("select set_config('a''b.c', b, false)", "settings unnamed"),
        ("select set_config('x', null, false)", "settings reset x"),
        ("select set_config(is_local => true)", "settings unnamed"),
        (
            "with a as (select set_config('a.b', c, false)) select set_config('a.c', d, true) from a",
            "settings a.b",
        ),
        (
            "copy (select set_config('a.b', c, false)) to stdout",
            "settings a.b",
        ),
    ]);
    let text = format!("select {}", "set_config(".repeat(1_000));
    assert_eq!(shown(&text), "settings unnamed");
}

#[test]
fn what_holds_a_server() {
    check(&[
        ("create temp table a (b int)", "temporary create"),
        (
            "CREATE OR REPLACE LOCAL TEMPORARY VIEW a AS",
            "temporary create",
        ),
        ("select 1 into temp t", "temporary create"),
        (
            "with a as (select 1) select * into temporary table t from a",
            "temporary create",
        ),
        (
            "explain analyze create temp table a as select 1",
            "temporary create",
        ),
        ("create table pg_temp.a ()", "temporary create"),
        (
            "create function \"pg_temp\".f() returns int",
            "temporary create",
        ),
        ("create table a (temp int)", "create"),
        ("drop table a", "drop"),
        ("select pg_advisory_lock(1)", "lock"),
        ("select PG_TRY_ADVISORY_LOCK_SHARED(1, 2) from t", "lock"),
        ("select pg_advisory_unlock_all()", "unlock"),
        (
            "select pg_advisory_xact_lock(1), pg_try_advisory_xact_lock_shared(1)",
            "",
        ),
        ("listen a", "listen"),
        ("unlisten *", "unlisten"),
        ("declare a cursor with hold for select 1", "cursor"),
        ("declare a no scroll cursor for select hold", ""),
        ("close all", "close"),
        ("load 'auto_explain'", "library"),
        ("select dblink_connect('a', 'b')", "function"),
        ("select dblink('a', 'b')", ""),
        (
            "select pg_create_logical_replication_slot('a', 'b', true)",
            "function",
        ),
    ]);
}

#[test]
fn what_cannot_be_seen_may_be_anything() {
    check(&[
        ("call p()", "anything"),
        ("do $$ begin end $$", "anything"),
        (
            "do $a$ begin set app.x = 1; perform set_config('app.y', '', false); end $a$",
            "settings anything app.x app.y",
        ),
        (
            "do 'begin perform set_config(''app.y'', a, false); end'",
            "settings anything app.y",
        ),
        (
            "create function f() returns int as $$ set app.x = 1 $$",
            "create",
        ),
        ("insert into t values (1) on conflict do nothing", ""),
        ("select U&\"set_config\"('a')", "unnamed anything"),
    ]);
}

#[test]
fn prepared_statements_sequences_and_databases() {
    check(&[
        ("prepare a as select 1", "prepared"),
        ("prepare transaction 'a'", ""),
        ("explain analyze execute a", "prepared"),
        ("deallocate all", "prepared"),
        (
            "prepare a as select set_config('a.b', $1, false)",
            "settings prepared a.b",
        ),
        ("select nextval('a')", "sequence"),
        ("select currval('a'), lastval()", "sequence-read"),
        ("drop database a", "drop database"),
        ("alter database a rename to b", "database"),
        (
            "alter database a set work_mem = 1; grant create on database a to b",
            "create",
        ),
        ("create table database (database text)", "create"),
        ("create database a template b", "database create"),
    ]);
}

#[test]
fn more_names_than_are_kept_are_unnamed() {
    let text = |count| -> String {
        let all = (0..count).map(|at| format!("set a.b{at} = 1;"));
        all.collect()
    };
    let of = |count| Effects::of(text(count).as_bytes(), true);
    assert!(!of(super::NAMES_MAX).kinds.any(Kinds::UNNAMED));
    let more = of(super::NAMES_MAX + 1);
    assert!(more.kinds.any(Kinds::UNNAMED));
    assert_eq!(more.names.len(), super::NAMES_MAX);
}

proptest! {
    #[test]
    fn no_text_panics(text in prop::collection::vec(any::<u8>(), 0..200), strings: bool) {
        let _ = Effects::of(&text, strings);
    }

    /// What stands around a statement hides nothing of it.
    #[test]
    fn neighbours_hide_nothing(
        before in prop::sample::select(vec!["", "select 1; ", "/* set */ ", "begin; insert into a values ('x'); ", "-- it's\n", ";; "]),
        after in prop::sample::select(vec!["", ";", "; select 1", " -- x", "; commit"]),
        at in 0usize..6,
        upper: bool,
    ) {
        let (text, kind) = [
            ("set a.b = 1", Kinds::SETTINGS),
            ("create temp table a ()", Kinds::TEMPORARY),
            ("select pg_advisory_lock(1)", Kinds::ADVISORY_LOCK),
            ("listen a", Kinds::LISTEN),
            ("declare a cursor with hold for select 1", Kinds::CURSOR),
            ("discard all", Kinds::DISCARD_ALL),
        ][at];
        let text = if upper { text.to_uppercase() } else { text.to_owned() };
        let effects = Effects::of(format!("{before}{text}{after}").as_bytes(), true);
        prop_assert!(effects.kinds.any(kind), "{before}{text}{after}");
    }
}
