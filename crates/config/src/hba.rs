//! Who may come in from where, and how they prove it: PostgreSQL's `pg_hba.conf` (`auth_hba_file`).
//!
//! The first rule that fits decides; without one nobody comes in. What the pooler cannot know, such as
//! who is a member of a role, is a mistake and not a rule that never fits.
//!
//! Source: PostgreSQL documentation, "The pg_hba.conf File".

mod address;
mod rule;

#[cfg(test)]
mod tests;

use std::path::Path;

use pgweir_settings::{Origin, Problem};

use super::access::{Attempt, Demand, Method, Peer, Refused, Replication};
use super::outside::Outside;
use super::records;
use rule::{Answer, Kind, Rule};

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
    pub fn demand(&self, attempt: &Attempt<'_>) -> Result<Demand<'_>, Refused> {
        let rule = self.rules.iter().find(|rule| fits(rule, attempt));
        let rule = rule.ok_or(Refused::NoEntry)?;
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
            map: rule.map.as_deref(),
            certificate: rule.certificate,
            oauth: rule.oauth.as_ref(),
        })
    }

    /// Rules that take tokens.
    pub(super) fn taking_tokens(&self) -> impl Iterator<Item = &Origin> {
        let rules = self.rules.iter();
        let taking =
            rules.filter(|rule| matches!(rule.answer, Answer::Ask(Method::Jwt | Method::Oauth)));
        taking.map(|rule| &rule.origin)
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

fn fits(rule: &Rule, attempt: &Attempt<'_>) -> bool {
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
    let is_address = match channel.peer {
        Peer::Tcp(address) => rule.addresses.contain(address, attempt.networks),
        Peer::Unix(_) => true,
    };
    is_kind
        && rule.databases.iter().any(|database| match database {
            rule::DatabaseName::Replication => attempt.replication == Replication::Physical,
            // What replicates a whole cluster is in no database.
            _ if attempt.replication == Replication::Physical => false,
            rule::DatabaseName::All => true,
            rule::DatabaseName::SameUser => attempt.database == attempt.user,
            rule::DatabaseName::Like(pattern) => pattern.matches(attempt.database),
        })
        && rule.users.iter().any(|user| match user {
            rule::UserName::All => true,
            rule::UserName::Like(pattern) => pattern.matches(attempt.user),
        })
        // The last, for it may ask the system.
        && is_address
}
