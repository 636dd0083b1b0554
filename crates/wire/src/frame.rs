//! The borders of messages in a byte stream, without holding a message.
//!
//! Every message after startup is a type byte, a big-endian length that counts itself but not the
//! type byte, and a body. [`header`] reads the five bytes at the front; a caller that walks a
//! buffer keeps, for a message that does not end in it, only the number of body bytes still to come. So
//! a message of any size passes through a buffer of any size.
//!
//! Source: PostgreSQL documentation, chapter "Message Formats".

use std::ffi::CStr;

/// Bytes of a message header: the type and the length.
pub const HEADER_LEN: usize = 5;

/// Largest message PostgreSQL itself accepts or produces (`MaxAllocSize`, 1 GiB minus one byte),
/// with room for the fixed fields around the largest value.
pub const BODY_MAX: u32 = 0x4000_0000;

const _: () = assert!(HEADER_LEN == 1 + size_of::<u32>());

/// A message header: what follows it is `body_len` bytes long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Message type, an ASCII letter in every message that PostgreSQL knows.
    pub kind: u8,
    /// Bytes of the body, without the header.
    pub body_len: u32,
}

impl Header {
    /// Bytes of the whole message.
    pub fn message_len(self) -> usize {
        HEADER_LEN + self.body_len as usize
    }
}

/// The length field of a header was impossible. The stream has no further borders to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadLength {
    /// Message type that carried the length.
    pub kind: u8,
    /// The length field as sent, counting itself.
    pub length: u32,
}

/// Reads the header at the front of `bytes`; `None` when fewer than [`HEADER_LEN`] are there.
///
/// # Errors
/// A length below 4 (it must count itself) or above [`BODY_MAX`].
#[inline]
pub fn header(bytes: &[u8]) -> Result<Option<Header>, BadLength> {
    let [kind, a, b, c, d, ..] = *bytes else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([a, b, c, d]);
    match length.checked_sub(4) {
        Some(body_len) if body_len <= BODY_MAX => Ok(Some(Header { kind, body_len })),
        _ => Err(BadLength { kind, length }),
    }
}

/// Splits a C string off the front of `bytes`: the string without its NUL, and what follows.
/// `None` when there is no NUL.
pub fn c_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    // Looks for the NUL in whole words, which pays for the texts of statements.
    let string = CStr::from_bytes_until_nul(bytes).ok()?.to_bytes();
    Some((string, &bytes[string.len() + 1..]))
}

#[cfg(test)]
mod tests;
