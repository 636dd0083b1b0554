//! What each side of the pooler is encrypted with.

use std::fmt;

use super::level::ReadAs;
use super::settings::TLS_MODES;
use super::value::Parsed;

/// How far a side insists on TLS (`client_tls_sslmode`, `server_tls_sslmode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsMode {
    /// Never.
    Disable,
    /// Clients may; servers are asked for it where they refuse a connection in the clear.
    Allow,
    /// Clients may; servers are asked for it first, and spoken to in the clear if they have none.
    Prefer,
    /// Always; the peer's certificate is not looked at.
    Require,
    /// Always, and an authority that is trusted signed the peer's certificate.
    VerifyCa,
    /// The same, and a server's certificate is for its host.
    VerifyFull,
}

impl TlsMode {
    /// Whether nothing is said in the clear.
    pub fn is_required(self) -> bool {
        self >= Self::Require
    }

    /// The mode as it is written.
    pub fn name(self) -> &'static str {
        let at = MODES.iter().position(|mode| *mode == self);
        TLS_MODES[at.expect("all are listed")]
    }
}

/// The modes in the order of their names.
const MODES: [TlsMode; TLS_MODES.len()] = [
    TlsMode::Disable,
    TlsMode::Allow,
    TlsMode::Prefer,
    TlsMode::Require,
    TlsMode::VerifyCa,
    TlsMode::VerifyFull,
];

impl ReadAs for TlsMode {
    fn from_parsed(parsed: Parsed) -> Option<Self> {
        let Parsed::Word(word) = parsed else {
            return None;
        };
        let at = TLS_MODES.iter().position(|name| *name == word);
        at.map(|at| MODES[at])
    }
}

/// A certificate, with what signed it, and its key, as texts in PEM. They fit each other.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    /// Of a setting like `http_tls_cert_file`.
    pub certificate: String,
    /// Of one like `http_tls_key_file`.
    pub key: String,
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pem(..)")
    }
}

/// Whose signatures are trusted.
#[derive(Clone, PartialEq, Eq)]
pub enum Authorities {
    /// Nobody's.
    None,
    /// Those that the system trusts.
    System,
    /// Those of this text in PEM.
    Pem(String),
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.2.
    V12,
    /// 1.3.
    V13,
}

/// What one side encrypts with, and whom it trusts.
#[derive(Clone, PartialEq, Eq)]
pub struct Tls {
    /// How far it insists.
    pub mode: TlsMode,
    /// Its own certificate and key.
    pub identity: Option<Pem>,
    /// Whose signatures make a peer's certificate good.
    pub authorities: Authorities,
    /// Lists of certificates that were revoked, as a text in PEM.
    pub revoked: Option<String>,
    /// The oldest version that is spoken, and the newest.
    pub versions: (TlsVersion, TlsVersion),
    /// Names of the cipher suites of TLS 1.2 that are spoken; `None` is all that are safe.
    pub ciphers: Option<Vec<String>>,
    /// The same for TLS 1.3.
    pub ciphers13: Option<Vec<String>>,
    /// Names of the groups of key exchange; `None` is all that are safe.
    pub groups: Option<Vec<String>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tls({}, ..)", self.mode.name())
    }
}

/// How TLS towards PostgreSQL begins (`server_tls_negotiation`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Negotiation {
    /// PostgreSQL is asked first, in the clear.
    Postgres,
    /// At once, which PostgreSQL understands from version 17 on.
    Direct,
}

impl ReadAs for Negotiation {
    fn from_parsed(parsed: Parsed) -> Option<Self> {
        match parsed {
            Parsed::Word("postgres") => Some(Self::Postgres),
            Parsed::Word("direct") => Some(Self::Direct),
            _ => None,
        }
    }
}

/// Whether a password is proven for one encrypted connection alone (`server_channel_binding`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// Where PostgreSQL can.
    Prefer,
    /// A server that cannot is not logged in to.
    Require,
}

impl ReadAs for ChannelBinding {
    fn from_parsed(parsed: Parsed) -> Option<Self> {
        match parsed {
            Parsed::Word("disable") => Some(Self::Disable),
            Parsed::Word("prefer") => Some(Self::Prefer),
            Parsed::Word("require") => Some(Self::Require),
            _ => None,
        }
    }
}

/// How servers of a database are spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// Keys and trust.
    pub tls: Tls,
    /// How it begins.
    pub negotiation: Negotiation,
    /// Whether passwords are bound to the connection.
    pub channel_binding: ChannelBinding,
}

/// Which setting is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsPart {
    /// `..._tls_cert_file`.
    Certificate,
    /// `..._tls_key_file`.
    Key,
    /// `..._tls_ca_file`.
    Authorities,
    /// `..._tls_crl_file`.
    Revoked,
    /// `..._tls_protocols`.
    Versions,
    /// `..._tls_ciphers`.
    Ciphers,
    /// `..._tls13_ciphers`.
    Ciphers13,
    /// `..._tls_ecdhcurve`.
    Groups,
}

/// What cannot be used, and why: a sentence without its subject, which is the setting.
#[derive(Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The setting.
    pub part: TlsPart,
    /// The sentence.
    pub message: String,
}

/// Whom the pooler speaks to, as the settings are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsSide {
    /// `client_tls_*`.
    Clients,
    /// `server_tls_*`.
    Servers,
    /// `auth_ldap_tls_*`.
    Directories,
}
