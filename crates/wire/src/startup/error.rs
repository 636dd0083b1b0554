//! Why a connection's first packet is refused.

use std::fmt;

use super::{CANCEL_KEY_LEN, NAME_MAX, PACKET_MAX, PARAMETERS_MAX, REQUEST_LEN};
use crate::sqlstate::SqlState;

/// Why the first bytes of a connection are not a packet that PostgreSQL would take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartupError {
    /// The length field cannot even hold a protocol version.
    TooShort {
        /// Length field as sent.
        length: u32,
    },
    /// The length field is above [`PACKET_MAX`].
    TooLong {
        /// Length field as sent.
        length: u32,
    },
    /// The peer speaks HTTP.
    Http,
    /// The peer is a load balancer that says who its client is, and is not believed.
    ProxyHeader,
    /// The peer began with a TLS handshake without asking for one first.
    Tls,
    /// Protocol 2, last spoken by PostgreSQL 13.
    OldProtocol {
        /// Minor version asked for.
        minor: u16,
    },
    /// A major version other than 3.
    UnsupportedProtocol {
        /// Major version asked for.
        major: u16,
        /// Minor version asked for.
        minor: u16,
    },
    /// A request for encryption that is longer than its eight bytes.
    RequestLength {
        /// Length field as sent.
        length: u32,
    },
    /// A cancel key outside [`CANCEL_KEY_LEN`].
    CancelKeyLength {
        /// Bytes of the key as sent.
        got: usize,
    },
    /// A name or value without its NUL, or bytes after the end of the list.
    MissingTerminator,
    /// More than [`PARAMETERS_MAX`] parameters.
    TooManyParameters,
    /// A name or value that is not UTF-8.
    NotUtf8 {
        /// Which parameter, made printable and cut.
        name: String,
    },
    /// No user, or an empty one.
    NoUser,
    /// The name of the user or database is longer than [`NAME_MAX`].
    NameTooLong {
        /// `user` or `database`.
        parameter: &'static str,
        /// Bytes of the name as sent.
        got: usize,
    },
    /// A word in `options` that is not a setting.
    BadOption {
        /// The word, cut.
        option: String,
    },
}

impl StartupError {
    /// The message for the client: the cause, the value and the next step.
    pub fn client_message(&self) -> String {
        self.to_string()
    }

    /// The code that goes with [`client_message`](Self::client_message).
    pub fn sqlstate(&self) -> SqlState {
        match self {
            Self::TooShort { .. }
            | Self::TooLong { .. }
            | Self::Http
            | Self::ProxyHeader
            | Self::RequestLength { .. }
            | Self::CancelKeyLength { .. }
            | Self::MissingTerminator
            | Self::NotUtf8 { .. } => SqlState::PROTOCOL_VIOLATION,
            Self::Tls | Self::OldProtocol { .. } | Self::UnsupportedProtocol { .. } => {
                SqlState::FEATURE_NOT_SUPPORTED
            }
            Self::TooManyParameters => SqlState::CONFIGURATION_LIMIT_EXCEEDED,
            Self::NoUser => SqlState::INVALID_AUTHORIZATION,
            Self::NameTooLong { .. } | Self::BadOption { .. } => SqlState::INVALID_PARAMETER_VALUE,
        }
    }
}

impl fmt::Display for StartupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { length } => write!(
                f,
                "invalid length of startup packet: {length} bytes, at least {REQUEST_LEN} needed"
            ),
            Self::TooLong { length } => write!(
                f,
                "invalid length of startup packet: {length} bytes, at most {PACKET_MAX} allowed"
            ),
            Self::Http => f.write_str(
                "received an HTTP request; this port speaks the PostgreSQL protocol, check the \
                 host and port of the HTTP client",
            ),
            Self::ProxyHeader => f.write_str(
                "received a header of the PROXY protocol from an address that may not send one",
            ),
            Self::Tls => f.write_str(
                "received a TLS handshake without a request for it; direct TLS is not supported, \
                 use sslnegotiation=postgres",
            ),
            Self::OldProtocol { minor } => write!(
                f,
                "old V2 protocol not supported: version 2.{minor} asked for, 3.0 or later needed"
            ),
            Self::UnsupportedProtocol { major, minor } => write!(
                f,
                "unsupported frontend protocol {major}.{minor}: 3.0 or a later 3.x is needed"
            ),
            Self::RequestLength { length } => write!(
                f,
                "invalid length of encryption request: {length} bytes, {REQUEST_LEN} expected"
            ),
            Self::CancelKeyLength { got } => write!(
                f,
                "invalid length of cancel key: {got} bytes, {} to {} expected",
                CANCEL_KEY_LEN.start(),
                CANCEL_KEY_LEN.end()
            ),
            Self::MissingTerminator => {
                f.write_str("invalid startup packet layout: expected terminator as last byte")
            }
            Self::TooManyParameters => write!(
                f,
                "too many startup parameters: at most {PARAMETERS_MAX} allowed"
            ),
            Self::NotUtf8 { name } => {
                write!(f, "startup parameter \"{name}\" is not valid UTF-8")
            }
            Self::NoUser => f.write_str("no PostgreSQL user name specified in startup packet"),
            Self::NameTooLong { parameter, got } => write!(
                f,
                "{parameter} name too long: {got} bytes, at most {NAME_MAX} allowed"
            ),
            Self::BadOption { option } => write!(
                f,
                "unsupported options startup parameter: only '-c config=val' and '--config=val' are \
                 allowed, not \"{option}\""
            ),
        }
    }
}

impl std::error::Error for StartupError {}
