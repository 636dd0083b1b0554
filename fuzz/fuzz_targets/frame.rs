//! A stream cut anywhere has the borders that it has in one piece.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pgweir_wire::frame::{BadLength, HEADER_LEN, Header, header};

fuzz_target!(|data: &[u8]| {
    let Some((&cut, stream)) = data.split_first() else {
        return;
    };
    let cut = usize::from(cut).min(stream.len());
    let whole = walk(&[stream]);
    assert_eq!(walk(&[&stream[..cut], &stream[cut..]]), whole);
});

/// The headers in a stream that arrives in pieces, keeping of a message that is not complete only
/// how much of it is missing.
fn walk(pieces: &[&[u8]]) -> (Vec<Header>, Option<BadLength>) {
    let mut found = Vec::new();
    let mut kept = Vec::new();
    let mut missing = 0;
    for piece in pieces {
        kept.extend_from_slice(piece);
        loop {
            let skip = missing.min(kept.len());
            kept.drain(..skip);
            missing -= skip;
            match header(&kept) {
                Ok(Some(header)) => {
                    kept.drain(..HEADER_LEN);
                    missing = header.message_len() - HEADER_LEN;
                    found.push(header);
                }
                Ok(None) => break,
                Err(bad) => return (found, Some(bad)),
            }
        }
    }
    (found, None)
}
