use proptest::prelude::*;

use super::{
    AuthRequest, ERROR_MESSAGE_MAX, ErrorView, MECHANISMS_MAX, TxStatus, data_row, key_data,
    negotiated, parameter_status, ready_status,
};
use crate::encode::{self, ErrorFields, Severity};
use crate::frame::HEADER_LEN;
use crate::sqlstate::SqlState;

fn body(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out.split_off(HEADER_LEN)
}

#[test]
fn a_status_is_one_of_three_letters() {
    for status in [TxStatus::Idle, TxStatus::InTransaction, TxStatus::Failed] {
        assert_eq!(ready_status(&[status.byte()]), Some(status));
    }
    for bad in [&b""[..], b"X", b"i", b"II", b"\0"] {
        assert_eq!(ready_status(bad), None, "{bad:?}");
    }
}

#[test]
fn a_cancel_key_has_4_to_256_bytes() {
    for (len, fits) in [(0, false), (3, false), (4, true), (256, true), (257, false)] {
        let body = [&7_u32.to_be_bytes()[..], &vec![9; len]].concat();
        let key = vec![9; len];
        assert_eq!(key_data(&body), fits.then_some((7, &key[..])), "{len}");
    }
    assert_eq!(key_data(b"\0\0\0"), None);
}

#[test]
fn a_negotiated_version_is_one_of_protocol_3() {
    let body = |version: u32, count: u32, names: &[u8]| {
        [&version.to_be_bytes()[..], &count.to_be_bytes(), names].concat()
    };
    let v3 = 3 << 16;
    for (bytes, expected) in [
        (body(v3, 0, b""), Some((0, 0))),
        (body(v3 | 2, 0, b""), Some((2, 0))),
        (body(v3 | 0xffff, 2, b"_pq_.a\0_pq_.b\0"), Some((0xffff, 2))),
        (body(2 << 16, 0, b""), None),
        (body(0, 0, b""), None),
        (body(v3, 1, b""), None),
        (body(v3, u32::MAX, b"_pq_.a\0"), None),
        (body(v3, 0, b"_pq_.a\0"), None),
        (body(v3, 1, b"_pq_.a"), None),
    ] {
        assert_eq!(negotiated(&bytes), expected, "{bytes:?}");
        for end in 0..8 {
            assert_eq!(negotiated(&bytes[..end]), None, "{end} bytes");
        }
    }
}

/// The body of a DataRow.
fn row(columns: &[Option<&[u8]>]) -> Vec<u8> {
    let mut body = (columns.len() as u16).to_be_bytes().to_vec();
    for column in columns {
        let len = column.map_or(-1, |value| value.len() as i32);
        body.extend(len.to_be_bytes());
        body.extend(column.unwrap_or_default());
    }
    body
}

#[test]
fn a_row_is_read_whole_or_not_at_all() {
    let columns = [Some(&b"a\0b"[..]), None, Some(b""), Some(b"\xff")];
    let body = row(&columns);
    assert_eq!(data_row(&body), Some(columns.to_vec()));
    for end in 0..body.len() {
        assert_eq!(data_row(&body[..end]), None, "{end} bytes");
    }
    assert_eq!(data_row(&[&body[..], b"x"].concat()), None);
    assert_eq!(data_row(&row(&[])), Some(Vec::new()));
    assert_eq!(data_row(b"\0\x01\xff\xff\xff\xfe"), None, "a length of -2");
}

#[test]
fn an_error_is_read_whatever_is_missing() {
    let check = |body: &[u8], severity: &str, sqlstate: Option<&[u8; 5]>, message: &str| {
        let view = ErrorView::parse(body);
        assert_eq!(view.severity(), severity, "{body:?}");
        assert_eq!(view.sqlstate(), sqlstate.map(|code| SqlState(*code)));
        assert_eq!(view.message(), message, "{body:?}");
    };
    check(
        b"SFEHLER\0VERROR\0C42601\0Mno\0\0",
        "ERROR",
        Some(b"42601"),
        "no",
    );
    check(b"SFATAL\0C3D000\0Mno\0\0", "FATAL", Some(b"3D000"), "no");
    check(b"V\xff\0SPANIC\0Mno\0", "PANIC", None, "no");
    check(
        b"V\0S\0C42\0\0Mafter the end\0",
        "ERROR",
        None,
        "(no message)",
    );
    check(b"", "ERROR", None, "(no message)");
    check(b"\0", "ERROR", None, "(no message)");
    check(b"Mcut o", "ERROR", None, "cut o");
    check(b"M", "ERROR", None, "");
    check(b"M\xffx\0\0", "ERROR", None, "\u{fffd}x");
    check(
        &[&b"V"[..], &[b'x'; 65]].concat(),
        "ERROR",
        None,
        "(no message)",
    );
}

#[test]
fn a_message_is_cut_at_its_bound_between_characters() {
    let check = |text: &[u8], expected_len: usize| {
        let body = [b"M", text].concat();
        let message = ErrorView::parse(&body).message();
        assert_eq!(message.len(), expected_len);
    };
    check(&vec![b'x'; ERROR_MESSAGE_MAX], ERROR_MESSAGE_MAX);
    check(&vec![b'x'; 65_536], ERROR_MESSAGE_MAX);
    for shift in 0..4 {
        let text = "x".repeat(shift) + &"🐘".repeat(10_000);
        check(text.as_bytes(), ERROR_MESSAGE_MAX - (4 - shift) % 4);
    }
    // One byte becomes three, and 8,192 is two above a multiple of three.
    check(&vec![0xFF; 65_536], ERROR_MESSAGE_MAX - 2);
    check(&vec![0x80; 65_536], ERROR_MESSAGE_MAX - 2);
}

#[test]
fn authentication_requests_have_their_exact_form() {
    let check = |body: &[u8], expected: Option<AuthRequest<'_>>| {
        assert_eq!(AuthRequest::parse(body), expected, "{body:?}");
    };
    check(b"", None);
    check(b"\0\0\0", None);
    check(b"\0\0\0\0x", None);
    check(b"\0\0\0\x03x", None);
    check(b"\0\0\0\x05abc", None);
    check(b"\0\0\0\x05abcde", None);
    check(b"\0\0\0\x07", Some(AuthRequest::Unsupported(7)));
    check(b"\0\0\0\x0a", None);
    check(b"\0\0\0\x0aA\0", None);
    check(b"\0\0\0\x0aA\0\0x", None);
    check(b"\0\0\0\x0a\xff\0\0", None);
    check(
        b"\0\0\0\x0a\0",
        Some(AuthRequest::Sasl { mechanisms: vec![] }),
    );
    check(b"\0\0\0\x0b", Some(AuthRequest::SaslContinue(b"")));
}

#[test]
fn mechanisms_are_bounded() {
    for (count, fits) in [(MECHANISMS_MAX, true), (MECHANISMS_MAX + 1, false)] {
        let names = vec!["X"; count];
        let body = body(|out| encode::authentication_sasl(out, &names));
        let expected = fits.then_some(AuthRequest::Sasl { mechanisms: names });
        assert_eq!(AuthRequest::parse(&body), expected);
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_read_and_no_prefix_of_it(
        name in "[^\0]{1,12}", value in "[^\0]{0,12}", pid: u32,
        key in prop::collection::vec(any::<u8>(), 4..=256), salt: [u8; 4], data: Vec<u8>,
    ) {
        let status = body(|out| encode::parameter_status(out, &name, &value));
        prop_assert_eq!(parameter_status(&status), Some((name.as_bytes(), value.as_bytes())));
        for cut in 0..status.len() {
            prop_assert_eq!(parameter_status(&status[..cut]), None);
        }
        let keys = body(|out| encode::backend_key_data(out, pid, &key));
        prop_assert_eq!(key_data(&keys), Some((pid, &key[..])));
        for cut in 0..8 {
            prop_assert_eq!(key_data(&keys[..cut]), None);
        }
        let requests = [
            (body(encode::authentication_ok), AuthRequest::Ok),
            (body(encode::authentication_cleartext), AuthRequest::CleartextPassword),
            (body(|out| encode::authentication_md5(out, salt)), AuthRequest::Md5 { salt }),
            (
                body(|out| encode::authentication_sasl(out, &[&name, "X"])),
                AuthRequest::Sasl { mechanisms: vec![&name, "X"] },
            ),
        ];
        for (body, expected) in requests {
            for cut in 0..body.len() {
                prop_assert_eq!(AuthRequest::parse(&body[..cut]), None);
            }
            prop_assert_eq!(AuthRequest::parse(&body), Some(expected));
        }
        // These two may carry anything, so a prefix reads as a shorter challenge.
        let challenge = body(|out| encode::authentication_sasl_continue(out, &data));
        prop_assert_eq!(AuthRequest::parse(&challenge), Some(AuthRequest::SaslContinue(&data)));
        let last = body(|out| encode::authentication_sasl_final(out, &data));
        prop_assert_eq!(AuthRequest::parse(&last), Some(AuthRequest::SaslFinal(&data)));
    }

    #[test]
    fn an_encoded_error_is_read_at_every_prefix(
        message in "\\PC{0,40}", detail in prop::option::of("\\PC{0,20}"), hint in prop::option::of("\\PC{0,20}"),
    ) {
        let fields = ErrorFields {
            severity: Severity::Fatal,
            sqlstate: SqlState::ADMIN_SHUTDOWN,
            message: &message,
            detail: detail.as_deref(),
            hint: hint.as_deref(),
        };
        let body = body(|out| encode::error(out, &fields));
        let view = ErrorView::parse(&body);
        prop_assert_eq!(view.severity(), "FATAL");
        prop_assert_eq!(view.sqlstate(), Some(SqlState::ADMIN_SHUTDOWN));
        prop_assert_eq!(view.message(), message.as_str());
        prop_assert_eq!(view.field(b'D'), detail.as_deref().map(str::as_bytes));
        prop_assert_eq!(view.field(b'H'), hint.as_deref().map(str::as_bytes));
        for cut in 0..body.len() {
            let view = ErrorView::parse(&body[..cut]);
            prop_assert!(view.message().len() <= ERROR_MESSAGE_MAX);
            prop_assert!("FATAL ERROR".contains(view.severity()));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, code: u8) {
        ready_status(&bytes);
        parameter_status(&bytes);
        key_data(&bytes);
        data_row(&bytes);
        AuthRequest::parse(&bytes);
        let view = ErrorView::parse(&bytes);
        prop_assert!(!view.severity().is_empty());
        view.sqlstate();
        view.field(code);
        prop_assert!(view.message().len() <= ERROR_MESSAGE_MAX);
    }
}
