//! Texts for the tests of all modules.

use proptest::prelude::*;

/// Statements of all kinds with all kinds of tokens, including some known to confuse lexers.
pub(super) const CORPUS: &[&str] = &[
    "select 1",
    "SELECT a.b, count(*) FROM t AS x WHERE a.id = $1 AND b IN (1, -2, +3.5e4) ORDER BY 1 LIMIT 10;",
    "insert into t (a, b) values (1, 'x'), (2, null), (3, e'\\'') on conflict do nothing returning *",
    "insert into t values (1, array[1,2,3]), (2, array[4,5])",
    "select * from a where (b, c) in ((1, 2), (3, 4)) and d = any (array[[1, 2], [3, 4]])",
    "select * from a where b in (select c from d where e in (1,2)) and f not in ('a', 'b'::text)",
    "with a as (select 1), b as materialized (values (1), (2)) update c set d = -1 where e = - -2",
    "select 'it''s', E'a\\'b', U&'d\\0061t' uescape '!', N'n', B'01', X'ff' 'a'\n 'b' -- c\n 'd'",
    "select $$a$$, $a$ b $$ c $a$, $1, 0x1F, 0o7, 0b1, 1_000, .5, 5., 1e-5, 1..2",
    "select \"a\"\"b\", U&\"c\", \"null\" /* a /* b */ c */ from \"D\".\"E\" -- f",
    "select a->>'b', c#>'{1,2}', d ?| array['e'], f @> '{}'::jsonb, g||h, -i, i=-1, j<-2",
    "select date '2020-01-01' - interval '1 day', cast('1' as numeric(10, 2)), timestamp(3) 'now'",
    "create or replace function f(a int) returns int begin atomic select case a when 1 then 2 end; end",
    "create function f() returns int language plpgsql as $f$ begin return 1; end $f$; select f()",
    "create rule r as on insert to t do also (insert into u values (1); delete from v)",
    "begin; savepoint a_1; release savepoint a_1; rollback to savepoint a_1; commit",
    "declare \"c_1\" no scroll cursor with hold for select 1; fetch forward 10 from \"c_1\"; close c_1",
    "prepare p (int) as select $1; execute p(1); deallocate p; deallocate all",
    "set local my.setting = 'x'; set time zone 'UTC'; reset all; show search_path; discard all",
    "copy t (a) from stdin with (format csv, null 'x'); notify a, 'b'; listen a; do $$ begin end $$",
    "select a[1], b[1:2], (c).d, (array[1,2])[1], f(a => 1, b := 2), e::int[] from t",
    "select case when a is null then null else true end, b is not distinct from null, (null), not true",
    "values (1, now()), (2, now()), (default, default); table t",
    "select 1 /*action='%2Fa+b',controller='it%27s',traceparent='00-1-2-01'*/",
    "/*a='b'*/ select 'é', é, \"é\" from ü",
    "select 1where a=1and b = $1or c in(1)",
    "\\d {a} $ $a #!",
    "select ... , . .. :: : := => ... (..., ..., 1, ...)",
];

/// Text of fragments that matter to a lexer, in any order.
pub(super) fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => prop::sample::select(&[
            "select", "values", "in", "array", "null", "true", "not", "is", "from", "with", "as",
            "savepoint", "rollback", "to", "fetch", "declare", "deallocate", "close", "prepare",
            "create", "function", "begin", "atomic", "end", "set", "local", "a", "b", "_x1", "é",
            "…", "date", "e", "u", "x", "table", "insert", "cycle", "union", "on",
        ][..]).prop_map(String::from),
        4 => prop::sample::select(&[
            " ", " ", " ", "\n", "(", ")", "(", ")", ",", ",", ", ", ".", "..", "...", "[", "]",
            ";", ":", "::", ":=", "=", "-", "+", "*", "/", "<", "@", "?", "|", "$", "\\", "\u{1}",
            "u&", "--", "/*", "*/", "\"", "'", "$$", "$a$", "\u{85}", "\t",
        ][..]).prop_map(String::from),
        3 => literal(),
        1 => prop::sample::select(&[
            " in (1,2) ", " values (1),(2)", "values ($1, $2), ...", "array[1, 2]", ", ...",
            "\"q\"", "U&\"q\"", "-1", " (1, ...) ", "in (", "values (", "),(", "1, 1", "array[[",
            "],[", "in (select ", "(a), (a)",
        ][..]).prop_map(String::from),
    ];
    prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

/// Contained in every literal of [`literal`] that can contain letters.
pub(super) const SECRET: &str = "zqx";

/// A literal or parameter.
pub(super) fn literal() -> impl Strategy<Value = String> {
    prop::sample::select(
        &[
            "1",
            "42",
            "1.5",
            ".5",
            "1e10",
            "0xff",
            "1_000",
            "$1",
            "$22",
            "'zqx'",
            "'it''s zqx'",
            "e'\\'zqx'",
            "U&'zqx'",
            "N'zqx'",
            "$$zqx$$",
            "$a$ $$ zqx $a$",
            "'zqx' -- a\n 'zqx'",
            "'\\'",
            "''",
            "'--zqx'",
            "'/*zqx'",
            "'\"zqx'",
            "'zqx\n'",
            "12zqx",
        ][..],
    )
    .prop_map(String::from)
}
