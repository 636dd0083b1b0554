//! The checklists at the end of both documents, filled in from the findings and sums of a [`Plan`].
//!
//! Entries that no plan can answer are left out: monitoring and alerts (S1-C4, S1-C5, S2-D6) and
//! what an application's code does (S2-N3, S2-N4).

use crate::facts::{Kind, Via};
use crate::formula::demand::Verdict;
use crate::plan::{Plan, Severity};
use crate::units::percent_text;

/// Whether an entry of a checklist is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Met.
    Pass,
    /// Met with a doubt.
    Warn,
    /// Not met.
    Fail,
    /// The fleet has nothing that it applies to, or was not measured.
    Skipped,
}

impl Status {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skipped => "skipped",
        }
    }

    fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Ok => Self::Pass,
            Verdict::Warn => Self::Warn,
            Verdict::Fail => Self::Fail,
        }
    }
}

/// An entry of the documents' checklists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// `S1-C1` to `S1-C8`, `S2-D1` to `S2-D5` (do), `S2-N1` and `S2-N2` (do not).
    pub id: &'static str,
    /// What it asks.
    pub asks: &'static str,
    /// Whether it is met.
    pub status: Status,
    /// Why.
    pub why: String,
}

/// The checklists of both documents, filled in.
pub fn checklist(plan: &Plan) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut add = |id, asks, (status, why): Answer| {
        checks.push(Check {
            id,
            asks,
            status,
            why,
        });
    };
    add("S1-C1", "connection_limit is worked out", sized(plan));
    add(
        "S1-C2",
        "pool_timeout and connect_timeout are set",
        timeouts(plan),
    );
    add("S1-C3", "max_connections is sufficient", sufficient(plan));
    add("S1-C6", "tested under load", load_tested(plan));
    let report = (Status::Pass, "this report".to_owned());
    add("S1-C7", "documented for the team", report);
    add("S1-C8", "PgBouncer, above 50 connections", pooled(plan));
    add("S2-D1", "set reasonable timeouts", timeouts(plan));
    add("S2-D2", "size pools correctly", sized(plan));
    add("S2-D3", "use a pooler for high traffic", pooled(plan));
    add("S2-D4", "enable health checks", health_checks(plan));
    add(
        "S2-D5",
        "close connections gracefully",
        broken(plan, &["L14"]),
    );
    add(
        "S2-N1",
        "no pool as large as max_connections",
        no_pool_of_all(plan),
    );
    add(
        "S2-N2",
        "no persistent connections for long tasks",
        not_persistent(plan),
    );
    checks
}

type Answer = (Status, String);

/// The worst finding of these rules.
fn broken(plan: &Plan, ids: &[&str]) -> Answer {
    let worst = plan
        .findings
        .iter()
        .filter(|finding| ids.contains(&finding.id.as_str()))
        .max_by_key(|finding| finding.severity);
    match worst {
        None => (Status::Pass, "no rule is broken".to_owned()),
        Some(finding) => {
            let status = match finding.severity {
                Severity::Info => Status::Pass,
                Severity::Warn => Status::Warn,
                Severity::Fail => Status::Fail,
            };
            (status, finding.sentence())
        }
    }
}

fn sized(plan: &Plan) -> Answer {
    let unknown = plan.services.iter().filter(|s| s.need.is_none()).count();
    let below = broken(plan, &["F10", "F7"]);
    if below.0 == Status::Pass && unknown > 0 {
        let why = format!("the load of {unknown} services is not known");
        return (Status::Warn, why);
    }
    below
}

fn timeouts(plan: &Plan) -> Answer {
    let rules = ["L1", "L2", "L3", "L4", "L5", "L6", "L7", "L8", "L9", "L10"];
    broken(plan, &rules)
}

fn sufficient(plan: &Plan) -> Answer {
    let capacity = &plan.capacity;
    let why = format!(
        "{} at the peak, {} of {} usable",
        capacity.peak,
        percent_text(capacity.peak, capacity.usable),
        capacity.usable
    );
    (Status::of(capacity.verdict), why)
}

fn load_tested(plan: &Plan) -> Answer {
    match &plan.scaling {
        Some(scaling) => {
            let why = format!("best at {} connections", scaling.operating_point);
            (Status::Pass, why)
        }
        None => (Status::Skipped, "no measured.steps".to_owned()),
    }
}

fn pooled(plan: &Plan) -> Answer {
    let pooler = &plan.advice[0];
    let status = match (plan.pooler.is_some(), pooler.called_for) {
        (true, _) | (_, false) => Status::Pass,
        (false, true) => Status::Warn,
    };
    (status, pooler.summary.clone())
}

fn health_checks(plan: &Plan) -> Answer {
    let mut services = plan.facts.services.iter();
    if services.any(|service| service.kind == Kind::Sqlx) {
        let why = "test_before_acquire in the rendered SQLx code";
        (Status::Pass, why.to_owned())
    } else {
        (Status::Skipped, "no service uses SQLx".to_owned())
    }
}

fn no_pool_of_all(plan: &Plan) -> Answer {
    let usable = plan.capacity.usable;
    let direct = plan.services.iter().filter(|s| s.via == Via::Direct);
    let Some(largest) = direct.map(|service| service.pool).max() else {
        return (
            Status::Pass,
            "all services go through the pooler".to_owned(),
        );
    };
    let status = if largest < usable {
        Status::Pass
    } else {
        Status::Fail
    };
    let why = format!("the largest pool has {largest}, {usable} are usable");
    (status, why)
}

fn not_persistent(plan: &Plan) -> Answer {
    if plan.facts.services.iter().any(|service| service.persistent) {
        (Status::Warn, "PDO connections are persistent".to_owned())
    } else {
        (Status::Pass, "none are".to_owned())
    }
}
