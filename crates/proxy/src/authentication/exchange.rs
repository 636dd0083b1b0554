//! The messages in which a client proves that it knows a password.

use std::sync::Arc;

use pgweir_wire::auth::{md5, oauthbearer, scram};
use pgweir_wire::sqlstate::SqlState;
use pgweir_wire::{encode, frontend};
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::debug;

use crate::login_end::{LoginEnd, violation};
use crate::registry::random_u32;
use crate::slots::Stranger;
use crate::texts::ClientError;
use crate::wire_io::{Inbound, send};

/// The key that logs servers in as a user, and the server key of its verifier.
pub(crate) type ScramKeys = (scram::ClientKey, [u8; 32]);

/// The client of a login, and what is to be sent to it before the next question.
pub(super) struct Exchange<'a, S> {
    pub(super) stream: &'a mut S,
    pub(super) inbound: &'a mut Inbound,
    pub(super) out: Vec<u8>,
    pub(super) stranger: &'a Stranger,
    /// What a proof can be bound to; `None` in the clear.
    pub(super) binding: Option<&'a [u8]>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Exchange<'_, S> {
    /// Whether the client answers the challenge for the hash; without one nothing does.
    ///
    /// # Errors
    /// The client broke the protocol, or its stream ended.
    pub(super) async fn by_md5(&mut self, verifier: Option<&str>) -> Result<bool, LoginEnd> {
        let salt = random_u32().to_be_bytes();
        encode::authentication_md5(&mut self.out, salt);
        let body = self.answer().await?;
        let response =
            frontend::password(&body).ok_or_else(|| violation("malformed password message"))?;
        Ok(verifier.is_some_and(|verifier| md5::check(verifier, salt, response)))
    }

    /// The password that the client sends, as text.
    ///
    /// # Errors
    /// It is empty, the client broke the protocol, or its stream ended.
    pub(super) async fn by_password(&mut self) -> Result<String, LoginEnd> {
        let password = self.by_password_bytes().await?;
        // No secret of ours has bytes that are no UTF-8, so nothing fits what is put in their place.
        Ok(String::from_utf8_lossy(&password).into_owned())
    }

    /// The password that the client sends.
    ///
    /// # Errors
    /// It is empty, the client broke the protocol, or its stream ended.
    pub(super) async fn by_password_bytes(&mut self) -> Result<Vec<u8>, LoginEnd> {
        encode::authentication_cleartext(&mut self.out);
        let body = self.answer().await?;
        let password =
            frontend::password(&body).ok_or_else(|| violation("malformed password message"))?;
        if password.is_empty() {
            let message = "empty password returned by client";
            return Err(ClientError::new(SqlState::INVALID_PASSWORD, message).into());
        }
        Ok(password.to_vec())
    }

    /// The keys that the client's proof reveals, and the last message of the exchange; `None` if it
    /// proves nothing.
    ///
    /// # Errors
    /// The client broke the protocol, or its stream ended.
    pub(super) async fn by_scram(
        &mut self,
        verifier: Arc<scram::Verifier>,
    ) -> Result<Option<(ScramKeys, Vec<u8>)>, LoginEnd> {
        let failed = |error: scram::ScramError| {
            debug!(?error, "SCRAM with a client failed");
        };
        let offered: &[&str] = match self.binding {
            Some(_) => &[scram::MECHANISM_PLUS, scram::MECHANISM],
            None => &[scram::MECHANISM],
        };
        encode::authentication_sasl(&mut self.out, offered);
        let body = self.answer().await?;
        let (mechanism, data) =
            frontend::sasl_initial(&body).ok_or_else(|| violation("malformed SASL message"))?;
        self.stranger.heard();
        if !offered
            .iter()
            .any(|offered| offered.as_bytes() == mechanism)
        {
            return Err(
                violation("client selected an invalid SASL authentication mechanism").into(),
            );
        }
        let is_bound = mechanism == scram::MECHANISM_PLUS.as_bytes();
        let mut random = [0; 18];
        getrandom::fill(&mut random).expect("the system gives random numbers");
        let server_key = verifier.server_key;
        let mut first = scram::server::First::new(verifier);
        if let Some(binding) = self.binding {
            first = first.offered(is_bound.then_some(binding));
        }
        let first = first.on_client_first(data.unwrap_or_default(), &scram::nonce(&random));
        let Ok((reply, last)) = first.map_err(failed) else {
            return Ok(None);
        };
        encode::authentication_sasl_continue(&mut self.out, &reply);

        let body = self.answer().await?;
        let proof = last.on_client_final(&body).map_err(failed);
        Ok(proof
            .ok()
            .map(|(reply, client_key)| ((client_key, server_key), reply)))
    }

    /// What the client shows in place of a password.
    ///
    /// # Errors
    /// The client broke the protocol, or its stream ended.
    pub(super) async fn by_bearer(
        &mut self,
    ) -> Result<(oauthbearer::Credential, oauthbearer::Pending), LoginEnd> {
        encode::authentication_sasl(&mut self.out, &[oauthbearer::MECHANISM]);
        let body = self.answer().await?;
        let (mechanism, data) =
            frontend::sasl_initial(&body).ok_or_else(|| violation("malformed SASL message"))?;
        self.stranger.heard();
        if mechanism != oauthbearer::MECHANISM.as_bytes() {
            return Err(
                violation("client selected an invalid SASL authentication mechanism").into(),
            );
        }
        let shown = match data {
            Some(data) => oauthbearer::First::new().on_client_first(data),
            // The first message comes with the mechanism, or in answer to an empty challenge.
            None => {
                encode::authentication_sasl_continue(&mut self.out, b"");
                let data = self.answer().await?;
                oauthbearer::First::new().on_client_first(&data)
            }
        };
        Ok(shown.map_err(malformed)?)
    }

    /// Tells a client that its token is not good, and waits until it has heard that.
    ///
    /// # Errors
    /// The client broke the protocol, or its stream ended.
    pub(super) async fn refuse_bearer(
        &mut self,
        (answer, last): (Vec<u8>, oauthbearer::Last),
    ) -> Result<(), LoginEnd> {
        encode::authentication_sasl_continue(&mut self.out, &answer);
        let body = self.answer().await?;
        Ok(last.on_client_last(&body).map_err(malformed)?)
    }

    /// What was not sent yet.
    pub(super) fn take_out(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Sends what there is to send, and takes the answer.
    async fn answer(&mut self) -> Result<Vec<u8>, LoginEnd> {
        send(self.stream, &self.out).await?;
        self.out.clear();
        match self.inbound.message(self.stream).await? {
            (frontend::PASSWORD, body) => Ok(body),
            (kind, _) => Err(violation(format!(
                "expected a password, got message of type \"{}\"",
                kind.escape_ascii()
            ))
            .into()),
        }
    }
}

/// The client did not speak OAUTHBEARER, in PostgreSQL's words and ours.
fn malformed(error: oauthbearer::OauthError) -> ClientError {
    use oauthbearer::OauthError as E;
    let sqlstate = match error {
        E::AuthorizationIdentity => SqlState::FEATURE_NOT_SUPPORTED,
        E::TooLong { .. } | E::Malformed { .. } | E::ChannelBinding => SqlState::PROTOCOL_VIOLATION,
    };
    ClientError::new(sqlstate, "malformed OAUTHBEARER message").detail(error.to_string())
}
