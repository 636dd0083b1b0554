//! Writes a plan as files for the programs that read them.
//!
//! A target is a name and a function from a plan to files ([`TARGETS`]). Every file names the plan
//! and the version of the formulas it comes from; the same plan gives the same bytes. No secret is written:
//! passwords are references to variables, secrets or files.

mod checklist;
mod compose;
mod connect;
mod container;
mod file;
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
mod secrets;
mod sqlx;
mod yaml;

#[cfg(test)]
mod tests;

use crate::alerts::{self, Thresholds};
use crate::grafana;
use crate::plan::Plan;

pub use checklist::{Check, Status, checklist};
pub use file::{File, MARK, plan_id};
pub use load::{PHASES, Phase, arrivals};

/// A program, or a group of people, that files are written for.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name of it on the command line, and of its folder.
    pub name: &'static str,
    /// What is written, in a few words.
    pub about: &'static str,
    /// Renders it; no files if the fleet has nothing for this target.
    pub files: fn(&Plan) -> Vec<File>,
}

/// All targets, in the order of the manual.
pub const TARGETS: &[Target] = &[
    Target {
        name: "fleet",
        about: "fleet.toml with every default written out",
        files: |plan| vec![description(plan)],
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
        about: "ALTER SYSTEM, standbys in their order, and a script for roles, grants and limits",
        files: postgresql::sql,
    },
    Target {
        name: "pgbouncer",
        about: "pgbouncer.ini and a template of userlist.txt",
        files: pgbouncer::files,
    },
    Target {
        name: "pgweir",
        about: "pgweir.toml, and a Dockerfile of its image",
        files: pgweir::files,
    },
    Target {
        name: "compose",
        about: "docker-compose.yml, and a script that makes its passwords",
        files: compose::files,
    },
    Target {
        name: "kubernetes",
        about: "Deployments, Services, ConfigMaps, policies, budgets, autoscalers, and a script for the Secrets",
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

/// The fleet itself: planning it again gives the same plan.
fn description(plan: &Plan) -> File {
    File {
        path: "fleet/fleet.toml".to_owned(),
        content: file::header(plan, "fleet", "#") + &fleet::text(plan),
    }
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
