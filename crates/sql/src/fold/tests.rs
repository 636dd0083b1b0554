//! These tests check the folding in the resulting text; the tests of [`crate::normalise`] check its
//! spacing and length.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "one test measures that the time grows no faster than the text"
)]

use std::time::{Duration, Instant};

use crate::fingerprint::Fingerprint;
use crate::normalise::normalise;

fn check(sql: &str, expected: &str) {
    assert_eq!(normalise(sql.as_bytes(), true, 1000), expected, "{sql}");
}

#[test]
fn literals_and_parameters_are_placeholders_in_order() {
    check(
        "select 1, 'a', $7, $$b$$, e'\\'', x'ff', 0x1f, 1e5",
        "select $1, $2, $3, $4, $5, $6, $7, $8",
    );
    check(
        "select date '2020-01-01', interval '1' year",
        "select date $1, interval $2 year",
    );
    check(
        "select 'a'::text::bytea, cast('b' as c)",
        "select $1::text::bytea, cast($2 as c)",
    );
    check("select 'a' -- b\n 'c' from d", "select $1 from d");
    check("where a=1and b", "where a = $1 b");
}

#[test]
fn unterminated_text_is_a_placeholder() {
    for open in [
        "'secret",
        "e'secret\\'",
        "$$secret",
        "$a$secret$b$",
        "\"secret",
        "U&\"secret",
        "U&'secret",
    ] {
        check(&format!("select {open}"), "select $1");
    }
    check("select 1 /* secret", "select $1");
    check("select 1 -- secret", "select $1");
}

#[test]
fn a_sign_belongs_to_its_number_unless_an_operand_precedes_it() {
    check("select -1", "select $1");
    check(
        "select a -1, 2 -1, (a) -1, a[1] -1",
        "select a - $1, $2 - $3, (a) - $4, a[$5] - $6",
    );
    check(
        "where a = -1 and b in (-1, + 2)",
        "where a = $1 and b in ($2, ...)",
    );
    check(
        "a between -1 and -2 limit - /* x */ 3",
        "a between $1 and $2 limit $3",
    );
    check("a = - b, -'1', - -1", "a = - b, - $1, - $2");
    check("a=-", "a = -");
    check("a - -", "a - -");
}

#[test]
fn null_and_booleans_are_literals_in_place_of_a_value() {
    check("values (1, null, true)", "values ($1, $2, $3)");
    check("a = null, b = (false)", "a = $1, b = ($2)");
    check("a is null and b is not true", "a is null and b is not true");
    check("join a on true", "join a on true");
    check("a int not null default null", "a int not null default null");
    check("t.null", "t.null");
    check(
        "case when true then null else false end",
        "case when $1 then $2 else $3 end",
    );
}

#[test]
fn equal_elements_of_lists_are_shown_once() {
    check("a in (1)", "a in ($1)");
    check("a in (1, 2)", "a in ($1, ...)");
    check(
        "a in (1,2,3) and b not in ('x', 'y') and c = 1",
        "a in ($1, ...) and b not in ($2, ...) and c = $3",
    );
    check("a in (1::int, 2::int)", "a in ($1::int, ...)");
    check("a in (1, b, 2, 3)", "a in ($1, b, $2, ...)");
    check(
        "(a, b) in ((1, 2), (3, 4), (5, 6))",
        "(a, b) in (($1, $2), ...)",
    );
    check("any (array[1, 2, 3])", "any (array[$1, ...])");
    check("array[[1, 2], [3, 4]]", "array[[$1, ...], ...]");
    check("f(1, 2)", "f($1, $2)");
    check("select 1, 2", "select $1, $2");
    check("a[1, 2]", "a[$1, $2]");
    check("x.in (1, 2)", "x.in($1, $2)");
}

#[test]
fn equal_rows_are_shown_once() {
    check("values (1, 'a')", "values ($1, $2)");
    check(
        "values (1, 'a'), (2, null), (3, 'c')",
        "values ($1, $2), ...",
    );
    check(
        "insert into t values (1), (2) on conflict do update set a = 3, b = 4",
        "insert into t values ($1), ... on conflict do update set a = $2, b = $3",
    );
    check("values (1, now()), (2, now())", "values ($1, now()), ...");
    check(
        "values (1, default), (2, 3), (4, 5)",
        "values ($1, default), ($2, $3), ...",
    );
    check("(values (1), (2)), a, b", "(values ($1), ...), a, b");
    check(
        "values (1), (2); select 1, (2), (3)",
        "values ($1), ...; select $2, ($3), ($4)",
    );
}

#[test]
fn nested_lists_are_shortened() {
    check(
        "values (1, array[1, 2]), (2, array[3, 4, 5])",
        "values ($1, array[$2, ...]), ...",
    );
    check(
        "a in (select b from c where d in (1, 2) and e = 3), f in (4, 5)",
        "a in (select b from c where d in ($1, ...) and e = $2), f in ($3, ...)",
    );
    check("a in (select 1, 2, 3)", "a in (select $1, $2, $3)");
    check("a in (values (1), (2))", "a in (values ($1), ...)");
    check("a in (f(1, 2), f(3, 4))", "a in (f($1, $2), ...)");
    // Nine lists: the innermost is beyond the limit.
    let deep = format!("{}1, 2{}", "a in (".repeat(9), ")".repeat(9));
    check(
        &deep,
        &format!("{}$1, $2{}", "a in (".repeat(9), ")".repeat(9)),
    );
}

#[test]
fn a_shortened_list_folds_like_the_full_one() {
    check("a in ($1, ...)", "a in ($1, ...)");
    check("a in (1, ..., 2, 3)", "a in ($1, ...)");
    check("values ($1, $2), ... on", "values ($1, $2), ... on");
    check("values ($1), ..., (3)", "values ($1), ...");
    check("a in (...)", "a in (...)");
    check("a in (, ...)", "a in (, ...)");
}

#[test]
fn names_that_drivers_generate_are_placeholders() {
    check(
        "savepoint a_1; release savepoint a_1; release a",
        "savepoint $1; release savepoint $2; release $3",
    );
    check(
        "rollback to a; rollback work to savepoint \"b\"; rollback",
        "rollback to $1; rollback work to savepoint $2; rollback",
    );
    check(
        "declare \"c\" cursor for select 1",
        "declare $1 cursor for select $2",
    );
    check(
        "fetch forward 10 from c; move next c; close c; close all",
        "fetch forward $1 from $2; move next $3; close $4; close all",
    );
    check(
        "deallocate a; deallocate prepare a; deallocate all",
        "deallocate $1; deallocate prepare $2; deallocate all",
    );
    check(
        "prepare a as select 1; execute a(1)",
        "prepare a as select $1; execute a($2)",
    );
    check("commit; rollback; abort", "commit; rollback; abort");
}

#[test]
fn only_semicolons_between_statements_are_kept() {
    check(
        "; ;select 1;; /* a */; select 2 ; -- b",
        "select $1; select $2",
    );
    check(";", "");
}

#[test]
fn time_is_linear_in_the_text() {
    // Quadratic behaviour on one of these takes minutes.
    let repeated = [
        "in (",
        "in (1,",
        "in ((1),(2)),",
        "values (",
        "values (1),",
        "(1),",
        "1,",
        "array[[1],",
        "in (select ",
        ";",
        "- ",
        "... ",
        "savepoint ",
        "\"",
        "a.",
        ")",
    ];
    let begin = Instant::now();
    for part in repeated {
        for prefix in ["", "a in (", "values (1), "] {
            let sql = [prefix, &part.repeat(20_000)].concat();
            Fingerprint::of(sql.as_bytes(), true);
            assert!(normalise(sql.as_bytes(), true, 100).len() <= 100);
            normalise(sql.as_bytes(), true, usize::MAX);
        }
    }
    assert!(begin.elapsed() < Duration::from_secs(60));
}
