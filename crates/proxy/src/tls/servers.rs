//! TLS towards PostgreSQL: what is asked of a server, and the handshake.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use pgweir_config::{Negotiation, ServerTls, Tls, TlsPart, Unfit};
use pgweir_wire::startup;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig};
use tokio_rustls::{TlsConnector, TlsStream};

use super::stream::{MaybeTls, Resumed};
use super::trust::Trust;
use super::{ALPN, keys};

/// How a server is spoken to in TLS.
#[derive(Clone)]
pub(crate) struct Connector {
    connector: TlsConnector,
    negotiation: Negotiation,
    /// Whether it may turn out to have no TLS.
    may_decline: bool,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector(..)")
    }
}

/// Why a connection is not encrypted.
#[derive(Debug)]
pub(crate) enum TlsError {
    /// PostgreSQL has no TLS, or none for this connection.
    Declined,
    /// The connection broke before it had answered that.
    Broken(io::Error),
    /// It answered with this byte whether it has.
    Odd(u8),
    /// The handshake failed, on whichever side.
    Handshake(io::Error),
}

impl TlsError {
    /// What of a certificate is not as it should be.
    fn certificate(&self) -> Option<&rustls::CertificateError> {
        let Self::Handshake(error) = self else {
            return None;
        };
        match error.get_ref()?.downcast_ref::<rustls::Error>()? {
            rustls::Error::InvalidCertificate(error) => Some(error),
            _ => None,
        }
    }

    /// What an operator may do about it.
    pub(crate) fn remedy(&self) -> &'static str {
        use rustls::CertificateError as Wrong;
        match (self, self.certificate()) {
            (Self::Declined, _) => {
                "Set ssl = on in PostgreSQL, or server_tls_sslmode = prefer where the network is trusted."
            }
            (_, Some(Wrong::UnknownIssuer)) => {
                "Name the file of the authority that signed PostgreSQL's certificate in server_tls_ca_file."
            }
            (_, Some(Wrong::NotValidForName | Wrong::NotValidForNameContext { .. })) => {
                "Connect by a name that PostgreSQL's certificate is for, or set server_tls_sslmode = verify-ca."
            }
            (_, Some(Wrong::Expired | Wrong::ExpiredContext { .. })) => {
                "PostgreSQL's certificate has to be renewed."
            }
            (_, Some(Wrong::Other(_))) => {
                "PostgreSQL's certificate is of X.509 version 1, or has something that is not known here: have it made anew with subjectAltName (docs/tls.md), or signed by an authority of server_tls_ca_file itself."
            }
            (Self::Odd(_), _) => "Is this PostgreSQL? Look at host and port.",
            (Self::Broken(_) | Self::Handshake(_), _) => {
                "Look at PostgreSQL's log, and at the settings server_tls_*."
            }
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declined => {
                f.write_str("PostgreSQL has no TLS, and server_tls_sslmode asks for it")
            }
            Self::Broken(error) => {
                write!(
                    f,
                    "connection broke before PostgreSQL said whether it has TLS: {error}"
                )
            }
            Self::Odd(byte) => write!(
                f,
                "the answer to a request for TLS is neither yes nor no: \"{}\"",
                byte.escape_ascii()
            ),
            // In OpenSSL's words, which logs are searched for.
            Self::Handshake(error) if self.certificate().is_some() => {
                write!(
                    f,
                    "TLS with PostgreSQL failed: certificate verify failed: {error}"
                )
            }
            Self::Handshake(error) => write!(f, "TLS with PostgreSQL failed: {error}"),
        }
    }
}

/// Connectors by their settings, so that connections of several pools share their sessions' tickets.
#[derive(Default)]
pub(crate) struct Connectors(Mutex<Vec<(Arc<ServerTls>, Arc<ClientConfig>)>>);

impl Connectors {
    /// How servers with these settings are spoken to in TLS.
    pub(crate) fn of(&self, tls: &Arc<ServerTls>) -> Connector {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Settings that only this table has are those of a configuration that is gone.
        known.retain(|(of, _)| Arc::strong_count(of) > 1);
        let found = known.iter().find(|(of, _)| of == tls);
        let config = match found {
            Some((_, config)) => config.clone(),
            None => {
                let config = config(&tls.tls);
                let config = config.expect("it was found good when the configuration was read");
                let config = Arc::new(config);
                known.push((tls.clone(), config.clone()));
                config
            }
        };
        Connector {
            connector: TlsConnector::from(config),
            negotiation: tls.negotiation,
            may_decline: !tls.tls.mode.is_required(),
        }
    }
}

/// What rustls is told.
///
/// # Errors
/// A setting that cannot be used.
pub(super) fn config(tls: &Tls) -> Result<ClientConfig, Unfit> {
    let mut config = plain_config(tls)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

/// The same for another protocol than PostgreSQL's, which the handshake does not name.
///
/// # Errors
/// A setting that cannot be used.
pub(crate) fn plain_config(tls: &Tls) -> Result<ClientConfig, Unfit> {
    let provider = keys::provider(tls)?;
    let trust = Trust::new(tls, provider.clone())?;
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(keys::versions(tls))
        .map_err(|_| keys::unfit(TlsPart::Versions, "leaves no cipher suite to speak"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(trust));
    match &tls.identity {
        None => Ok(builder.with_no_client_auth()),
        Some(identity) => {
            let shown = keys::certified(keys::identity(identity)?, &provider)?;
            Ok(builder.with_client_cert_resolver(shown))
        }
    }
}

impl Connector {
    /// Encrypts a connection with `host`, which is at `address`. A server that has no TLS is spoken to in the
    /// clear if the settings allow it.
    ///
    /// # Errors
    /// It cannot be encrypted.
    pub(crate) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: S,
        host: &str,
        address: IpAddr,
    ) -> Result<MaybeTls<S>, TlsError> {
        if self.negotiation == Negotiation::Postgres {
            let mut request = Vec::new();
            startup::encode_ssl_request(&mut request);
            stream.write_all(&request).await.map_err(TlsError::Broken)?;
            // One byte and no more: what follows it in the clear is part of no handshake.
            match stream.read_u8().await.map_err(TlsError::Broken)? {
                b'S' => {}
                b'N' if self.may_decline => return Ok(MaybeTls::Clear(stream)),
                b'N' => return Err(TlsError::Declined),
                byte => return Err(TlsError::Odd(byte)),
            }
        }
        shake_hands(&self.connector, stream, host, address)
            .await
            .map_err(TlsError::Handshake)
    }
}

/// Encrypts a connection with `host`, which is at `address`.
///
/// # Errors
/// The handshake failed, on whichever side.
pub(crate) async fn encrypt<S: AsyncRead + AsyncWrite + Unpin>(
    config: Arc<ClientConfig>,
    stream: S,
    host: &str,
    address: IpAddr,
) -> io::Result<MaybeTls<S>> {
    shake_hands(&TlsConnector::from(config), stream, host, address).await
}

async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
    connector: &TlsConnector,
    stream: S,
    host: &str,
    address: IpAddr,
) -> io::Result<MaybeTls<S>> {
    let name = ServerName::try_from(host.to_owned());
    // Of what no certificate can be for, the address is as good a name.
    let name = name.unwrap_or_else(|_| ServerName::from(address));
    let stream = Resumed::new(Vec::new(), stream);
    let stream = connector.connect(name, stream).await?;
    Ok(MaybeTls::Encrypted(Box::new(TlsStream::from(stream))))
}
