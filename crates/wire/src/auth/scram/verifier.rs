//! What PostgreSQL stores in place of a password, and how it is computed.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac;
use subtle::ConstantTimeEq;

use super::{
    ClientKey, ITERATIONS_DEFAULT, ITERATIONS_MAX, MECHANISM, SALT_MAX, decode_32, hmac, keyed,
};

/// A stored verifier. Anyone who has it can check a password and pose as the server, but not log in.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    /// Rounds of hashing between the password and the keys. At least 1.
    pub iterations: u32,
    /// Salt of the password, at most [`SALT_MAX`] bytes.
    pub salt: Vec<u8>,
    /// Digest of the client's key, against which a proof is checked.
    pub stored_key: [u8; 32],
    /// Key of the server's signature.
    pub server_key: [u8; 32],
}

impl Verifier {
    /// Reads PostgreSQL's form, `SCRAM-SHA-256$iterations:salt$stored_key:server_key`.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(MECHANISM)?.strip_prefix('$')?;
        let (cost, keys) = rest.split_once('$')?;
        let (iterations, salt) = cost.split_once(':')?;
        let (stored_key, server_key) = keys.split_once(':')?;
        // A sign or white space is not part of the form, although `parse` takes a plus.
        if !iterations.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let salt = STANDARD.decode(salt).ok()?;
        Some(Self {
            iterations: iterations.parse().ok().filter(|&count| count > 0)?,
            salt: (salt.len() <= SALT_MAX).then_some(salt)?,
            stored_key: decode_32(stored_key.as_bytes(), "stored key").ok()?,
            server_key: decode_32(server_key.as_bytes(), "server key").ok()?,
        })
    }

    /// Computes the verifier of a password. Takes CPU time in proportion to `iterations`.
    ///
    /// # Panics
    /// When `iterations` is zero.
    pub fn from_password(password: &str, salt: Vec<u8>, iterations: u32) -> Self {
        let (client_key, server_key) = derive(password, &salt, iterations);
        Self {
            iterations,
            salt,
            stored_key: client_key.stored_key(),
            server_key,
        }
    }

    /// The client's key, if this is the password. Takes CPU time in proportion to `iterations`;
    /// above [`ITERATIONS_MAX`] no password is tried, because whoever may choose a role's verifier
    /// chooses the count.
    pub fn client_key(&self, password: &str) -> Option<ClientKey> {
        if self.iterations > ITERATIONS_MAX {
            return None;
        }
        let (client_key, _) = derive(password, &self.salt, self.iterations);
        let is_right: bool = client_key.stored_key().ct_eq(&self.stored_key).into();
        is_right.then_some(client_key)
    }

    /// A verifier for a user that does not exist: the exchange looks like any other, is the same
    /// at each attempt, and fails. `secret` is random, the same for all users and must not be
    /// known outside.
    ///
    /// The count is [`ITERATIONS_DEFAULT`]; where real verifiers have another one, set it here too,
    /// else the count tells which users exist.
    pub fn mock(user: &str, secret: &[u8; 32]) -> Self {
        let derived = |what: &[u8]| hmac(secret, &[what, user.as_bytes()]);
        Self {
            iterations: ITERATIONS_DEFAULT,
            // As long as PostgreSQL's.
            salt: derived(b"salt:")[..16].to_vec(),
            // Nobody knows a key with this digest.
            stored_key: derived(b"stored:"),
            server_key: derived(b"server:"),
        }
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{MECHANISM}${}:{}${}:{}",
            self.iterations,
            STANDARD.encode(&self.salt),
            STANDARD.encode(self.stored_key),
            STANDARD.encode(self.server_key)
        )
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// Computes the client's and the server's key of a password.
pub(super) fn derive(password: &str, salt: &[u8], iterations: u32) -> (ClientKey, [u8; 32]) {
    let salted = salted_password(prepared(password).as_bytes(), salt, iterations);
    let client_key = hmac(&salted, &[b"Client Key"]);
    (ClientKey(client_key), hmac(&salted, &[b"Server Key"]))
}

/// SASLprep as PostgreSQL does it: a password that it does not allow, or of which it leaves
/// nothing, is used as it is.
fn prepared(password: &str) -> Cow<'_, str> {
    match stringprep::saslprep(password) {
        Ok(prepared) if !prepared.is_empty() => prepared,
        _ => Cow::Borrowed(password),
    }
}

/// RFC 5802, `Hi`: PBKDF2 with one block of output.
fn salted_password(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    assert!(iterations > 0, "PBKDF2 needs an iteration");
    // The two blocks of the key are hashed once, here, and not in each round.
    let mac = keyed(password);
    let first = mac.clone().chain_update(salt).chain_update([0, 0, 0, 1]);
    let mut last: [u8; 32] = first.finalize().into_bytes().into();
    let mut salted = last;
    for _ in 1..iterations {
        last = mac
            .clone()
            .chain_update(last)
            .finalize()
            .into_bytes()
            .into();
        salted = super::xor(salted, &last);
    }
    salted
}
