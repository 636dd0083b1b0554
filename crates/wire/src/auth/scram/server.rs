//! The server's side: checks that a client knows the password behind a [`Verifier`].
//!
//! [`First`] reads the client's first message, [`Final`] its last. The user name inside the
//! messages is ignored, as in PostgreSQL: the one of the startup packet counts.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use super::{
    BOUND, CLIENT_MESSAGE_MAX, ClientKey, ScramError, Verifier, attribute, auth_message, decode_32,
    hmac, is_nonce, xor,
};

/// Waits for the client's first message.
#[derive(Debug)]
pub struct First {
    verifier: Arc<Verifier>,
    offer: Offer,
}

/// Whether the exchange can be bound to the connection.
#[derive(Debug)]
enum Offer {
    /// It cannot.
    None,
    /// It was offered, and the client chose the mechanism without.
    NotChosen,
    /// The client chose to bind it to this.
    Chosen(Vec<u8>),
}

impl First {
    /// Begins an exchange that only the owner of the verifier's password can finish.
    pub fn new(verifier: impl Into<Arc<Verifier>>) -> Self {
        Self {
            verifier: verifier.into(),
            offer: Offer::None,
        }
    }

    /// Channel binding was offered. The client chose it, to these bytes; with `None` it chose the
    /// mechanism without.
    pub fn offered(mut self, chosen: Option<&[u8]>) -> Self {
        self.offer = chosen.map_or(Offer::NotChosen, |data| Offer::Chosen(data.to_vec()));
        self
    }

    /// Reads the client's first message; gives the answer to it. `server_nonce` must be random
    /// and used once: [`nonce`](super::nonce).
    ///
    /// # Errors
    /// When the message is too long, is not SCRAM, or asks for what is not spoken here.
    ///
    /// # Panics
    /// When `server_nonce` is empty or has characters that a nonce may not have.
    pub fn on_client_first(
        self,
        data: &[u8],
        server_nonce: &str,
    ) -> Result<(Vec<u8>, Final), ScramError> {
        assert!(is_nonce(server_nonce.as_bytes()), "server nonce");
        check_len(data)?;
        let (binding, bare) = self.offer.accept(data)?;
        let mut rest = bare;
        attribute(&mut rest, b'n', "a user name (n=)")?;
        let expected = "a printable nonce (r=)";
        let client_nonce = attribute(&mut rest, b'r', expected)?;
        if !is_nonce(client_nonce) {
            return Err(ScramError::Malformed { expected });
        }
        // What is left are extensions, which may be ignored.
        let nonce = [client_nonce, server_nonce.as_bytes()].concat();
        let mut server_first = b"r=".to_vec();
        server_first.extend_from_slice(&nonce);
        let cost = format!(
            ",s={},i={}",
            STANDARD.encode(&self.verifier.salt),
            self.verifier.iterations
        );
        server_first.extend_from_slice(cost.as_bytes());
        let next = Final {
            verifier: self.verifier,
            binding,
            client_first_bare: bare.to_vec(),
            nonce,
            server_first: server_first.clone(),
        };
        Ok((server_first, next))
    }
}

/// Waits for the client's last message.
pub struct Final {
    verifier: Arc<Verifier>,
    /// What the client's last message has to say of it, in base64.
    binding: String,
    client_first_bare: Vec<u8>,
    nonce: Vec<u8>,
    server_first: Vec<u8>,
}

impl Final {
    /// Checks the client's proof; gives the server's proof, and the client's key with which a
    /// [`client`](super::client) can log in where the same verifier is stored.
    ///
    /// # Errors
    /// [`ScramError::WrongPassword`] when the proof is wrong, other errors when the message
    /// is malformed.
    pub fn on_client_final(self, data: &[u8]) -> Result<(Vec<u8>, ClientKey), ScramError> {
        check_len(data)?;
        // The proof is the last attribute, and no base64 text has a comma.
        let proof_at = data.windows(3).rposition(|three| three == b",p=");
        let expected = "a proof (p=)";
        let (signed, proof) = match proof_at {
            Some(at) => (&data[..at], decode_32(&data[at + 3..], expected)?),
            None => return Err(ScramError::Malformed { expected }),
        };
        let mut rest = signed;
        let binding = attribute(&mut rest, b'c', "a channel binding (c=)")?;
        let nonce = attribute(&mut rest, b'r', "a nonce (r=)")?;
        if binding != self.binding.as_bytes() {
            return Err(ScramError::ChannelBindingChanged);
        }
        if nonce != self.nonce {
            return Err(ScramError::Nonce);
        }
        let message = auth_message(&self.client_first_bare, &self.server_first, signed);
        let signature = hmac(&self.verifier.stored_key, &message);
        let client_key = ClientKey(xor(proof, &signature));
        if !bool::from(client_key.stored_key().ct_eq(&self.verifier.stored_key)) {
            return Err(ScramError::WrongPassword);
        }
        let signature = hmac(&self.verifier.server_key, &message);
        let server_final = format!("v={}", STANDARD.encode(signature));
        Ok((server_final.into_bytes(), client_key))
    }
}

impl fmt::Debug for Final {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Final").finish_non_exhaustive()
    }
}

impl Offer {
    /// Reads the header of the client's first message. Gives what its last message must repeat of it, with
    /// what the exchange is bound to behind it, and the rest of the message.
    fn accept<'a>(&self, data: &'a [u8]) -> Result<(String, &'a [u8]), ScramError> {
        let (header, bare) = match data {
            [b'n' | b'y', b',', b',', bare @ ..] => (&data[..3], bare),
            [b'n' | b'y', b',', b'a', b'=', ..] => return Err(ScramError::AuthorizationIdentity),
            [b'p', b'=', ..] => {
                let Self::Chosen(binding) = self else {
                    return Err(ScramError::ChannelBinding);
                };
                let rest = data.strip_prefix(BOUND).ok_or(ScramError::ChannelBinding)?;
                return match rest {
                    [b',', b',', bare @ ..] => {
                        let whole = [BOUND, b",,", binding].concat();
                        Ok((STANDARD.encode(whole), bare))
                    }
                    [b',', b'a', b'=', ..] => Err(ScramError::AuthorizationIdentity),
                    _ => Err(ScramError::ChannelBinding),
                };
            }
            _ => {
                let expected = "a channel binding flag";
                return Err(ScramError::Malformed { expected });
            }
        };
        match (self, header[0]) {
            // RFC 5802, section 6: the client can, and was told by somebody that we cannot.
            (Self::NotChosen, b'y') => Err(ScramError::Downgrade),
            (Self::Chosen(_), _) => {
                let expected = "the channel binding that the mechanism has";
                Err(ScramError::Malformed { expected })
            }
            _ => Ok((STANDARD.encode(header), bare)),
        }
    }
}

fn check_len(data: &[u8]) -> Result<(), ScramError> {
    if data.len() > CLIENT_MESSAGE_MAX {
        return Err(ScramError::TooLong {
            got: data.len(),
            max: CLIENT_MESSAGE_MAX,
        });
    }
    Ok(())
}
