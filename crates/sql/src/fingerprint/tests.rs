use proptest::prelude::*;

use super::{Fingerprint, ascii_lower};
use crate::lexer::{Lexer, TokenKind};
use crate::normalise::normalise;
use crate::tests::{CORPUS, text};

fn fingerprint(sql: &str) -> Fingerprint {
    Fingerprint::of(sql.as_bytes(), true)
}

/// A change here changes every stored fingerprint: raise [`super::VERSION`].
#[test]
fn fingerprints_do_not_change() {
    for (sql, expected) in [
        ("", "2c57d94cbf261df3"),
        ("select 1", "5da902ad5d0a2012"),
        (
            "SELECT abalance FROM pgbench_accounts WHERE aid = $1;",
            "001a0fbc4e91a575",
        ),
        (
            "insert into t (a, b) values (1, 'x'), (2, 'y')",
            "743a9c2953136752",
        ),
        (
            "select \"é\", ü::text from t where a in (1, 2)",
            "dba0d96b55597175",
        ),
    ] {
        assert_eq!(fingerprint(sql).to_string(), expected, "{sql}");
    }
}

#[test]
fn literals_case_and_whitespace_do_not_change_it() {
    for (one, other) in [
        ("select 1", "SELECT/**/'a' -- b\n;"),
        ("select a where b = 1", "select a where b = $3"),
        ("select a in (1, 2)", "select a in (1, 2, 3, 4)"),
        ("values (1, 2), (3, 4)", "values (1, 2), (3, 4), (null, -5)"),
        (
            "select 1 /*traceparent='00-1'*/",
            "select 1 /*traceparent='00-2'*/",
        ),
        ("savepoint a", "savepoint b"),
        ("select AbCdEfGhIjK", "select aBcDeFgHiJk"),
    ] {
        assert_eq!(fingerprint(one), fingerprint(other), "{one} | {other}");
    }
}

#[test]
fn other_tokens_change_it() {
    for (one, other) in [
        ("select a", "select b"),
        ("select abcdefgh", "select abcdefghi"),
        ("select ab, c", "select a, bc"),
        ("select a", "select \"a\""),
        ("select \"a\"", "select u&\"a\""),
        ("select \"a\"", "select \"A\""),
        ("select a in (1)", "select a in (1, 2)"),
        ("select a + 1", "select a - 1"),
        ("select a < b", "select a <= b"),
        ("select f(1)", "select f(1, 2)"),
        ("select 1", "select 1; select 2"),
        ("select (a + b) * c", "select a + (b * c)"),
        ("values (1), (a)", "values (a), (1)"),
    ] {
        assert_ne!(fingerprint(one), fingerprint(other), "{one} | {other}");
    }
}

#[test]
fn letters_become_lower_case_eight_at_a_time() {
    for byte in 0..=255_u8 {
        let mut word = [byte; 8];
        let lower = ascii_lower(u64::from_le_bytes(word)).to_le_bytes();
        word.make_ascii_lowercase();
        assert_eq!(lower, word);
        word = [b'Z', byte, b'@', 0xff, byte, b'[', 0, b'A'];
        let lower = ascii_lower(u64::from_le_bytes(word)).to_le_bytes();
        word.make_ascii_lowercase();
        assert_eq!(lower, word);
    }
}

/// The same statement with other literals, other whitespace and more comments.
fn disguise(sql: &str, replacements: &[u8]) -> String {
    let mut replacements = replacements.iter().cycle();
    let mut out = String::new();
    for token in Lexer::new(sql.as_bytes(), true) {
        let choice = replacements.next().map_or(0, |choice| usize::from(*choice));
        let text = &sql[token.start..token.end];
        let pick = |choices: &[&str]| choices[choice % choices.len()].to_owned();
        let shown = match token.kind {
            _ if !token.terminated => text.to_owned(),
            TokenKind::Whitespace => pick(&[" ", "\n", "\t /* a */ ", " -- b\n "]),
            TokenKind::LineComment => pick(&[" ", "-- c", "/* d */"]),
            TokenKind::BlockComment => pick(&[" ", "/**/", "/*e='f'*/", "/*/**/*/"]),
            // A line end between two strings would join them.
            TokenKind::String | TokenKind::DollarString => {
                pick(&["$$g$$", "'h' /**/", "e'\\'' /**/", "$i$'$$$i$"])
            }
            TokenKind::Number => pick(&["1", "2.5", "0xff"]),
            TokenKind::Parameter => pick(&["$1", "$99"]),
            TokenKind::Word if text.is_ascii() => {
                pick(&[text, &text.to_ascii_uppercase(), &text.to_ascii_lowercase()])
            }
            _ => text.to_owned(),
        };
        // Parts of `...` and of operators stay together; others may be separated.
        let apart = matches!(
            token.kind,
            TokenKind::String
                | TokenKind::DollarString
                | TokenKind::Number
                | TokenKind::Parameter
                | TokenKind::Word
        );
        if apart && !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&shown);
        if apart {
            out.push(' ');
        }
        if token.kind == TokenKind::LineComment {
            out.push('\n');
        }
    }
    out
}

fn assert_agrees(sql: &[u8], standard_conforming_strings: bool) {
    let shown = normalise(sql, standard_conforming_strings, usize::MAX);
    assert_eq!(
        Fingerprint::of(sql, standard_conforming_strings),
        Fingerprint::of(shown.as_bytes(), standard_conforming_strings),
        "{}",
        String::from_utf8_lossy(sql)
    );
}

#[test]
fn every_prefix_has_the_fingerprint_of_its_normal_text() {
    for sql in CORPUS {
        for end in 0..=sql.len() {
            assert_agrees(&sql.as_bytes()[..end], true);
            assert_agrees(&sql.as_bytes()[..end], false);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_text_has_the_fingerprint_of_its_normal_text(
        sql in text(),
        standard_conforming_strings: bool,
    ) {
        assert_agrees(sql.as_bytes(), standard_conforming_strings);
    }

    #[test]
    fn any_bytes_have_the_fingerprint_of_their_normal_text(sql: Vec<u8>) {
        assert_agrees(&sql, true);
    }

    #[test]
    fn a_disguised_statement_has_the_same_fingerprint(
        sql in prop_oneof![text(), prop::sample::select(CORPUS).prop_map(String::from)],
        replacements in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let disguised = disguise(&sql, &replacements);
        prop_assert_eq!(
            normalise(sql.as_bytes(), true, usize::MAX),
            normalise(disguised.as_bytes(), true, usize::MAX),
            "{}", disguised
        );
        prop_assert_eq!(fingerprint(&sql), fingerprint(&disguised), "{}", disguised);
    }

    #[test]
    fn fingerprints_are_equal_only_for_equal_normal_texts(one in text(), other in text()) {
        let shown = |sql: &str| normalise(sql.as_bytes(), true, usize::MAX);
        prop_assert_eq!(
            shown(&one) == shown(&other),
            fingerprint(&one) == fingerprint(&other)
        );
    }
}
