//! Borrowed views of the few client messages that a pooler has to understand.
//!
//! Views that take a `prefix` need only the first bytes of a body, up to the names at its front,
//! so that a Parse with a query of megabytes need not be held. The others take a whole body. None
//! of them panics or copies.
//!
//! Source: PostgreSQL documentation, chapter "Message Formats".

use crate::frame::{self, BadLength, Header, c_string};

/// Binds parameters to a statement: [`bind_statement`].
pub const BIND: u8 = b'B';
/// Closes a statement or portal: [`target`].
pub const CLOSE: u8 = b'C';
/// Data of a COPY.
pub const COPY_DATA: u8 = b'd';
/// End of a COPY.
pub const COPY_DONE: u8 = b'c';
/// End of a COPY with an error.
pub const COPY_FAIL: u8 = b'f';
/// Asks what a statement or portal returns: [`target`].
pub const DESCRIBE: u8 = b'D';
/// Runs a portal.
pub const EXECUTE: u8 = b'E';
/// Asks for the answers so far.
pub const FLUSH: u8 = b'H';
/// Calls a function by its number.
pub const FUNCTION_CALL: u8 = b'F';
/// Prepares a statement: [`parse_name`].
pub const PARSE: u8 = b'P';
/// Any answer during login: [`password`], [`sasl_initial`].
pub const PASSWORD: u8 = b'p';
/// A simple query.
pub const QUERY: u8 = b'Q';
/// Ends a batch of extended-query messages.
pub const SYNC: u8 = b'S';
/// Goodbye.
pub const TERMINATE: u8 = b'X';

/// In Describe and Close: the name is a statement's.
pub const TARGET_STATEMENT: u8 = b'S';
/// In Describe and Close: the name is a portal's.
pub const TARGET_PORTAL: u8 = b'P';

/// Longest length field of messages that hold no more than a name or a reason, from PostgreSQL 14 on
/// (`PQ_SMALL_MESSAGE_LIMIT`); PostgreSQL closes the connection of who sends a longer one.
const SMALL_MAX: u32 = 10_000;
/// Longest length field of all others (`PQ_LARGE_MESSAGE_LIMIT`).
const LARGE_MAX: u32 = 0x3fff_fffe;

/// The header of a message that a client sends after its login; `None` as in [`frame::header`].
///
/// # Errors
/// A length that PostgreSQL does not take. It answers some of those messages with an error although they
/// are owed no answer, and then skips everything up to a Sync, so none of them may reach a server.
#[inline]
pub fn header(bytes: &[u8]) -> Result<Option<Header>, BadLength> {
    let Some(header) = frame::header(bytes)? else {
        return Ok(None);
    };
    let length = header.body_len + 4;
    let is_right = match header.kind {
        FLUSH | SYNC | COPY_DONE => length == 4,
        CLOSE | DESCRIBE | EXECUTE | COPY_FAIL => length <= SMALL_MAX,
        _ => length <= LARGE_MAX,
    };
    if is_right {
        Ok(Some(header))
    } else {
        let kind = header.kind;
        Err(BadLength { kind, length })
    }
}

/// The statement that a Parse names; empty for the unnamed one.
pub fn parse_name(prefix: &[u8]) -> Option<&[u8]> {
    Some(c_string(prefix)?.0)
}

/// The text of a simple query.
pub fn query_text(prefix: &[u8]) -> Option<&[u8]> {
    Some(c_string(prefix)?.0)
}

/// The text of a Parse, after its name.
pub fn parse_text(prefix: &[u8]) -> Option<&[u8]> {
    let (_name, rest) = c_string(prefix)?;
    Some(c_string(rest)?.0)
}

/// The statement that a Bind names, after the name of its portal; empty for the unnamed one.
pub fn bind_statement(prefix: &[u8]) -> Option<&[u8]> {
    let (_portal, rest) = c_string(prefix)?;
    Some(c_string(rest)?.0)
}

/// A whole Bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bind<'a> {
    /// The portal that it makes.
    pub portal: &'a [u8],
    /// The statement that it binds.
    pub statement: &'a [u8],
    /// Parameters that it brings.
    pub parameters_count: u16,
    result_formats: &'a [u8],
}

impl Bind<'_> {
    /// The formats of the results: none for text, one for all, or one for each.
    pub fn result_formats(&self) -> impl Iterator<Item = u16> {
        let (formats, _) = self.result_formats.as_chunks();
        formats.iter().copied().map(u16::from_be_bytes)
    }
}

/// A Bind, read to its end.
pub fn bind(body: &[u8]) -> Option<Bind<'_>> {
    let (portal, rest) = c_string(body)?;
    let (statement, rest) = c_string(rest)?;
    let (_formats, rest) = numbers(rest)?;
    let (count, mut rest) = rest.split_first_chunk()?;
    let parameters_count = u16::from_be_bytes(*count);
    for _ in 0..parameters_count {
        let (length, behind) = rest.split_first_chunk()?;
        let length = match i32::from_be_bytes(*length) {
            // NULL.
            -1 => 0,
            length => usize::try_from(length).ok()?,
        };
        rest = behind.get(length..)?;
    }
    let (result_formats, rest) = numbers(rest)?;
    rest.is_empty().then_some(Bind {
        portal,
        statement,
        parameters_count,
        result_formats,
    })
}

/// The bytes of a list of 16-bit numbers that is preceded by their count, and what follows it.
fn numbers(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (count, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(2 * usize::from(u16::from_be_bytes(*count)))
}

/// The portal of an Execute, and how many rows are wanted; 0 are all.
pub fn execute(body: &[u8]) -> Option<(&[u8], i32)> {
    let (portal, rest) = c_string(body)?;
    let rows = <[u8; 4]>::try_from(rest).ok()?;
    Some((portal, i32::from_be_bytes(rows)))
}

/// What a Describe or Close is about: [`TARGET_STATEMENT`], [`TARGET_PORTAL`] or a byte that the
/// server will refuse, and the name.
pub fn target(body: &[u8]) -> Option<(u8, &[u8])> {
    let (&kind, rest) = body.split_first()?;
    let (name, rest) = c_string(rest)?;
    rest.is_empty().then_some((kind, name))
}

/// The mechanism in a SASLInitialResponse and its first data, if any. `None` unless the length
/// of the data is -1 (none) or exactly what follows.
pub fn sasl_initial(body: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let (mechanism, rest) = c_string(body)?;
    let (length, data) = rest.split_first_chunk()?;
    match i32::from_be_bytes(*length) {
        -1 => data.is_empty().then_some((mechanism, None)),
        length => {
            let length = usize::try_from(length).ok()?;
            (data.len() == length).then_some((mechanism, Some(data)))
        }
    }
}

/// The password in a PasswordMessage, without its NUL, which must be the last byte.
pub fn password(body: &[u8]) -> Option<&[u8]> {
    let (password, rest) = c_string(body)?;
    rest.is_empty().then_some(password)
}

#[cfg(test)]
mod tests;
