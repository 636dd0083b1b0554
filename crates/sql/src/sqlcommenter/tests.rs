use proptest::prelude::*;

use super::{KEY_LEN_MAX, TAGS_MAX, VALUE_LEN_MAX, tags};
use crate::tests::{CORPUS, text};

fn check(sql: &str, expected: &str) {
    let found: Vec<_> = tags(sql.as_bytes(), true)
        .iter()
        .map(|tag| format!("{}={}", tag.key, tag.value))
        .collect();
    assert_eq!(found.join(" "), expected, "{sql}");
}

#[test]
fn tags_are_read_from_the_last_or_the_first_comment() {
    check("select 1 /*a='b',c='d'*/", "a=b c=d");
    check("select 1 /*a='b'*/ ; -- c", "a=b");
    check("select 1; /*a='b'*/", "a=b");
    check("/*a='b'*/ select 1", "a=b");
    check("/*a='b'*/ select 1 /*c='d'*/", "c=d");
    check("/*a='b'*/ select 1 /* c */", "a=b");
    check("/* x */ /*a='b'*/", "a=b");
    check("select /*a='b'*/ 1", "");
    check("select '/*a=''b''*/'", "");
    check("select 1 -- /*a='b'*/", "");
    check("select 1 /*a='b'", "");
    check("", "");
}

#[test]
fn tags_are_decoded() {
    check(
        "/*a%20b='%2Fc%3D%27',d='it\\'s',e=''*/",
        "a b=/c=' d=it's e=",
    );
    check("/*a='%C3%A9%zz%4'*/", "a=é%zz%4");
    check("/*a='%ff%0a'*/", "a=\u{fffd}\u{fffd}");
    check("/* a = 'b' , c = 'd' */", "a=b c=d");
}

#[test]
fn text_that_is_not_a_tag_is_ignored() {
    check("select 1 /*+ IndexScan(a) */", "");
    check("select 1 /*a:b*/", "");
    check("select 1 /*a=b*/", "");
    check("select 1 /*a='b*/", "");
    check("select 1 /*a='b\\*/", "");
    check("select 1 /*='b'*/", "");
    check("select 1 /*a='b', so it is*/", "a=b");
    check("select 1 /*we say a='b'*/", "");
}

#[test]
fn tags_are_bounded() {
    let many = vec!["a='b'"; TAGS_MAX + 1].join(",");
    assert_eq!(tags(format!("/*{many}*/").as_bytes(), true).len(), TAGS_MAX);

    let sql = format!("/*{}='b',c='d'*/", "a".repeat(KEY_LEN_MAX + 1));
    check(&sql, "c=d");
    let key = "a".repeat(KEY_LEN_MAX);
    check(&format!("/*{key}='b'*/"), &format!("{key}=b"));

    let long = |value: &str| {
        tags(format!("/*a='{value}'*/").as_bytes(), true)[0]
            .value
            .clone()
    };
    let full = "b".repeat(VALUE_LEN_MAX);
    assert_eq!(long(&full), full);
    assert_eq!(long(&format!("{full}c")), full);
    assert_eq!(
        long(&"%C3%A9".repeat(VALUE_LEN_MAX)),
        "é".repeat(VALUE_LEN_MAX / 2)
    );
    // 255 bytes and a two-byte character that does not fit.
    let odd = format!("{}é", "b".repeat(VALUE_LEN_MAX - 1));
    assert_eq!(long(&odd), "b".repeat(VALUE_LEN_MAX - 1));
    assert!(long(&"%ff".repeat(VALUE_LEN_MAX)).len() <= VALUE_LEN_MAX);
}

#[test]
fn every_prefix_has_tags_or_none() {
    for sql in CORPUS {
        for end in 0..=sql.len() {
            tags(&sql.as_bytes()[..end], true);
        }
    }
}

proptest! {
    #[test]
    fn encoded_tags_come_back(
        expected in prop::collection::vec(("[a-z]{1,8}", "[ -~é]{0,40}"), 0..TAGS_MAX),
        sql in prop::sample::select(CORPUS),
    ) {
        let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let comment: Vec<_> = expected
            .iter()
            .map(|(key, value)| format!("{key}='{}'", encode(value)))
            .collect();
        if !comment.is_empty() {
            let sql = format!("{sql}\n/*{}*/", comment.join(","));
            let found: Vec<_> = tags(sql.as_bytes(), true)
                .into_iter()
                .map(|tag| (tag.key, tag.value))
                .collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn any_text_has_bounded_tags(sql in text(), bytes: Vec<u8>) {
        for sql in [sql.as_bytes(), &bytes, &[b"/*", &bytes[..], b"='a'*/"].concat()] {
            prop_assert!(tags(sql, true).len() <= TAGS_MAX);
        }
    }
}
