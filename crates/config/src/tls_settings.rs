//! Settings of TLS: towards clients (`client_tls_*`) and towards PostgreSQL (`server_tls_*`), with
//! PgBouncer's names and modes.

use std::path::Path;
use std::sync::Arc;

use pgweir_settings::Problem;

use super::level::Chain;
use super::outside::Outside;
use super::raw::Dialect;
use super::tls::{
    Authorities, ChannelBinding, Negotiation, Pem, ServerTls, Tls, TlsMode, TlsPart, TlsSide,
    TlsVersion,
};
use super::tls_versions::Versions;

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

/// Only authorities are a setting of its own.
const DIRECTORIES: Names = Names {
    authorities: "auth_ldap_tls_ca_file",
    ..SERVERS
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

/// Where settings stand.
pub(super) struct Place<'a> {
    /// From where files are named.
    pub(super) folder: &'a Path,
    pub(super) outside: &'a Outside<'a>,
    pub(super) dialect: Dialect,
}

/// Problems that are found, and warnings.
pub(super) type Found<'a> = (&'a mut Vec<Problem>, &'a mut Vec<Problem>);

/// Reads what clients are spoken to with.
pub(super) fn clients(globals: &Chain<'_>, place: &Place<'_>, found: Found<'_>) -> Arc<Tls> {
    let mut reader = Reader {
        chain: globals,
        names: &CLIENTS,
        place,
        problems: found.0,
        warnings: found.1,
    };
    let tls = reader.tls();
    let is_half = reader.is_given(TlsPart::Certificate) || reader.is_given(TlsPart::Key);
    if tls.mode != TlsMode::Disable && tls.identity.is_none() && !is_half {
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
pub(super) fn servers(chain: &Chain<'_>, place: &Place<'_>, found: Found<'_>) -> Arc<ServerTls> {
    let mut reader = Reader {
        chain,
        names: &SERVERS,
        place,
        problems: found.0,
        warnings: found.1,
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

/// Reads what directories are spoken to with: in TLS, their certificate is looked at in full.
pub(super) fn directories(globals: &Chain<'_>, place: &Place<'_>, found: Found<'_>) -> Arc<Tls> {
    let mut reader = Reader {
        chain: globals,
        names: &DIRECTORIES,
        place,
        problems: found.0,
        warnings: found.1,
    };
    let mut tls = Tls {
        mode: TlsMode::VerifyFull,
        identity: None,
        authorities: reader.authorities(),
        revoked: None,
        versions: (TlsVersion::V12, TlsVersion::V13),
        ciphers: None,
        ciphers13: None,
        groups: None,
    };
    if tls.authorities == Authorities::None {
        tls.authorities = Authorities::System;
    } else {
        reader.check(TlsSide::Directories, &tls);
    }
    Arc::new(tls)
}

fn needs(what: &str) -> String {
    format!("needs {what} beside it")
}

struct Reader<'a> {
    chain: &'a Chain<'a>,
    names: &'static Names,
    place: &'a Place<'a>,
    problems: &'a mut Vec<Problem>,
    warnings: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn tls(&mut self) -> Tls {
        let mode = self.chain.get(self.names.mode);
        Tls {
            mode,
            identity: self.identity(mode),
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

    fn identity(&mut self, mode: TlsMode) -> Option<Pem> {
        let Names {
            certificate, key, ..
        } = self.names;
        match (
            self.is_given(TlsPart::Certificate),
            self.is_given(TlsPart::Key),
        ) {
            (false, false) => return None,
            // On the console one is set after the other, and then TLS.
            (true, false) | (false, true) if mode == TlsMode::Disable => return None,
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
        let content = self.place.outside.read(self.place.folder, &written);
        content.map_err(|message| self.report(name, message)).ok()
    }

    fn versions(&mut self) -> (TlsVersion, TlsVersion) {
        let name = self.names.versions;
        let Some(Versions { spoken, unspoken }) = Versions::read(&self.chain.get::<String>(name))
        else {
            let message = "must be secure, or name tlsv1.2 and tlsv1.3, comma separated";
            self.report(name, message.to_owned());
            return Versions::ALL;
        };
        match (spoken, &unspoken[..], self.place.dialect) {
            (Some(spoken), [], _) => return spoken,
            (Some(spoken), _, Dialect::PgBouncer) => {
                let message = format!(
                    "{} not safe and not spoken; the other versions of the list are",
                    match &unspoken[..] {
                        [one] => format!("{one} is"),
                        all => format!("{} are", all.join(" and ")),
                    }
                );
                let warning = self.problem(name, message);
                self.warnings.push(warning);
                return spoken;
            }
            (None, [], _) => self.report(name, "leaves no version".to_owned()),
            (_, [_, ..], _) => {
                let message =
                    "names a version that is not safe and not spoken; tlsv1.2 and tlsv1.3 are";
                self.report(name, message.to_owned());
            }
        }
        Versions::ALL
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
        if let Err(unfit) = (self.place.outside.tls)(side, tls) {
            self.report(self.names.of(unfit.part), unfit.message);
        }
    }

    fn report(&mut self, name: &str, message: String) {
        let problem = self.problem(name, message);
        self.problems.push(problem);
    }

    fn problem(&self, name: &str, message: String) -> Problem {
        // Defaults are the same for all databases.
        let general = self.chain.levels.last().map_or("", |level| &level.path);
        let key = pgweir_settings::text::key_of(general, name);
        self.chain.find(name).problem(key, message)
    }
}
