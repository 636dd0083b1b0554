use proptest::prelude::{any, prop, prop_assert, proptest};

use super::{CLIENT_MESSAGE_MAX, Credential, First, OauthError, Token};

fn read(data: &[u8]) -> Result<Credential, OauthError> {
    let first = First::new().on_client_first(data);
    first.map(|(credential, _)| credential)
}

fn token(text: &str) -> Result<Credential, OauthError> {
    Ok(Credential::Token(Token(text.to_owned())))
}

fn malformed(expected: &'static str) -> Result<Credential, OauthError> {
    Err(OauthError::Malformed { expected })
}

#[test]
fn a_token_stands_behind_its_header() {
    // RFC 7628, section 4.1, with and without what PostgreSQL passes over.
    let rfc = b"n,,\x01host=server.example.com\x01port=143\x01\
        auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01";
    assert_eq!(
        read(rfc),
        token("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==")
    );
    for (data, expected) in [
        ("n,,\x01auth=Bearer abc\x01\x01", token("abc")),
        ("y,,\x01auth=Bearer abc\x01\x01", token("abc")),
        (
            "n,,\x01auth=bEARER   a-._~+/b==\x01\x01",
            token("a-._~+/b=="),
        ),
        ("n,,\x01auth=\x01\x01", Ok(Credential::Discovery)),
        ("n,,\x01auth=Bearer\x01\x01", Ok(Credential::Other)),
        ("n,,\x01auth=Bearer \x01\x01", Ok(Credential::Other)),
        ("n,,\x01auth=Bearer ==\x01\x01", Ok(Credential::Other)),
        ("n,,\x01auth=Bearer a=b\x01\x01", Ok(Credential::Other)),
        ("n,,\x01auth=Bearer a b\x01\x01", Ok(Credential::Other)),
        ("n,,\x01auth=Bearer a\tb\x01\x01", Ok(Credential::Other)),
        ("n,,\x01auth=Basic abc\x01\x01", Ok(Credential::Other)),
    ] {
        assert_eq!(read(data.as_bytes()), expected, "{data:?}");
    }
}

#[test]
fn what_is_no_such_message_is_said_to_be_none() {
    for (data, expected) in [
        ("", "a header (n,,)"),
        ("n", "a header (n,,)"),
        ("n,", "a header (n,,)"),
        ("x,,\x01auth=\x01\x01", "a header (n,,)"),
        ("n,,", "a separator behind its header"),
        ("n,,auth=\x01\x01", "a separator behind its header"),
        ("n,,\x01", "the separator at its end"),
        ("n,,\x01auth=Bearer abc", "the separator at its end"),
        ("n,,\x01auth=Bearer abc\x01", "the separator at its end"),
        ("n,,\x01\x01", "a value for auth"),
        ("n,,\x01host=a\x01\x01", "a value for auth"),
        ("n,,\x01Auth=a\x01\x01", "a value for auth"),
        ("n,,\x01auth=\x01auth=\x01\x01", "a single value for auth"),
        (
            "n,,\x01auth\x01\x01",
            "a key and a value between separators",
        ),
        ("n,,\x01=a\x01\x01", "keys of letters"),
        ("n,,\x01a1=a\x01\x01", "keys of letters"),
        ("n,,\x01auth=\0\x01\x01", "values of printable characters"),
        (
            "n,,\x01auth=Bearer a\0\x01\x01",
            "values of printable characters",
        ),
        ("n,,\x01auth=é\x01\x01", "values of printable characters"),
        ("n,,\x01auth=\x01\x01\0", "an end behind its last separator"),
        (
            "n,,\x01auth=\x01\x01\x01",
            "an end behind its last separator",
        ),
    ] {
        assert_eq!(read(data.as_bytes()), malformed(expected), "{data:?}");
    }
    let unbound = "p=tls-server-end-point,,\x01auth=\x01\x01";
    assert_eq!(read(unbound.as_bytes()), Err(OauthError::ChannelBinding));
    let other = "n,a=bob,\x01auth=\x01\x01";
    assert_eq!(
        read(other.as_bytes()),
        Err(OauthError::AuthorizationIdentity)
    );
}

#[test]
fn a_message_has_a_longest_length() {
    let of_len = |len: usize| {
        let frame = "n,,\x01auth=Bearer \x01\x01".len();
        format!("n,,\x01auth=Bearer {}\x01\x01", "a".repeat(len - frame))
    };
    let longest = read(of_len(CLIENT_MESSAGE_MAX).as_bytes());
    assert!(matches!(longest, Ok(Credential::Token(_))));
    let got = CLIENT_MESSAGE_MAX + 1;
    assert_eq!(
        read(of_len(got).as_bytes()),
        Err(OauthError::TooLong { got })
    );
}

#[test]
fn a_refusal_says_where_tokens_are_issued_and_wants_to_be_acknowledged() {
    let refuse = |issuer: &str, scope: &str| {
        let (_, pending) = First::new()
            .on_client_first(b"n,,\x01auth=\x01\x01")
            .unwrap();
        let (answer, last) = pending.refuse(issuer, scope);
        (String::from_utf8(answer).unwrap(), last)
    };
    let (answer, last) = refuse("https://id.example.com/x", "openid postgres");
    // As PostgreSQL 18 writes it.
    assert_eq!(
        answer,
        "{ \"status\": \"invalid_token\", \"openid-configuration\": \"https://id.example.com/x\", \
         \"scope\": \"openid postgres\" }"
    );
    assert_eq!(last.on_client_last(b"\x01"), Ok(()));
    for data in ["", "\x01\x01", "n,,\x01auth=Bearer abc\x01\x01"] {
        let (_, last) = refuse("", "");
        assert!(last.on_client_last(data.as_bytes()).is_err(), "{data:?}");
    }
    let (answer, _) = refuse("a\"b\\c\n", "");
    assert!(answer.contains(r#""a\"b\\c\u000a""#), "{answer}");
}

#[test]
fn a_token_is_in_no_debug_output() {
    let shown = read(b"n,,\x01auth=Bearer abc\x01\x01");
    assert_eq!(format!("{shown:?}"), "Ok(Token(Token(..)))");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(data in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(Credential::Token(token)) = read(&data) {
            let text = token.into_text();
            prop_assert!(data.windows(text.len()).any(|at| at == text.as_bytes()));
        }
    }

    #[test]
    fn no_prefix_of_a_message_is_one(len in 0_usize..30) {
        let whole = b"n,,\x01host=a\x01auth=Bearer abc\x01\x01";
        prop_assert!(read(&whole[..len.min(whole.len() - 1)]).is_err());
    }
}
