//! A server that says anything, split anywhere, to an honest client: no panic, no growth, whole messages or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = pgweir_sim::strange::servers_bytes(data);
});
