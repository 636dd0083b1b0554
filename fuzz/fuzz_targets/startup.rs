//! The first bytes of a connection: a refusal comes no later for more bytes, and a packet that is
//! read is the same with and without what follows it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pgweir_wire::startup::{PACKET_MAX, parse};

fuzz_target!(|data: &[u8]| {
    match parse(data) {
        Ok(None) => assert!(data.len() < PACKET_MAX),
        Ok(Some((packet, consumed))) => {
            assert!(consumed <= data.len().min(PACKET_MAX));
            assert_eq!(parse(&data[..consumed]), Ok(Some((packet, consumed))));
            assert_eq!(parse(&data[..consumed - 1]), Ok(None));
        }
        Err(error) => {
            assert!(error.client_message().len() < 1024);
            assert_eq!(parse(&[data, b"more"].concat()), Err(error));
        }
    }
});
