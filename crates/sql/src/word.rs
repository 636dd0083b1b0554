//! An unquoted word in lower case, on the stack, for comparison with keywords.

/// The longest keyword that is compared is `characteristics`, 15 bytes.
const LEN_MAX: usize = 16;

/// A word in lower case. Empty if it is longer than any keyword of interest.
#[derive(Clone, Copy)]
pub(super) struct Lower {
    bytes: [u8; LEN_MAX],
    len: usize,
}

impl Lower {
    pub(super) fn new(word: &[u8]) -> Self {
        let mut bytes = [0; LEN_MAX];
        let mut len = 0;
        if let Some(room) = bytes.get_mut(..word.len()) {
            room.copy_from_slice(word);
            room.make_ascii_lowercase();
            len = word.len();
        }
        Self { bytes, len }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
