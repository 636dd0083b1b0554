//! Computes 64 bits that are equal for statements that differ only in literals, whitespace,
//! comments and the like: statements that [`crate::normalise`] shows as the same text. It does so
//! without building that text.
//!
//! # Stability
//! A fingerprint depends only on the bytes of the statement and on [`VERSION`], not on the process,
//! machine or byte order. It can therefore be stored, compared between instances and used in
//! links. A release that changes the folding or the hash raises [`VERSION`] and says so in the
//! change log; the tests pin values.
//!
//! # Hash
//! Eight bytes at a time are multiplied by a constant to 128 bits, whose halves are then combined.
//! This is the step of wyhash: one multiplication where FNV-1a needs eight in a row, and all bits
//! of the result are well mixed. The hash has no key, so a client can choose statements that
//! collide, but that only spoils the statistics about its own statements.

use std::fmt;

use crate::fold::{Fixed, Piece, Sink, fold};
use crate::normalise::printable;

/// Version of the rules. Fingerprints of different versions must not be compared.
pub const VERSION: u64 = 1;

/// Identity of a statement without its literals. Displayed as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// Fingerprint of an unknown statement.
    pub const NONE: Self = Self(0);

    /// Fingerprint of a text of one or more statements.
    pub fn of(sql: &[u8], standard_conforming_strings: bool) -> Self {
        let mut state = State(mix(SEED, VERSION));
        fold(sql, standard_conforming_strings, &mut state);
        Self(state.0)
    }
}

/// Hash of the unchanged text. It is much cheaper than the fingerprint, so it serves as a key to
/// look up the fingerprint of a text that was seen before.
pub fn text_hash(text: &[u8]) -> u64 {
    mix(words(SEED, text), text.len() as u64)
}

/// The bytes of a text in words of eight, and the remaining ones.
pub(super) fn words(mut state: u64, text: &[u8]) -> u64 {
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        state = mix(state, u64::from_le_bytes(*word));
    }
    let tail = match text.last_chunk::<8>() {
        // Some bytes are hashed twice, which is cheaper than copying the others.
        Some(last) => u64::from_le_bytes(*last),
        None => (rest.iter().rev()).fold(0, |tail, byte| tail << 8 | u64::from(*byte)),
    };
    mix(state, tail)
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

struct State(u64);

impl Sink for State {
    type Mark = u64;

    fn piece(&mut self, piece: Piece<'_>) {
        self.0 = mix(self.0, digest(piece));
    }

    fn mark(&self) -> u64 {
        self.0
    }

    fn rewind(&mut self, mark: u64) {
        self.0 = mark;
    }

    fn full(&self) -> bool {
        false
    }
}

/// Hash of a single piece.
pub(super) fn digest(piece: Piece<'_>) -> u64 {
    match piece {
        // The role of a word follows from its text and the piece before it.
        Piece::Word { text, role: _ } => text_digest(1, text, true),
        Piece::Quoted {
            text,
            unicode: false,
        } => text_digest(2, text, false),
        Piece::Quoted {
            text,
            unicode: true,
        } => text_digest(3, text, false),
        Piece::Placeholder => 4,
        Piece::Operator(text) => text_digest(5, text, false),
        Piece::Fixed(fixed) => match fixed {
            Fixed::Cast => 6,
            Fixed::ColonEquals => 7,
            Fixed::Colon => 8,
            Fixed::DotDot => 9,
            Fixed::Ellipsis => 10,
            Fixed::Dot => 11,
            Fixed::Comma => 12,
            Fixed::Semicolon => 13,
            Fixed::Open => 14,
            Fixed::Close => 15,
            Fixed::OpenBracket => 16,
            Fixed::CloseBracket => 17,
        },
    }
}

fn text_digest(class: u64, text: &[u8], lower: bool) -> u64 {
    let mut hash = TextHash::new(class);
    let (words, rest) = text.as_chunks::<8>();
    let mut tail = [0; 8];
    tail[..rest.len()].copy_from_slice(rest);
    // Spaces are printable.
    let mut shown_tail = [b' '; 8];
    shown_tail[..rest.len()].copy_from_slice(rest);
    let mut odd = !printable_ascii(u64::from_le_bytes(shown_tail));
    for word in words {
        let word = u64::from_le_bytes(*word);
        odd |= !printable_ascii(word);
        hash.word(word, lower);
    }
    if odd {
        return odd_text_digest(class, text, lower);
    }
    hash.len = text.len();
    hash.pending = u64::from_le_bytes(tail);
    hash.finish(lower)
}

/// Hash of text with unprintable characters: equal to the hash of its replacement.
#[cold]
fn odd_text_digest(class: u64, text: &[u8], lower: bool) -> u64 {
    let mut hash = TextHash::new(class);
    printable(text, |shown| {
        let mut utf8 = [0; 4];
        for &byte in shown.encode_utf8(&mut utf8).as_bytes() {
            hash.byte(byte, lower);
        }
    });
    hash.finish(lower)
}

/// Returns true only if all eight bytes are printable ASCII. May return false although they are.
fn printable_ascii(word: u64) -> bool {
    // The sum sets the high bit of a DEL byte, the difference that of a byte below a space.
    let sum = word.wrapping_add(ONES);
    let difference = word.wrapping_sub(ONES * b' ' as u64);
    (word | sum | difference) & HIGH == 0
}

struct TextHash {
    state: u64,
    len: usize,
    /// The last `len % 8` bytes, with the first one lowest.
    pending: u64,
}

impl TextHash {
    fn new(class: u64) -> Self {
        Self {
            state: mix(SEED, class),
            len: 0,
            pending: 0,
        }
    }

    fn byte(&mut self, byte: u8, lower: bool) {
        self.pending |= u64::from(byte) << (8 * (self.len % 8));
        self.len += 1;
        if self.len.is_multiple_of(8) {
            let word = std::mem::take(&mut self.pending);
            self.word(word, lower);
        }
    }

    fn word(&mut self, word: u64, lower: bool) {
        let word = if lower { ascii_lower(word) } else { word };
        self.state = mix(self.state, word);
    }

    fn finish(mut self, lower: bool) -> u64 {
        // The length distinguishes zero bytes from no bytes.
        let word = self.pending;
        self.word(word, lower);
        mix(self.state, self.len as u64)
    }
}

pub(super) fn mix(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ FACTOR) * u128::from(word ^ ROUND);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Converts eight ASCII letters at once to lower case; other bytes are unchanged.
fn ascii_lower(word: u64) -> u64 {
    let low_bits = word & !HIGH;
    // The high bit of a byte is set in the first sum if it is above 'Z', in the second from 'A' up.
    let above_z = low_bits + ONES * (0x7f - b'Z' as u64);
    let from_a = low_bits + ONES * (0x80 - b'A' as u64);
    let upper = (from_a ^ above_z) & !word & HIGH;
    word | (upper >> 2)
}

const HIGH: u64 = 0x8080_8080_8080_8080;
const ONES: u64 = 0x0101_0101_0101_0101;

/// Digits of pi. Any odd numbers with about as many ones as zeros would do.
pub(super) const SEED: u64 = 0x243f_6a88_85a3_08d3;
const FACTOR: u64 = 0x1319_8a2e_0370_7345;
const ROUND: u64 = 0xa409_3822_299f_31d1;

#[cfg(test)]
mod tests;
