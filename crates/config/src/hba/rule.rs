//! One rule, read from its record.

use std::sync::Arc;

use pgweir_settings::text::printable;
use pgweir_settings::{Origin, Problem, nearest};

use super::address::Addresses;
use crate::access::{CertificateDemand, Method};
use crate::ldap::{Ldap, LdapOptions, is_one};
use crate::oauth::{Oauth, Part};
use crate::pattern::Pattern;
use crate::records::{Record, Token};
use crate::secrets::check_name;

/// A rule: which clients it is about, and what they are asked for.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) origin: Origin,
    pub(super) kind: Kind,
    pub(super) databases: Vec<DatabaseName>,
    pub(super) users: Vec<UserName>,
    /// Every address, for clients that have none.
    pub(super) addresses: Addresses,
    pub(super) answer: Answer,
    pub(super) judge: RuleJudge,
    pub(super) map: Option<String>,
    pub(super) certificate: CertificateDemand,
    /// Who issues tokens, where it takes them by OAUTHBEARER.
    pub(super) oauth: Option<Oauth>,
}

/// How clients come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Over a unix socket.
    Local,
    /// Over TCP.
    Host,
    /// Over TCP with TLS.
    HostSsl,
    /// Over TCP without TLS.
    HostNoSsl,
    /// Over TCP with GSSAPI's encryption.
    HostGssEnc,
    /// Over TCP without that.
    HostNoGssEnc,
}

/// A database that a rule names.
#[derive(Debug, Clone)]
pub(super) enum DatabaseName {
    All,
    SameUser,
    /// That of a role that the user is a member of.
    SameRole,
    Replication,
    Like(Pattern),
}

/// A user that a rule names.
#[derive(Debug, Clone)]
pub(super) enum UserName {
    All,
    /// Members of a role, directly or not, and the role itself.
    MembersOf(String),
    Like(Pattern),
}

/// What becomes of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is refused.
    Reject,
    /// It has to prove who it is.
    Ask(Method),
}

/// Who judges a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RuleJudge {
    /// The pooler, if one is asked for.
    Here,
    /// PAM.
    Pam {
        service: Option<String>,
        uses_host_name: bool,
    },
    /// A directory.
    Ldap(Arc<Ldap>),
}

impl Rule {
    /// Whether it depends on who is a member of which role.
    pub(super) fn is_about_members(&self) -> bool {
        let mut databases = self.databases.iter();
        let mut users = self.users.iter();
        databases.any(|database| matches!(database, DatabaseName::SameRole))
            || users.any(|user| matches!(user, UserName::MembersOf(_)))
    }

    /// Whether clients of other machines come in without a proof.
    pub(super) fn trusts_others(&self) -> bool {
        self.kind != Kind::Local
            && self.answer == Answer::Ask(Method::Trust)
            && self.certificate == CertificateDemand::None
            && !self.addresses.is_local()
    }
}

/// Reads a record, and reports all its mistakes; `None` if it has any.
pub(super) fn read(record: &Record, problems: &mut Vec<Problem>) -> Option<Rule> {
    let before = problems.len();
    let mut report = |message: String| problems.push(Problem::new(&record.origin, "", message));
    let rule = match rule(record, &mut report) {
        Ok(rule) => Some(rule),
        Err(message) => {
            report(message);
            None
        }
    };
    rule.filter(|_| problems.len() == before)
}

/// Reports what does not keep the rest from being read, and gives back what does.
fn rule(record: &Record, report: &mut impl FnMut(String)) -> Result<Rule, String> {
    let mut fields = record.fields.iter();
    let kind = fields.next().expect("no record is empty");
    let kind = kind_of(single(kind, "the type of connection")?)?;
    let databases = fields.next().ok_or("ends before the databases")?;
    let databases = each(databases, database, report);
    let users = fields.next().ok_or("ends before the users")?;
    let users = each(users, user, report);
    let addresses = if kind == Kind::Local {
        Addresses::All
    } else {
        let token = fields.next().ok_or("ends before the address")?;
        let next = fields.clone().next().and_then(|field| field.first());
        let (addresses, has_mask) = Addresses::read(single(token, "the address")?, next)?;
        if has_mask {
            fields.next();
        }
        addresses
    };
    let method = fields.next().ok_or("ends before the method")?;
    let answer = answer(single(method, "the method")?, kind)?;
    let mut rule = Rule {
        origin: record.origin.clone(),
        kind,
        databases,
        users,
        addresses,
        answer,
        judge: RuleJudge::Here,
        map: None,
        certificate: CertificateDemand::None,
        oauth: None,
    };
    if answer == Answer::Ask(Method::Pam) {
        rule.judge = RuleJudge::Pam {
            service: None,
            uses_host_name: false,
        };
    }
    let mut parts = Parts::default();
    let mut tokens = TokenOptions::default();
    let mut is_whole = true;
    for token in fields.flatten() {
        if let Some(taken) = tokens.take(token, answer) {
            if let Err(message) = taken {
                report(message);
            }
        } else if let Err(message) = option(token, &mut rule, &mut parts) {
            report(message);
            is_whole = false;
        }
    }
    if answer == Answer::Ask(Method::Oauth) {
        if tokens.names_users && rule.map.is_some() {
            report("has map and delegate_ident_mapping, which exclude each other".to_owned());
        }
        match tokens.issuer() {
            Ok(oauth) => rule.oauth = Some(oauth),
            Err(message) => report(message),
        }
    }
    // Options that are wrong themselves say nothing about those that are missing.
    if answer == Answer::Ask(Method::Ldap) && is_whole {
        rule.judge = RuleJudge::Ldap(Arc::new(parts.ldap.finish()?));
    }
    let by_distinguished_name = parts.by_distinguished_name;
    if rule.answer == Answer::Ask(Method::Cert) {
        if rule.certificate == CertificateDemand::Any {
            report("has clientcert=verify-ca, and cert looks at the name as well".to_owned());
        }
        rule.certificate = CertificateDemand::CommonName;
    }
    if by_distinguished_name {
        match rule.certificate {
            CertificateDemand::CommonName => {
                rule.certificate = CertificateDemand::DistinguishedName;
            }
            _ => {
                report("has clientname, which only cert and clientcert=verify-full use".to_owned())
            }
        }
    }
    let uses_map = matches!(
        rule.answer,
        Answer::Ask(Method::Peer | Method::Jwt | Method::Oauth)
    ) || rule.certificate.looks_at_the_name();
    if rule.map.is_some() && !uses_map {
        report(
            "has map, which only peer, cert, jwt, oauth and clientcert=verify-full use".to_owned(),
        );
    }
    Ok(rule)
}

/// Options that mean something only together.
#[derive(Default)]
struct Parts {
    by_distinguished_name: bool,
    ldap: LdapOptions,
}

fn single<'a>(field: &'a [Token], what: &str) -> Result<&'a Token, String> {
    match field {
        [only] => Ok(only),
        _ => Err(format!("has a list for {what}, which is one word")),
    }
}

/// Reads each token of a list, and reports those that cannot be.
fn each<T>(
    field: &[Token],
    read: impl Fn(&Token) -> Result<T, String>,
    report: &mut impl FnMut(String),
) -> Vec<T> {
    let mut list = Vec::with_capacity(field.len());
    for token in field {
        match read(token) {
            Ok(name) => list.push(name),
            Err(message) => report(message),
        }
    }
    list
}

fn kind_of(token: &Token) -> Result<Kind, String> {
    match &*token.text {
        "local" => Ok(Kind::Local),
        "host" => Ok(Kind::Host),
        "hostssl" => Ok(Kind::HostSsl),
        "hostnossl" => Ok(Kind::HostNoSsl),
        "hostgssenc" => Ok(Kind::HostGssEnc),
        "hostnogssenc" => Ok(Kind::HostNoGssEnc),
        text => Err(unknown(text, "type of connection", &KINDS)),
    }
}

fn database(token: &Token) -> Result<DatabaseName, String> {
    if token.is("all") {
        return Ok(DatabaseName::All);
    }
    if token.is("sameuser") {
        return Ok(DatabaseName::SameUser);
    }
    if token.is("replication") {
        return Ok(DatabaseName::Replication);
    }
    if token.is("samerole") || token.is("samegroup") {
        return Ok(DatabaseName::SameRole);
    }
    Pattern::read(token).map(DatabaseName::Like)
}

fn user(token: &Token) -> Result<UserName, String> {
    if token.is("all") {
        return Ok(UserName::All);
    }
    if let Some(role) = token.behind('+') {
        let shown = printable(&token.text);
        return match check_name(role) {
            Ok(()) => Ok(UserName::MembersOf(role.to_owned())),
            Err(message) => Err(format!("has {shown}, which {message}")),
        };
    }
    Pattern::read(token).map(UserName::Like)
}

fn answer(token: &Token, kind: Kind) -> Result<Answer, String> {
    let method = match &*token.text {
        "reject" => return Ok(Answer::Reject),
        "trust" => Method::Trust,
        "password" => Method::Password,
        "md5" => Method::Md5,
        "scram-sha-256" => Method::ScramSha256,
        // Over a unix socket PostgreSQL takes the one for the other.
        "peer" => Method::Peer,
        "ident" if kind == Kind::Local => Method::Peer,
        "cert" => Method::Cert,
        "jwt" => Method::Jwt,
        "oauth" => Method::Oauth,
        "pam" => Method::Pam,
        "ldap" => Method::Ldap,
        "plain" => return Err("has method plain, which is called password here".to_owned()),
        text if NOT_YET.contains(&text) => {
            return Err(format!(
                "has method {text}, which is not supported yet by this version"
            ));
        }
        text => return Err(unknown(text, "method", &METHODS)),
    };
    if method == Method::Peer && kind != Kind::Local {
        return Err("has method peer, which only local connections can use".to_owned());
    }
    if method == Method::Cert && kind != Kind::HostSsl {
        return Err("has method cert, which only hostssl connections can use".to_owned());
    }
    Ok(Answer::Ask(method))
}

fn option(token: &Token, rule: &mut Rule, parts: &mut Parts) -> Result<(), String> {
    let Some((name, value)) = token.text.split_once('=') else {
        let text = printable(&token.text);
        return Err(format!("has \"{text}\" where name=value may stand"));
    };
    match (name, value) {
        ("map", "") => Err("has an empty map".to_owned()),
        ("map", map) => {
            rule.map = Some(map.to_owned());
            Ok(())
        }
        ("clientcert" | "clientname", _) if rule.kind != Kind::HostSsl => Err(format!(
            "has {name}, which only hostssl connections can use"
        )),
        ("clientcert", "verify-ca") => {
            rule.certificate = CertificateDemand::Any;
            Ok(())
        }
        ("clientcert", "verify-full") => {
            rule.certificate = CertificateDemand::CommonName;
            Ok(())
        }
        ("clientcert", _) => Err("has clientcert that is not verify-ca or verify-full".to_owned()),
        ("clientname", "CN" | "DN") => {
            parts.by_distinguished_name = value == "DN";
            Ok(())
        }
        ("clientname", _) => Err("has clientname that is not CN or DN".to_owned()),
        ("pamservice" | "pam_use_hostname", _) => match &mut rule.judge {
            RuleJudge::Pam { service, .. } if name == "pamservice" => {
                *service = Some(pam_service(value)?);
                Ok(())
            }
            RuleJudge::Pam { uses_host_name, .. } => {
                *uses_host_name = is_one(name, value)?;
                Ok(())
            }
            RuleJudge::Here | RuleJudge::Ldap(_) => Err(format!("has {name}, which only pam uses")),
        },
        (name, value) if LdapOptions::NAMES.contains(&name) => match rule.answer {
            Answer::Ask(Method::Ldap) => parts.ldap.set(name, value),
            Answer::Ask(_) | Answer::Reject => Err(format!("has {name}, which only ldap uses")),
        },
        _ => {
            let name = printable(name);
            let known = [&OPTIONS[..], &LdapOptions::NAMES].concat();
            Err(unknown(&name, "option", &known))
        }
    }
}

/// What a rule of the method `oauth` says of its tokens.
#[derive(Default)]
struct TokenOptions {
    issuer: Option<String>,
    scope: Option<String>,
    /// The tokens themselves say which users they are for (`delegate_ident_mapping=1`).
    names_users: bool,
}

impl TokenOptions {
    /// Takes an option that is about tokens; `None` if it is not.
    fn take(&mut self, token: &Token, answer: Answer) -> Option<Result<(), String>> {
        let (name, value) = token.text.split_once('=')?;
        let is_known = matches!(
            name,
            "issuer" | "scope" | "validator" | "delegate_ident_mapping"
        );
        if !is_known {
            return None;
        }
        if answer != Answer::Ask(Method::Oauth) {
            return Some(Err(format!("has {name}, which only oauth uses")));
        }
        match (name, value) {
            ("issuer", _) => self.issuer = Some(value.to_owned()),
            ("scope", _) => self.scope = Some(value.to_owned()),
            ("delegate_ident_mapping", "0" | "1") => self.names_users = value == "1",
            ("delegate_ident_mapping", _) => {
                return Some(Err(
                    "has delegate_ident_mapping that is not 0 or 1".to_owned()
                ));
            }
            _ => {
                let message = "has validator, a library of PostgreSQL; here auth_jwks_file or \
                    auth_jwt_secret_file has the keys of tokens: remove it";
                return Some(Err(message.to_owned()));
            }
        }
        Some(Ok(()))
    }

    fn issuer(&self) -> Result<Oauth, String> {
        let (Some(issuer), Some(scope)) = (&self.issuer, &self.scope) else {
            return Err("has method oauth, which needs issuer= and scope=".to_owned());
        };
        Oauth::new(issuer, scope).map_err(|(part, message)| match part {
            Part::Issuer => format!("has an issuer that {message}"),
            Part::Scope => format!("has a scope that {message}"),
        })
    }
}

/// The name of a service of PAM, which is that of a file.
///
/// # Errors
/// A sentence.
pub(crate) fn pam_service(text: &str) -> Result<String, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.is_empty() || text.starts_with('.') || !text.chars().all(is_name) {
        let shown = printable(text);
        return Err(format!(
            "has \"{shown}\" for a service of PAM, which is the name of a file in /etc/pam.d"
        ));
    }
    Ok(text.to_owned())
}

fn unknown(text: &str, what: &str, known: &[&'static str]) -> String {
    let shown = printable(text);
    match nearest(text, known.iter().copied()) {
        Some(meant) => format!("has an unknown {what} {shown}; did you mean {meant}?"),
        None => format!(
            "has an unknown {what} {shown}; known are {}",
            known.join(", ")
        ),
    }
}

const KINDS: [&str; 6] = [
    "local",
    "host",
    "hostssl",
    "hostnossl",
    "hostgssenc",
    "hostnogssenc",
];
const METHODS: [&str; 11] = [
    "trust",
    "reject",
    "scram-sha-256",
    "md5",
    "password",
    "peer",
    "cert",
    "jwt",
    "oauth",
    "pam",
    "ldap",
];
const OPTIONS: [&str; 8] = [
    "map",
    "clientcert",
    "clientname",
    "issuer",
    "scope",
    "delegate_ident_mapping",
    "pamservice",
    "pam_use_hostname",
];
/// Methods of PostgreSQL that are missing here.
const NOT_YET: [&str; 6] = ["gss", "sspi", "ident", "radius", "bsd", "krb5"];
