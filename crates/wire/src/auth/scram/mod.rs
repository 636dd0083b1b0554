//! SCRAM-SHA-256 (RFC 5802, RFC 7677), with channel binding and without, both sides.
//!
//! * [`server`] checks a client against a stored [`Verifier`] and recovers its [`ClientKey`].
//! * [`client`] logs in with a password, or with the keys that a [`server`] exchange recovered.
//!
//! Each side is a chain of states that consume themselves, so a step cannot be repeated or left
//! out. What an exchange over TLS is bound to (SCRAM-SHA-256-PLUS) is a digest of the server's
//! certificate, `tls-server-end-point` (RFC 5929, section 4), as in PostgreSQL.

pub mod client;
pub mod server;
mod verifier;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub use verifier::Verifier;

/// Name of the mechanism in SASL messages.
pub const MECHANISM: &str = "SCRAM-SHA-256";

/// Name of the mechanism that is bound to the TLS connection.
pub const MECHANISM_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// What a bound exchange begins with, up to the comma: the kind of the binding.
const BOUND: &[u8] = b"p=tls-server-end-point";

/// Longest message of a client. The parts that matter (a nonce, a proof, a user name of 63 bytes,
/// each at most escaped threefold) are some 300 bytes; the rest is room for extensions. It
/// bounds what an exchange keeps for an unauthenticated peer.
pub const CLIENT_MESSAGE_MAX: usize = 2 * 1024;

/// Longest nonce that a server may send, the client's part included. PostgreSQL's has 48 bytes.
pub const SERVER_NONCE_MAX: usize = 1024;

/// Longest salt, decoded. PostgreSQL's has 16 bytes.
pub const SALT_MAX: usize = 1024;

/// Longest message of a server: the longest nonce, the longest salt in base64 (1,368 bytes), and
/// room for the iteration count and extensions.
pub const SERVER_MESSAGE_MAX: usize = 4 * 1024;

/// Most iterations that a client does for a server: some tenths of a second of CPU. PostgreSQL
/// uses 4,096 unless configured otherwise.
pub const ITERATIONS_MAX: u32 = 600_000;

/// PostgreSQL's iteration count where nothing else is configured.
pub const ITERATIONS_DEFAULT: u32 = 4096;

const _: () = assert!(SERVER_NONCE_MAX + SALT_MAX.div_ceil(3) * 4 + 100 < SERVER_MESSAGE_MAX);

/// The secret that proves a password: with the server's key, as good as the password for this
/// verifier. Compared in constant time, hidden in `Debug`.
#[derive(Clone)]
pub struct ClientKey(pub [u8; 32]);

impl ClientKey {
    /// What a verifier stores in its place.
    pub fn stored_key(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

impl PartialEq for ClientKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for ClientKey {}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientKey(..)")
    }
}

/// Why an exchange ended without a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScramError {
    /// The peer's message is longer than any sensible one.
    TooLong {
        /// Its length.
        got: usize,
        /// Longest that is read.
        max: usize,
    },
    /// The peer's message is not SCRAM.
    Malformed {
        /// The part that was expected and is missing or wrong.
        expected: &'static str,
    },
    /// The peer demands an extension. RFC 5802 reserves `m=` for that and none is known.
    MandatoryExtension,
    /// The peer's nonce is not the one of this exchange.
    Nonce,
    /// The client insists on channel binding, which was not offered, or on another kind of it.
    ChannelBinding,
    /// The client saw that channel binding was not offered, but it was: somebody in between took it out.
    Downgrade,
    /// The client's last message contradicts its first about channel binding.
    ChannelBindingChanged,
    /// The client wants to act as another user.
    AuthorizationIdentity,
    /// The client does not know the password.
    WrongPassword,
    /// The server's salt is longer than [`SALT_MAX`].
    SaltTooLong {
        /// Its length, decoded.
        got: usize,
    },
    /// The server's iteration count is zero or above [`ITERATIONS_MAX`].
    Iterations {
        /// The count it asked for.
        got: u64,
    },
    /// The server refused, in its words (made printable and cut).
    Refused {
        /// What it said.
        reason: String,
    },
    /// The server does not know the verifier: it is not the one it claims to be.
    ServerSignature,
}

impl fmt::Display for ScramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { got, max } => {
                write!(f, "SCRAM message of {got} bytes, at most {max} allowed")
            }
            Self::Malformed { expected } => {
                write!(f, "malformed SCRAM message: expected {expected}")
            }
            Self::MandatoryExtension => {
                f.write_str("the SCRAM message requires an extension that is not supported")
            }
            Self::Nonce => f.write_str("the SCRAM nonce is not the one of this exchange"),
            Self::ChannelBinding => f.write_str(
                "the client requires a SCRAM channel binding that was not offered; without TLS there \
                 is none, and the only kind is tls-server-end-point",
            ),
            Self::Downgrade => f.write_str(
                "the client was told that there is no SCRAM channel binding, which it was offered: \
                 somebody may be listening in between",
            ),
            Self::ChannelBindingChanged => {
                f.write_str("the SCRAM channel binding is not the one this exchange began with")
            }
            Self::AuthorizationIdentity => f.write_str(
                "the client uses a SCRAM authorization identity, which is not supported",
            ),
            Self::WrongPassword => f.write_str("the SCRAM proof does not match the password"),
            Self::SaltTooLong { got } => {
                write!(f, "SCRAM salt of {got} bytes, at most {SALT_MAX} allowed")
            }
            Self::Iterations { got } => write!(
                f,
                "SCRAM iteration count {got} of the server, 1 to {ITERATIONS_MAX} allowed; lower \
                 scram_iterations there and set the password again"
            ),
            Self::Refused { reason } => write!(f, "the server refused SCRAM login: {reason}"),
            Self::ServerSignature => f.write_str(
                "the server could not prove that it knows the password's SCRAM verifier",
            ),
        }
    }
}

impl std::error::Error for ScramError {}

/// Makes a nonce of random bytes: 24 printable characters, as PostgreSQL's.
pub fn nonce(random: &[u8; 18]) -> String {
    STANDARD.encode(random)
}

/// RFC 5802, section 5.1: printable ASCII except the comma, and not empty.
fn is_nonce(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| b.is_ascii_graphic() && *b != b',')
}

/// Takes the attribute `letter=value` off the front of a message.
fn attribute<'a>(
    rest: &mut &'a [u8],
    letter: u8,
    expected: &'static str,
) -> Result<&'a [u8], ScramError> {
    let (&[first, equals], value) = rest
        .split_first_chunk()
        .ok_or(ScramError::Malformed { expected })?;
    if first == b'm' && equals == b'=' {
        return Err(ScramError::MandatoryExtension);
    }
    if first != letter || equals != b'=' {
        return Err(ScramError::Malformed { expected });
    }
    let end = value.iter().position(|&b| b == b',');
    let value_len = end.unwrap_or(value.len());
    *rest = &value[end.map_or(value.len(), |comma| comma + 1)..];
    Ok(&value[..value_len])
}

/// The 32 bytes in a base64 value: a proof, a signature or a key.
fn decode_32(value: &[u8], expected: &'static str) -> Result<[u8; 32], ScramError> {
    STANDARD
        .decode(value)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(ScramError::Malformed { expected })
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = keyed(key);
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn xor(mut a: [u8; 32], b: &[u8; 32]) -> [u8; 32] {
    for (a, b) in a.iter_mut().zip(b) {
        *a ^= b;
    }
    a
}

/// RFC 5802, `AuthMessage`: what both sides sign.
fn auth_message<'a>(first_bare: &'a [u8], server_first: &'a [u8], last: &'a [u8]) -> [&'a [u8]; 5] {
    [first_bare, b",", server_first, b",", last]
}

#[cfg(test)]
mod tests;
