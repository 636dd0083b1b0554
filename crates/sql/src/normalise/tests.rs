use proptest::prelude::*;

use super::normalise;
use crate::tests::{CORPUS, SECRET, literal, text};

fn check(sql: &str, expected: &str) {
    assert_eq!(normalise(sql.as_bytes(), true, 1000), expected, "{sql}");
}

#[test]
fn words_are_in_lower_case_with_uniform_spaces() {
    check(
        "SELECT  a . b,COUNT( * ),t.*\nFROM \"T\"  WHERE(a<>b)AND c=-d /* x */",
        "select a.b, count(*), t.* from \"T\" where (a <> b) and c = - d",
    );
    check(
        "insert into t (a,b)values(1,2)",
        "insert into t(a, b) values ($1, $2)",
    );
    check("a::int [ ] [ 1 ]", "a::int[][$1]");
    check("a[1:2], f(b:=1, c=>2)", "a[$1 : $2], f(b := $3, c => $4)");
    check("U&\"D\" u & \"D\"", "u&\"D\" u & \"D\"");
    check("", "");
}

#[test]
fn tokens_that_would_merge_keep_a_space() {
    check("- - a", "- - a");
    check("/ * a", "/ * a");
    check("a . . b", "a. .b");
    check(": : a", ": : a");
    check("\"a\" \"b\"", "\"a\" \"b\"");
    check("$ $ a", "$ $ a");
}

#[test]
fn unprintable_characters_are_replaced() {
    let shown = |sql: &[u8]| normalise(sql, true, 1000);
    assert_eq!(
        shown(b"select \"a\nb\x1b[0m\""),
        "select \"a\u{fffd}b\u{fffd}[0m\""
    );
    assert_eq!(shown(b"\xff\xfe \xc3\xa9"), "\u{fffd}\u{fffd} é");
    assert_eq!(shown("\"\u{85}\"".as_bytes()), "\"\u{fffd}\"");
    assert_eq!(shown(b"a \x00 b"), "a ? b");
}

#[test]
fn text_is_cut_after_a_token() {
    let shown = |len_max| normalise(b"select abc, defg from h", true, len_max);
    assert_eq!(shown(100), "select abc, defg from h");
    assert_eq!(shown(27), "select abc, defg from h");
    assert_eq!(shown(26), "select abc, defg from …");
    assert_eq!(shown(15), "select abc, …");
    assert_eq!(shown(14), "select abc …");
    assert_eq!(shown(9), "…");
    assert_eq!(shown(4), "…");
    assert_eq!(shown(3), "");
    assert_eq!(shown(0), "");
}

#[test]
fn a_list_is_shortened_before_the_text_is_cut() {
    let values = format!(
        "insert into t values (1, 'a'){} returning b",
        ", (2, 'c')".repeat(10_000)
    );
    assert_eq!(
        normalise(values.as_bytes(), true, 60),
        "insert into t values ($1, $2), ... returning b"
    );
    let row = format!("values (1, {}), (2, 3)", "f(".repeat(10_000));
    assert!(normalise(row.as_bytes(), true, 60).ends_with("f(…"));
}

fn assert_stable(sql: &[u8], standard_conforming_strings: bool, len_max: usize) {
    let once = normalise(sql, standard_conforming_strings, len_max);
    assert!(once.len() <= len_max);
    assert!(!once.contains(|letter: char| letter.is_control()));
    let twice = normalise(once.as_bytes(), standard_conforming_strings, len_max);
    assert_eq!(twice, once, "{}", String::from_utf8_lossy(sql));
}

#[test]
fn every_prefix_is_stable() {
    for sql in CORPUS {
        for end in 0..=sql.len() {
            assert_stable(&sql.as_bytes()[..end], true, 1000);
            assert_stable(&sql.as_bytes()[..end], false, 1000);
            assert_stable(sql.as_bytes(), true, end);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn normal_text_is_its_own_normal_text(
        sql in text(),
        standard_conforming_strings: bool,
        len_max in prop_oneof![Just(10_000_usize), 0..100_usize],
    ) {
        assert_stable(sql.as_bytes(), standard_conforming_strings, len_max);
    }

    #[test]
    fn normal_text_of_any_bytes_is_stable(sql: Vec<u8>, standard_conforming_strings: bool) {
        assert_stable(&sql, standard_conforming_strings, 1000);
    }

    #[test]
    fn no_literal_is_shown(
        parts in prop::collection::vec(
            (
                prop::sample::select(&[
                    " select ", "(", ")", ",", " in (", " values (", " = ", " - ", " where a = ",
                    "::text ", " array[", "]", " /* a */ ", " as b ", ";", " \"c\" ", " and ",
                ][..]),
                literal(),
            ),
            1..8,
        ),
        end in 0.0..1.0_f64,
    ) {
        let sql: String = parts.iter().flat_map(|(between, literal)| [*between, literal]).collect();
        let end = (sql.len() as f64 * end) as usize;
        for sql in [&sql, &sql[..end]] {
            let shown = normalise(sql.as_bytes(), true, 1000);
            prop_assert!(!shown.contains(&SECRET[..2]), "{sql}\n{shown}");
            prop_assert!(!shown.contains('\''), "{sql}\n{shown}");
        }
    }
}
