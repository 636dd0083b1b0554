//! Borrowed views of the few server messages that a pooler has to understand.
//!
//! Every function takes the body of a whole message, without the header. None of them panics or
//! copies more than it states; everything else of a server passes unread.
//!
//! Source: PostgreSQL documentation, chapters "Message Formats" and "Error and Notice Message
//! Fields".

use std::borrow::Cow;

use crate::frame::c_string;
use crate::sqlstate::SqlState;
use crate::startup::{self, CANCEL_KEY_LEN};

/// An authentication request, or success: [`AuthRequest`].
pub const AUTHENTICATION: u8 = b'R';
/// Process number and secret for cancelling: [`key_data`].
pub const BACKEND_KEY_DATA: u8 = b'K';
/// Answer to Bind.
pub const BIND_COMPLETE: u8 = b'2';
/// Answer to Close.
pub const CLOSE_COMPLETE: u8 = b'3';
/// A command ended.
pub const COMMAND_COMPLETE: u8 = b'C';
/// Data of a COPY, in both directions.
pub const COPY_DATA: u8 = b'd';
/// End of a COPY, in both directions.
pub const COPY_DONE: u8 = b'c';
/// The server expects COPY data.
pub const COPY_IN_RESPONSE: u8 = b'G';
/// The server is about to send COPY data.
pub const COPY_OUT_RESPONSE: u8 = b'H';
/// COPY in both directions, for replication.
pub const COPY_BOTH_RESPONSE: u8 = b'W';
/// One row: [`data_row`].
pub const DATA_ROW: u8 = b'D';
/// Answer to an empty query string.
pub const EMPTY_QUERY_RESPONSE: u8 = b'I';
/// An error: [`ErrorView`].
pub const ERROR_RESPONSE: u8 = b'E';
/// Result of a function call.
pub const FUNCTION_CALL_RESPONSE: u8 = b'V';
/// The server speaks an older minor protocol version.
pub const NEGOTIATE_PROTOCOL_VERSION: u8 = b'v';
/// A statement returns no rows.
pub const NO_DATA: u8 = b'n';
/// A notice: [`ErrorView`].
pub const NOTICE_RESPONSE: u8 = b'N';
/// Something arrived on a LISTEN channel.
pub const NOTIFICATION_RESPONSE: u8 = b'A';
/// Types of a statement's parameters.
pub const PARAMETER_DESCRIPTION: u8 = b't';
/// The value of a reported setting: [`parameter_status`].
pub const PARAMETER_STATUS: u8 = b'S';
/// Answer to Parse.
pub const PARSE_COMPLETE: u8 = b'1';
/// Execute stopped at its row limit.
pub const PORTAL_SUSPENDED: u8 = b's';
/// The next query may come: [`ready_status`].
pub const READY_FOR_QUERY: u8 = b'Z';
/// Columns of the rows to come.
pub const ROW_DESCRIPTION: u8 = b'T';

pub(crate) const AUTH_OK: u32 = 0;
pub(crate) const AUTH_CLEARTEXT: u32 = 3;
pub(crate) const AUTH_MD5: u32 = 5;
pub(crate) const AUTH_SASL: u32 = 10;
pub(crate) const AUTH_SASL_CONTINUE: u32 = 11;
pub(crate) const AUTH_SASL_FINAL: u32 = 12;

/// Most SASL mechanisms in one request. PostgreSQL knows three.
pub const MECHANISMS_MAX: usize = 16;

/// Longest error message that [`ErrorView::message`] gives out, in bytes. PostgreSQL can put a
/// whole query into one.
pub const ERROR_MESSAGE_MAX: usize = 8 * 1024;

/// Longest severity that is believed: the longest word, in any translation, is far shorter.
const SEVERITY_MAX: usize = 64;

/// Where the session stands, seen from the end of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TxStatus {
    /// Outside of a transaction block.
    Idle,
    /// Inside a transaction block.
    InTransaction,
    /// Inside a transaction block that failed and can only be rolled back.
    Failed,
}

impl TxStatus {
    /// The protocol's letter for it.
    pub fn byte(self) -> u8 {
        match self {
            Self::Idle => b'I',
            Self::InTransaction => b'T',
            Self::Failed => b'E',
        }
    }
}

/// The status in a ReadyForQuery.
#[inline]
pub fn ready_status(body: &[u8]) -> Option<TxStatus> {
    match body {
        b"I" => Some(TxStatus::Idle),
        b"T" => Some(TxStatus::InTransaction),
        b"E" => Some(TxStatus::Failed),
        _ => None,
    }
}

/// Name and value in a ParameterStatus.
pub fn parameter_status(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, rest) = c_string(body)?;
    let (value, rest) = c_string(rest)?;
    rest.is_empty().then_some((name, value))
}

/// Process number and key in a BackendKeyData. The key has 4 bytes before protocol 3.2 and up to 256
/// since.
pub fn key_data(body: &[u8]) -> Option<(u32, &[u8])> {
    let (pid, key) = body.split_first_chunk()?;
    CANCEL_KEY_LEN
        .contains(&key.len())
        .then_some((u32::from_be_bytes(*pid), key))
}

/// The minor version of protocol 3 in a NegotiateProtocolVersion, and the number of protocol options
/// that the server does not know. `None` also when it offers another major version.
pub fn negotiated(body: &[u8]) -> Option<(u16, u32)> {
    let (version, rest) = body.split_first_chunk()?;
    let (count, mut names) = rest.split_first_chunk()?;
    let (version, count) = (u32::from_be_bytes(*version), u32::from_be_bytes(*count));
    for _ in 0..count {
        (_, names) = c_string(names)?;
    }
    let minor = version as u16;
    (version == startup::version(minor) && names.is_empty()).then_some((minor, count))
}

/// The columns of a DataRow; `None` is NULL.
pub fn data_row(body: &[u8]) -> Option<Vec<Option<&[u8]>>> {
    let (count, mut rest) = body.split_first_chunk()?;
    let mut columns = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (len, after) = rest.split_first_chunk()?;
        let len = i32::from_be_bytes(*len);
        rest = after;
        columns.push(if len == -1 {
            None
        } else {
            let (value, after) = rest.split_at_checked(usize::try_from(len).ok()?)?;
            rest = after;
            Some(value)
        });
    }
    rest.is_empty().then_some(columns)
}

/// The fields of an ErrorResponse or NoticeResponse. What is missing or cut off reads as absent:
/// a broken error must not hide that there was one.
#[derive(Debug, Clone, Copy)]
pub struct ErrorView<'a> {
    body: &'a [u8],
}

impl<'a> ErrorView<'a> {
    /// Looks at a body, whatever it holds.
    pub fn parse(body: &'a [u8]) -> Self {
        Self { body }
    }

    /// The first field of this type. A last field without its NUL is taken as it is.
    pub fn field(&self, code: u8) -> Option<&'a [u8]> {
        let mut rest = self.body;
        while let Some((&kind, text)) = rest.split_first() {
            // A zero in place of a type ends the list.
            if kind == 0 {
                return None;
            }
            let (text, after) = c_string(text).unwrap_or((text, &[]));
            if kind == code {
                return Some(text);
            }
            rest = after;
        }
        None
    }

    /// The severity: the untranslated one where the server sends it, else the translated one,
    /// else `ERROR`.
    pub fn severity(&self) -> &'a str {
        [b'V', b'S']
            .into_iter()
            .filter_map(|code| self.field(code))
            .filter(|text| (1..=SEVERITY_MAX).contains(&text.len()))
            .find_map(|text| str::from_utf8(text).ok())
            .unwrap_or("ERROR")
    }

    /// The code, when there is a well-formed one.
    pub fn sqlstate(&self) -> Option<SqlState> {
        SqlState::parse(self.field(b'C')?)
    }

    /// The message, at most [`ERROR_MESSAGE_MAX`] bytes of it, with replacement characters for
    /// what is not UTF-8 (before login a server may use any encoding).
    pub fn message(&self) -> Cow<'a, str> {
        let Some(text) = self.field(b'M') else {
            return Cow::Borrowed("(no message)");
        };
        let mut cut = text.len().min(ERROR_MESSAGE_MAX);
        if cut < text.len() {
            // Step back over the continuation bytes of a character that would be cut in two.
            let start = (cut - 3..=cut).rev().find(|&at| text[at] & 0xC0 != 0x80);
            cut = start.unwrap_or(cut);
        }
        let mut message = String::from_utf8_lossy(&text[..cut]);
        // A replacement character is longer than the byte it stands for.
        if message.len() > ERROR_MESSAGE_MAX {
            let mut cut = ERROR_MESSAGE_MAX;
            while !message.is_char_boundary(cut) {
                cut -= 1;
            }
            message.to_mut().truncate(cut);
        }
        message
    }
}

/// What the server asks for at login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthRequest<'a> {
    /// Nothing more, login succeeded.
    Ok,
    /// The password in clear text.
    CleartextPassword,
    /// The password, hashed with MD5.
    Md5 {
        /// Salt of this connection.
        salt: [u8; 4],
    },
    /// The choice of a SASL mechanism.
    Sasl {
        /// Offered mechanisms in the server's order, at most [`MECHANISMS_MAX`].
        mechanisms: Vec<&'a str>,
    },
    /// An answer to this SASL challenge.
    SaslContinue(&'a [u8]),
    /// Nothing, but to check this last SASL data.
    SaslFinal(&'a [u8]),
    /// A method that is not known here, by its number.
    Unsupported(u32),
}

impl<'a> AuthRequest<'a> {
    /// Reads the body of an Authentication message; `None` when it is malformed.
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        let (request, data) = body.split_first_chunk()?;
        match u32::from_be_bytes(*request) {
            AUTH_OK => data.is_empty().then_some(Self::Ok),
            AUTH_CLEARTEXT => data.is_empty().then_some(Self::CleartextPassword),
            AUTH_MD5 => Some(Self::Md5 {
                salt: data.try_into().ok()?,
            }),
            AUTH_SASL => Some(Self::Sasl {
                mechanisms: mechanisms(data)?,
            }),
            AUTH_SASL_CONTINUE => Some(Self::SaslContinue(data)),
            AUTH_SASL_FINAL => Some(Self::SaslFinal(data)),
            other => Some(Self::Unsupported(other)),
        }
    }
}

fn mechanisms(mut data: &[u8]) -> Option<Vec<&str>> {
    let mut mechanisms = Vec::new();
    loop {
        let (name, rest) = c_string(data)?;
        if name.is_empty() {
            return rest.is_empty().then_some(mechanisms);
        }
        if mechanisms.len() == MECHANISMS_MAX {
            return None;
        }
        mechanisms.push(str::from_utf8(name).ok()?);
        data = rest;
    }
}

#[cfg(test)]
mod tests;
