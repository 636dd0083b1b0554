//! Directories that are asked whether a password is right (`auth_ldap_options`, and rules with the method
//! `ldap`), with the options of PostgreSQL.
//!
//! Source: PostgreSQL documentation, "LDAP Authentication".

use std::fmt;

use pgweir_settings::text::printable;
use pgweir_settings::url::decode;
use pgweir_wire::ldap::{Filter, Scope};

use super::records::{self, Token};

#[cfg(test)]
mod tests;

/// Where directories are, and how they are asked.
#[derive(Clone, PartialEq, Eq)]
pub struct Ldap {
    /// Hosts to ask, the next where one cannot be.
    pub hosts: Vec<String>,
    /// The port of all of them.
    pub port: u16,
    /// How they are spoken to.
    pub encryption: LdapEncryption,
    /// What users are called there.
    pub naming: LdapNaming,
}

/// How a directory is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LdapEncryption {
    /// In the clear.
    None,
    /// In TLS, which is asked for first (`ldaptls`).
    StartTls,
    /// In TLS from the first byte on (`ldaps`).
    Tls,
}

/// How the name to bind as comes from a user's.
#[derive(Clone, PartialEq, Eq)]
pub enum LdapNaming {
    /// It is between these.
    Around {
        /// `ldapprefix`.
        prefix: String,
        /// `ldapsuffix`.
        suffix: String,
    },
    /// It is that of the only entry that is found.
    Search {
        /// Where the search begins (`ldapbasedn`).
        base: String,
        /// How far below that it goes.
        scope: Scope,
        /// What is searched for (`ldapsearchattribute`, `ldapsearchfilter`).
        filter: Filter,
        /// Who searches (`ldapbinddn`), and the password; both are empty for anybody.
        bind: (String, String),
    },
}

impl fmt::Debug for Ldap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A secret never reaches a log, not even by accident.
        write!(f, "Ldap({:?}, ..)", self.hosts)
    }
}

impl Ldap {
    /// Whether a password is sent in TLS.
    pub fn is_encrypted(&self) -> bool {
        self.encryption != LdapEncryption::None
    }

    /// Whether there is a password that is a secret of ours.
    pub(super) fn has_secret(&self) -> bool {
        match &self.naming {
            LdapNaming::Around { .. } => false,
            LdapNaming::Search { bind, .. } => !bind.1.is_empty(),
        }
    }

    /// Reads `auth_ldap_options`: options as a rule has them.
    ///
    /// # Errors
    /// A sentence about the setting.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut options = LdapOptions::default();
        for Token { text, .. } in records::words(text)? {
            let shown = printable(text.split('=').next().unwrap_or_default());
            match text.split_once('=') {
                Some((name, value)) if LdapOptions::NAMES.contains(&name) => {
                    options.set(name, value)?;
                }
                _ => {
                    let known = LdapOptions::NAMES.join(", ");
                    return Err(format!("has an unknown option {shown}; known are {known}"));
                }
            }
        }
        options.finish()
    }
}

/// Options as they are written.
#[derive(Default)]
pub(super) struct LdapOptions {
    hosts: Vec<String>,
    port: Option<u16>,
    scheme: Option<LdapEncryption>,
    start_tls: bool,
    prefix: Option<String>,
    suffix: Option<String>,
    base: Option<String>,
    bind_name: Option<String>,
    bind_password: Option<String>,
    attribute: Option<String>,
    filter: Option<String>,
    scope: Option<Scope>,
}

impl LdapOptions {
    pub(super) const NAMES: [&str; 12] = [
        "ldapserver",
        "ldapport",
        "ldapscheme",
        "ldaptls",
        "ldapprefix",
        "ldapsuffix",
        "ldapbasedn",
        "ldapbinddn",
        "ldapbindpasswd",
        "ldapsearchattribute",
        "ldapsearchfilter",
        "ldapurl",
    ];

    /// Takes an option.
    ///
    /// # Errors
    /// A sentence.
    ///
    /// # Panics
    /// It is none of [`Self::NAMES`].
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let text = || Some(value.to_owned());
        match name {
            "ldapserver" => {
                self.hosts = value.split_whitespace().map(bare).collect();
                if self.hosts.is_empty() {
                    return Err("has an empty ldapserver".to_owned());
                }
            }
            "ldapport" => self.port = Some(port(value)?),
            "ldapscheme" => self.scheme = Some(scheme(value)?),
            "ldaptls" => self.start_tls = is_one(name, value)?,
            "ldapprefix" => self.prefix = text(),
            "ldapsuffix" => self.suffix = text(),
            "ldapbasedn" => self.base = text(),
            "ldapbinddn" => self.bind_name = text(),
            "ldapbindpasswd" => self.bind_password = text(),
            "ldapsearchattribute" => self.attribute = text(),
            "ldapsearchfilter" => self.filter = text(),
            "ldapurl" => self.url(value)?,
            _ => panic!("only options of LDAP are given"),
        }
        Ok(())
    }

    /// `ldap[s]://HOST[:PORT]/BASE[?[ATTRIBUTE][?[SCOPE][?[FILTER]]]]` (RFC 4516).
    fn url(&mut self, url: &str) -> Result<(), String> {
        let (written, rest) = url
            .split_once("://")
            .ok_or("has an ldapurl that is none; write ldap://HOST/BASE?ATTRIBUTE?sub")?;
        self.scheme = Some(scheme(&written.to_ascii_lowercase())?);
        let (place, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, own_port) = match place.rsplit_once(':') {
            Some((host, digits)) if !digits.ends_with(']') => (host, Some(port(digits)?)),
            _ => (place, None),
        };
        if !host.is_empty() {
            self.hosts = vec![bare(host)];
        }
        self.port = own_port.or(self.port);
        let mut parts = rest.split('?');
        let mut part = || {
            let part = decode(parts.next().unwrap_or_default());
            let part = part.ok_or("has an ldapurl with a % that is followed by no two digits")?;
            Ok::<_, String>(Some(part).filter(|part| !part.is_empty()))
        };
        self.base = Some(part()?.unwrap_or_default());
        self.attribute = part()?.or(self.attribute.take());
        self.scope = Some(match part()?.as_deref() {
            None | Some("base") => Scope::Base,
            Some("one") => Scope::One,
            Some("sub") => Scope::Sub,
            Some(_) => return Err("has an ldapurl whose scope is not base, one or sub".to_owned()),
        });
        self.filter = part()?.or(self.filter.take());
        if parts.next().is_some() {
            return Err("has an ldapurl with extensions, which are not supported".to_owned());
        }
        Ok(())
    }

    /// What the options mean together.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn finish(self) -> Result<Ldap, String> {
        let encryption = match (self.scheme, self.start_tls) {
            (Some(LdapEncryption::Tls), true) => {
                return Err("has ldaptls beside ldaps, which is TLS already".to_owned());
            }
            (Some(LdapEncryption::Tls), false) => LdapEncryption::Tls,
            (_, true) => LdapEncryption::StartTls,
            (_, false) => LdapEncryption::None,
        };
        if self.hosts.is_empty() {
            // PostgreSQL may look for SRV records of the DNS, which the system's resolver does not tell.
            return Err("needs ldapserver or ldapurl, which say where LDAP is".to_owned());
        }
        let port = self.port.unwrap_or(match encryption {
            LdapEncryption::Tls => 636,
            LdapEncryption::None | LdapEncryption::StartTls => 389,
        });
        Ok(Ldap {
            hosts: self.hosts.clone(),
            port,
            encryption,
            naming: self.naming()?,
        })
    }

    fn naming(self) -> Result<LdapNaming, String> {
        let is_around = self.prefix.is_some() || self.suffix.is_some();
        let searches = [
            &self.base,
            &self.bind_name,
            &self.bind_password,
            &self.attribute,
            &self.filter,
        ];
        let is_search = searches.iter().any(|option| option.is_some());
        if is_around && is_search {
            return Err(
                "has ldapprefix or ldapsuffix beside options of a search (ldapbasedn, ldapbinddn, \
                 ldapbindpasswd, ldapsearchattribute, ldapsearchfilter, ldapurl); use one way"
                    .to_owned(),
            );
        }
        if is_around {
            return Ok(LdapNaming::Around {
                prefix: self.prefix.unwrap_or_default(),
                suffix: self.suffix.unwrap_or_default(),
            });
        }
        let base = self
            .base
            .ok_or("needs ldapbasedn, ldapprefix, ldapsuffix or ldapurl, which say who is who")?;
        let filter = match (self.attribute, self.filter) {
            (Some(_), Some(_)) => {
                return Err("has ldapsearchattribute beside ldapsearchfilter; use one".to_owned());
            }
            (attribute, None) => {
                let attribute = attribute.as_deref().unwrap_or("uid");
                Filter::of_attribute(attribute)
                    .map_err(|message| format!("has an ldapsearchattribute that {message}"))?
            }
            (None, Some(text)) => {
                let filter = Filter::parse(&text).map_err(|message| {
                    format!("has an ldapsearchfilter that {}", printable(&message))
                })?;
                if !filter.is_about_user() {
                    let message = "has an ldapsearchfilter without $username, which finds the same for everybody";
                    return Err(message.to_owned());
                }
                filter
            }
        };
        let bind = match (self.bind_name, self.bind_password) {
            (Some(name), Some(password)) if !name.is_empty() && !password.is_empty() => {
                (name, password)
            }
            (None, None) => (String::new(), String::new()),
            _ => return Err("needs both ldapbinddn and ldapbindpasswd, or none of them".to_owned()),
        };
        Ok(LdapNaming::Search {
            base,
            scope: self.scope.unwrap_or(Scope::Sub),
            filter,
            bind,
        })
    }
}

/// A host, and an address of IPv6 without its brackets.
fn bare(host: &str) -> String {
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    inner.unwrap_or(host).to_owned()
}

fn port(text: &str) -> Result<u16, String> {
    let port = text.parse().ok().filter(|port| *port != 0);
    port.ok_or_else(|| "has a port of LDAP that is none".to_owned())
}

fn scheme(text: &str) -> Result<LdapEncryption, String> {
    match text {
        "ldap" => Ok(LdapEncryption::None),
        "ldaps" => Ok(LdapEncryption::Tls),
        _ => Err("has a scheme of LDAP that is not ldap or ldaps".to_owned()),
    }
}

/// Whether an option is on, which PostgreSQL writes 1.
pub(super) fn is_one(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "1" => Ok(true),
        "0" => Ok(false),
        _ => Err(format!("has {name} that is not 1 or 0")),
    }
}
