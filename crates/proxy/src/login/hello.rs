//! What a client says first: encryption, a cancel request, or who it wants to be.

use pgweir_config::Config;
use pgweir_config::access::{Channel, Peer, TlsFacts};
use pgweir_wire::sqlstate::SqlState;
use pgweir_wire::startup::{self, FirstPacket, Startup};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::rustls::CommonState;

use super::Door;
use crate::login_end::{LoginEnd, violation};
use crate::slots::Stranger;
use crate::texts::ClientError;
use crate::tls::certificate;
use crate::tls::clients::{Acceptor, acceptor};
use crate::tls::stream::MaybeTls;
use crate::wire_io::Inbound;

/// Answers to a request for encryption: what is not spoken here, and what is.
const NO_ENCRYPTION: &[u8] = b"N";
const ENCRYPTION: &[u8] = b"S";

/// The first byte of a TLS handshake that begins without a request for it. No packet of PostgreSQL's begins
/// with it: it would be 350 MB long.
const HANDSHAKE: u8 = 0x16;

impl Door {
    /// Hears who a client wants to be, and fills in what TLS told of it.
    ///
    /// # Errors
    /// It was a cancel request, it broke the protocol, or it comes in the clear where that is not allowed.
    pub(super) async fn hear<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut MaybeTls<S>,
        inbound: &mut Inbound,
        (stranger, channel): (&Stranger, &mut Channel),
        config: &Config,
    ) -> Result<Startup, LoginEnd> {
        // Nobody listens in between on a unix socket.
        let is_local = matches!(channel.peer, Peer::Unix(_));
        let acceptor = self.acceptors.of_equal(&config.client_tls, acceptor);
        let acceptor = acceptor.filter(|_| !is_local);
        let peer = (stranger, acceptor.as_ref());
        let startup = self.first_packet(stream, inbound, peer).await?;
        channel.tls = stream.connection().map(|tls| {
            let binding = acceptor.and_then(|acceptor| acceptor.binding);
            facts(tls, binding.as_deref())
        });
        if channel.tls.is_none() && config.client_tls.mode.is_required() && !is_local {
            return Err(unencrypted(config).into());
        }
        Ok(startup)
    }

    /// Reads up to the startup packet, shaking hands where TLS is wanted and passing cancel requests on.
    async fn first_packet<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut MaybeTls<S>,
        inbound: &mut Inbound,
        (stranger, acceptor): (&Stranger, Option<&Acceptor>),
    ) -> Result<Startup, LoginEnd> {
        let (mut asked_ssl, mut asked_gss) = (false, false);
        loop {
            if inbound.bytes().first() == Some(&HANDSHAKE) && !asked_ssl {
                let Some(acceptor) = acceptor else {
                    return Err(violation("TLS is not spoken here").into());
                };
                asked_ssl = true;
                shake_hands(stream, acceptor, inbound.take()).await?;
                // What speaks another protocol must not be answered as if it spoke this one (ALPACA).
                let named = stream.connection().and_then(|tls| tls.alpn_protocol());
                if named.is_none() {
                    let message =
                        "direct TLS connections have to name the protocol (ALPN postgresql)";
                    return Err(violation(message).into());
                }
                stranger.heard();
                continue;
            }
            let parsed = startup::parse(inbound.bytes())
                .map_err(|error| ClientError::new(error.sqlstate(), error.client_message()))?;
            let Some((packet, len)) = parsed else {
                inbound.more(stream).await?;
                continue;
            };
            inbound.consume(len);
            stranger.heard();
            let is_ssl = matches!(packet, FirstPacket::Ssl);
            let asked = match packet {
                FirstPacket::Startup(startup) => return Ok(startup),
                FirstPacket::Cancel { pid, key } => {
                    // As PostgreSQL does, we close when the request has taken effect: the client's
                    // next query is not hit by it. The sender is dropped, never used.
                    let taken_effect = self.registry.cancel(pid, &key);
                    let place = stranger.cancels();
                    match (taken_effect, place) {
                        (Some(taken_effect), Some(_place)) => {
                            let _ = taken_effect.await;
                        }
                        (Some(_), None) => {}
                        (None, place) => {
                            let (peers, config) = (&self.registry.peers, self.registry.config());
                            peers.pass_on(&config, (pid, &key), place).await;
                        }
                    }
                    return Err(LoginEnd::Cancelled);
                }
                FirstPacket::Ssl => &mut asked_ssl,
                FirstPacket::GssEnc => &mut asked_gss,
            };
            // What follows a request for encryption in the clear was not meant to be in the clear.
            if std::mem::replace(asked, true) || !inbound.bytes().is_empty() {
                return Err(violation("received unencrypted data after SSL request").into());
            }
            match acceptor.filter(|_| is_ssl) {
                Some(acceptor) => {
                    stream.write_all(ENCRYPTION).await?;
                    shake_hands(stream, acceptor, Vec::new()).await?;
                    stranger.heard();
                }
                None => stream.write_all(NO_ENCRYPTION).await?,
            }
        }
    }
}

/// Encrypts a stream that is in the clear. `first` are bytes of the handshake that were read already.
async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut MaybeTls<S>,
    acceptor: &Acceptor,
    first: Vec<u8>,
) -> Result<(), LoginEnd> {
    let clear = std::mem::replace(stream, MaybeTls::Lost);
    let MaybeTls::Clear(clear) = clear else {
        return Err(violation("the connection is encrypted already").into());
    };
    *stream = acceptor.accept(clear, first).await?;
    Ok(())
}

/// What a handshake told of the client.
fn facts(tls: &CommonState, binding: Option<&[u8]>) -> TlsFacts {
    let own = tls.peer_certificates().and_then(|chain| chain.first());
    TlsFacts {
        certificate: own.and_then(|own| certificate::subject(own)),
        binding: binding.map(<[u8]>::to_vec),
    }
}

/// Who comes in the clear where TLS is required.
fn unencrypted(config: &Config) -> ClientError {
    ClientError::new(SqlState::INVALID_AUTHORIZATION, "this pooler requires TLS")
        .detail(format!(
            "client_tls_sslmode is {}.",
            config.client_tls.mode.name()
        ))
        .hint("Connect with sslmode=require or stricter.")
}
