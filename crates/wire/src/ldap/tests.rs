use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

use super::*;

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    digits.collect::<Vec<_>>().join(" ")
}

fn encoded(filter: &str, user: &str) -> Vec<u8> {
    let filter = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
    let mut out = Vec::new();
    filter.encode(&mut out, user);
    out
}

/// Texts as they stand in a filter that is encoded.
fn with(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        out.push(u8::try_from(part.len()).unwrap());
        out.extend_from_slice(part);
    }
    out
}

#[test]
fn requests_are_what_the_rfc_says() {
    let mut out = Vec::new();
    simple_bind(&mut out, 1, b"cn=a", b"pw");
    assert_eq!(
        hex(&out),
        "30 12 02 01 01 60 0d 02 01 03 04 04 63 6e 3d 61 80 02 70 77"
    );
    out.clear();
    unbind(&mut out, 200);
    assert_eq!(hex(&out), "30 06 02 02 00 c8 42 00");
    out.clear();
    start_tls(&mut out, 2);
    assert_eq!(&hex(&out)[..27], "30 1d 02 01 02 77 18 80 16 ");
    out.clear();
    let filter = Filter::of_attribute("uid").unwrap();
    let wanted = Search {
        base: "dc=x",
        scope: Scope::Sub,
        filter: &filter,
        user: "bob",
        seconds_max: 10,
    };
    search(&mut out, 3, &wanted);
    assert_eq!(
        hex(&out),
        "30 2d 02 01 03 63 28 04 04 64 63 3d 78 0a 01 02 0a 01 00 02 01 02 02 01 0a 01 01 ff \
         a3 0a 04 03 75 69 64 04 03 62 6f 62 30 05 04 03 31 2e 31"
    );
}

#[test]
#[should_panic = "an empty password proves nothing"]
fn nobody_binds_with_an_empty_password() {
    simple_bind(&mut Vec::new(), 1, b"cn=a", b"");
}

#[test]
fn long_messages_have_long_lengths() {
    for len in [0x7f, 0x80, 0xff, 0x100, 0x1_0000] {
        let mut out = Vec::new();
        simple_bind(&mut out, 1, b"cn=a", &vec![b'x'; len]);
        let whole = out.len();
        if whole <= MESSAGE_MAX {
            assert_eq!(frame(&out), Ok(Some(whole)), "{len}");
        } else {
            assert_eq!(frame(&out), Err(Malformed), "{len}");
        }
    }
}

#[test]
fn a_users_name_is_a_value_whatever_it_is() {
    for user in ["bob", "*", ")(uid=*", "a\\2a", "$username", "é\0 "] {
        let found = encoded("(uid=$username)", user);
        let expected = [
            &[0x04][..],
            &with(&[b"uid"]),
            &[0x04],
            &with(&[user.as_bytes()]),
        ]
        .concat();
        assert_eq!(found[2..], expected, "{user}");
        assert_eq!(found[0], 0xa3);
    }
    let found = encoded("(mail=*$username@*)", "*");
    assert_eq!(hex(&found), "a4 0c 04 04 6d 61 69 6c 30 04 81 02 2a 40");
}

#[test]
fn filters_of_all_kinds_are_read() {
    for (text, expected) in [
        ("(cn=*)", "87 02 63 6e"),
        ("cn=*", "87 02 63 6e"),
        ("(&)", "a0 00"),
        (
            "(|(a=1)(b=2))",
            "a1 10 a3 06 04 01 61 04 01 31 a3 06 04 01 62 04 01 32",
        ),
        ("(!(a=1))", "a2 08 a3 06 04 01 61 04 01 31"),
        ("(a>=1)", "a5 06 04 01 61 04 01 31"),
        ("(a<=1)", "a6 06 04 01 61 04 01 31"),
        ("(a~=1)", "a8 06 04 01 61 04 01 31"),
        ("(a=b*)", "a4 08 04 01 61 30 03 80 01 62"),
        ("(a=*b)", "a4 08 04 01 61 30 03 82 01 62"),
        (
            "(a=b*c*d)",
            "a4 0e 04 01 61 30 09 80 01 62 81 01 63 82 01 64",
        ),
        ("(a=\\2a\\00)", "a3 07 04 01 61 04 02 2a 00"),
        ("(a=)", "a3 05 04 01 61 04 00"),
        ("(a:=1)", "a9 06 82 01 61 83 01 31"),
        (
            "(a:dn:1.2:=1)",
            "a9 0e 81 03 31 2e 32 82 01 61 83 01 31 84 01 ff",
        ),
        (":1.2:=1", "a9 08 81 03 31 2e 32 83 01 31"),
    ] {
        assert_eq!(hex(&encoded(text, "bob")), expected, "{text}");
    }
    // RFC 4515, section 4.
    encoded("(&(objectClass=Person)(|(sn=Jensen)(cn=Babs J*)))", "bob");
    encoded("(o:dn:=Ace Industry)", "bob");
    encoded("(cn=Lu\\c4\\8di\\c4\\87)", "bob");
}

#[test]
fn what_is_no_filter_is_refused() {
    for text in [
        "",
        "(",
        "()",
        "(a)",
        "(a=1",
        "(a=1))",
        "a=(1)",
        "(a b=1)",
        "(=1)",
        "(a=\\2)",
        "(a=\\zz)",
        "(a=1**2)",
        "(a>=1*)",
        "(&(a=1)x)",
        "(!)",
        "(!(a=1)(b=2))",
        ":=1",
        "(a:b:c:d:=1)",
        "($username=1)",
    ] {
        assert!(Filter::parse(text).is_err(), "{text}");
    }
    let deep = format!("{}(a=1){}", "(!".repeat(1000), ")".repeat(1000));
    assert!(Filter::parse(&deep).unwrap_err().contains("deep"));
    assert!(!Filter::parse("(uid=bob)").unwrap().is_about_user());
    assert!(
        Filter::parse("(&(a=1)(uid=x$username*))")
            .unwrap()
            .is_about_user()
    );
}

#[test]
fn names_to_bind_as_have_one_meaning() {
    for (prefix, user, suffix, expected) in [
        ("uid=", "bob", ",dc=x", Some("uid=bob,dc=x")),
        ("cn=", "a,dc=y", ",dc=x", Some("cn=a\\,dc\\=y,dc=x")),
        ("cn=", " a b ", "", Some("cn=\\ a b\\ ")),
        ("cn=", "#a#", "", Some("cn=\\#a#")),
        ("cn=", " ", "", Some("cn=\\ ")),
        (
            "cn=",
            "a\"\\;<>+\0é",
            "",
            Some("cn=a\\\"\\\\\\;\\<\\>\\+\\00é"),
        ),
        ("", "bob", "@example.com", Some("bob@example.com")),
        ("EXAMPLE\\", "bob", "", Some("EXAMPLE\\bob")),
        ("", "cn=admin,dc=x", "", None),
        ("EXAMPLE\\", "a\\b", "", None),
        ("", "a\nb", "@example.com", None),
    ] {
        let name = bind_name(prefix, user, suffix);
        assert_eq!(name.as_deref(), expected, "{prefix}|{user}|{suffix}");
    }
}

/// A response as OpenLDAP sends it, and as Active Directory does, whose lengths have four bytes.
const BOUND: &[u8] = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x31\x04\0\x04\0";
const BOUND_LONG: &[u8] =
    b"\x30\x84\0\0\0\x12\x02\x01\x01\x61\x84\0\0\0\x09\x0a\x01\x00\x04\0\x04\x02ok";

#[test]
fn responses_are_read_at_every_split() {
    for (message, expected) in [
        (
            BOUND,
            (
                1,
                Response::Bound(Outcome {
                    code: 49,
                    text: String::new(),
                }),
            ),
        ),
        (
            BOUND_LONG,
            (
                1,
                Response::Bound(Outcome {
                    code: 0,
                    text: "ok".to_owned(),
                }),
            ),
        ),
        (
            b"\x30\x0d\x02\x01\x02\x64\x08\x04\x04cn=a\x30\0",
            (2, Response::Entry(b"cn=a".to_vec())),
        ),
        (
            b"\x30\x07\x02\x01\x02\x73\x02\x04\0",
            (2, Response::Reference),
        ),
        (
            b"\x30\x0c\x02\x01\x02\x65\x07\x0a\x01\0\x04\0\x04\0",
            (
                2,
                Response::Done(Outcome {
                    code: 0,
                    text: String::new(),
                }),
            ),
        ),
        (
            b"\x30\x0c\x02\x01\0\x78\x07\x0a\x01\x34\x04\0\x04\0",
            (
                0,
                Response::Extended(Outcome {
                    code: 52,
                    text: String::new(),
                }),
            ),
        ),
    ] {
        for end in 0..message.len() {
            assert_eq!(frame(&message[..end]), Ok(None), "{end}");
            assert_eq!(response(&message[..end]), Err(Malformed), "{end}");
        }
        assert_eq!(frame(message), Ok(Some(message.len())));
        assert_eq!(response(message), Ok(expected));
    }
}

#[test]
fn what_is_no_response_is_refused() {
    for message in [
        &b"HTTP/1.1 400"[..],
        b"\x30\x80\x02\x01\x01",
        b"\x30\x85\0\0\0\0\x01\0",
        b"\x30\x84\x7f\xff\xff\xff",
    ] {
        assert_eq!(frame(message), Err(Malformed), "{message:?}");
    }
    for message in [
        &b"\x30\0"[..],
        b"\x30\x02\x02\0",
        b"\x30\x05\x02\x01\x01\x61\0",
        b"\x30\x05\x02\x01\x01\x42\0",
        b"\x30\x0c\x02\x01\x81\x61\x07\x0a\x01\0\x04\0\x04\0",
        b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\0\x04\x7f\x04\0",
    ] {
        assert_eq!(frame(message), Ok(Some(message.len())));
        assert_eq!(response(message), Err(Malformed), "{message:?}");
    }
    let hostile = b"\x30\x11\x02\x01\x01\x61\x0c\x0a\x01\0\x04\0\x04\x05\x1b[1m\n";
    let (_, Response::Bound(outcome)) = response(hostile).unwrap() else {
        panic!("it is a bind's");
    };
    assert_eq!(outcome.text, "\\u{1b}[1m\\n");
}

proptest! {
    #[test]
    fn any_bytes_are_a_response_or_none(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(Some(len)) = frame(&bytes) {
            prop_assert!(len <= bytes.len());
            let _ = response(&bytes[..len]);
        }
        let _ = response(&bytes);
    }

    #[test]
    fn any_text_is_a_filter_or_none(text in "([()&|!=*:$~<>\\\\a0]|\\$username|é){0,40}", user in ".{0,8}") {
        if let Ok(filter) = Filter::parse(&text) {
            let mut out = Vec::new();
            filter.encode(&mut out, &user);
            prop_assert_eq!(ber::len(&out), Ok(Some(out.len())));
        }
    }

    #[test]
    fn a_value_in_a_name_has_no_bare_special_character(user in ".{0,12}") {
        let name = bind_name("cn=", &user, ",dc=x").unwrap();
        let value = name.strip_prefix("cn=").unwrap().strip_suffix(",dc=x").unwrap();
        let mut chars = value.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => { chars.next(); }
                c => prop_assert!(!"\"+,;<>=\0".contains(c), "{}", value),
            }
        }
    }
}
