//! A server that says anything: no panic, no long computation, and no server that passes without
//! knowing the verifier.
//!
//! The first byte is the length of the challenge, the rest the last message.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pgweir_wire::auth::scram::ClientKey;
use pgweir_wire::auth::scram::client::{Binding, Credentials, First};

fuzz_target!(|data: &[u8]| {
    let Some((&len, data)) = data.split_first() else {
        return;
    };
    let (challenge, last) = data.split_at(usize::from(len).min(data.len()));
    // Keys in place of a password, so that a large iteration count costs nothing here.
    let credentials = Credentials::Keys {
        client_key: ClientKey([7; 32]),
        server_key: [9; 32],
    };
    let (_, client) = First::new(credentials, "client", Binding::None);
    if let Ok((client_final, client)) = client.on_server_first(challenge) {
        assert!(client_final.starts_with(b"c=biws,r=client"));
        assert!(client.on_server_final(last).is_err());
    }
});
