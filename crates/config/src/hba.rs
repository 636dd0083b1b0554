//! Who may come in from where, and how they prove it: PostgreSQL's `pg_hba.conf` (`auth_hba_file`).
//!
//! The first rule that fits decides; without one nobody comes in. Who is a member of a role only PostgreSQL
//! knows: a rule that depends on it says so, and is looked at again when that is known.
//!
//! Source: PostgreSQL documentation, "The pg_hba.conf File".

mod address;
mod rule;

pub(super) use rule::pam_service;

#[cfg(test)]
mod tests;

use std::path::Path;

use pgweir_settings::{Origin, Problem};

use super::access::{Attempt, Demand, Judge, Method, Peer, Refused, Replication};
use super::ldap::Ldap;
use super::outside::Outside;
use super::records;
use rule::{Answer, Kind, Rule, RuleJudge};

/// All rules, in their order.
#[derive(Debug, Clone, Default)]
pub struct Hba {
    rules: Vec<Rule>,
}

impl Hba {
    /// Reads them from a file and those that it includes, and adds what mistakes they have. A rule with one
    /// is left out.
    pub fn read(path: &Path, outside: &Outside<'_>, problems: &mut Vec<Problem>) -> Self {
        let mut rules = Vec::new();
        for record in records::read(path, outside, problems) {
            if let Some(rule) = rule::read(&record, problems) {
                rules.push(rule);
            }
        }
        Self { rules }
    }

    /// What a client has to show.
    ///
    /// # Errors
    /// No rule fits, the one that does rejects it, or the client lacks what no answer can replace.
    pub fn demand<'a: 'b, 'b>(&'a self, attempt: &Attempt<'b>) -> Result<Demand<'a>, Refused<'b>> {
        let mut found = None;
        for rule in &self.rules {
            if fits(rule, attempt).map_err(Refused::UnknownMember)? {
                found = Some(rule);
                break;
            }
        }
        let rule = found.ok_or(Refused::NoEntry)?;
        let Answer::Ask(method) = rule.answer else {
            return Err(Refused::Rejected);
        };
        let tls = attempt.channel.tls.as_ref();
        let has_certificate = tls.is_some_and(|tls| tls.certificate.is_some());
        // A rule for connections in the clear says that they shall be let in.
        let is_safe = tls.is_some()
            || rule.kind == Kind::HostNoSsl
            || matches!(attempt.channel.peer, Peer::Unix(_));
        if method == Method::Oauth && !is_safe {
            return Err(Refused::NotEncrypted);
        }
        if rule.certificate.is_asked_for() && !has_certificate {
            return Err(Refused::NoCertificate);
        }
        Ok(Demand {
            method,
            judge: match &rule.judge {
                RuleJudge::Here => None,
                RuleJudge::Pam {
                    service,
                    uses_host_name,
                } => Some(Judge::Pam {
                    service: service.as_deref(),
                    uses_host_name: *uses_host_name,
                }),
                RuleJudge::Ldap(ldap) => Some(Judge::Ldap(ldap)),
            },
            map: rule.map.as_deref(),
            certificate: rule.certificate,
            oauth: rule.oauth.as_ref(),
        })
    }

    /// Rules about the members of roles.
    pub(super) fn about_members(&self) -> impl Iterator<Item = &Origin> {
        let rules = self.rules.iter().filter(|rule| rule.is_about_members());
        rules.map(|rule| &rule.origin)
    }

    /// Rules that take tokens.
    pub(super) fn taking_tokens(&self) -> impl Iterator<Item = &Origin> {
        let rules = self.rules.iter();
        let taking =
            rules.filter(|rule| matches!(rule.answer, Answer::Ask(Method::Jwt | Method::Oauth)));
        taking.map(|rule| &rule.origin)
    }

    /// Whether PAM or a directory says who there is.
    pub(super) fn asks_others(&self) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|rule| rule.judge != RuleJudge::Here)
    }

    /// The directories that rules ask, with the place of the rule.
    pub(super) fn directories(&self) -> impl Iterator<Item = (&Origin, &Ldap)> {
        self.rules.iter().filter_map(|rule| match &rule.judge {
            RuleJudge::Ldap(ldap) => Some((&rule.origin, &**ldap)),
            RuleJudge::Here | RuleJudge::Pam { .. } => None,
        })
    }

    /// The maps that rules ask for, with the place of the rule.
    pub(super) fn maps(&self) -> impl Iterator<Item = (&Origin, &str)> {
        let rules = self.rules.iter();
        rules.filter_map(|rule| Some((&rule.origin, rule.map.as_deref()?)))
    }

    /// Rules that ask nothing of clients of other machines, and which those are.
    pub(super) fn trusting(&self) -> impl Iterator<Item = (&Origin, String)> {
        let rules = self.rules.iter().filter(|rule| rule.trusts_others());
        rules.map(|rule| (&rule.origin, rule.addresses.to_string()))
    }
}

/// Whether a rule is about this client; if that depends on a role, its name.
fn fits<'a>(rule: &'a Rule, attempt: &Attempt<'a>) -> Result<bool, &'a str> {
    let channel = attempt.channel;
    let is_encrypted = channel.tls.is_some();
    let is_kind = match (rule.kind, channel.peer) {
        (Kind::Local, Peer::Unix(_)) => true,
        (Kind::Local, Peer::Tcp(_)) => false,
        (_, Peer::Unix(_)) => false,
        (Kind::Host | Kind::HostNoGssEnc, Peer::Tcp(_)) => true,
        (Kind::HostSsl, Peer::Tcp(_)) => is_encrypted,
        (Kind::HostNoSsl, Peer::Tcp(_)) => !is_encrypted,
        // Encryption of GSSAPI is declined.
        (Kind::HostGssEnc, Peer::Tcp(_)) => false,
    };
    if !is_kind {
        return Ok(false);
    }
    let is_member = |role: &'a str| (attempt.is_member)(role).ok_or(role);
    let is_database = any(rule.databases.iter().map(|database| match database {
        rule::DatabaseName::Replication => Ok(attempt.replication == Replication::Physical),
        // What replicates a whole cluster is in no database.
        _ if attempt.replication == Replication::Physical => Ok(false),
        rule::DatabaseName::All => Ok(true),
        rule::DatabaseName::SameUser => Ok(attempt.database == attempt.user),
        rule::DatabaseName::SameRole => is_member(attempt.database),
        rule::DatabaseName::Like(pattern) => Ok(pattern.matches(attempt.database)),
    }));
    if is_database == Ok(false) {
        return Ok(false);
    }
    let is_user = any(rule.users.iter().map(|user| match user {
        rule::UserName::All => Ok(true),
        rule::UserName::MembersOf(role) => is_member(role),
        rule::UserName::Like(pattern) => Ok(pattern.matches(attempt.user)),
    }));
    if is_user == Ok(false) {
        return Ok(false);
    }
    // The last, for it may ask the system; but before PostgreSQL is asked.
    let is_address = match channel.peer {
        Peer::Tcp(address) => rule.addresses.contain(address, attempt.networks),
        Peer::Unix(_) => true,
    };
    Ok(is_address && is_database? && is_user?)
}

/// Whether one of these holds; what has to be known for that if none does yet.
fn any<'a>(mut answers: impl Iterator<Item = Result<bool, &'a str>>) -> Result<bool, &'a str> {
    let mut open = None;
    let holds = answers.any(|answer| match answer {
        Ok(holds) => holds,
        Err(role) => {
            open.get_or_insert(role);
            false
        }
    });
    match open {
        Some(role) if !holds => Err(role),
        _ => Ok(holds),
    }
}
