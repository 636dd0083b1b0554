//! Why a login failed, by who is to blame.

use std::fmt;

use super::{MESSAGE_MAX, MESSAGES_MAX, Method, REPORTED_MAX};
use crate::auth::scram::ScramError;
use crate::backend::TxStatus;
use crate::sqlstate::SqlState;

/// Why a client could not log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginError {
    /// The server refused the login, or the query that was to set the session up.
    Refused {
        /// The server's code, if it sent a well-formed one.
        sqlstate: Option<SqlState>,
        /// The server's message, at most [`ERROR_MESSAGE_MAX`](crate::backend::ERROR_MESSAGE_MAX)
        /// bytes.
        message: String,
    },
    /// The client has nothing to answer this method with.
    NoSecret {
        /// The method that the server asks for.
        method: Method,
    },
    /// The server asks for a method that the client does not answer.
    TooWeak {
        /// The method that the server asks for.
        asked: Method,
        /// The weakest one that the client answers.
        weakest: Method,
    },
    /// The server knows no way to prove a password that is bound to the connection.
    Unbound,
    /// The exchange of proofs failed.
    Scram(ScramError),
    /// The server broke the protocol.
    Protocol(Breach),
}

/// How a server broke the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breach {
    /// The length of a message is impossible, or above [`MESSAGE_MAX`].
    Length {
        /// Type of the message.
        kind: u8,
        /// Length field as sent, counting itself.
        length: u32,
    },
    /// A message that has no place here.
    Unexpected {
        /// Type of the message.
        kind: u8,
    },
    /// A message whose body cannot be read.
    Malformed {
        /// Type of the message.
        kind: u8,
    },
    /// A newer protocol version than was asked for, or a word on options that were not.
    Negotiation {
        /// The minor version that was asked for.
        asked: u16,
        /// The minor version that the server names.
        minor: u16,
    },
    /// An authentication request out of order.
    OutOfOrder,
    /// An authentication method that is not known here, by its number.
    UnknownMethod(u32),
    /// Only SASL mechanisms that are not known here.
    UnknownMechanisms,
    /// The first query would find an open transaction.
    OpenTransaction {
        /// What the server says of it.
        status: TxStatus,
    },
    /// Bytes after the session was ready, which nothing has asked for.
    AfterReady {
        /// Number of the bytes.
        got: usize,
    },
    /// More than [`MESSAGES_MAX`] messages.
    TooManyMessages,
    /// Names and values of settings above [`REPORTED_MAX`] bytes.
    TooManySettings,
}

impl fmt::Display for LoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { sqlstate, message } => match sqlstate {
                Some(sqlstate) => write!(f, "{message} ({sqlstate})"),
                None => f.write_str(message),
            },
            Self::NoSecret { method } => write!(
                f,
                "the server asks for {method}, and there is no {} to answer with",
                method.needs()
            ),
            Self::TooWeak { asked, weakest } => write!(
                f,
                "the server asks for {asked}; nothing weaker than {weakest} is answered"
            ),
            Self::Unbound => f.write_str(
                "the server knows no login that is bound to the connection (SCRAM-SHA-256-PLUS), and \
                 nothing else is answered",
            ),
            Self::Scram(error) => error.fmt(f),
            Self::Protocol(breach) => breach.fmt(f),
        }
    }
}

impl std::error::Error for LoginError {}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { kind, length } => write!(
                f,
                "the server sent a message \"{}\" of length {length} during login, at most \
                 {MESSAGE_MAX} allowed",
                kind.escape_ascii()
            ),
            Self::Unexpected { kind } => write!(
                f,
                "the server sent an unexpected message \"{}\" during login",
                kind.escape_ascii()
            ),
            Self::Malformed { kind } => write!(
                f,
                "the server sent a malformed message \"{}\" during login",
                kind.escape_ascii()
            ),
            Self::Negotiation { asked, minor } => write!(
                f,
                "the server answered protocol 3.{asked} with 3.{minor} or options that nobody asked for"
            ),
            Self::OutOfOrder => {
                f.write_str("the server sent an authentication request out of order")
            }
            Self::UnknownMethod(number) => {
                write!(
                    f,
                    "the server asks for unknown authentication method {number}"
                )
            }
            Self::UnknownMechanisms => {
                f.write_str("the server offers no SASL mechanism that is supported")
            }
            Self::OpenTransaction { status } => write!(
                f,
                "the server is ready with transaction status \"{}\", expected \"{}\"",
                status.byte().escape_ascii(),
                TxStatus::Idle.byte().escape_ascii()
            ),
            Self::AfterReady { got } => {
                write!(f, "the server sent {got} bytes after it was ready")
            }
            Self::TooManyMessages => {
                write!(
                    f,
                    "the server sent more than {MESSAGES_MAX} messages during login"
                )
            }
            Self::TooManySettings => write!(
                f,
                "the server reported more than {REPORTED_MAX} bytes of settings during login"
            ),
        }
    }
}

impl From<Breach> for LoginError {
    fn from(breach: Breach) -> Self {
        Self::Protocol(breach)
    }
}

impl From<ScramError> for LoginError {
    fn from(error: ScramError) -> Self {
        Self::Scram(error)
    }
}
