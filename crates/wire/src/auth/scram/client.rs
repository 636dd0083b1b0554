//! The client's side: logs in at a PostgreSQL server, and checks that it is the right one.
//!
//! [`First`] reads the server's challenge, [`Final`] its proof. Hashing a password takes
//! milliseconds of CPU, so what it gives can be kept in a [`KeyCache`] for the next login.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use super::verifier::derive;
use super::{
    BOUND, ClientKey, ITERATIONS_MAX, SALT_MAX, SERVER_MESSAGE_MAX, SERVER_NONCE_MAX, ScramError,
    attribute, auth_message, decode_32, hmac, is_nonce, xor,
};

/// What proves who logs in.
#[derive(Clone)]
pub enum Credentials {
    /// The password.
    Password(String),
    /// The password, and the keys of an earlier login with it, which are used while the server's
    /// salt and iteration count stay the same.
    Cached {
        /// The password of which `cache` was derived.
        password: String,
        /// From [`Final::derived`].
        cache: KeyCache,
    },
    /// Keys in place of a password: those of the verifier that the server stores. With another
    /// verifier, even one of the same password, the server answers that the password is wrong.
    Keys {
        /// From an exchange with a client.
        client_key: ClientKey,
        /// From the verifier.
        server_key: [u8; 32],
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(..)",
            Self::Cached { .. } => "Cached(..)",
            Self::Keys { .. } => "Keys(..)",
        })
    }
}

/// The keys of a password under one salt and iteration count. As secret as the password.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyCache {
    /// Salt that the server named.
    pub salt: Vec<u8>,
    /// Iteration count that the server named.
    pub iterations: u32,
    /// Proves the password.
    pub client_key: ClientKey,
    /// Checks the server's proof.
    pub server_key: [u8; 32],
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCache")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// Waits for the server's challenge.
#[derive(Debug)]
pub struct First {
    credentials: Credentials,
    client_nonce: String,
    client_first_bare: Vec<u8>,
    /// The header, and behind it what the exchange is bound to.
    binding: Vec<u8>,
}

/// Whether an exchange is bound to the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding<'a> {
    /// It cannot be, or is not to be.
    None,
    /// It could be, but the server offered no mechanism that does it. A server that did learns of it.
    NotOffered,
    /// To these bytes, by [`MECHANISM_PLUS`](super::MECHANISM_PLUS).
    Bound(&'a [u8]),
}

impl Binding<'_> {
    fn header(self) -> Vec<u8> {
        match self {
            Self::None => b"n,,".to_vec(),
            Self::NotOffered => b"y,,".to_vec(),
            Self::Bound(_) => [BOUND, b",,"].concat(),
        }
    }

    fn data(&self) -> &[u8] {
        match self {
            Self::None | Self::NotOffered => &[],
            Self::Bound(data) => data,
        }
    }
}

impl First {
    /// Begins an exchange; gives the client's first message. `client_nonce` must be random and
    /// used once: [`nonce`](super::nonce).
    ///
    /// # Panics
    /// When `client_nonce` is empty or has characters that a nonce may not have.
    pub fn new(
        credentials: Credentials,
        client_nonce: &str,
        binding: Binding<'_>,
    ) -> (Vec<u8>, Self) {
        assert!(is_nonce(client_nonce.as_bytes()), "client nonce");
        // PostgreSQL knows the user from the startup packet and ignores this one; libpq leaves it
        // empty too.
        let client_first_bare = format!("n=,r={client_nonce}").into_bytes();
        let header = binding.header();
        let message = [header.as_slice(), &client_first_bare].concat();
        let next = Self {
            credentials,
            client_nonce: client_nonce.to_owned(),
            client_first_bare,
            binding: [&header, binding.data()].concat(),
        };
        (message, next)
    }

    /// Reads the server's challenge; gives the client's last message. Takes CPU time in
    /// proportion to the server's iteration count, at most [`ITERATIONS_MAX`], where keys cannot
    /// be used.
    ///
    /// # Errors
    /// When the challenge is not SCRAM, is beyond its bounds, or belongs to another exchange.
    pub fn on_server_first(self, data: &[u8]) -> Result<(Vec<u8>, Final), ScramError> {
        check_len(data)?;
        let mut rest = data;
        let nonce = attribute(&mut rest, b'r', "a nonce (r=)")?;
        if nonce.len() > SERVER_NONCE_MAX {
            return Err(ScramError::TooLong {
                got: nonce.len(),
                max: SERVER_NONCE_MAX,
            });
        }
        // RFC 5802: the server must have added something of its own.
        let added = nonce.strip_prefix(self.client_nonce.as_bytes());
        if !added.is_some_and(is_nonce) {
            return Err(ScramError::Nonce);
        }
        let expected = "a salt in base64 (s=)";
        let salt = attribute(&mut rest, b's', expected)?;
        let salt = STANDARD
            .decode(salt)
            .map_err(|_| ScramError::Malformed { expected })?;
        if salt.len() > SALT_MAX {
            return Err(ScramError::SaltTooLong { got: salt.len() });
        }
        let iterations = iterations(attribute(&mut rest, b'i', ITERATIONS_EXPECTED)?)?;
        let keys = self.credentials.keys(salt, iterations);
        let binding = STANDARD.encode(&self.binding);
        let signed = [b"c=", binding.as_bytes(), b",r=", nonce].concat();
        let message = auth_message(&self.client_first_bare, data, &signed);
        let signature = hmac(&keys.client_key.stored_key(), &message);
        let proof = STANDARD.encode(xor(keys.client_key.0, &signature));
        let next = Final {
            server_signature: hmac(&keys.server_key, &message),
            keys,
        };
        Ok(([&signed, &b",p="[..], proof.as_bytes()].concat(), next))
    }
}

impl Credentials {
    fn keys(self, salt: Vec<u8>, iterations: u32) -> KeyCache {
        let (client_key, server_key) = match self {
            Self::Keys {
                client_key,
                server_key,
            } => (client_key, server_key),
            Self::Cached { cache, .. } if cache.salt == salt && cache.iterations == iterations => {
                return cache;
            }
            Self::Cached { password, .. } | Self::Password(password) => {
                derive(&password, &salt, iterations)
            }
        };
        KeyCache {
            salt,
            iterations,
            client_key,
            server_key,
        }
    }
}

/// Waits for the server's proof.
pub struct Final {
    server_signature: [u8; 32],
    keys: KeyCache,
}

impl Final {
    /// The keys that were used. Worth keeping once [`on_server_final`](Self::on_server_final)
    /// has succeeded.
    pub fn derived(&self) -> KeyCache {
        self.keys.clone()
    }

    /// Checks the server's proof.
    ///
    /// # Errors
    /// [`ScramError::ServerSignature`] when the proof is wrong, [`ScramError::Refused`] when the
    /// server sent a reason in its place.
    pub fn on_server_final(self, data: &[u8]) -> Result<(), ScramError> {
        check_len(data)?;
        let mut rest = data;
        if data.starts_with(b"e=") {
            let reason = attribute(&mut rest, b'e', "an error (e=)")?;
            return Err(ScramError::Refused {
                reason: excerpt(reason),
            });
        }
        let expected = "a signature (v=)";
        let signature = decode_32(attribute(&mut rest, b'v', expected)?, expected)?;
        if !bool::from(signature.ct_eq(&self.server_signature)) {
            return Err(ScramError::ServerSignature);
        }
        Ok(())
    }
}

impl fmt::Debug for Final {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Final").finish_non_exhaustive()
    }
}

fn iterations(digits: &[u8]) -> Result<u32, ScramError> {
    let expected = ITERATIONS_EXPECTED;
    // Twenty digits hold every u64; a sign is not a digit, although `parse` takes a plus.
    let is_number = (1..=20).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let count = str::from_utf8(digits)
        .ok()
        .filter(|_| is_number)
        .and_then(|digits| digits.parse::<u64>().ok())
        .ok_or(ScramError::Malformed { expected })?;
    u32::try_from(count)
        .ok()
        .filter(|count| (1..=ITERATIONS_MAX).contains(count))
        .ok_or(ScramError::Iterations { got: count })
}

fn check_len(data: &[u8]) -> Result<(), ScramError> {
    if data.len() > SERVER_MESSAGE_MAX {
        return Err(ScramError::TooLong {
            got: data.len(),
            max: SERVER_MESSAGE_MAX,
        });
    }
    Ok(())
}

/// Makes the server's reason fit for a log: printable, at most 64 characters.
fn excerpt(reason: &[u8]) -> String {
    let printable = |c: char| if c.is_control() { '?' } else { c };
    let text = String::from_utf8_lossy(reason);
    text.chars().take(64).map(printable).collect()
}

const ITERATIONS_EXPECTED: &str = "an iteration count (i=)";

#[cfg(test)]
mod tests {
    use super::{Credentials, First};

    // The client of the RFC names a user, which `First::new` does not.
    #[test]
    fn the_client_says_what_rfc_7677_says() {
        let first = First {
            credentials: Credentials::Password("pencil".to_owned()),
            client_nonce: "rOprNGfwEbeRWgbNEkqO".to_owned(),
            client_first_bare: b"n=user,r=rOprNGfwEbeRWgbNEkqO".to_vec(),
            binding: b"n,,".to_vec(),
        };
        let server_first = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let (client_final, last) = first.on_server_first(server_first).unwrap();
        assert_eq!(
            str::from_utf8(&client_final).unwrap(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        last.on_server_final(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
            .unwrap();
    }
}
