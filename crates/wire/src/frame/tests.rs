use proptest::prelude::*;

use super::{BODY_MAX, BadLength, HEADER_LEN, Header, c_string, header};

fn bytes(kind: u8, length: u32) -> [u8; HEADER_LEN] {
    let [a, b, c, d] = length.to_be_bytes();
    [kind, a, b, c, d]
}

#[test]
fn a_length_counts_itself_and_stays_below_the_largest_message() {
    for (length, body_len) in [(4, 0), (5, 1), (BODY_MAX + 4, BODY_MAX)] {
        let header = header(&bytes(b'Q', length)).unwrap().unwrap();
        let kind = b'Q';
        assert_eq!(header, Header { kind, body_len });
        assert_eq!(header.message_len(), 1 + length as usize);
    }
    for length in [0, 3, BODY_MAX + 5, 0x7FFF_FFFF, 0x8000_0000, u32::MAX] {
        let kind = b'Q';
        let expected = BadLength { kind, length };
        assert_eq!(header(&bytes(kind, length)), Err(expected));
    }
}

proptest! {
    #[test]
    fn a_header_needs_five_bytes_and_reads_no_more(kind: u8, body_len in 0..=BODY_MAX, after: Vec<u8>) {
        let message = [&bytes(kind, body_len + 4)[..], &after].concat();
        for cut in 0..HEADER_LEN {
            prop_assert_eq!(header(&message[..cut]), Ok(None));
        }
        prop_assert_eq!(header(&message), Ok(Some(Header { kind, body_len })));
    }

    #[test]
    fn borders_are_the_same_at_every_split(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..8),
    ) {
        let mut stream = Vec::new();
        for body in &bodies {
            stream.extend(bytes(b'd', body.len() as u32 + 4));
            stream.extend(body);
        }
        for split in 0..=stream.len() {
            // Walks each piece as it arrives, keeping what is not a whole message.
            let (mut kept, mut found) = (Vec::new(), Vec::new());
            for piece in [&stream[..split], &stream[split..]] {
                kept.extend_from_slice(piece);
                while let Some(header) = header(&kept).unwrap() {
                    if kept.len() < header.message_len() {
                        break;
                    }
                    let rest = kept.split_off(header.message_len());
                    found.push(kept[HEADER_LEN..].to_vec());
                    kept = rest;
                }
            }
            prop_assert!(kept.is_empty());
            prop_assert_eq!(&found, &bodies);
        }
    }

    #[test]
    fn a_c_string_ends_at_its_first_nul(text in "[^\0]{0,20}", after: Vec<u8>) {
        let bytes = [text.as_bytes(), &[0], &after].concat();
        prop_assert_eq!(c_string(&bytes), Some((text.as_bytes(), &after[..])));
        prop_assert_eq!(c_string(text.as_bytes()), None);
    }
}
