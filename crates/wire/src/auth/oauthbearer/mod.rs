//! OAUTHBEARER (RFC 7628), the server's side: a client shows a token in place of a password, or asks
//! where to get one.
//!
//! [`First`] reads the client's first message. The caller judges the [`Credential`] in it. If it is
//! good, the exchange is over and the server says nothing more. If not, [`Pending::refuse`] has the
//! answer, which says where good ones are issued, and [`Last`] reads the client's acknowledgement.
//! The sequence and the messages are those of PostgreSQL 18.

use std::fmt;

/// Name of the mechanism in SASL messages.
pub const MECHANISM: &str = "OAUTHBEARER";

/// Longest message of a client: a token of 8 KiB, and room for the header and other keys. It bounds
/// what an exchange keeps for an unauthenticated peer.
pub const CLIENT_MESSAGE_MAX: usize = 9 * 1024;

/// Separates and ends the pairs of a message (RFC 7628, section 3.1).
const SEPARATOR: u8 = 1;

/// What a bearer token begins with (RFC 6750, section 2.1); its case does not matter.
const SCHEME: &[u8] = b"bearer ";

/// Waits for the client's first message.
#[derive(Debug, Default)]
pub struct First(());

/// What a client's first message shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A token of the right form, which says nothing of its worth.
    Token(Token),
    /// Nothing: the client asks where tokens are issued.
    Discovery,
    /// Something that is no bearer token.
    Other,
}

/// A token. Hidden in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Its text, of letters, digits and `-._~+/=`.
    pub fn into_text(self) -> String {
        self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Waits for a judgement of the credential. If it is good, nothing more is to be sent or read.
#[derive(Debug)]
pub struct Pending(());

/// Waits for the acknowledgement of a client that was refused.
#[derive(Debug)]
pub struct Last(());

/// The client broke the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OauthError {
    /// The message is longer than any sensible one.
    TooLong {
        /// Its length.
        got: usize,
    },
    /// The message is not OAUTHBEARER.
    Malformed {
        /// What was expected in place of what it has.
        expected: &'static str,
    },
    /// The client insists on channel binding, which the mechanism does not have.
    ChannelBinding,
    /// The client wants to act as another user.
    AuthorizationIdentity,
}

impl fmt::Display for OauthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { got } => {
                write!(
                    f,
                    "It has {got} bytes; at most {CLIENT_MESSAGE_MAX} are read."
                )
            }
            Self::Malformed { expected } => write!(f, "It lacks {expected}."),
            Self::ChannelBinding => {
                f.write_str("It asks for channel binding, which OAUTHBEARER does not have.")
            }
            Self::AuthorizationIdentity => {
                f.write_str("It names another user to act as, which is not supported.")
            }
        }
    }
}

impl std::error::Error for OauthError {}

impl First {
    /// Begins an exchange.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the client's first message.
    ///
    /// # Errors
    /// It is too long, is not OAUTHBEARER, or asks for what is not spoken here.
    pub fn on_client_first(self, data: &[u8]) -> Result<(Credential, Pending), OauthError> {
        if data.len() > CLIENT_MESSAGE_MAX {
            return Err(OauthError::TooLong { got: data.len() });
        }
        let credential = credential(authorization(behind_header(data)?)?);
        Ok((credential, Pending(())))
    }
}

impl Pending {
    /// The answer to a client whose credential is not good: `discovery` is the URL that tells how the issuer
    /// gives out tokens, `scope` what to ask it for.
    pub fn refuse(self, discovery: &str, scope: &str) -> (Vec<u8>, Last) {
        let answer = format!(
            "{{ \"status\": \"invalid_token\", \"openid-configuration\": {}, \"scope\": {} }}",
            quoted(discovery),
            quoted(scope)
        );
        (answer.into_bytes(), Last(()))
    }
}

impl Last {
    /// Reads the acknowledgement, behind which the exchange has failed.
    ///
    /// # Errors
    /// It is something else.
    pub fn on_client_last(self, data: &[u8]) -> Result<(), OauthError> {
        let expected = "the single separator that acknowledges a refusal";
        match data {
            [SEPARATOR] => Ok(()),
            _ => Err(OauthError::Malformed { expected }),
        }
    }
}

/// What follows the GS2 header (RFC 5801, section 4) and the separator behind it.
fn behind_header(data: &[u8]) -> Result<&[u8], OauthError> {
    let malformed = |expected| OauthError::Malformed { expected };
    match data {
        [b'p', ..] => Err(OauthError::ChannelBinding),
        [b'n' | b'y', b',', b'a', ..] => Err(OauthError::AuthorizationIdentity),
        [b'n' | b'y', b',', b',', SEPARATOR, pairs @ ..] => Ok(pairs),
        [b'n' | b'y', b',', b',', ..] => Err(malformed("a separator behind its header")),
        _ => Err(malformed("a header (n,,)")),
    }
}

/// The value of `auth`. Other keys mean nothing to PostgreSQL, and may be there.
fn authorization(mut pairs: &[u8]) -> Result<&[u8], OauthError> {
    let malformed = |expected| OauthError::Malformed { expected };
    let mut found = None;
    loop {
        let end = pairs.iter().position(|&byte| byte == SEPARATOR);
        let end = end.ok_or_else(|| malformed("the separator at its end"))?;
        let (pair, rest) = (&pairs[..end], &pairs[end + 1..]);
        if pair.is_empty() {
            if !rest.is_empty() {
                return Err(malformed("an end behind its last separator"));
            }
            return found.ok_or_else(|| malformed("a value for auth"));
        }
        let equals = pair.iter().position(|&byte| byte == b'=');
        let equals = equals.ok_or_else(|| malformed("a key and a value between separators"))?;
        let (key, value) = (&pair[..equals], &pair[equals + 1..]);
        if key.is_empty() || !key.iter().all(u8::is_ascii_alphabetic) {
            return Err(malformed("keys of letters"));
        }
        if !value.iter().all(|&byte| is_of_values(byte)) {
            return Err(malformed("values of printable characters"));
        }
        if key == b"auth" && found.replace(value).is_some() {
            return Err(malformed("a single value for auth"));
        }
        pairs = rest;
    }
}

/// RFC 7628, section 3.1.
fn is_of_values(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n')
}

fn credential(authorization: &[u8]) -> Credential {
    if authorization.is_empty() {
        return Credential::Discovery;
    }
    let is_bearer = |scheme: &[u8]| scheme.eq_ignore_ascii_case(SCHEME);
    let token = match authorization.split_at_checked(SCHEME.len()) {
        Some((scheme, token)) if is_bearer(scheme) => token,
        _ => return Credential::Other,
    };
    // More than one space in front is not the RFC's, but PostgreSQL takes it.
    let spaces = token.iter().take_while(|&&byte| byte == b' ').count();
    let token = &token[spaces..];
    let padding = token.iter().rev().take_while(|&&byte| byte == b'=').count();
    let body = &token[..token.len() - padding];
    if body.is_empty() || !body.iter().all(|&byte| is_of_tokens(byte)) {
        return Credential::Other;
    }
    let text = String::from_utf8(token.to_vec()).expect("it is ASCII");
    Credential::Token(Token(text))
}

/// What a token has in front of its padding (RFC 6750, section 2.1).
fn is_of_tokens(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte)
}

/// A text of JSON.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\0'..='\x1f' => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
