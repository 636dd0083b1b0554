//! Settings of TLS: towards clients (`client_tls_*`) and towards PostgreSQL (`server_tls_*`), with
//! PgBouncer's names and modes.

use std::path::Path;
use std::sync::Arc;

use pgweir_settings::Problem;

use super::level::{Chain, ReadAs};
use super::outside::{Outside, Pem};
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
        let at = MODES.iter().find(|(_, mode)| *mode == self);
        at.map(|(name, _)| *name).expect("all are listed")
    }
}

const MODES: [(&str, TlsMode); 6] = [
    ("disable", TlsMode::Disable),
    ("allow", TlsMode::Allow),
    ("prefer", TlsMode::Prefer),
    ("require", TlsMode::Require),
    ("verify-ca", TlsMode::VerifyCa),
    ("verify-full", TlsMode::VerifyFull),
];

impl ReadAs for TlsMode {
    fn from_parsed(parsed: Parsed) -> Option<Self> {
        let Parsed::Word(word) = parsed else {
            return None;
        };
        let found = MODES.iter().find(|(name, _)| *name == word);
        found.map(|(_, mode)| *mode)
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

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

/// The two sides, as their settings are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsSide {
    /// `client_tls_*`.
    Clients,
    /// `server_tls_*`.
    Servers,
}

struct Names {
    mode: &'static str,
    certificate: &'static str,
    key: &'static str,
    authorities: &'static str,
    revoked: &'static str,
    versions: &'static str,
    ciphers: &'static str,
    ciphers13: &'static str,
    groups: &'static str,
}

const CLIENTS: Names = Names {
    mode: "client_tls_sslmode",
    certificate: "client_tls_cert_file",
    key: "client_tls_key_file",
    authorities: "client_tls_ca_file",
    revoked: "client_tls_crl_file",
    versions: "client_tls_protocols",
    ciphers: "client_tls_ciphers",
    ciphers13: "client_tls13_ciphers",
    groups: "client_tls_ecdhcurve",
};

const SERVERS: Names = Names {
    mode: "server_tls_sslmode",
    certificate: "server_tls_cert_file",
    key: "server_tls_key_file",
    authorities: "server_tls_ca_file",
    revoked: "server_tls_crl_file",
    versions: "server_tls_protocols",
    ciphers: "server_tls_ciphers",
    ciphers13: "server_tls13_ciphers",
    groups: "server_tls_ecdhcurve",
};

impl Names {
    fn of(&self, part: TlsPart) -> &'static str {
        match part {
            TlsPart::Certificate => self.certificate,
            TlsPart::Key => self.key,
            TlsPart::Authorities => self.authorities,
            TlsPart::Revoked => self.revoked,
            TlsPart::Versions => self.versions,
            TlsPart::Ciphers => self.ciphers,
            TlsPart::Ciphers13 => self.ciphers13,
            TlsPart::Groups => self.groups,
        }
    }
}

/// What a database's section may say of its own.
pub(super) const SERVER_SETTINGS: [&str; 11] = [
    SERVERS.mode,
    SERVERS.certificate,
    SERVERS.key,
    SERVERS.authorities,
    SERVERS.revoked,
    SERVERS.versions,
    SERVERS.ciphers,
    SERVERS.ciphers13,
    SERVERS.groups,
    "server_tls_negotiation",
    "server_channel_binding",
];

/// Reads what clients are spoken to with.
pub(super) fn clients(
    globals: &Chain<'_>,
    folder: &Path,
    outside: &Outside<'_>,
    problems: &mut Vec<Problem>,
) -> Arc<Tls> {
    let mut reader = Reader {
        chain: globals,
        names: &CLIENTS,
        folder,
        outside,
        problems,
    };
    let tls = reader.tls();
    if tls.mode != TlsMode::Disable && tls.identity.is_none() && !reader.is_given(TlsPart::Key) {
        reader.report(
            "client_tls_sslmode",
            needs("client_tls_cert_file and client_tls_key_file"),
        );
    }
    if tls.mode >= TlsMode::VerifyCa && !reader.is_given(TlsPart::Authorities) {
        reader.report("client_tls_sslmode", needs("client_tls_ca_file"));
    }
    reader.check(TlsSide::Clients, &tls);
    Arc::new(tls)
}

/// Reads what the servers of a database are spoken to with.
pub(super) fn servers(
    chain: &Chain<'_>,
    folder: &Path,
    outside: &Outside<'_>,
    problems: &mut Vec<Problem>,
) -> Arc<ServerTls> {
    let mut reader = Reader {
        chain,
        names: &SERVERS,
        folder,
        outside,
        problems,
    };
    let mut tls = reader.tls();
    if tls.mode >= TlsMode::VerifyCa && tls.authorities == Authorities::None {
        // As a browser does; the operator of a private authority names it.
        tls.authorities = Authorities::System;
    }
    reader.check(TlsSide::Servers, &tls);
    let negotiation = chain.get("server_tls_negotiation");
    if negotiation == Negotiation::Direct && !tls.mode.is_required() {
        let message = "direct needs server_tls_sslmode = require, verify-ca or verify-full";
        reader.report("server_tls_negotiation", message.to_owned());
    }
    let channel_binding = chain.get("server_channel_binding");
    if channel_binding == ChannelBinding::Require && !tls.mode.is_required() {
        let message = "require needs server_tls_sslmode = require, verify-ca or verify-full";
        reader.report("server_channel_binding", message.to_owned());
    }
    Arc::new(ServerTls {
        tls,
        negotiation,
        channel_binding,
    })
}

fn needs(what: &str) -> String {
    format!("needs {what} beside it")
}

struct Reader<'a> {
    chain: &'a Chain<'a>,
    names: &'static Names,
    folder: &'a Path,
    outside: &'a Outside<'a>,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn tls(&mut self) -> Tls {
        Tls {
            mode: self.chain.get(self.names.mode),
            identity: self.identity(),
            authorities: self.authorities(),
            revoked: self.file(self.names.revoked),
            versions: self.versions(),
            ciphers: self.list(self.names.ciphers),
            ciphers13: self.list(self.names.ciphers13),
            groups: self.list(self.names.groups),
        }
    }

    fn is_given(&self, part: TlsPart) -> bool {
        let name = self.names.of(part);
        self.chain.get::<Option<String>>(name).is_some()
    }

    fn identity(&mut self) -> Option<Pem> {
        let Names {
            certificate, key, ..
        } = self.names;
        match (
            self.is_given(TlsPart::Certificate),
            self.is_given(TlsPart::Key),
        ) {
            (false, false) => return None,
            (true, false) => self.report(certificate, needs(key)),
            (false, true) => self.report(key, needs(certificate)),
            (true, true) => {}
        }
        let (certificate, key) = (self.file(certificate), self.file(key));
        Some(Pem {
            certificate: certificate?,
            key: key?,
        })
    }

    fn authorities(&mut self) -> Authorities {
        let name = self.names.authorities;
        if self.chain.get::<String>(name) == "system" {
            return Authorities::System;
        }
        self.file(name).map_or(Authorities::None, Authorities::Pem)
    }

    /// The content of the file that a setting names.
    fn file(&mut self, name: &str) -> Option<String> {
        let written = self.chain.get::<Option<String>>(name)?;
        let content = (self.outside.file)(&self.folder.join(written));
        content
            .map_err(|error| self.report(name, format!("cannot be read: {error}")))
            .ok()
    }

    fn versions(&mut self) -> (TlsVersion, TlsVersion) {
        let all = (TlsVersion::V12, TlsVersion::V13);
        let text = self.chain.get::<String>(self.names.versions);
        let mut named = Vec::new();
        for word in text.split([',', ':', ' ']).filter(|word| !word.is_empty()) {
            match word.to_ascii_lowercase().as_str() {
                "secure" | "all" | "default" | "legacy" => return all,
                "tlsv1.2" => named.push(TlsVersion::V12),
                "tlsv1.3" => named.push(TlsVersion::V13),
                "tlsv1.0" | "tlsv1.1" | "tlsv1" => {
                    let message =
                        "names a version that is not safe and not spoken; tlsv1.2 and tlsv1.3 are";
                    self.report(self.names.versions, message.to_owned());
                    return all;
                }
                _ => {
                    let message = "must be secure, or name tlsv1.2 and tlsv1.3, comma separated";
                    self.report(self.names.versions, message.to_owned());
                    return all;
                }
            }
        }
        let (oldest, newest) = (named.iter().min(), named.iter().max());
        oldest.copied().zip(newest.copied()).unwrap_or(all)
    }

    /// Names that are listed; `None` where a word stands for what is safe.
    fn list(&self, name: &str) -> Option<Vec<String>> {
        let text = self.chain.get::<String>(name);
        let names: Vec<String> = text
            .split([',', ':', ' '])
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        let words = ["", "auto", "default", "secure", "fast", "normal", "all"];
        match &names[..] {
            [] => None,
            [word] if words.contains(&word.as_str()) => None,
            _ => Some(names),
        }
    }

    /// Whether keys and names can be used.
    fn check(&mut self, side: TlsSide, tls: &Tls) {
        if let Err(unfit) = (self.outside.tls)(side, tls) {
            self.report(self.names.of(unfit.part), unfit.message);
        }
    }

    fn report(&mut self, name: &str, message: String) {
        let found = self.chain.find(name);
        let level = found.level.or(self.chain.levels.last().copied());
        let key = level.map_or_else(
            || self.chain.key(name),
            |level| pgweir_settings::text::key_of(&level.path, name),
        );
        let value = found.setting.kind.show(&found.parsed);
        let problem = Problem::new(found.origin, key, message).with_value(value);
        self.problems.push(problem);
    }
}
