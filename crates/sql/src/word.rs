//! Words: in lower case, on the stack, for comparison with keywords; and somewhere in a text.

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

/// Whether `word`, in lower case, is in `text` in any case, be it within another word. Spares most texts the lexer.
pub fn mentions(text: &[u8], word: &[u8]) -> bool {
    let mut places = text.windows(word.len());
    places.any(|place| place[0] | 0x20 == word[0] && place.eq_ignore_ascii_case(word))
}
