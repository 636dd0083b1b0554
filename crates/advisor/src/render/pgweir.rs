//! pgweir's own configuration.

use super::connect::{distinct, pairs, password_variable};
use super::file::{File, header};
use crate::fleet::Value;
use crate::plan::{Plan, PoolerPlan};
use crate::units::{time_text, whole_seconds};
use std::time::Duration;

pub(super) fn files(plan: &Plan) -> Vec<File> {
    let Some(sizes) = &plan.pooler else {
        return Vec::new();
    };
    vec![File {
        path: "pgweir/pgweir.toml".to_owned(),
        content: toml(plan, sizes),
    }]
}

/// The text of `pgweir.toml`; empty without a pooler.
pub(super) fn toml(plan: &Plan, sizes: &PoolerPlan) -> String {
    let Some(pooler) = &plan.facts.pooler else {
        return String::new();
    };
    let database = &plan.facts.database;
    let time = |time: Duration| text(&time_text(time));
    let or_none = |limit: Option<Duration>| limit.map_or("0".to_owned(), time);
    let mut out = header(plan, "pgweir", "#");
    out.push_str(&format!(
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
    ));
    out.push_str(&databases_and_users(plan));
    out
}

fn databases_and_users(plan: &Plan) -> String {
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
        out.push_str(&format!(
            "\n[users.{}]\npassword_env = {}\n",
            text(user),
            text(&password_variable(user))
        ));
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
