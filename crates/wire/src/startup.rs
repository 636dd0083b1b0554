//! What a client may send before it is logged in: the only packets without a type byte.
//!
//! [`parse`] looks at the bytes received so far and either needs more, or names the packet, or
//! says why the peer is refused. It keeps nothing between calls and never asks for more than
//! [`PACKET_MAX`] bytes. Whether a protocol minor version, a database or a parameter is acceptable
//! is not decided here.
//!
//! Source: PostgreSQL documentation, "Message Flow / Start-up" and "Message Formats".

use crate::encode;
use crate::frame::c_string;

mod error;
mod options;

pub use error::StartupError;

/// Longest packet that is read before login, counting its length field: PostgreSQL's
/// `MAX_STARTUP_PACKET_LENGTH`, so that what is refused here would be refused there.
pub const PACKET_MAX: usize = 10_000;

/// Most parameters in one packet, those inside `options` and `_pq_.` included. Drivers send fewer
/// than twenty. 64 pairs of `String` headers are 3 KiB, so a parsed packet stays below 16 KiB.
pub const PARAMETERS_MAX: usize = 64;

/// Longest name of a user or database. PostgreSQL's have 63 bytes unless it was built otherwise. Both
/// names are kept, and one defaults to the other, so this is part of the bound above.
pub const NAME_MAX: usize = 128;

/// Bytes of a cancel key: 4 before protocol 3.2, up to 256 since.
pub const CANCEL_KEY_LEN: std::ops::RangeInclusive<usize> = 4..=256;

/// The newest minor version of protocol 3 that is spoken here, with clients and with servers. 3.2
/// (PostgreSQL 18) has longer cancel keys; a 3.1 was never defined, and PostgreSQL takes it as 3.0.
pub const MINOR_NEWEST: u16 = 2;

/// The first minor version with cancel keys longer than 4 bytes.
pub const MINOR_LONG_KEYS: u16 = 2;

/// What a connection begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstPacket {
    /// The client asks whether TLS is spoken here.
    Ssl,
    /// The client asks whether GSSAPI encryption is spoken here.
    GssEnc,
    /// The client asks to cancel the query of another connection. Nothing is answered.
    Cancel {
        /// Process number, from `BackendKeyData`.
        pid: u32,
        /// Secret from `BackendKeyData`, 4 to 256 bytes.
        key: Vec<u8>,
    },
    /// The client wants a session.
    Startup(Startup),
}

/// Who wants a session, where and with which settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Startup {
    /// Minor protocol version asked for; the major version is 3.
    pub minor: u16,
    /// User to log in as. Never empty.
    pub user: String,
    /// Database to use. The user's name when the client sent none or an empty one.
    pub database: String,
    /// Value of `replication` as sent, when present.
    pub replication: Option<String>,
    /// Every other parameter, names as sent. Those from `options` come first: PostgreSQL applies
    /// them first too, so for a name that occurs twice the later one holds.
    pub parameters: Vec<(String, String)>,
    /// Names that begin with `_pq_.`: protocol extensions, of which none is known here.
    pub unknown_protocol_options: Vec<String>,
}

/// Reads the packet at the front of `bytes`, and how many bytes it took; `None` when it is not
/// complete yet.
///
/// # Errors
/// As soon as the bytes at hand prove that no valid packet can come of them.
pub fn parse(bytes: &[u8]) -> Result<Option<(FirstPacket, usize)>, StartupError> {
    let Some((length, rest)) = split_u32(bytes) else {
        return Ok(None);
    };
    let packet_len = length as usize;
    if packet_len < REQUEST_LEN {
        return Err(StartupError::TooShort { length });
    }
    if packet_len > PACKET_MAX {
        return Err(stray(bytes).unwrap_or(StartupError::TooLong { length }));
    }
    let Some((code, _)) = split_u32(rest) else {
        return Ok(None);
    };
    // The code decides before the rest of the packet is waited for: a bad peer is refused early.
    let [major, minor] = [(code >> 16) as u16, code as u16];
    match code {
        SSL_CODE | GSSENC_CODE if packet_len != REQUEST_LEN => {
            return Err(StartupError::RequestLength { length });
        }
        CANCEL_CODE => {
            let got = packet_len.saturating_sub(REQUEST_LEN + size_of::<u32>());
            if !CANCEL_KEY_LEN.contains(&got) {
                return Err(StartupError::CancelKeyLength { got });
            }
        }
        SSL_CODE | GSSENC_CODE => {}
        _ if major == 2 => return Err(StartupError::OldProtocol { minor }),
        _ if major != 3 => return Err(StartupError::UnsupportedProtocol { major, minor }),
        _ => {}
    }
    let Some(body) = bytes.get(REQUEST_LEN..packet_len) else {
        return Ok(None);
    };
    let packet = match code {
        SSL_CODE => FirstPacket::Ssl,
        GSSENC_CODE => FirstPacket::GssEnc,
        CANCEL_CODE => {
            let Some((pid, key)) = split_u32(body) else {
                return Err(StartupError::CancelKeyLength { got: 0 });
            };
            FirstPacket::Cancel {
                pid,
                key: key.to_vec(),
            }
        }
        _ => FirstPacket::Startup(startup(minor, body)?),
    };
    Ok(Some((packet, packet_len)))
}

/// Appends a startup packet for protocol 3.`minor`. NUL bytes, which the format cannot carry, are
/// left out of names and values.
///
/// # Panics
/// On an empty name, which would end the list.
pub fn encode_startup(out: &mut Vec<u8>, minor: u16, parameters: &[(&str, &str)]) {
    encode::with_length(out, |out| {
        out.extend_from_slice(&version(minor).to_be_bytes());
        for (name, value) in parameters {
            assert!(!name.is_empty(), "a startup parameter needs a name");
            encode::c_string(out, name.as_bytes());
            encode::c_string(out, value.as_bytes());
        }
        out.push(0);
    });
}

/// Appends a cancel request.
///
/// # Panics
/// On a key outside [`CANCEL_KEY_LEN`]; keys come from [`backend::key_data`](crate::backend::key_data),
/// which checks.
pub fn encode_cancel(out: &mut Vec<u8>, pid: u32, key: &[u8]) {
    assert!(CANCEL_KEY_LEN.contains(&key.len()), "cancel key length");
    encode::with_length(out, |out| {
        out.extend_from_slice(&CANCEL_CODE.to_be_bytes());
        out.extend_from_slice(&pid.to_be_bytes());
        out.extend_from_slice(key);
    });
}

/// Appends the question whether the server speaks TLS. The answer is one byte, `S` or `N`.
pub fn encode_ssl_request(out: &mut Vec<u8>) {
    encode::with_length(out, |out| {
        out.extend_from_slice(&SSL_CODE.to_be_bytes());
    });
}

/// Whether a startup parameter asks for an extension of the protocol.
pub(crate) fn is_protocol_option(name: &str) -> bool {
    name.starts_with("_pq_.")
}

/// Protocol 3.`minor` as the protocol writes versions.
pub(crate) fn version(minor: u16) -> u32 {
    (3 << 16) | u32::from(minor)
}

/// Recognises other protocols, whose first bytes make an impossible length.
fn stray(bytes: &[u8]) -> Option<StartupError> {
    // A TLS record: type 22 (handshake), legacy version 3.x.
    if bytes.starts_with(&[0x16, 0x03]) {
        return Some(StartupError::Tls);
    }
    // Versions 1 and 2 of the header that `proxy_header` reads.
    if bytes.starts_with(b"PROX") || bytes.starts_with(b"\r\n\r\n") {
        return Some(StartupError::ProxyHeader);
    }
    // The request methods of RFC 9110, PATCH, and the preface of HTTP/2.
    const METHODS: [&[u8]; 10] = [
        b"GET ", b"HEAD", b"POST", b"PUT ", b"DELE", b"CONN", b"OPTI", b"TRAC", b"PATC", b"PRI ",
    ];
    METHODS
        .iter()
        .any(|method| bytes.starts_with(method))
        .then_some(StartupError::Http)
}

/// The parameters of a startup packet as they were sent, of which a repeated one replaces the one
/// before, as in PostgreSQL.
#[derive(Default)]
struct Sent<'a> {
    user: Option<&'a str>,
    database: Option<&'a str>,
    replication: Option<&'a str>,
    options: Option<&'a str>,
    others: Vec<(String, String)>,
    unknown_protocol_options: Vec<String>,
    /// How many there were, repeated ones included.
    count: usize,
}

impl<'a> Sent<'a> {
    fn parse(mut body: &'a [u8]) -> Result<Self, StartupError> {
        let mut sent = Self::default();
        loop {
            let (name, rest) = c_string(body).ok_or(StartupError::MissingTerminator)?;
            if name.is_empty() {
                if !rest.is_empty() {
                    return Err(StartupError::MissingTerminator);
                }
                return Ok(sent);
            }
            let (value, rest) = c_string(rest).ok_or(StartupError::MissingTerminator)?;
            body = rest;
            sent.count += 1;
            if sent.count > PARAMETERS_MAX {
                return Err(StartupError::TooManyParameters);
            }
            let not_utf8 = |_| StartupError::NotUtf8 {
                name: excerpt(&String::from_utf8_lossy(name)),
            };
            let name = str::from_utf8(name).map_err(not_utf8)?;
            let value = str::from_utf8(value).map_err(not_utf8)?;
            match name {
                "user" => sent.user = Some(value),
                "database" => sent.database = Some(value),
                "replication" => sent.replication = Some(value),
                "options" => sent.options = Some(value),
                _ if is_protocol_option(name) => {
                    sent.unknown_protocol_options.push(name.to_owned());
                }
                _ => sent.others.push((name.to_owned(), value.to_owned())),
            }
        }
    }
}

fn startup(minor: u16, body: &[u8]) -> Result<Startup, StartupError> {
    let mut sent = Sent::parse(body)?;
    let user = sent.user.filter(|user| !user.is_empty());
    let user = user.ok_or(StartupError::NoUser)?;
    let database = sent.database.filter(|database| !database.is_empty());
    let database = database.unwrap_or(user);
    for (parameter, name) in [("user", user), ("database", database)] {
        let got = name.len();
        if got > NAME_MAX {
            return Err(StartupError::NameTooLong { parameter, got });
        }
    }
    let mut parameters = Vec::new();
    for setting in options::settings(sent.options.unwrap_or_default()) {
        parameters.push(setting?);
        sent.count += 1;
        if sent.count > PARAMETERS_MAX {
            return Err(StartupError::TooManyParameters);
        }
    }
    parameters.append(&mut sent.others);
    Ok(Startup {
        minor,
        user: user.to_owned(),
        database: database.to_owned(),
        replication: sent.replication.map(str::to_owned),
        parameters,
        unknown_protocol_options: sent.unknown_protocol_options,
    })
}

/// Makes text of a peer fit for a message: no control characters, at most 64 characters.
fn excerpt(text: &str) -> String {
    let printable = |c: char| if c.is_control() { '?' } else { c };
    text.chars().take(64).map(printable).collect()
}

fn split_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (head, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*head), rest))
}

/// Bytes of the shortest packet: the length and a code.
const REQUEST_LEN: usize = 8;

const CANCEL_CODE: u32 = (1234 << 16) | 5678;
const SSL_CODE: u32 = (1234 << 16) | 5679;
const GSSENC_CODE: u32 = (1234 << 16) | 5680;

#[cfg(test)]
mod tests;
