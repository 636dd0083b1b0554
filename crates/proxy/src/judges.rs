//! Who judges passwords that are no secrets of the pooler: PAM, and directories.

mod hosts;
mod ldap;
mod pam;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pgweir_config::Config;
use pgweir_config::access::Judge;
use pgweir_wire::sqlstate::SqlState;
use tokio::time::Instant;

use crate::lookups::NAME_MAX;
use crate::slots::Stranger;
use crate::texts::ClientError;
use hosts::Hosts;
use ldap::Directories;
use pam::Pam;

/// Time from a password to the word that it is wrong: what a judge takes, which may depend on whether there is
/// such a user, is shorter as a rule.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

/// Longest time for which a module of PAM may delay that word.
const DELAY_MAX: Duration = Duration::from_secs(10);

/// Who wants to come in.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) user: &'a str,
    /// Not empty.
    pub(crate) password: &'a [u8],
    /// Where it is; `None` over a unix socket.
    pub(crate) address: Option<IpAddr>,
}

/// What a judge says of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    Right,
    /// The client is not told before so long.
    Wrong(Duration),
}

/// The judges, and how many may be asked at once.
#[derive(Default)]
pub(crate) struct Judges {
    pam: Pam,
    directories: Directories,
    hosts: Hosts,
}

impl Judges {
    /// Whether the password is right. If it is not, that takes about as long whatever is wrong.
    ///
    /// # Errors
    /// The judge cannot be asked.
    pub(crate) async fn ask(
        &self,
        config: &Arc<Config>,
        judge: Judge<'_>,
        asked: Asked<'_>,
        stranger: &Stranger,
    ) -> Result<bool, ClientError> {
        let since = Instant::now();
        let (name, group) = match judge {
            Judge::Pam { .. } => ("PAM", "pam".to_owned()),
            Judge::Ldap(ldap) => ("LDAP", format!("ldap {}", ldap.hosts.join(" "))),
        };
        let aside = stranger.step_aside(group.into());
        let aside = aside.ok_or_else(|| too_many(name))?;
        let judgement = match judge {
            // PostgreSQL would take it for the name of another user.
            _ if asked.user.len() > NAME_MAX => Some(Judgement::Wrong(Duration::ZERO)),
            Judge::Pam {
                service,
                uses_host_name,
            } => match self.host(asked.address, uses_host_name).await {
                Some(host) => {
                    let service = service.unwrap_or(&config.pam_service);
                    self.pam.ask(config, service, (asked, &host)).await
                }
                None => None,
            },
            Judge::Ldap(ldap) => self.directories.ask(config, ldap, asked).await,
        };
        drop(aside);
        stranger.step_back();
        match judgement {
            Some(Judgement::Right) => Ok(true),
            Some(Judgement::Wrong(delay)) => {
                let delay = delay.clamp(REFUSAL_TIME, DELAY_MAX);
                tokio::time::sleep_until(since + delay).await;
                Ok(false)
            }
            None => Err(unanswered(name)),
        }
    }

    /// Where the client is, as PAM is told; empty over a unix socket. `None` if that is not known in time.
    async fn host(&self, address: Option<IpAddr>, by_name: bool) -> Option<String> {
        match address {
            Some(address) if by_name => self.hosts.name(address).await,
            Some(address) => Some(address.to_string()),
            None => Some(String::new()),
        }
    }
}

/// Why is for the log: this client has proven nothing.
fn unanswered(judge: &str) -> ClientError {
    let message = format!("{judge} cannot be asked for this user");
    ClientError::new(SqlState::CANNOT_CONNECT_NOW, message)
        .hint("Retry later; if it lasts, see the pooler's log.")
}

fn too_many(judge: &str) -> ClientError {
    let message = format!("too many clients wait for {judge}");
    ClientError::new(SqlState::TOO_MANY_CONNECTIONS, message).hint("Connect again.")
}
