//! Whether the fleet needs a pooler, replicas or a bigger machine, and why.

use serde::Serialize;

use super::capacity::{self, Capacity};
use super::memory::MemoryPlan;
use super::pooling::PoolerPlan;
use super::queueing::{QueueingPlan, ScalingPlan};
use super::services::ServicePlan;
use crate::facts::{Facts, Kind, Service};
use crate::formula::demand::Verdict;
use crate::units::{Connections, percent_text, short};

/// What a fleet might need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// A pooler between services and PostgreSQL.
    Pooler,
    /// Larger pools for services that wait for connections.
    LargerPools,
    /// Read replicas.
    ReadReplicas,
    /// A machine with more cores or memory.
    BiggerMachine,
}

impl std::fmt::Display for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Pooler => "pooler",
            Self::LargerPools => "larger pools",
            Self::ReadReplicas => "read replicas",
            Self::BiggerMachine => "bigger machine",
        })
    }
}

/// What a reason is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// The model: it counts.
    Model,
    /// A rule of thumb of the documents: it is listed and does not count by itself.
    Heuristic,
}

/// Why something is recommended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The trigger in the manual.
    pub id: &'static str,
    /// What it is based on.
    pub basis: Basis,
    /// The reason, with its numbers.
    pub text: String,
}

/// Whether something is recommended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// What.
    pub topic: Topic,
    /// Whether it is recommended.
    pub called_for: bool,
    /// In a sentence.
    pub summary: String,
    /// Why.
    pub reasons: Vec<Reason>,
}

pub(super) fn all(
    facts: &Facts,
    services: &[ServicePlan],
    capacity: &Capacity,
    memory: &MemoryPlan,
    queueing: &QueueingPlan,
    scaling: Option<&ScalingPlan>,
    pooler: Option<&PoolerPlan>,
) -> Vec<Advice> {
    vec![
        match pooler {
            Some(pooler) => present_pooler(capacity, pooler),
            None => absent_pooler(facts, capacity, queueing),
        },
        larger_pools(facts, capacity, services),
        replicas(facts, capacity),
        machine(facts, capacity, memory, queueing, scaling),
    ]
}

fn present_pooler(capacity: &Capacity, pooler: &PoolerPlan) -> Advice {
    Advice {
        topic: Topic::Pooler,
        called_for: true,
        summary: format!(
            "there is one: the clients' {} connections share {} servers",
            pooler.clients, capacity.pooler
        ),
        reasons: Vec::new(),
    }
}

fn absent_pooler(facts: &Facts, capacity: &Capacity, queueing: &QueueingPlan) -> Advice {
    let mut reasons = pooler_needed(facts, capacity, queueing);
    let called_for = !reasons.is_empty();
    reasons.extend(rules_of_thumb(facts, capacity));
    let summary = if called_for {
        let need = queueing.shared.unwrap_or(Connections(1));
        let sizes = capacity::with_pooler(facts, need, capacity.peak);
        format!(
            "yes: {} servers would serve the clients' {} connections",
            sizes.servers, capacity.peak
        )
    } else if reasons.is_empty() {
        "no".to_owned()
    } else {
        "no: the documents' rules of thumb ask for one, the model does not".to_owned()
    };
    Advice {
        topic: Topic::Pooler,
        called_for,
        summary,
        reasons,
    }
}

/// The model's reasons for a pooler.
fn pooler_needed(facts: &Facts, capacity: &Capacity, queueing: &QueueingPlan) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut add = |text: String| {
        reasons.push(Reason {
            id: "A10",
            basis: Basis::Model,
            text,
        });
    };
    if capacity.verdict != Verdict::Ok {
        let percent = percent_text(capacity.peak + capacity.reserve, capacity.usable);
        add(format!("the peak is {percent} of what ordinary roles get"));
    }
    if let Some(ratio) = capacity.oversubscription.filter(|ratio| *ratio > 4.0) {
        add(format!(
            "{} connections are {} times the {} that can usefully be active",
            capacity.peak,
            short((ratio * 100.0).round() / 100.0),
            capacity.optimum
        ));
    }
    if let Some(churn) = facts.measured.churn.filter(|churn| churn.0 > 10.0) {
        add(format!("{churn} connections are opened"));
    }
    let of_kind = |kind| {
        let services = facts.services.iter();
        services.filter(move |service| service.kind == kind)
    };
    if let Some(service) = of_kind(Kind::Serverless).next() {
        let name = &service.name;
        add(format!(
            "{name} is serverless: its connections scale with requests"
        ));
    }
    let many = |service: &&Service| !service.persistent && service.pool.0 > 20;
    if let Some(service) = of_kind(Kind::PhpFpm).find(many) {
        add(format!(
            "{} opens a connection for each request in {} children",
            service.name, service.pool
        ));
    }
    if let Some(gain) = queueing.gain.filter(|gain| *gain > 3.0) {
        add(format!(
            "a shared pool needs {} connections where separate ones need {}, {} times as many",
            queueing.shared.unwrap_or_default(),
            queueing.separate.unwrap_or_default(),
            short((gain * 100.0).round() / 100.0)
        ));
    }
    reasons
}

/// The documents' reasons for a pooler.
fn rules_of_thumb(facts: &Facts, capacity: &Capacity) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut add = |id, text: String| {
        reasons.push(Reason {
            id,
            basis: Basis::Heuristic,
            text,
        });
    };
    let total = capacity.steady;
    if total > Connections(50) {
        add(
            "A8",
            format!("{total} connections are more than 50 (S1, checklist)"),
        );
    }
    let per_minute: f64 = facts
        .services
        .iter()
        .filter_map(|service| service.work.requests)
        .map(|requests| requests.0 * 60.0)
        .sum();
    if per_minute > 1000.0 {
        let text = format!(
            "{} requests a minute are more than 1000 (S2); throughput alone is no reason",
            short(per_minute.round())
        );
        add("A9", text);
    }
    reasons
}

/// S2's second way up: a Rust pool of 15 to 20 when pools are exhausted. The load says whether it helps.
fn larger_pools(facts: &Facts, capacity: &Capacity, services: &[ServicePlan]) -> Advice {
    let pairs = || facts.services.iter().zip(services);
    let small = |(service, plan): &(&Service, &ServicePlan)| {
        let has = service.servers_of_part().times(service.dsns);
        plan.need.is_some_and(|need| need > has)
    };
    let mut reasons: Vec<Reason> = pairs()
        .filter(small)
        .map(|(service, plan)| Reason {
            id: "F10",
            basis: Basis::Model,
            text: format!(
                "{} has {} of the {} that its load needs",
                service.name,
                service.servers_of_part(),
                plan.need.unwrap_or_default()
            ),
        })
        .collect();
    let called_for = !reasons.is_empty();
    let known = pairs().any(|(_, plan)| plan.need.is_some());
    let rust = pairs().find(|(service, _)| service.kind == Kind::Sqlx && service.pool.0 < 15);
    if let Some((service, plan)) = rust {
        let pools = plan.pools(facts.operations.surge);
        let others = capacity.peak.less(plan.peak(facts.operations.surge));
        let opened = others + Connections(20).times(pools);
        let percent = percent_text(opened + capacity.reserve, capacity.usable);
        reasons.push(Reason {
            id: "A14",
            basis: Basis::Heuristic,
            text: format!(
                "S2 raises an exhausted Rust pool to 15 or 20: with 20 in {} the fleet opens {opened} at its \
                 peak, {percent} of what ordinary roles get",
                service.name
            ),
        });
    }
    let summary = if called_for {
        "yes: these wait longer than they may"
    } else if known {
        "no: pools hold what their load needs; one that runs out has slow statements or leaks"
    } else {
        "not known: give requests of each service; a pool that runs out may have slow statements or leaks"
    };
    Advice {
        topic: Topic::LargerPools,
        called_for,
        summary: summary.to_owned(),
        reasons,
    }
}

fn replicas(facts: &Facts, capacity: &Capacity) -> Advice {
    let measured = &facts.measured;
    let mut reasons = Vec::new();
    let cores = f64::from(facts.database.physical_cores);
    let hot = measured.cpu.is_some_and(|cpu| cpu > 70.0);
    let crowded = measured.active.is_some_and(|active| active > cores);
    let reads = measured.read_share.is_some_and(|share| share > 0.7);
    if hot {
        reasons.push(Reason {
            id: "A7",
            basis: Basis::Heuristic,
            text: format!(
                "CPU is at {} %, above 70 % (S2)",
                short(measured.cpu.unwrap_or_default())
            ),
        });
    }
    let called_for = hot && crowded && reads;
    if called_for {
        reasons.push(Reason {
            id: "A7",
            basis: Basis::Model,
            text: format!(
                "{} active sessions on {} cores, {} % of them reads",
                short(measured.active.unwrap_or_default()),
                facts.database.physical_cores,
                short(100.0 * measured.read_share.unwrap_or_default())
            ),
        });
    }
    let summary = if called_for {
        "yes: reads can go to a replica if they may be slightly stale".to_owned()
    } else if measured.cpu.is_none() && measured.active.is_none() {
        "not known: give measured.cpu, measured.active and measured.read_share".to_owned()
    } else if hot && !reads {
        format!(
            "no: replicas help loads that are mostly reads; look at the top statements and at pools \
             above {} connections first",
            capacity.optimum
        )
    } else {
        "no".to_owned()
    };
    Advice {
        topic: Topic::ReadReplicas,
        called_for,
        summary,
        reasons,
    }
}

fn machine(
    facts: &Facts,
    capacity: &Capacity,
    memory: &MemoryPlan,
    queueing: &QueueingPlan,
    scaling: Option<&ScalingPlan>,
) -> Advice {
    let mut reasons = Vec::new();
    let mut add = |id, text: String| {
        reasons.push(Reason {
            id,
            basis: Basis::Model,
            text,
        });
    };
    let kappa = facts.pooler.as_ref().map_or(2, |pooler| pooler.kappa);
    let most = capacity.optimum.times(kappa);
    if queueing.busy > most.0 as f64 {
        add(
            "F8",
            format!(
                "the load keeps {} connections busy, but {} cores work on {most} at most",
                short((queueing.busy * 10.0).round() / 10.0),
                facts.database.physical_cores
            ),
        );
    }
    if scaling.is_some_and(|scaling| scaling.infeasible) {
        add(
            "F12",
            "the load test shows that no number of connections carries the load".to_owned(),
        );
    }
    if memory.verdict != Verdict::Ok {
        add("F6", memory.reason());
    }
    let called_for = !reasons.is_empty();
    let summary = if called_for {
        "yes, or less work for this one: caches, indexes, shorter transactions".to_owned()
    } else if queueing.busy > 0.0 {
        format!(
            "no: the load keeps {} connections busy on average",
            short((queueing.busy * 100.0).round() / 100.0)
        )
    } else {
        "not known: give requests of each service".to_owned()
    };
    Advice {
        topic: Topic::BiggerMachine,
        called_for,
        summary,
        reasons,
    }
}
