//! Whether a pooler, replicas or a bigger machine is called for, and why.

use serde::Serialize;

use super::capacity::{self, Capacity};
use super::memory::MemoryPlan;
use super::pooling::PoolerPlan;
use super::queueing::{QueueingPlan, ScalingPlan};
use crate::facts::{Facts, Kind};
use crate::formula::demand::Verdict;
use crate::units::{Connections, percent_text, short};

/// What might be called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// A pooler between services and PostgreSQL.
    Pooler,
    /// Read replicas.
    ReadReplicas,
    /// A machine with more cores or memory.
    BiggerMachine,
}

impl std::fmt::Display for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Pooler => "pooler",
            Self::ReadReplicas => "read replicas",
            Self::BiggerMachine => "bigger machine",
        })
    }
}

/// What a reason rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// The model: it counts.
    Model,
    /// A rule of thumb of the documents: it is told, and does not count by itself.
    Heuristic,
}

/// Why something is called for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The trigger in the manual.
    pub id: &'static str,
    /// What it rests on.
    pub basis: Basis,
    /// The reason, with its numbers.
    pub text: String,
}

/// Whether something is called for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// What.
    pub topic: Topic,
    /// Whether it is.
    pub called_for: bool,
    /// In a sentence.
    pub summary: String,
    /// Why.
    pub reasons: Vec<Reason>,
}

pub(super) fn all(
    facts: &Facts,
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
        replicas(facts, capacity),
        machine(facts, capacity, memory, queueing, scaling),
    ]
}

fn present_pooler(capacity: &Capacity, pooler: &PoolerPlan) -> Advice {
    Advice {
        topic: Topic::Pooler,
        called_for: true,
        summary: format!(
            "there is one: {} connections of clients share {} servers",
            pooler.clients, capacity.pooler
        ),
        reasons: Vec::new(),
    }
}

fn absent_pooler(facts: &Facts, capacity: &Capacity, queueing: &QueueingPlan) -> Advice {
    let mut reasons = Vec::new();
    let mut add = |id, basis, text: String| reasons.push(Reason { id, basis, text });
    let total = capacity.steady;
    if capacity.verdict != Verdict::Ok {
        let percent = percent_text(capacity.peak + capacity.reserve, capacity.usable);
        let text = format!("the peak is {percent} of what ordinary roles get");
        add("A10", Basis::Model, text);
    }
    if let Some(ratio) = capacity.oversubscription.filter(|ratio| *ratio > 4.0) {
        let text = format!(
            "{} connections are {} times the {} that can usefully be active",
            capacity.peak,
            short((ratio * 100.0).round() / 100.0),
            capacity.optimum
        );
        add("A10", Basis::Model, text);
    }
    if let Some(churn) = facts.measured.churn.filter(|churn| churn.0 > 10.0) {
        add(
            "A10",
            Basis::Model,
            format!("{churn} connections are opened"),
        );
    }
    let kinds = |kind| {
        facts
            .services
            .iter()
            .filter(move |service| service.kind == kind)
    };
    if let Some(service) = kinds(Kind::Serverless).next() {
        let text = format!(
            "{} is serverless: its connections scale with requests",
            service.name
        );
        add("A10", Basis::Model, text);
    }
    if let Some(service) =
        kinds(Kind::PhpFpm).find(|service| !service.persistent && service.pool.0 > 20)
    {
        let text = format!(
            "{} opens a connection for each request in {} children",
            service.name, service.pool
        );
        add("A10", Basis::Model, text);
    }
    if let Some(gain) = queueing.gain.filter(|gain| *gain > 3.0) {
        let text = format!(
            "sharing would do with {} connections in place of {}, {} times fewer",
            queueing.shared.unwrap_or_default(),
            queueing.separate.unwrap_or_default(),
            short((gain * 100.0).round() / 100.0)
        );
        add("A10", Basis::Model, text);
    }
    if total > Connections(50) {
        let text = format!("{total} connections are more than 50 (S1, checklist)");
        add("A8", Basis::Heuristic, text);
    }
    let per_minute: f64 = facts
        .services
        .iter()
        .filter_map(|service| service.requests)
        .map(|requests| requests.0 * 60.0)
        .sum();
    if per_minute > 1000.0 {
        let text = format!(
            "{} requests a minute are more than 1000 (S2); throughput alone is no reason",
            short(per_minute.round())
        );
        add("A9", Basis::Heuristic, text);
    }
    let called_for = reasons.iter().any(|reason| reason.basis == Basis::Model);
    let need = queueing.shared.unwrap_or(Connections(1));
    let sizes = capacity::with_pooler(facts, need, capacity.peak);
    let summary = if called_for {
        format!(
            "yes: {} servers would serve the {} connections of clients",
            sizes.servers, capacity.peak
        )
    } else if reasons.is_empty() {
        "no".to_owned()
    } else {
        "no: the documents' rules of thumb say so, the model does not".to_owned()
    };
    Advice {
        topic: Topic::Pooler,
        called_for,
        summary,
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
        "yes: reads can go elsewhere, if they may be a little old".to_owned()
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
                "the load keeps {} connections busy, {} cores work on {most} at most",
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
        "yes, or less work for this one: cache, index, shorter transactions".to_owned()
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
