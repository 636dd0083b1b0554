//! Who a client is, and how it proves that.
//!
//! Whoever has proven nothing gets no answer that tells whether a user or database exists.

mod exchange;
mod verifiers;

use std::sync::Arc;

use pgweir_config::{AuthType, Config, Secret, User};
use pgweir_wire::encode;
use pgweir_wire::sqlstate::SqlState;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::login_end::LoginEnd;
use crate::slots::Stranger;
use crate::texts::ClientError;
use crate::wire_io::Inbound;
use exchange::{Exchange, ScramKeys};
use verifiers::{Question, Verifiers};

/// Bytes that hold most greetings: some fifteen settings and the key.
const GREETING_USUAL: usize = 768;

/// A proof that was accepted.
pub(crate) struct Proven {
    pub(crate) user: Arc<User>,
    /// What the client is told of it, in the same write as the greeting.
    pub(crate) reply: Vec<u8>,
    /// The key that logs servers in as this user, and the server key of its verifier.
    pub(crate) passed: Option<ScramKeys>,
}

/// What asks clients for their proofs.
pub(crate) struct Authentication {
    verifiers: Verifiers,
}

impl Authentication {
    pub(crate) fn new() -> Self {
        Self {
            verifiers: Verifiers::new(),
        }
    }

    /// Has the client prove that it is `user`. `out` goes before the first request.
    ///
    /// # Errors
    /// The client is refused, or its stream ended.
    pub(crate) async fn prove(
        &self,
        (stream, inbound): (&mut (impl AsyncRead + AsyncWrite + Unpin), &mut Inbound),
        config: &Arc<Config>,
        user: &str,
        (out, stranger): (Vec<u8>, &Stranger),
    ) -> Result<Proven, LoginEnd> {
        let known = config.users.get(user);
        if config.auth_type == AuthType::Trust {
            let user = known.ok_or_else(|| {
                ClientError::new(
                    SqlState::INVALID_AUTHORIZATION,
                    format!("no such user: {user}"),
                )
            })?;
            return Ok(Proven {
                user: user.clone(),
                reply: out,
                passed: None,
            });
        }
        let mut exchange = Exchange {
            stream,
            inbound,
            out,
            stranger,
        };
        let mut reply = Vec::with_capacity(GREETING_USUAL);
        let (is_proven, passed) = match self.verifiers.question(config, user) {
            Question::Scram(verifier) => match exchange.by_scram(verifier).await? {
                Some((keys, last)) => {
                    encode::authentication_sasl_final(&mut reply, &last);
                    (true, Some(keys))
                }
                None => (false, None),
            },
            Question::Md5(verifier) => (exchange.by_md5(verifier.as_deref()).await?, None),
        };
        match known {
            Some(user) if is_proven => Ok(Proven {
                user: user.clone(),
                reply,
                passed: passed.filter(|_| matches!(user.secret, Some(Secret::Scram(_)))),
            }),
            Some(_) | None => Err(wrong_password(user).into()),
        }
    }
}

fn wrong_password(user: &str) -> ClientError {
    ClientError::new(
        SqlState::INVALID_PASSWORD,
        format!("password authentication failed for user \"{user}\""),
    )
}
