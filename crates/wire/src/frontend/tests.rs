use proptest::prelude::*;

use super::{bind, bind_statement, execute, parse_name, password, sasl_initial, target};
use crate::encode;
use crate::frame::HEADER_LEN;

fn body(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out.split_off(HEADER_LEN)
}

fn sasl(length: i32, data: &[u8]) -> Vec<u8> {
    [b"SCRAM-SHA-256\0", &length.to_be_bytes()[..], data].concat()
}

#[test]
fn a_sasl_length_is_minus_one_or_exact() {
    let name = &b"SCRAM-SHA-256"[..];
    assert_eq!(sasl_initial(&sasl(-1, b"")), Some((name, None)));
    assert_eq!(sasl_initial(&sasl(0, b"")), Some((name, Some(&b""[..]))));
    assert_eq!(
        sasl_initial(&sasl(2, b"n,")),
        Some((name, Some(&b"n,"[..])))
    );
    for (length, data) in [
        (-1, &b"n"[..]),
        (0, b"n"),
        (1, b""),
        (2, b"n"),
        (-2, b""),
        (-2, b"n"),
        (i32::MIN, b"n"),
        (i32::MAX, b"n"),
    ] {
        assert_eq!(sasl_initial(&sasl(length, data)), None, "{length} {data:?}");
    }
}

#[test]
fn a_password_ends_with_its_only_nul() {
    assert_eq!(password(b"secret\0"), Some(&b"secret"[..]));
    assert_eq!(password(b"\0"), Some(&b""[..]));
    for bad in [&b""[..], b"secret", b"secret\0\0", b"sec\0ret\0"] {
        assert_eq!(password(bad), None, "{bad:?}");
    }
}

#[test]
fn a_target_is_a_kind_and_one_name() {
    assert_eq!(target(b"Ss1\0"), Some((b'S', &b"s1"[..])));
    assert_eq!(target(b"P\0"), Some((b'P', &b""[..])));
    for bad in [&b""[..], b"S", b"Ss1", b"Ss1\0x"] {
        assert_eq!(target(bad), None, "{bad:?}");
    }
}

proptest! {
    #[test]
    fn names_come_back_from_every_prefix_that_holds_them(
        portal in "[^\0]{0,12}", name in "[^\0]{0,12}", sql in "[^\0]{0,12}",
    ) {
        let parse = body(|out| encode::parse(out, &name, &sql));
        for cut in 0..=parse.len() {
            let expected = (cut > name.len()).then_some(name.as_bytes());
            prop_assert_eq!(parse_name(&parse[..cut]), expected);
        }
        let bind = body(|out| encode::bind(out, &portal, &name));
        for cut in 0..=bind.len() {
            let expected = (cut > portal.len() + 1 + name.len()).then_some(name.as_bytes());
            prop_assert_eq!(bind_statement(&bind[..cut]), expected);
        }
    }

    #[test]
    fn only_whole_bodies_are_read(name in "[^\0]{0,12}", data: Vec<u8>) {
        let close = body(|out| encode::close_statement(out, &name));
        prop_assert_eq!(target(&close), Some((b'S', name.as_bytes())));
        let describe = body(|out| encode::describe_statement(out, &name));
        prop_assert_eq!(&describe, &close);
        let answer = body(|out| encode::password(out, name.as_bytes()));
        prop_assert_eq!(password(&answer), Some(name.as_bytes()));
        let initial = body(|out| encode::sasl_initial_response(out, &name, &data));
        prop_assert_eq!(sasl_initial(&initial), Some((name.as_bytes(), Some(&data[..]))));
        let executed = body(|out| encode::execute(out, &name));
        prop_assert_eq!(execute(&executed), Some((name.as_bytes(), 0)));
        let bound = body(|out| encode::bind(out, &name, "s"));
        let read = bind(&bound).unwrap();
        prop_assert_eq!((read.portal, read.statement), (name.as_bytes(), &b"s"[..]));
        prop_assert_eq!((read.parameters_count, read.result_formats().count()), (0, 0));
        let valued = body(|out| encode::bind_text(out, &[&data[..], b""]));
        prop_assert_eq!(bind(&valued).map(|it| it.parameters_count), Some(2));
        for (whole, read) in [
            (&executed, (|b| execute(b).is_some()) as fn(&[u8]) -> bool),
            (&bound, |b| bind(b).is_some()),
            (&valued, |b| bind(b).is_some()),
            (&close, |b| target(b).is_some()),
            (&answer, |b| password(b).is_some()),
            (&initial, |b| sasl_initial(b).is_some()),
        ] {
            for cut in 0..whole.len() {
                prop_assert!(!read(&whole[..cut]));
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        parse_name(&bytes);
        bind_statement(&bytes);
        target(&bytes);
        if let Some(bind) = bind(&bytes) {
            bind.result_formats().for_each(drop);
        }
        execute(&bytes);
        sasl_initial(&bytes);
        password(&bytes);
    }
}
