//! What a client has to show before it is let in: a decision without I/O.

use std::net::IpAddr;

/// How clients prove who they are (`auth_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthType {
    /// Any name, no proof asked; servers are those of the database's own user.
    Any,
    /// Any listed user, no proof asked.
    Trust,
    /// The password in clear text.
    Plain,
    /// MD5 challenge; a user whose secret is a SCRAM verifier is asked for SCRAM.
    Md5,
    /// SCRAM-SHA-256 only.
    ScramSha256,
    /// A certificate with the user's name, over TLS.
    Cert,
    /// The user of the operating system at the other end of a unix socket.
    Peer,
}

/// How one client proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// It need not, and its name means nothing.
    Any,
    /// It need not.
    Trust,
    /// By its password in clear text.
    Password,
    /// By an MD5 challenge, or SCRAM where its secret is a SCRAM verifier.
    Md5,
    /// By SCRAM-SHA-256.
    ScramSha256,
    /// By the name of its user in the operating system.
    Peer,
    /// By the name in its certificate.
    Cert,
}

/// What is known of a connection before anybody says who is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// The other end.
    pub peer: Peer,
    /// What TLS told; `None` in the clear.
    pub tls: Option<TlsFacts>,
}

/// The other end of a client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// An address.
    Tcp(IpAddr),
    /// A process of this machine, and the number of its user where the system told it.
    Unix(Option<u32>),
}

impl Channel {
    /// A connection that is not encrypted.
    pub fn in_the_clear(peer: Peer) -> Self {
        Self { peer, tls: None }
    }
}

/// What a TLS handshake told of a client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsFacts {
    /// The client's certificate, if it sent one; `client_tls_ca_file` vouches for it.
    pub certificate: Option<Certificate>,
}

/// Whom a certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Common name of its subject (CN), where it has exactly one.
    pub common_name: Option<String>,
    /// The whole subject, in the form of RFC 2253.
    pub distinguished_name: String,
}

/// What a client has to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// How it proves who it is.
    pub method: Method,
}

/// Why nothing that a client could show would let it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// `auth_type` is peer, and the connection comes over TCP.
    NotLocal,
    /// A certificate is asked for, and the connection has none.
    NoCertificate,
}

impl AuthType {
    /// What a client has to show that comes over `channel`.
    ///
    /// # Errors
    /// Nothing would do.
    pub fn demand(self, channel: &Channel) -> Result<Demand, Refused> {
        let method = match self {
            Self::Any => Method::Any,
            Self::Trust => Method::Trust,
            Self::Plain => Method::Password,
            Self::Md5 => Method::Md5,
            Self::ScramSha256 => Method::ScramSha256,
            Self::Cert => Method::Cert,
            Self::Peer => Method::Peer,
        };
        let has_certificate = channel
            .tls
            .as_ref()
            .is_some_and(|tls| tls.certificate.is_some());
        match (method, channel.peer) {
            (Method::Peer, Peer::Tcp(_)) => Err(Refused::NotLocal),
            (Method::Cert, _) if !has_certificate => Err(Refused::NoCertificate),
            _ => Ok(Demand { method }),
        }
    }
}

impl Method {
    /// Whether it needs a secret of the user.
    pub fn needs_secret(self) -> bool {
        match self {
            Self::Password | Self::Md5 | Self::ScramSha256 => true,
            Self::Any | Self::Trust | Self::Peer | Self::Cert => false,
        }
    }
}
