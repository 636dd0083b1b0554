//! pgweir's own configuration.

use super::connect::{distinct, pairs, password_variable};
use super::container;
use super::file::{File, header};
use crate::facts::{Pooler, PoolerKind};
use crate::fleet::Value;
use crate::plan::{Plan, PoolerPlan};
use crate::units::{time_text, whole_seconds};
use std::time::Duration;

pub(super) fn files(plan: &Plan) -> Vec<File> {
    let Some(sizes) = &plan.pooler else {
        return Vec::new();
    };
    let mut files = vec![File {
        path: "pgweir/pgweir.toml".to_owned(),
        content: header(plan, "pgweir", "#") + &toml(plan, sizes, Passwords::Environment),
    }];
    if let Some(pooler) = &plan.facts.pooler {
        files.push(File {
            path: "pgweir/Dockerfile".to_owned(),
            content: dockerfile(plan, pooler),
        });
    }
    files
}

/// Where pgweir finds the passwords of its users.
#[derive(Debug, Clone, Copy)]
pub(super) enum Passwords {
    /// In variables.
    Environment,
    /// In files of this folder.
    Files(&'static str),
}

/// An image of the program as it is installed. Debian has its C library, and a shell for health checks.
fn dockerfile(plan: &Plan, pooler: &Pooler) -> String {
    format!(
        "{}# Put the program `pgweir` beside this file, then: docker build -t {} .\n\
         # It was built for a C library as new as the image's at most: take the Debian that you build on.\n\
         FROM debian:trixie-slim\n\
         COPY --chmod=755 pgweir /usr/local/bin/pgweir\n\
         USER {user}:{user}\n\
         EXPOSE {} {}\n\
         ENTRYPOINT [\"/usr/local/bin/pgweir\"]\n\
         CMD [\"serve\", \"/etc/pgweir/pgweir.toml\"]\n",
        header(plan, "pgweir", "#"),
        PoolerKind::Pgweir.image(),
        pooler.port,
        http_port(pooler.port),
        user = container::pooler_user(PoolerKind::Pgweir),
    )
}

/// The text of `pgweir.toml`, without a header: what reads it starts again when it changes. Empty without a pooler.
pub(super) fn toml(plan: &Plan, sizes: &PoolerPlan, passwords: Passwords) -> String {
    let Some(pooler) = &plan.facts.pooler else {
        return String::new();
    };
    let database = &plan.facts.database;
    let time = |time: Duration| text(&time_text(time));
    let or_none = |limit: Option<Duration>| limit.map_or("0".to_owned(), time);
    let mut out = format!(
        "# For each of {instances} instances. Needs {descriptors} file descriptors (ulimit -n, LimitNOFILE).\n\
         \n\
         [pgweir]\n\
         listen_addr = \"*\"\n\
         listen_port = {port}\n\
         auth_type = \"scram-sha-256\"\n\
         pool_mode = \"{mode}\"\n\
         max_client_conn = {clients}\n\
         # For each database and user.\n\
         default_pool_size = {pool}\n\
         reserve_pool_size = {reserve}\n\
         reserve_pool_timeout = \"3s\"\n\
         # The cap for all users of a database.\n\
         max_db_connections = {per_database}\n\
         query_wait_timeout = {wait}\n\
         idle_transaction_timeout = {idle_transaction}\n\
         client_idle_timeout = {client_idle}\n\
         server_lifetime = {lifetime}\n\
         server_idle_timeout = {server_idle}\n\
         server_connect_timeout = \"5s\"\n\
         tcp_keepidle = {keepidle}\n\
         tcp_keepintvl = {keepintvl}\n\
         tcp_keepcnt = {keepcnt}\n\
         # Probes and metrics.\n\
         http_listen = \"0.0.0.0:{http}\"\n",
        instances = sizes.instances,
        descriptors = sizes.descriptors,
        port = pooler.port,
        mode = pooler.pool_mode,
        clients = sizes.max_client_conn,
        pool = sizes.default_pool_size,
        reserve = sizes.reserve_pool_size,
        per_database = sizes.max_db_connections,
        wait = time(pooler.query_wait),
        idle_transaction = or_none(pooler.idle_transaction),
        client_idle = or_none(pooler.client_idle),
        lifetime = time(pooler.server_lifetime),
        server_idle = time(pooler.server_idle),
        keepidle = whole_seconds(database.timeouts.keepalives_idle),
        keepintvl = whole_seconds(database.timeouts.keepalives_interval),
        keepcnt = database.timeouts.keepalives_count,
        http = http_port(pooler.port),
    );
    out.push_str(&databases_and_users(plan, passwords));
    out
}

fn databases_and_users(plan: &Plan, passwords: Passwords) -> String {
    let database = &plan.facts.database;
    let mut out = String::new();
    let pairs = pairs(plan, true);
    for name in distinct(pairs.iter().map(|(_, database)| *database)) {
        out.push_str(&format!(
            "\n[databases.{}]\nhost = {}\nport = {}\n",
            text(name),
            text(&database.host),
            database.port
        ));
    }
    for user in distinct(pairs.iter().map(|(user, _)| *user)) {
        let variable = password_variable(user);
        let found = match passwords {
            Passwords::Environment => format!("password_env = {}", text(&variable)),
            Passwords::Files(folder) => {
                format!("password_file = {}", text(&format!("{folder}/{variable}")))
            }
        };
        out.push_str(&format!("\n[users.{}]\n{found}\n", text(user)));
    }
    out
}

/// The port next to the pooler's own.
pub(super) fn http_port(port: u16) -> u16 {
    port.checked_add(1).unwrap_or(port - 1)
}

fn text(text: &str) -> String {
    Value::from(text).to_string()
}
