//! A server that says anything to a client that logs in: no panic, no long computation, the same
//! answers however the bytes are cut, and no more than the bounds allow.
//!
//! The first two bytes are where the stream is cut.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pgweir_wire::auth::scram::ClientKey;
use pgweir_wire::login::{
    Handshake, Identity, LoginError, MESSAGES_MAX, Method, Opened, REPORTED_MAX, Secrets, Turn,
};
use pgweir_wire::startup::MINOR_NEWEST;

fuzz_target!(|data: &[u8]| {
    let Some((cut, stream)) = data.split_first_chunk() else {
        return;
    };
    let cut = usize::from(u16::from_be_bytes(*cut)).min(stream.len());
    let whole = outcome(stream, stream.len());
    assert_eq!(outcome(stream, cut), whole);
    if let (_, Ok(Some(opened))) = whole {
        let pairs = opened.reported.iter();
        let reported_len: usize = pairs.map(|(name, value)| name.len() + value.len()).sum();
        assert!(reported_len <= REPORTED_MAX);
        assert!(opened.reported.len() < MESSAGES_MAX);
    }
});

/// What the client answers to `stream`, which comes in two pieces, and what its login comes to;
/// `None` when it still waits.
fn outcome(stream: &[u8], cut: usize) -> (Vec<u8>, Result<Option<Opened>, LoginError>) {
    let mut identity = Identity {
        user: "user".to_owned(),
        database: "database".to_owned(),
        parameters: Vec::new(),
        // Keys in place of a password, so that a large iteration count costs nothing here.
        secrets: Secrets {
            md5_verifier: Some("md5".to_owned()),
            scram_keys: Some((ClientKey([7; 32]), [9; 32])),
            ..Secrets::default()
        },
        weakest: Method::Cleartext,
        binding: None,
        requires_binding: false,
        minor: MINOR_NEWEST,
    };
    let mut out = Vec::new();
    let mut login = Handshake::start(&identity, "client".to_owned(), &mut out);
    let mut from = 0;
    for end in [cut, stream.len()] {
        match login.on_bytes(&stream[from..end], &mut identity, &mut out) {
            Ok((consumed, Turn::Wait(next))) => {
                login = next;
                from += consumed;
            }
            Ok((_, Turn::Ready(opened))) => return (out, Ok(Some(opened))),
            Err(error) => return (out, Err(error)),
        }
    }
    (out, Ok(None))
}
