//! What a client has to show before it is let in: a decision without I/O.

use std::net::IpAddr;
use std::sync::Arc;

use super::oauth::Oauth;
use super::{Config, Ldap};

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
    /// A JSON Web Token in place of the password.
    Jwt,
    /// A JSON Web Token by OAUTHBEARER, which tells clients where to get one.
    Oauth,
    /// The password in clear text, which PAM judges.
    Pam,
    /// The password in clear text, which a directory judges.
    Ldap,
    /// What `auth_hba_file` says.
    Hba,
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
    /// By a token that names it, in place of its password.
    Jwt,
    /// By a token that names it, by OAUTHBEARER.
    Oauth,
    /// By a password in clear text that PAM finds right.
    Pam,
    /// By a password in clear text that a directory finds right.
    Ldap,
}

/// Who judges a password that is no secret of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judge<'a> {
    /// PAM, for a service; `None` is the one that `auth_pam_service` names.
    Pam {
        /// Its name, that of a file in `/etc/pam.d`.
        service: Option<&'a str>,
        /// PAM is told the name of the client's host in place of its address.
        uses_host_name: bool,
    },
    /// A directory.
    Ldap(&'a Arc<Ldap>),
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
    /// What a proof can be bound to on this connection: a digest of the certificate that the client sees.
    pub binding: Option<Vec<u8>>,
}

/// Whom a certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Common name of its subject (CN), where it has exactly one.
    pub common_name: Option<String>,
    /// The whole subject, in the form of RFC 2253.
    pub distinguished_name: String,
}

/// Who wants in, where to and where from.
pub struct Attempt<'a> {
    /// The user that it wants to be.
    pub user: &'a str,
    /// The database that it names.
    pub database: &'a str,
    /// Whether it wants to replicate.
    pub replication: Replication,
    /// How it came.
    pub channel: &'a Channel,
    /// The networks that this machine is in, with its own addresses.
    pub networks: &'a dyn Fn() -> Vec<Network>,
    /// Whether the user is a member of a role, directly or not, as far as that is known.
    pub is_member: &'a dyn Fn(&str) -> Option<bool>,
}

/// A network that a machine is in: its own address there, and the mask.
pub type Network = (IpAddr, IpAddr);

/// What a client wants to replicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replication {
    /// Nothing.
    No,
    /// The whole cluster, for which it is in no database.
    Physical,
    /// A database.
    Logical,
}

/// What a client has to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand<'a> {
    /// How it proves who it is.
    pub method: Method,
    /// Who judges a password, with [`Method::Pam`] and [`Method::Ldap`] alone.
    pub judge: Option<Judge<'a>>,
    /// The map by which names of the system or of certificates are users; without one they are the same.
    pub map: Option<&'a str>,
    /// What its certificate has to say.
    pub certificate: CertificateDemand,
    /// Who issues its token, of [`Method::Oauth`].
    pub oauth: Option<&'a Oauth>,
}

/// What a certificate of a client has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateDemand {
    /// It need not have one.
    None,
    /// It has one.
    Any,
    /// Its common name is the user's.
    CommonName,
    /// Its whole subject is.
    DistinguishedName,
}

impl CertificateDemand {
    /// Whether there has to be one.
    pub fn is_asked_for(self) -> bool {
        self != Self::None
    }

    /// Whether it has to name the user.
    pub fn looks_at_the_name(self) -> bool {
        match self {
            Self::None | Self::Any => false,
            Self::CommonName | Self::DistinguishedName => true,
        }
    }
}

/// Why nothing that a client could show would let it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused<'a> {
    /// `auth_type` is peer, and the connection comes over TCP.
    NotLocal,
    /// A certificate is asked for, and the connection has none.
    NoCertificate,
    /// A token is asked for, which others could read on the way.
    NotEncrypted,
    /// The rule that fits rejects it.
    Rejected,
    /// No rule fits.
    NoEntry,
    /// Whether a rule fits depends on whether the user is a member of this role, which is not known yet. To be
    /// asked again when it is.
    UnknownMember(&'a str),
}

impl Config {
    /// What a client has to show.
    ///
    /// # Errors
    /// Nothing would do.
    pub fn demand<'a: 'b, 'b>(&'a self, attempt: &Attempt<'b>) -> Result<Demand<'a>, Refused<'b>> {
        let mut judge = None;
        let (method, certificate) = match self.auth_type {
            AuthType::Any => (Method::Any, CertificateDemand::None),
            AuthType::Trust => (Method::Trust, CertificateDemand::None),
            AuthType::Plain => (Method::Password, CertificateDemand::None),
            AuthType::Md5 => (Method::Md5, CertificateDemand::None),
            AuthType::ScramSha256 => (Method::ScramSha256, CertificateDemand::None),
            AuthType::Cert => (Method::Cert, CertificateDemand::CommonName),
            AuthType::Jwt => (Method::Jwt, CertificateDemand::None),
            AuthType::Oauth => (Method::Oauth, CertificateDemand::None),
            AuthType::Pam => {
                judge = Some(Judge::Pam {
                    service: None,
                    uses_host_name: false,
                });
                (Method::Pam, CertificateDemand::None)
            }
            AuthType::Ldap => {
                let ldap = self.ldap.as_ref();
                judge = Some(Judge::Ldap(ldap.expect("auth_type ldap has to have it")));
                (Method::Ldap, CertificateDemand::None)
            }
            AuthType::Peer => (Method::Peer, CertificateDemand::None),
            AuthType::Hba => return self.hba.demand(attempt),
        };
        let channel = attempt.channel;
        let tls = channel.tls.as_ref();
        let has_certificate = tls.is_some_and(|tls| tls.certificate.is_some());
        match channel.peer {
            Peer::Tcp(_) if method == Method::Peer => Err(Refused::NotLocal),
            Peer::Tcp(_) if method == Method::Oauth && tls.is_none() => Err(Refused::NotEncrypted),
            _ if certificate.is_asked_for() && !has_certificate => Err(Refused::NoCertificate),
            Peer::Tcp(_) | Peer::Unix(_) => Ok(Demand {
                method,
                judge,
                map: None,
                certificate,
                oauth: self.oauth.as_ref(),
            }),
        }
    }
}

impl Method {
    /// Whether it needs a secret of the user.
    pub fn needs_secret(self) -> bool {
        match self {
            Self::Password | Self::Md5 | Self::ScramSha256 => true,
            Self::Any
            | Self::Trust
            | Self::Peer
            | Self::Cert
            | Self::Jwt
            | Self::Oauth
            | Self::Pam
            | Self::Ldap => false,
        }
    }
}
