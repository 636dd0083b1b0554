//! What a load balancer may send: a refusal comes no later for more bytes, no more is asked for than may
//! come, and a header that is read is the same with and without what follows it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pgweir_wire::proxy_header::{HEADER_MAX, Progress, parse};

fuzz_target!(|data: &[u8]| {
    match parse(data) {
        Ok(Progress::Needs(more)) => assert!(more > 0 && data.len() + more <= HEADER_MAX),
        Ok(Progress::Done { source, len }) => {
            assert!(len <= data.len().min(HEADER_MAX));
            assert_eq!(parse(&data[..len]), Ok(Progress::Done { source, len }));
            assert!(matches!(parse(&data[..len - 1]), Ok(Progress::Needs(_))));
        }
        Err(error) => {
            assert!(error.to_string().len() < 100);
            assert_eq!(parse(&[data, b"more"].concat()), Err(error));
        }
    }
});
