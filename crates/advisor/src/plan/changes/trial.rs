//! Tries a change: makes it, plans again, and looks at what is wrong then that was not before.

use std::cmp::Reverse;

use super::{Change, Proposal};
use crate::facts::{Facts, Pooler, PoolerKind, Via};
use crate::formula::demand::Verdict;
use crate::plan::{Judged, Severity};
use crate::units::Connections;

/// What a change does to the facts.
pub(super) enum Step {
    /// Other pools for these services.
    Pools(Vec<(String, Connections)>),
    /// Another `max_connections`.
    MaxConnections(Connections),
    /// Another `max_db_connections` of the pooler.
    PoolerServers(Connections),
    /// A pooler in front of all services.
    Pooler,
}

/// What a change breaks: how much the worst of it weighs, and how many there are.
pub(super) type Harm = (Verdict, usize);

/// The change with what it breaks; `None`: it does not make the capacity OK, or cannot be made.
pub(super) fn tried(facts: &Facts, now: &Judged, proposal: Proposal) -> Option<(Harm, Change)> {
    let then = Judged::of(&proposal.step.made(facts)?);
    if then.capacity.verdict != Verdict::Ok {
        return None;
    }
    let broken = broken(now, &then);
    let worst = broken.first().map_or(Verdict::Ok, |(verdict, _)| *verdict);
    let mut text = proposal.text;
    if let (Step::Pooler, Some(pooler)) = (&proposal.step, &then.pooler) {
        text += &format!(
            ": the clients' {} connections share {} servers",
            pooler.clients, pooler.servers
        );
    }
    let change = Change {
        text,
        suppose: proposal.step.suppositions(),
        restart: matches!(proposal.step, Step::MaxConnections(_)),
        breaks: broken.into_iter().map(|(_, text)| text).collect(),
    };
    Some(((worst, change.breaks.len()), change))
}

/// What is wrong then and was not, or weighed less, before.
fn broken(now: &Judged, then: &Judged) -> Vec<(Verdict, String)> {
    let mut broken = Vec::new();
    if then.memory.verdict > now.memory.verdict {
        broken.push((then.memory.verdict, then.memory.reason()));
    }
    for finding in &then.findings {
        let known = now
            .findings
            .iter()
            .any(|known| known.id == finding.id && known.severity >= finding.severity);
        if finding.severity > Severity::Info && !known {
            broken.push((finding.severity.verdict(), finding.sentence()));
        }
    }
    broken.sort_by_key(|(verdict, _)| Reverse(*verdict));
    broken
}

impl Step {
    /// The facts with this change; `None`: PostgreSQL does not take it.
    fn made(&self, facts: &Facts) -> Option<Facts> {
        let mut facts = facts.clone();
        match self {
            Self::Pools(pools) => {
                for (name, pool) in pools {
                    let service = facts.services.iter_mut().find(|s| s.name == *name)?;
                    service.pool = *pool;
                    service.pool_given = true;
                }
            }
            Self::MaxConnections(connections) => {
                if *connections > MAX_CONNECTIONS_MAX {
                    return None;
                }
                facts.database.max_connections = *connections;
            }
            Self::PoolerServers(servers) => {
                facts.pooler.as_mut()?.per_database = Some(*servers);
            }
            Self::Pooler => {
                let services = facts.services.iter();
                let wait = services.map(|service| service.timeouts.acquire).max();
                let pooler = Pooler::usual(PoolerKind::Pgweir, &facts.database, wait);
                facts.pooler = Some(pooler);
                for service in &mut facts.services {
                    service.via = Via::Pooler;
                }
            }
        }
        Some(facts)
    }

    /// The same as arguments of `--what-if`.
    fn suppositions(&self) -> Vec<String> {
        match self {
            Self::Pools(pools) => pools
                .iter()
                .map(|(name, pool)| format!("{name}.pool={pool}"))
                .collect(),
            Self::MaxConnections(connections) => {
                vec![format!("database.max_connections={connections}")]
            }
            Self::PoolerServers(servers) => vec![format!("pooler.max_db_connections={servers}")],
            Self::Pooler => vec![
                "pooler.instances=1".to_owned(),
                "services.*.via=pooler".to_owned(),
            ],
        }
    }
}

/// What PostgreSQL allows.
const MAX_CONNECTIONS_MAX: Connections = Connections(262_143);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::planned;

    #[test]
    fn the_pooler_that_is_tried_is_the_one_that_is_supposed() {
        let services = "[services.a]\npool = 90\n[services.b]\nkind = \"php-fpm\"\npool = 60\n";
        let mut facts = planned(services).facts;
        let supposed = planned(&format!("[pooler]\ninstances = 1\n{services}")).facts;
        facts = Step::Pooler.made(&facts).unwrap();
        assert_eq!(facts.pooler, supposed.pooler);
        assert_eq!(facts.services, supposed.services);
    }
}
