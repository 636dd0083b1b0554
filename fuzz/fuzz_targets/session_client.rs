//! A client that sends anything, split anywhere, at an honest PostgreSQL: the next clients of its server meet nothing of
//! it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = pgweir_sim::strange::clients_bytes(data);
});
