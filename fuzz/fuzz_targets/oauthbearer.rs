//! A client that shows any token: it is read or refused, a token has only what tokens may have, and the
//! answer is whole.
//!
//! The first byte is the length of the last message, which is at the end.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pgweir_wire::auth::oauthbearer::{CLIENT_MESSAGE_MAX, Credential, First};
use pgweir_wire::frontend;

fuzz_target!(|data: &[u8]| {
    let Some((&len, data)) = data.split_first() else {
        return;
    };
    let (first, last) = data.split_at(data.len().saturating_sub(usize::from(len)));
    if let Some((_, Some(message))) = frontend::sasl_initial(first) {
        let _ = First::new().on_client_first(message);
    }
    let Ok((credential, pending)) = First::new().on_client_first(first) else {
        return;
    };
    assert!(first.len() <= CLIENT_MESSAGE_MAX && first.ends_with(b"\x01\x01"));
    if let Credential::Token(token) = credential {
        let text = token.into_text();
        let is_of_tokens = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
        assert!(!text.is_empty() && text.chars().all(is_of_tokens));
    }
    let scope = String::from_utf8_lossy(last);
    let (answer, acknowledged) = pending.refuse("https://id.example.com", &scope);
    // Whatever is quoted, the text ends where it should.
    let answer = String::from_utf8(answer).expect("text");
    assert!(answer.ends_with("\" }") && !answer.contains(char::is_control));
    assert_eq!(acknowledged.on_client_last(last).is_ok(), last == b"\x01");
});
