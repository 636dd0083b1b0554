use proptest::prelude::*;

use super::{ErrorFields, Severity};
use crate::backend::TxStatus;
use crate::encode;
use crate::frame::{HEADER_LEN, header};
use crate::sqlstate::SqlState;

/// Checks the bytes that are written, behind bytes that must stay as they are.
fn check(write: impl FnOnce(&mut Vec<u8>), expected: &[u8]) {
    let mut out = b"before".to_vec();
    write(&mut out);
    assert_eq!(&out[..6], b"before");
    assert_eq!(
        out[6..].escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
}

const ERROR: ErrorFields<'_> = ErrorFields {
    severity: Severity::Error,
    sqlstate: SqlState::TOO_MANY_CONNECTIONS,
    message: "full",
    detail: None,
    hint: None,
};

#[test]
fn server_messages_have_the_documented_bytes() {
    check(encode::authentication_ok, b"R\0\0\0\x08\0\0\0\0");
    check(encode::authentication_cleartext, b"R\0\0\0\x08\0\0\0\x03");
    check(
        |o| encode::authentication_md5(o, *b"salt"),
        b"R\0\0\0\x0c\0\0\0\x05salt",
    );
    check(
        |o| encode::authentication_sasl(o, &["A", "B"]),
        b"R\0\0\0\x0d\0\0\0\x0aA\0B\0\0",
    );
    check(
        |o| encode::authentication_sasl_continue(o, b"r="),
        b"R\0\0\0\x0a\0\0\0\x0br=",
    );
    check(
        |o| encode::authentication_sasl_final(o, b"v="),
        b"R\0\0\0\x0a\0\0\0\x0cv=",
    );
    check(
        |o| encode::parameter_status(o, "a", b"b"),
        b"S\0\0\0\x08a\0b\0",
    );
    check(
        |o| encode::backend_key_data(o, 258, b"key!"),
        b"K\0\0\0\x0c\0\0\x01\x02key!",
    );
    check(
        |o| encode::ready_for_query(o, TxStatus::Failed),
        b"Z\0\0\0\x05E",
    );
    check(
        |o| encode::negotiate_protocol_version(o, 2, &["_pq_.x".to_owned()]),
        b"v\0\0\0\x13\0\x03\0\x02\0\0\0\x01_pq_.x\0",
    );
    check(
        |o| encode::error(o, &ERROR),
        b"E\0\0\0\x20SERROR\0VERROR\0C53300\0Mfull\0\0",
    );
    let notice = ErrorFields {
        severity: Severity::Notice,
        detail: Some("d"),
        hint: Some("h"),
        ..ERROR
    };
    check(
        |o| encode::notice(o, &notice),
        b"N\0\0\0\x28SNOTICE\0VNOTICE\0C53300\0Mfull\0Dd\0Hh\0\0",
    );
}

#[test]
fn client_messages_have_the_documented_bytes() {
    check(|o| encode::query(o, "SELECT 1"), b"Q\0\0\0\x0dSELECT 1\0");
    check(|o| encode::password(o, b"pw"), b"p\0\0\0\x07pw\0");
    check(
        |o| encode::sasl_initial_response(o, "M", b"n,,"),
        b"p\0\0\0\x0dM\0\0\0\0\x03n,,",
    );
    check(|o| encode::sasl_response(o, b"c="), b"p\0\0\0\x06c=");
    check(encode::sync, b"S\0\0\0\x04");
    check(encode::terminate, b"X\0\0\0\x04");
    check(|o| encode::copy_fail(o, "no"), b"f\0\0\0\x07no\0");
    check(|o| encode::parse(o, "s", "X"), b"P\0\0\0\x0as\0X\0\0\0");
    check(
        |o| encode::bind(o, "", "s"),
        b"B\0\0\0\x0d\0s\0\0\0\0\0\0\0",
    );
    check(|o| encode::execute(o, ""), b"E\0\0\0\x09\0\0\0\0\0");
    check(|o| encode::describe_statement(o, "s"), b"D\0\0\0\x07Ss\0");
    check(|o| encode::close_statement(o, "s"), b"C\0\0\0\x07Ss\0");
}

#[test]
fn a_parameter_is_bytes_of_its_own() {
    let mut out = Vec::new();
    super::bind_text(&mut out, &[b"bob'; --", b""]);
    let parameters = b"\0\x02\0\0\0\x08bob'; --\0\0\0\0";
    let body = [b"\0\0\0\0", &parameters[..], b"\0\0"].concat();
    assert_eq!(out[0], b'B');
    assert_eq!(out[5..], body);
}

#[test]
fn nul_bytes_inside_text_are_left_out() {
    check(|o| encode::query(o, "a\0b\0"), b"Q\0\0\0\x07ab\0");
    let nul = ErrorFields {
        message: "a\0\0b",
        ..ERROR
    };
    check(
        |o| encode::error(o, &nul),
        b"E\0\0\0\x1eSERROR\0VERROR\0C53300\0Mab\0\0",
    );
}

#[test]
#[should_panic(expected = "cancel key length")]
fn a_cancel_key_that_no_peer_takes_is_not_written() {
    encode::backend_key_data(&mut Vec::new(), 1, b"abc");
}

proptest! {
    #[test]
    fn the_length_of_a_message_is_that_of_its_bytes(text in "\\PC*", data: Vec<u8>) {
        let mut out = Vec::new();
        encode::query(&mut out, &text);
        encode::sasl_initial_response(&mut out, &text, &data);
        encode::error(&mut out, &ErrorFields { message: &text, ..ERROR });
        let mut rest = &out[..];
        for kind in *b"QpE" {
            let header = header(rest).unwrap().unwrap();
            prop_assert_eq!(header.kind, kind);
            prop_assert!(header.message_len() >= HEADER_LEN + text.len());
            rest = &rest[header.message_len()..];
        }
        prop_assert!(rest.is_empty());
    }
}
