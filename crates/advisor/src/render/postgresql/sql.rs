//! The settings as `ALTER SYSTEM`, standbys in their order, and the roles.

use super::super::file::{File, header};
use super::{Setting, assumptions, literal, roles, settings};
use crate::plan::Plan;

pub(crate) fn files(plan: &Plan) -> Vec<File> {
    let mut files = Vec::new();
    let standbys = &plan.facts.database.standbys;
    if !standbys.is_empty() {
        files.push(File {
            path: "sql/1-standbys.sql".to_owned(),
            content: standby(plan),
        });
    }
    files.push(File {
        path: "sql/2-primary.sql".to_owned(),
        content: primary(plan),
    });
    files.push(File {
        path: "sql/3-roles.sql".to_owned(),
        content: roles::script(plan),
    });
    files
}

/// Settings that must be at least as high on a standby as on its primary.
const AT_LEAST_AS_PRIMARY: [&str; 2] = ["max_connections", "max_worker_processes"];

fn order(plan: &Plan) -> String {
    if plan.facts.database.standbys.is_empty() {
        return String::new();
    }
    format!(
        "-- Standbys: {}. Where a value rises, run 1-standbys.sql on each and restart it, then\n\
         -- 2-primary.sql and restart the primary. Where it falls, the primary comes first: a standby with\n\
         -- less than its primary stops answering queries.\n",
        plan.facts.database.standbys.join(", ")
    )
}

fn standby(plan: &Plan) -> String {
    let mut text = header(plan, "sql", "--");
    text.push_str(&order(plan));
    text.push('\n');
    for setting in settings(plan) {
        if AT_LEAST_AS_PRIMARY.contains(&setting.name) {
            text.push_str(&alter_system(&setting));
        }
    }
    text.push_str("\nSELECT pg_reload_conf();\n");
    text.push_str(PENDING);
    text
}

fn primary(plan: &Plan) -> String {
    let mut text = header(plan, "sql", "--");
    text.push_str(&order(plan));
    text.push_str("-- Run as a superuser, outside a transaction.\n");
    text.push_str(&assumptions(plan, "--"));
    text.push('\n');
    for setting in settings(plan) {
        text.push_str(&alter_system(&setting));
    }
    text.push_str("\nSELECT pg_reload_conf();\n");
    text.push_str(PENDING);
    text
}

fn alter_system(setting: &Setting) -> String {
    let line = format!(
        "ALTER SYSTEM SET {} = {};",
        setting.name,
        literal(&setting.value)
    );
    format!("{line:<64} -- {}\n", setting.applies.word())
}

/// A reload takes a moment to reach this session.
const PENDING: &str = "SELECT pg_sleep(1);\n\
                       -- Settings listed here take effect at the next restart only.\n\
                       SELECT name, setting FROM pg_settings WHERE pending_restart ORDER BY name;\n";
