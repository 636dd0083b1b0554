//! The checklists at the end of both documents, filled in from the findings and sums of a [`Plan`].
//!
//! What no number of the plan decides is asked: the entry says which fact of the fleet would answer it, or what
//! to look at.

use crate::facts::{Kind, PoolerKind, Service, Via};
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
    /// Nothing that is known decides it: the reason says what would.
    Asked,
}

impl Status {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Asked => "asked",
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
    add("S1-C4", "connections are monitored", monitored(plan));
    add("S1-C5", "alerts before connections run out", alerted(plan));
    add("S1-C6", "tested under load", load_tested(plan));
    add("S1-C7", "documented for the team", documented(plan));
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
    add("S2-D6", "alert on exhausted pools", alerted(plan));
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
    add(
        "S2-N3",
        "no connection leaks when something fails",
        no_leaks(plan),
    );
    add(
        "S2-N4",
        "no connection is shared by threads",
        not_shared(plan),
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
        let why = format!("of {unknown} services nobody knows the load: give their requests");
        return (Status::Asked, why);
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
        None if !plan.facts.measured.steps.is_empty() => {
            let why =
                "measured.steps do not show where throughput is highest: go on to twice the peak";
            (Status::Warn, why.to_owned())
        }
        None => {
            let why = "run load/artillery.yml with more and more users, and give measured.steps";
            (Status::Asked, why.to_owned())
        }
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

/// The answer to a question that only people can answer.
fn said(answer: Option<bool>, asks: &str, yes: &str, no: &str) -> Answer {
    match answer {
        Some(true) => (Status::Pass, yes.to_owned()),
        Some(false) => (Status::Fail, no.to_owned()),
        None => (Status::Asked, asks.to_owned()),
    }
}

fn monitored(plan: &Plan) -> Answer {
    said(
        plan.facts.operations.monitoring,
        "render grafana and scrape the pooler, then say operations.monitoring = true",
        "operations.monitoring says so",
        "operations.monitoring says no: render grafana, and scrape the pooler or postgres_exporter",
    )
}

fn alerted(plan: &Plan) -> Answer {
    said(
        plan.facts.operations.alerts,
        "render alerts for Prometheus, then say operations.alerts = true",
        "operations.alerts says so",
        "operations.alerts says no: render alerts, and load them into Prometheus",
    )
}

fn documented(plan: &Plan) -> Answer {
    match &plan.facts.operations.documented {
        Some(place) => (Status::Pass, place.clone()),
        None => {
            let why =
                "put this report where the team looks, and say where in operations.documented";
            (Status::Asked, why.to_owned())
        }
    }
}

/// How each service learns that a connection is dead before a request has it.
fn health_checks(plan: &Plan) -> Answer {
    let checked = |service: &Service| match service.kind {
        // The rendered code has test_before_acquire.
        Kind::Sqlx => true,
        // It connects for every request, so a connection is as old as its request.
        Kind::PhpFpm if !service.persistent => true,
        // The pooler tests its servers, and the way to the pooler is short.
        Kind::Prisma6
        | Kind::Prisma7
        | Kind::PhpFpm
        | Kind::Octane
        | Kind::Queue
        | Kind::Serverless
        | Kind::Generic => service.via == Via::Pooler,
    };
    let without = names(plan, |service| !checked(service));
    if without.is_empty() {
        let why = "SQLx tests before it hands out, php-fpm connects for each request, the pooler tests its servers";
        return (Status::Pass, why.to_owned());
    }
    let why = format!("{without} keep connections to PostgreSQL that nobody tests: a pooler would");
    (Status::Warn, why)
}

/// The names of services, a few at most.
fn names(plan: &Plan, which: impl Fn(&Service) -> bool) -> String {
    let services = plan.facts.services.iter().filter(|service| which(service));
    let names: Vec<&str> = services.map(|service| service.name.as_str()).collect();
    match names.len() {
        0..=5 => names.join(", "),
        count => format!("{} and {} more", names[..4].join(", "), count - 4),
    }
}

/// Where the language or the library gives every connection back, nobody has to think of it.
fn no_leaks(plan: &Plan) -> Answer {
    let asked = names(plan, |service| match service.kind {
        Kind::Sqlx | Kind::Prisma6 | Kind::Prisma7 | Kind::PhpFpm | Kind::Serverless => false,
        Kind::Octane | Kind::Queue | Kind::Generic => true,
    });
    if asked.is_empty() {
        let why = "the libraries give connections back by themselves";
        return (Status::Pass, why.to_owned());
    }
    let look = match plan.facts.pooler.as_ref().map(|pooler| pooler.kind) {
        Some(PoolerKind::Pgweir) => "pgweir names clients that hold a server and do nothing",
        Some(PoolerKind::Pgbouncer) | None => {
            "look for sessions idle in transaction in pg_stat_activity"
        }
    };
    (Status::Asked, format!("{asked}: {look}"))
}

fn not_shared(plan: &Plan) -> Answer {
    let asked = names(plan, |service| service.kind == Kind::Generic);
    if asked.is_empty() {
        let why = "pools and processes of these kinds hand each connection to one task at a time";
        return (Status::Pass, why.to_owned());
    }
    (
        Status::Asked,
        format!("{asked}: look whether each task takes a connection of its own from the pool"),
    )
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

/// S2 means persistent connections, and batch jobs that share theirs with requests.
fn not_persistent(plan: &Plan) -> Answer {
    let persistent = names(plan, |service| service.persistent);
    if !persistent.is_empty() {
        return (
            Status::Warn,
            format!("persistent PDO connections: {persistent}"),
        );
    }
    let services = &plan.facts.services;
    let shares = |service: &Service| {
        let other = |other: &Service| other.kind != Kind::Queue && other.user == service.user;
        service.kind == Kind::Queue && services.iter().any(other)
    };
    let sharing = names(plan, shares);
    if !sharing.is_empty() {
        let why = format!(
            "{sharing}: queue workers with the role, and the time limits, of requests; give them a user of their own"
        );
        return (Status::Warn, why);
    }
    let queues = names(plan, |service| service.kind == Kind::Queue);
    let why = if queues.is_empty() {
        "no connection is persistent, and there are no queue workers".to_owned()
    } else {
        format!("no connection is persistent, and {queues} have a role of their own")
    };
    (Status::Pass, why)
}
