//! What a client has to show, with what PostgreSQL says of its roles where a rule depends on that.

use std::collections::BTreeMap;
use std::sync::Arc;

use pgweir_config::Config;
use pgweir_config::access::{Attempt, Demand, Refused};
use pgweir_wire::sqlstate::SqlState;
use tracing::warn;

use super::{Authentication, Claim, networks, source, texts};
use crate::replication;
use crate::slots::Stranger;
use crate::texts::ClientError;

impl Authentication {
    /// What a client has to show.
    pub(super) async fn demand<'a>(
        &self,
        config: &'a Arc<Config>,
        claim: &'a Claim<'_>,
        stranger: &Stranger,
    ) -> Result<Demand<'a>, ClientError> {
        let mut known: BTreeMap<String, bool> = BTreeMap::new();
        // Rules name so many roles, and each is asked for once.
        loop {
            let role = {
                let is_member = |role: &str| known.get(role).copied();
                let attempt = Attempt {
                    user: &claim.startup.user,
                    database: &claim.startup.database,
                    replication: replication::wanted(claim.startup),
                    channel: claim.channel,
                    networks: &networks::of_this_machine,
                    is_member: &is_member,
                };
                match decide(config, &attempt) {
                    Ok(demand) => return Ok(demand),
                    Err(Open::Refused(error)) => return Err(error),
                    Err(Open::Role(role)) => role,
                }
            };
            let is_member = self.is_member(config, claim, &role, stranger).await?;
            known.insert(role, is_member);
        }
    }

    /// Whether the user that a client says to be is a member of a role. Where nobody can be asked the client is
    /// refused, whatever the rule would say: the next one may be meant for others.
    async fn is_member(
        &self,
        config: &Arc<Config>,
        claim: &Claim<'_>,
        role: &str,
        stranger: &Stranger,
    ) -> Result<bool, ClientError> {
        let (user, database) = (&*claim.startup.user, &*claim.startup.database);
        let Some(source) = source(config, claim) else {
            warn!(
                user,
                database,
                role,
                "a rule of auth_hba_file is about members of a role, and nobody is asked for them; set \
                 auth_user, and auth_dbname for databases that have no section"
            );
            let message = "PostgreSQL cannot be asked for this user";
            return Err(ClientError::new(SqlState::CANNOT_CONNECT_NOW, message)
                .hint("See the pooler's log."));
        };
        let place = (source, database);
        let asking = self
            .lookups
            .is_member(config, place, (user, role), stranger);
        asking.await
    }
}

/// Why it is not decided what a client has to show.
enum Open {
    Refused(ClientError),
    /// Whether the user is a member of it has to be known.
    Role(String),
}

fn decide<'a>(config: &'a Config, attempt: &Attempt<'_>) -> Result<Demand<'a>, Open> {
    config.demand(attempt).map_err(|refused| match refused {
        Refused::UnknownMember(role) => Open::Role(role.to_owned()),
        refused => Open::Refused(texts::refused(refused, attempt)),
    })
}
