//! A client that says anything: no panic, and no login without the password.
//!
//! The first byte is the length of the first message, the rest the last message.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pgweir_wire::auth::scram::{Verifier, server};
use pgweir_wire::frontend;

fuzz_target!(|data: &[u8]| {
    let Some((&len, data)) = data.split_first() else {
        return;
    };
    let (first, last) = data.split_at(usize::from(len).min(data.len()));
    let _ = frontend::sasl_initial(first);
    let _ = frontend::password(first);
    let _ = str::from_utf8(first).map(Verifier::parse);
    // Nobody knows a key for a mock, so any success is a hole.
    let verifier = Verifier::mock("alice", &[7; 32]);
    if let Ok((server_first, server)) =
        server::First::new(verifier).on_client_first(first, "server")
    {
        assert!(server_first.starts_with(b"r="));
        assert!(server.on_client_final(last).is_err());
    }
});
