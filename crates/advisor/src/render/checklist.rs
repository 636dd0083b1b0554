//! The checklists at the end of both documents, filled in as far as a plan can know.
//!
//! Nothing is planned here: an entry is told from the findings and sums of the [`Plan`].

use crate::facts::{Kind, Via};
use crate::formula::demand::Verdict;
use crate::plan::{Plan, Severity};
use crate::units::percent_text;

/// How an entry of a checklist stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Pass,
    /// Done, with a doubt.
    Warn,
    /// Not done.
    Fail,
    /// A plan cannot know.
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
    /// `S1-C1` to `S1-C8`, `S2-D1` to `S2-D6` (do), `S2-N1` to `S2-N4` (do not).
    pub id: &'static str,
    /// What it asks.
    pub asks: &'static str,
    /// How it stands.
    pub status: Status,
    /// Why.
    pub why: String,
}

/// The checklists of both documents, filled in.
pub fn checklist(plan: &Plan) -> Vec<Check> {
    let capacity = &plan.capacity;
    let check = |id, asks, status, why: String| Check {
        id,
        asks,
        status,
        why,
    };
    let outside = || "outside of a plan; see the rendered files".to_owned();
    let broken = |ids: &[&str]| {
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
    };
    let unsized_services = plan.services.iter().filter(|s| s.need.is_none()).count();
    let below = broken(&["F10", "F7"]);
    let sized = if below.0 == Status::Pass && unsized_services > 0 {
        let why = format!("the load of {unsized_services} services is not known");
        (Status::Warn, why)
    } else {
        below
    };
    let timeouts = broken(&["L1", "L2", "L3", "L4", "L5", "L6", "L7", "L8", "L9", "L10"]);
    let usable = format!(
        "{} at the peak, {} of {} usable",
        capacity.peak,
        percent_text(capacity.peak, capacity.usable),
        capacity.usable
    );
    let pooler = &plan.advice[0];
    let pooled = match (plan.pooler.is_some(), pooler.called_for) {
        (true, _) | (_, false) => Status::Pass,
        (false, true) => Status::Warn,
    };
    let persistent = plan.facts.services.iter().any(|service| service.persistent);
    let largest = plan
        .services
        .iter()
        .filter(|service| service.via == Via::Direct)
        .map(|service| service.pool)
        .max()
        .unwrap_or_default();
    let sqlx = plan.facts.services.iter().any(|s| s.kind == Kind::Sqlx);
    vec![
        check(
            "S1-C1",
            "connection_limit is worked out",
            sized.0,
            sized.1.clone(),
        ),
        check(
            "S1-C2",
            "pool_timeout and connect_timeout are set",
            timeouts.0,
            timeouts.1.clone(),
        ),
        check(
            "S1-C3",
            "max_connections is sufficient",
            Status::of(capacity.verdict),
            usable.clone(),
        ),
        check(
            "S1-C4",
            "connections are monitored",
            Status::Skipped,
            outside(),
        ),
        check(
            "S1-C5",
            "exhaustion raises an alert",
            Status::Skipped,
            outside(),
        ),
        check(
            "S1-C6",
            "tested under load",
            if plan.scaling.is_some() {
                Status::Pass
            } else {
                Status::Skipped
            },
            plan.scaling.as_ref().map_or_else(
                || "no measured.steps".to_owned(),
                |s| format!("best at {} connections", s.operating_point),
            ),
        ),
        check(
            "S1-C7",
            "documented for the team",
            Status::Pass,
            "this report".to_owned(),
        ),
        check(
            "S1-C8",
            "PgBouncer, above 50 connections",
            pooled,
            pooler.summary.clone(),
        ),
        check("S2-D1", "set reasonable timeouts", timeouts.0, timeouts.1),
        check("S2-D2", "size pools correctly", sized.0, sized.1),
        check(
            "S2-D3",
            "use a pooler for high traffic",
            pooled,
            pooler.summary.clone(),
        ),
        check(
            "S2-D4",
            "enable health checks",
            if sqlx { Status::Pass } else { Status::Skipped },
            "test_before_acquire in the rendered SQLx code".to_owned(),
        ),
        {
            let (status, why) = broken(&["L14"]);
            check("S2-D5", "close connections gracefully", status, why)
        },
        check(
            "S2-D6",
            "monitor pool exhaustion",
            Status::Skipped,
            outside(),
        ),
        check(
            "S2-N1",
            "no pool as large as max_connections",
            if largest < capacity.usable || largest.0 == 0 {
                Status::Pass
            } else {
                Status::Fail
            },
            format!(
                "the largest pool has {largest}, {} are usable",
                capacity.usable
            ),
        ),
        check(
            "S2-N2",
            "no persistent connections for long tasks",
            if persistent {
                Status::Warn
            } else {
                Status::Pass
            },
            if persistent {
                "PDO connections are persistent".to_owned()
            } else {
                "none are".to_owned()
            },
        ),
        check(
            "S2-N3",
            "close connections when something fails",
            Status::Skipped,
            "outside of a plan".to_owned(),
        ),
        check(
            "S2-N4",
            "no connection shared between threads",
            Status::Skipped,
            "outside of a plan".to_owned(),
        ),
    ]
}
