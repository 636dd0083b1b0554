use proptest::prelude::*;

use super::{
    FirstPacket, NAME_MAX, PACKET_MAX, PARAMETERS_MAX, Startup, StartupError, encode_cancel,
    encode_ssl_request, encode_startup, parse,
};
use crate::sqlstate::SqlState;

/// A packet of this code and body, with its true length.
fn packet(code: u32, body: &[u8]) -> Vec<u8> {
    let length = 8 + body.len() as u32;
    [&length.to_be_bytes()[..], &code.to_be_bytes(), body].concat()
}

fn startup(parameters: &[(&str, &str)]) -> Result<Startup, StartupError> {
    let mut bytes = Vec::new();
    encode_startup(&mut bytes, 0, parameters);
    match parse(&bytes)? {
        Some((FirstPacket::Startup(startup), consumed)) => {
            assert_eq!(consumed, bytes.len());
            Ok(startup)
        }
        other => panic!("not a startup: {other:?}"),
    }
}

fn pairs(parameters: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    parameters.iter().map(owned).collect()
}

/// Checks the settings that a value of `options` becomes, or the word it is refused for.
fn check_options(options: &str, expected: Result<&[(&str, &str)], &str>) {
    let got = startup(&[("user", "u"), ("options", options)]).map(|startup| startup.parameters);
    let expected = expected
        .map(pairs)
        .map_err(|option| StartupError::BadOption {
            option: option.to_owned(),
        });
    assert_eq!(got, expected, "{options:?}");
}

fn check_error(bytes: &[u8], expected: StartupError, sqlstate: SqlState) {
    assert_eq!(parse(bytes), Err(expected.clone()), "{bytes:?}");
    assert_eq!(expected.sqlstate(), sqlstate);
    assert!(!expected.client_message().is_empty());
}

const V3: u32 = 3 << 16;

#[test]
fn the_parts_of_a_startup_are_told_apart() {
    let got = startup(&[
        ("user", "alice"),
        ("application_name", "app"),
        ("database", "shop"),
        ("_pq_.report_all", "on"),
        ("options", "-c geqo=off --work-mem=1MB"),
        ("replication", "database"),
        ("DateStyle", "ISO"),
    ]);
    let expected = Startup {
        minor: 0,
        user: "alice".to_owned(),
        database: "shop".to_owned(),
        replication: Some("database".to_owned()),
        parameters: pairs(&[
            ("geqo", "off"),
            ("work_mem", "1MB"),
            ("application_name", "app"),
            ("DateStyle", "ISO"),
        ]),
        unknown_protocol_options: vec!["_pq_.report_all".to_owned()],
    };
    assert_eq!(got, Ok(expected));
}

#[test]
fn the_database_is_named_like_the_user_unless_given() {
    let database = |parameters: &[_]| startup(parameters).unwrap().database;
    assert_eq!(database(&[("user", "u")]), "u");
    assert_eq!(database(&[("database", ""), ("user", "u")]), "u");
    assert_eq!(database(&[("database", "d"), ("user", "u")]), "d");
    assert_eq!(
        database(&[("user", "u"), ("database", "d"), ("database", "e")]),
        "e"
    );
}

#[test]
fn options_are_split_as_postgres_splits_them() {
    check_options("", Ok(&[]));
    check_options(" \t\n\x0b\x0c\r", Ok(&[]));
    check_options("-c a=1", Ok(&[("a", "1")]));
    check_options(
        "-ca=1 --b=2  -c  c=3 ",
        Ok(&[("a", "1"), ("b", "2"), ("c", "3")]),
    );
    check_options("-c a=b=c --d=", Ok(&[("a", "b=c"), ("d", "")]));
    check_options(
        r"-c a=x\ y --b=\\ -c c=\",
        Ok(&[("a", "x y"), ("b", r"\"), ("c", "")]),
    );
    check_options(r"-c\ a=1", Ok(&[(" a", "1")]));
    check_options("--search-path=a-b", Ok(&[("search_path", "a-b")]));
    check_options("-c a=é\u{85}x", Ok(&[("a", "é\u{85}x")]));
    check_options("-c", Err("-c"));
    check_options("-c a", Err("a"));
    check_options("-c =1", Err("=1"));
    check_options("--", Err("--"));
    check_options("-B 100", Err("-B"));
    check_options("a=1", Err("a=1"));
    check_options("-c a=1 x\u{7}y", Err("x?y"));
    check_options(&"x".repeat(1000), Err(&"x".repeat(64)));
}

#[test]
fn requests_are_eight_bytes_and_cancel_keys_4_to_256() {
    let pid_and_key = |len: usize| [&7_u32.to_be_bytes()[..], &vec![1; len]].concat();
    for (code, expected) in [
        (80_877_103, FirstPacket::Ssl),
        (80_877_104, FirstPacket::GssEnc),
    ] {
        assert_eq!(parse(&packet(code, b"")), Ok(Some((expected, 8))));
        let length = 9;
        let error = StartupError::RequestLength { length };
        check_error(&packet(code, b"x"), error, SqlState::PROTOCOL_VIOLATION);
    }
    for len in [4, 32, 256] {
        let key = vec![1; len];
        let expected = FirstPacket::Cancel { pid: 7, key };
        let bytes = packet(80_877_102, &pid_and_key(len));
        assert_eq!(parse(&bytes), Ok(Some((expected, 12 + len))));
    }
    for got in [0, 3, 257] {
        let bytes = packet(80_877_102, &pid_and_key(got));
        let error = StartupError::CancelKeyLength { got };
        check_error(&bytes, error, SqlState::PROTOCOL_VIOLATION);
    }
    let error = StartupError::CancelKeyLength { got: 0 };
    check_error(
        &packet(80_877_102, b""),
        error,
        SqlState::PROTOCOL_VIOLATION,
    );
}

#[test]
fn impossible_lengths_are_refused_at_the_fourth_byte() {
    for length in [0, 1, 4, 7] {
        let error = StartupError::TooShort { length };
        check_error(&length.to_be_bytes(), error, SqlState::PROTOCOL_VIOLATION);
    }
    for length in [PACKET_MAX as u32 + 1, 0x7FFF_FFFF, u32::MAX] {
        let error = StartupError::TooLong { length };
        check_error(&length.to_be_bytes(), error, SqlState::PROTOCOL_VIOLATION);
    }
    assert_eq!(parse(&(PACKET_MAX as u32).to_be_bytes()), Ok(None));
}

#[test]
fn other_protocols_are_recognised() {
    for request in [
        "GET / HTTP/1.1\r\n",
        "HEAD / HTTP/1.1",
        "POST /x",
        "PUT /x",
        "DELETE /x",
        "CONNECT x:1",
        "OPTIONS *",
        "TRACE /",
        "PATCH /x",
        "PRI * HTTP/2.0",
    ] {
        check_error(
            request.as_bytes(),
            StartupError::Http,
            SqlState::PROTOCOL_VIOLATION,
        );
    }
    let hello = b"\x16\x03\x01\x02\x00\x01";
    check_error(hello, StartupError::Tls, SqlState::FEATURE_NOT_SUPPORTED);
}

#[test]
fn versions_are_refused_before_the_packet_is_complete() {
    let head = |code: u32| [&300_u32.to_be_bytes()[..], &code.to_be_bytes()].concat();
    let unsupported = |major, minor| StartupError::UnsupportedProtocol { major, minor };
    for (code, error) in [
        (2 << 16, StartupError::OldProtocol { minor: 0 }),
        (0, unsupported(0, 0)),
        ((1 << 16) | 1, unsupported(1, 1)),
        (4 << 16, unsupported(4, 0)),
        ((1234 << 16) | 5681, unsupported(1234, 5681)),
    ] {
        check_error(&head(code), error, SqlState::FEATURE_NOT_SUPPORTED);
    }
    for minor in [0, 2, 9999] {
        let bytes = packet(V3 | u32::from(minor), b"user\0u\0\0");
        let Ok(Some((FirstPacket::Startup(startup), _))) = parse(&bytes) else {
            panic!("3.{minor} refused");
        };
        assert_eq!(startup.minor, minor);
    }
}

#[test]
fn a_broken_list_of_parameters_is_refused() {
    for body in [
        &b""[..],
        b"user",
        b"user\0",
        b"user\0u",
        b"user\0u\0",
        b"user\0u\0\0x",
        b"user\0u\0\0\0",
        b"user\0u\0database\0",
    ] {
        let error = StartupError::MissingTerminator;
        check_error(&packet(V3, body), error, SqlState::PROTOCOL_VIOLATION);
    }
    for body in [&b"\0"[..], b"user\0\0\0", b"database\0d\0\0"] {
        let error = StartupError::NoUser;
        check_error(&packet(V3, body), error, SqlState::INVALID_AUTHORIZATION);
    }
    for (body, name) in [
        (&b"user\0\xff\0\0"[..], "user"),
        (b"user\0u\0database\0\xc3\0\0", "database"),
        (b"user\0u\0a\xff\x01\0v\0\0", "a\u{fffd}?"),
    ] {
        let name = name.to_owned();
        let error = StartupError::NotUtf8 { name };
        check_error(&packet(V3, body), error, SqlState::PROTOCOL_VIOLATION);
    }
}

#[test]
fn parameters_are_bounded_wherever_they_stand() {
    let mut many = vec![("user", "u")];
    many.resize(PARAMETERS_MAX, ("a", "b"));
    assert_eq!(startup(&many).unwrap().parameters.len(), PARAMETERS_MAX - 1);
    many.push(("a", "b"));
    assert_eq!(startup(&many), Err(StartupError::TooManyParameters));
    let inside = |count: usize| "--a=b ".repeat(count);
    let options = |count: usize| startup(&[("user", "u"), ("options", &inside(count))]);
    assert!(options(PARAMETERS_MAX - 2).is_ok());
    assert_eq!(
        options(PARAMETERS_MAX - 1),
        Err(StartupError::TooManyParameters)
    );
}

#[test]
fn names_are_bounded() {
    let fits = "x".repeat(NAME_MAX);
    let above = "x".repeat(NAME_MAX + 1);
    assert!(startup(&[("user", &fits), ("database", &fits)]).is_ok());
    let too_long = |parameter| {
        let got = NAME_MAX + 1;
        Err(StartupError::NameTooLong { parameter, got })
    };
    assert_eq!(startup(&[("user", &above)]), too_long("user"));
    let database = startup(&[("user", &fits), ("database", &above)]);
    assert_eq!(database, too_long("database"));
}

#[test]
fn encoders_write_the_documented_bytes() {
    let mut out = Vec::new();
    encode_ssl_request(&mut out);
    encode_cancel(&mut out, 258, b"key!");
    encode_startup(&mut out, 0, &[("user", "a\0b")]);
    assert_eq!(
        out,
        b"\0\0\0\x08\x04\xd2\x16\x2f\
          \0\0\0\x10\x04\xd2\x16\x2e\0\0\x01\x02key!\
          \0\0\0\x11\0\x03\0\0user\0ab\0\0"
    );
}

proptest! {
    #[test]
    fn a_startup_is_read_whole_or_not_at_all(
        user in "[^\0]{1,20}", database in "[^\0]{0,20}",
        others in prop::collection::vec(("x[^\0]{0,9}", "[^\0]{0,20}"), 0..10), after: Vec<u8>,
    ) {
        let mut parameters = vec![("user", user.as_str()), ("database", database.as_str())];
        parameters.extend(others.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let mut bytes = Vec::new();
        encode_startup(&mut bytes, 0, &parameters);
        for cut in 0..bytes.len() {
            prop_assert_eq!(parse(&bytes[..cut]), Ok(None));
        }
        let expected = Startup {
            minor: 0,
            user: user.clone(),
            database: if database.is_empty() { user } else { database },
            replication: None,
            parameters: others,
            unknown_protocol_options: Vec::new(),
        };
        let len = bytes.len();
        bytes.extend(after);
        prop_assert_eq!(parse(&bytes), Ok(Some((FirstPacket::Startup(expected), len))));
    }

    #[test]
    fn a_cancel_is_read_whole_or_not_at_all(
        pid: u32, key in prop::collection::vec(any::<u8>(), 4..=256), after: Vec<u8>,
    ) {
        let mut bytes = Vec::new();
        encode_cancel(&mut bytes, pid, &key);
        for cut in 0..bytes.len() {
            prop_assert_eq!(parse(&bytes[..cut]), Ok(None));
        }
        let len = bytes.len();
        bytes.extend(after);
        prop_assert_eq!(parse(&bytes), Ok(Some((FirstPacket::Cancel { pid, key }, len))));
    }

    #[test]
    fn options_come_back_when_escaped(values in prop::collection::vec("[^\0]{0,12}", 0..6)) {
        let mut options = String::new();
        for value in &values {
            options.push_str(" -c a=");
            for c in value.chars() {
                options.extend(['\\', c]);
            }
        }
        let expected: Vec<_> = values.into_iter().map(|value| ("a".to_owned(), value)).collect();
        let got = startup(&[("user", "u"), ("options", &options)]).map(|s| s.parameters);
        prop_assert_eq!(got, Ok(expected));
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_never_wait_for_ever(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        body in prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..200),
        code in prop_oneof![Just(V3), Just(80_877_102), Just(80_877_103), any::<u32>()],
    ) {
        let _ = parse(&bytes);
        let whole = packet(code, &body);
        // A packet that is there in full is never waited for.
        prop_assert_ne!(parse(&whole), Ok(None));
        // What a prefix is refused for, the whole is refused for.
        for cut in 0..whole.len() {
            match parse(&whole[..cut]) {
                Ok(None) => {}
                Ok(Some(read)) => prop_assert!(false, "read {read:?} out of a prefix"),
                Err(error) => prop_assert_eq!(parse(&whole), Err(error)),
            }
        }
    }
}
