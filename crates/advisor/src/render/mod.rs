//! Writes a plan as files, for the programs that read them.
//!
//! A target is a name and a function from a plan to files ([`TARGETS`]). Every file says which plan
//! and which formulas it comes from; the same plan gives the same bytes. No secret is written:
//! passwords are references to variables, secrets or files.

mod checklist;
mod compose;
mod fleet;
mod kubernetes;
mod laravel;
mod load;
mod pgbouncer;
mod pgweir;
mod php_fpm;
mod postgresql;
mod prisma;
mod report;
mod sqlx;
mod yaml;

#[cfg(test)]
mod tests;

use crate::alerts::{self, Thresholds};
use crate::facts::{Kind, Service, Via};
use crate::formula;
use crate::grafana;
use crate::plan::Plan;

pub use checklist::{Check, Status, checklist};
pub use load::{PHASES, Phase, arrivals};

/// Stands in the first line of comments of every file that is of a fleet: what has it was rendered.
pub const MARK: &str = "Written by `pgweir render ";

/// A file to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where, below the output folder, with `/` between folders.
    pub path: String,
    /// What is in it.
    pub content: String,
}

/// A program, or people, that files are written for.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name on the command line and of its folder.
    pub name: &'static str,
    /// What is written, in a few words.
    pub about: &'static str,
    /// Writes it; no files where the fleet has nothing for this target.
    pub files: fn(&Plan) -> Vec<File>,
}

/// All targets, in the order of the manual.
pub const TARGETS: &[Target] = &[
    Target {
        name: "fleet",
        about: "fleet.toml with every default written out",
        files: fleet::files,
    },
    Target {
        name: "prisma",
        about: "URLs for Prisma 6 and older, a factory for Prisma 7",
        files: prisma::files,
    },
    Target {
        name: "sqlx",
        about: "PgPoolOptions in Rust, and .env",
        files: sqlx::files,
    },
    Target {
        name: "laravel",
        about: "connections of config/database.php, for 13 and for 12 and older",
        files: laravel::files,
    },
    Target {
        name: "php-fpm",
        about: "pool files and their variables",
        files: php_fpm::files,
    },
    Target {
        name: "postgresql.conf",
        about: "settings of the server, each marked restart or reload",
        files: postgresql::conf,
    },
    Target {
        name: "sql",
        about: "ALTER SYSTEM and ALTER ROLE, standbys in their order",
        files: postgresql::sql,
    },
    Target {
        name: "pgbouncer",
        about: "pgbouncer.ini and a template of userlist.txt",
        files: pgbouncer::files,
    },
    Target {
        name: "pgweir",
        about: "pgweir.toml",
        files: pgweir::files,
    },
    Target {
        name: "compose",
        about: "docker-compose.yml",
        files: compose::files,
    },
    Target {
        name: "kubernetes",
        about: "Deployments, Services, ConfigMaps, budgets, autoscalers",
        files: kubernetes::manifests,
    },
    Target {
        name: "helm",
        about: "values.yaml",
        files: kubernetes::helm_values,
    },
    Target {
        name: "load",
        about: "a load test for artillery",
        files: load::files,
    },
    Target {
        name: "report",
        about: "the plan for the team, in Markdown and HTML",
        files: report::files,
    },
    Target {
        name: "alerts",
        about: "alerting rules for Prometheus, the same for every fleet",
        files: |_| vec![alerts(&Thresholds::default())],
    },
    Target {
        name: "grafana",
        about: "a dashboard for Grafana, the same for every fleet",
        files: |_| vec![grafana()],
    },
];

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Alerting rules for Prometheus; the same for every fleet.
pub fn alerts(thresholds: &Thresholds) -> File {
    File {
        path: "alerts/pgweir-alerts.yml".to_owned(),
        content: alerts::render(thresholds),
    }
}

/// A dashboard for Grafana; the same for every fleet.
pub fn grafana() -> File {
    File {
        path: "grafana/pgweir-grafana.json".to_owned(),
        content: grafana::render(),
    }
}

/// The files of all targets.
pub fn all(plan: &Plan) -> Vec<File> {
    TARGETS
        .iter()
        .flat_map(|target| (target.files)(plan))
        .collect()
}

/// A name for the plan: equal for equal fleets, and nearly always different for others.
pub fn plan_id(plan: &Plan) -> &str {
    plan.id.get(|| {
        // FNV-1a: it has to tell fleets apart, not to withstand anyone.
        let hash = fleet::text(plan)
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        format!("{hash:016x}")
    })
}

/// The lines that every file begins with, each behind `comment`.
fn header(plan: &Plan, target: &str, comment: &str) -> String {
    let verdict = plan.verdict;
    let lines = [
        format!(
            "{MARK}{target}`: plan {}, formulas {}, verdict {verdict}.",
            plan_id(plan),
            formula::VERSION
        ),
        "Change the fleet and render again; changes made here are lost.".to_owned(),
    ];
    lines
        .iter()
        .map(|line| format!("{comment} {line}\n"))
        .collect()
}

/// Where a service connects to: host and port.
fn address<'a>(plan: &'a Plan, service: &Service) -> (&'a str, u16) {
    match (&plan.facts.pooler, service.via) {
        (Some(pooler), Via::Pooler) => (&pooler.host, pooler.port),
        (None, _) | (_, Via::Direct) => (&plan.facts.database.host, plan.facts.database.port),
    }
}

/// Whether session state does not last for a service.
fn shares_servers(plan: &Plan, service: &Service) -> bool {
    service.via == Via::Pooler
        && plan
            .facts
            .pooler
            .as_ref()
            .is_some_and(|pooler| pooler.pool_mode != crate::facts::PoolMode::Session)
}

/// The services of these kinds.
fn of_kind<'a>(plan: &'a Plan, kinds: &'a [Kind]) -> impl Iterator<Item = &'a Service> {
    plan.facts
        .services
        .iter()
        .filter(move |service| kinds.contains(&service.kind))
}

/// Roles and the databases they use, each pair once; of the services behind the pooler only, if
/// `pooled`.
fn pairs(plan: &Plan, pooled: bool) -> Vec<(&str, &str)> {
    let mut pairs: Vec<(&str, &str)> = plan
        .facts
        .services
        .iter()
        .filter(|service| !pooled || service.via == Via::Pooler)
        .map(|service| (service.user.as_str(), service.database.as_str()))
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

/// Each of the first, or second, parts of pairs once, in order.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The variable that holds the password of a role: `APP_PASSWORD` for `app`.
fn password_variable(user: &str) -> String {
    let upper = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    let name: String = user.chars().map(upper).collect();
    let start = if name.starts_with(|c: char| c.is_ascii_digit()) {
        "_"
    } else {
        ""
    };
    format!("{start}{name}_PASSWORD")
}

/// A part of a URL, with everything escaped that may not stand there.
fn url_part(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// A URL whose password is a reference to a variable.
fn database_url(user: &str, host: &str, port: u16, database: &str) -> String {
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        url_part(host)
    };
    format!(
        "postgresql://{}:${{{}}}@{host}:{port}/{}",
        url_part(user),
        password_variable(user),
        url_part(database)
    )
}
