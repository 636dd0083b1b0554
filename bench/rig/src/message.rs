//! Writing the messages that the pooler itself never writes, and walking whole ones.

use pgweir_wire::frame::{HEADER_LEN, header};

/// Appends a message: its type, its length, and the body that `body` appends.
pub(crate) fn push(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let length = u32::try_from(out.len() - start).expect("the rig writes small messages");
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends a string and its NUL.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

/// The connection is of no further use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stop;

/// Calls `on_message` with every whole message in `bytes` and returns the bytes they take.
///
/// # Errors
/// When the bytes are no messages, or `on_message` wants no more.
pub(crate) fn walk(
    bytes: &[u8],
    mut on_message: impl FnMut(u8, &[u8]) -> Result<(), Stop>,
) -> Result<usize, Stop> {
    let mut at = 0;
    while let Some(head) = header(&bytes[at..]).map_err(|_| Stop)? {
        let Some(body) = bytes.get(at + HEADER_LEN..at + head.message_len()) else {
            break;
        };
        at += head.message_len();
        on_message(head.kind, body)?;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_is_walked_at_every_split_point() {
        let mut bytes = Vec::new();
        push(&mut bytes, b'Q', |out| push_string(out, "SELECT 1"));
        push(&mut bytes, b'S', |_| {});
        for end in 0..=bytes.len() {
            let mut kinds = Vec::new();
            let consumed = walk(&bytes[..end], |kind, _| {
                kinds.push(kind);
                Ok(())
            });
            let expected: (&[u8], usize) = match end {
                0..14 => (b"", 0),
                14..19 => (b"Q", 14),
                _ => (b"QS", 19),
            };
            assert_eq!(
                (kinds.as_slice(), consumed),
                (expected.0, Ok(expected.1)),
                "{end}"
            );
        }
    }
}
