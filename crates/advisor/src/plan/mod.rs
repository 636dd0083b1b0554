//! The plan: what a fleet asks for, whether it fits, and what to change.
//!
//! [`plan`] applies the formulas; each file here is one part of the answer. Nothing is decided twice:
//! the table, the JSON and the rendered files all read this one value.

mod advice;
mod capacity;
mod changes;
mod finding;
mod findings;
mod lattice;
mod memory;
mod pooling;
mod queueing;
mod readings;
mod services;

#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use serde::Serialize;

pub use advice::{Advice, Basis, Reason, Topic};
pub use capacity::Capacity;
pub use changes::Change;
pub use finding::{Finding, Severity};
pub(crate) use findings::READ;
pub use memory::MemoryPlan;
pub use pooling::PoolerPlan;
pub use queueing::{QueueingPlan, ScalingPlan};
pub use readings::Reading;
pub use services::ServicePlan;

use crate::facts::{Assumption, Facts};
use crate::formula::{self, demand::Verdict};
use crate::profile::Profile;

/// Version of the JSON form. Grows when a field changes its meaning or is removed; a new field does not
/// change it.
pub const SCHEMA: &str = "pgweir-plan/1";

/// What a fleet asks for, and what follows from it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// [`formula::VERSION`].
    pub formulas: u32,
    /// The rules that filled in what was not given.
    pub profile: Profile,
    /// The worst of capacity, memory and findings.
    pub verdict: Verdict,
    /// Why, the worst first.
    pub reasons: Vec<String>,
    /// Changes that make the capacity OK, the smallest first. Each is enough by itself.
    pub changes: Vec<Change>,
    /// Demand against what PostgreSQL gives.
    pub capacity: Capacity,
    /// Each service.
    pub services: Vec<ServicePlan>,
    /// Memory of the database machine.
    pub memory: MemoryPlan,
    /// What the load needs.
    pub queueing: QueueingPlan,
    /// How throughput grows, where a load test was given.
    pub scaling: Option<ScalingPlan>,
    /// The pooler, if there is one.
    pub pooler: Option<PoolerPlan>,
    /// Whether a pooler, replicas or a bigger machine is called for.
    pub advice: Vec<Advice>,
    /// Rules that are broken, the worst first.
    pub findings: Vec<Finding>,
    /// Where the documents and the model differ for this fleet.
    pub readings: Vec<Reading>,
    /// Every default that was used.
    pub assumptions: Vec<Assumption>,
    /// What the plan was made from; the renderers need it.
    #[serde(skip)]
    pub facts: Facts,
    /// Its name in rendered files. Computed on first use, because that reads the whole fleet.
    #[serde(skip)]
    pub(crate) id: Id,
}

/// A name that follows from the facts, so plans of equal facts are equal with and without it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Id(OnceLock<String>);

impl Id {
    pub(crate) fn get(&self, make: impl FnOnce() -> String) -> &str {
        self.0.get_or_init(make)
    }
}

impl PartialEq for Id {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Plans a fleet.
pub fn plan(facts: Facts) -> Plan {
    let judged = Judged::of(&facts);
    let changes = changes::all(&facts, &judged);
    let (verdict, reasons) = judged.verdict();
    let Judged {
        services,
        queueing,
        pooler,
        capacity,
        memory,
        scaling,
        findings,
    } = judged;
    let advice = advice::all(
        &facts,
        &services,
        &capacity,
        &memory,
        &queueing,
        scaling.as_ref(),
        pooler.as_ref(),
    );
    Plan {
        schema: SCHEMA,
        formulas: formula::VERSION,
        profile: facts.profile,
        verdict,
        reasons,
        changes,
        capacity,
        services,
        memory,
        queueing,
        scaling,
        pooler,
        advice,
        findings,
        readings: readings::all(&facts),
        assumptions: facts.assumptions.clone(),
        facts,
        id: Id::default(),
    }
}

/// What a fleet asks for and whether it fits: all that a change can make better or worse.
struct Judged {
    services: Vec<ServicePlan>,
    queueing: QueueingPlan,
    pooler: Option<PoolerPlan>,
    capacity: Capacity,
    memory: MemoryPlan,
    scaling: Option<ScalingPlan>,
    findings: Vec<Finding>,
}

impl Judged {
    fn of(facts: &Facts) -> Self {
        let services = services::plan(facts);
        let queueing = queueing::plan(facts, &services);
        let pooler = pooling::plan(facts, &services, &queueing);
        let capacity = capacity::plan(facts, &services, pooler.as_ref());
        let memory = memory::plan(facts, &capacity);
        let (scaling, unfit) = queueing::scaling(facts, &queueing);
        let mut findings = findings::all(
            facts,
            &capacity,
            &memory,
            &services,
            pooler.as_ref(),
            scaling.as_ref(),
        );
        findings.extend(unfit);
        findings.extend(lattice::findings(facts));
        findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.id.cmp(&b.id)));
        Self {
            services,
            queueing,
            pooler,
            capacity,
            memory,
            scaling,
            findings,
        }
    }

    /// The worst of capacity, memory and findings, and why, the worst first.
    fn verdict(&self) -> (Verdict, Vec<String>) {
        verdict(&self.capacity, &self.memory, &self.findings)
    }
}

fn verdict(
    capacity: &Capacity,
    memory: &MemoryPlan,
    findings: &[Finding],
) -> (Verdict, Vec<String>) {
    let mut reasons = vec![
        (capacity.verdict, capacity.reason()),
        (memory.verdict, memory.reason()),
    ];
    let findings = findings.iter();
    reasons.extend(findings.map(|finding| (finding.severity.verdict(), finding.sentence())));
    let worst = reasons
        .iter()
        .map(|(verdict, _)| *verdict)
        .max()
        .unwrap_or(Verdict::Ok);
    if worst == Verdict::Ok {
        return (worst, vec![capacity.reason()]);
    }
    reasons.retain(|(verdict, _)| *verdict != Verdict::Ok);
    // Stable: capacity stays before memory before findings of the same weight.
    reasons.sort_by_key(|(verdict, _)| std::cmp::Reverse(*verdict));
    (worst, reasons.into_iter().map(|(_, text)| text).collect())
}
