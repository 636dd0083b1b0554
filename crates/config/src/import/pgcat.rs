//! `pgcat.toml`: pools are databases, and each has users and shards of its own.
//!
//! Source: PgCat's CONFIG.md.

use std::collections::BTreeMap;

use pgweir_settings::Value;
use pgweir_settings::toml::Leaf;

use super::draft::{Act, Draft, Rules, To};

pub(super) fn carry(leaves: &[Leaf], draft: &mut Draft) {
    let names = names(leaves);
    for leaf in leaves {
        let path: Vec<&str> = leaf.path.iter().map(String::as_str).collect();
        match path[..] {
            ["general", "server_tls" | "verify_server_certificate"] => {
                server_tls(leaf, leaves, draft)
            }
            ["general", _] => draft.carry(leaf, GENERAL, To::Global),
            ["pools", pool, "shards", shard, key] => {
                draft.section(To::Database(pool));
                match (shard, key) {
                    ("0", "database") => draft.carry(leaf, SHARD, To::Database(pool)),
                    ("0", "servers") => servers(leaf, pool, draft),
                    _ => draft.drop(leaf, "pgweir does not shard and does not mirror"),
                }
            }
            ["pools", pool, "users", number, key] => {
                user(leaf, (pool, number, key), &names, USER, draft);
            }
            ["pools", pool, _] => draft.carry(leaf, POOL, To::Database(pool)),
            _ => draft.drop(leaf, "pgweir has no plugins"),
        }
    }
    draft.fill("pool_mode", "transaction", "pool_mode (PgCat's default)");
    draft.fill("listen_addr", "*", "general.host (PgCat's default)");
    draft.fill("auth_type", "md5", "PgCat asks clients for MD5");
}

/// The names of users by their pool and number.
pub(super) type Names = BTreeMap<(String, String), String>;

pub(super) fn names(leaves: &[Leaf]) -> Names {
    let named = leaves.iter().filter_map(|leaf| match &leaf.path[..] {
        [pools, pool, users, number, name]
            if pools == "pools" && users == "users" && name == "username" =>
        {
            let user = leaf.given.value.bare().into_owned();
            Some(((pool.clone(), number.clone()), user))
        }
        _ => None,
    });
    named.collect()
}

/// A setting of a user of a pool, of which `rules` say what becomes of it as a user's own.
pub(super) fn user(
    leaf: &Leaf,
    (pool, number, key): (&str, &str, &str),
    names: &Names,
    rules: Rules,
    draft: &mut Draft,
) {
    let Some(name) = names.get(&(pool.to_owned(), number.to_owned())) else {
        return draft.drop(leaf, "its user has no username");
    };
    match key {
        "username" => draft.named(leaf, To::User(name)),
        "server_username" | "server_password"
            if names.keys().filter(|(of, _)| of == pool).count() > 1 =>
        {
            draft.drop(
                leaf,
                "a database has one login for servers, and its pool has several users",
            );
        }
        "server_username" | "server_password" | "min_pool_size" => {
            draft.carry(leaf, USER_OF_DATABASE, To::Database(pool));
        }
        _ => draft.carry(leaf, rules, To::User(name)),
    }
}

fn server_tls(leaf: &Leaf, leaves: &[Leaf], draft: &mut Draft) {
    let is_on = |name: &str| {
        let mut named = leaves.iter();
        let found = named.find(|leaf| leaf.path == ["general", name]);
        found.is_some_and(|leaf| leaf.given.value == Value::Bool(true))
    };
    let mode = match (is_on("server_tls"), is_on("verify_server_certificate")) {
        (true, true) => "verify-full",
        (true, false) => "prefer",
        (false, _) => "disable",
    };
    draft.place(leaf, To::Global, "server_tls_sslmode", mode.into(), None);
}

/// `[["host", port, "role"], ...]`.
fn servers(leaf: &Leaf, pool: &str, draft: &mut Draft) {
    let Value::List(servers) = &leaf.given.value else {
        return draft.drop(leaf, "is no list of servers");
    };
    let parts = |server: &Value| match server {
        Value::List(parts) => parts.iter().map(|part| part.bare().into_owned()).collect(),
        _ => Vec::<String>::new(),
    };
    let servers: Vec<Vec<String>> = servers.iter().map(parts).collect();
    let primary = servers
        .iter()
        .find(|parts| parts.get(2).is_some_and(|role| role == "primary"));
    let Some([host, port, ..]) = primary.or(servers.first()).map(Vec::as_slice) else {
        return draft.drop(leaf, "names no server");
    };
    let why = "one server of a database is used, the primary; replicas need a database each";
    let why = (servers.len() > 1).then_some(why);
    draft.set(To::Database(pool), "port", port);
    draft.place(leaf, To::Database(pool), "host", host.as_str().into(), why);
}

const NO_ROUTING: Act = Act::Drop("pgweir does not route by what a query says");

const GENERAL: Rules = &[
    // 0.0.0.0 is all, for pgweir with IPv6.
    ("host", Act::Same("listen_addr")),
    ("port", Act::Same("listen_port")),
    ("connect_timeout", Act::Ms("query_wait_timeout")),
    ("idle_timeout", Act::Ms("server_idle_timeout")),
    ("server_lifetime", Act::Ms("server_lifetime")),
    ("server_round_robin", Act::Same("server_round_robin")),
    (
        "idle_client_in_transaction_timeout",
        Act::Ms("idle_transaction_timeout"),
    ),
    ("healthcheck_delay", Act::Ms("server_check_delay")),
    ("healthcheck_timeout", Act::Drop("a check has 10 s")),
    ("shutdown_timeout", Act::Ms("shutdown_timeout")),
    (
        "ban_time",
        Act::Drop(
            "a database has one server; server_login_retry is the pause after a failed login",
        ),
    ),
    ("log_client_connections", Act::Same("log_connections")),
    ("log_client_disconnections", Act::Same("log_disconnections")),
    (
        "autoreload",
        Act::Drop("SIGHUP reloads; auth_file is read again when it changes"),
    ),
    ("worker_threads", Act::Same("workers")),
    ("tcp_keepalives_idle", Act::Same("tcp_keepidle")),
    ("tcp_keepalives_count", Act::Same("tcp_keepcnt")),
    ("tcp_keepalives_interval", Act::Same("tcp_keepintvl")),
    ("tcp_user_timeout", Act::Same("tcp_user_timeout")),
    ("tls_certificate", Act::Same("client_tls_cert_file")),
    ("tls_private_key", Act::Same("client_tls_key_file")),
    (
        "admin_username",
        Act::Drop("who may use the console is said by admin_users"),
    ),
    (
        "admin_password",
        Act::Drop("an administrator logs in as any user does"),
    ),
    (
        "auth_query",
        Act::But("auth_query", "its row has the name and the secret"),
    ),
    ("auth_query_user", Act::Same("auth_user")),
    (
        "auth_query_password",
        Act::Drop("give auth_user a section in [users] with this password"),
    ),
    (
        "enable_prometheus_exporter",
        Act::Drop("metrics are at http_listen"),
    ),
    (
        "prometheus_exporter_port",
        Act::Drop("metrics are at http_listen, 127.0.0.1:6433 by default"),
    ),
    (
        "prepared_statements_cache_size",
        Act::Same("max_prepared_statements"),
    ),
    (
        "dns_cache_enabled",
        Act::Drop("names are looked up at each connect"),
    ),
    (
        "dns_max_ttl",
        Act::Drop("names are looked up at each connect"),
    ),
    ("verify_config", Act::Drop("it is always verified")),
];

const POOL: Rules = &[
    ("pool_mode", Act::Same("pool_mode")),
    ("connect_timeout", Act::Ms("query_wait_timeout")),
    ("idle_timeout", Act::Ms("server_idle_timeout")),
    ("server_lifetime", Act::Ms("server_lifetime")),
    (
        "prepared_statements_cache_size",
        Act::Same("max_prepared_statements"),
    ),
    (
        "auth_query",
        Act::But("auth_query", "its row has the name and the secret"),
    ),
    ("auth_query_user", Act::Same("auth_user")),
    (
        "auth_query_password",
        Act::Drop("give auth_user a section in [users] with this password"),
    ),
    (
        "load_balancing_mode",
        Act::Drop("a database has one server"),
    ),
    ("default_role", NO_ROUTING),
    ("query_parser_enabled", NO_ROUTING),
    ("query_parser_read_write_splitting", NO_ROUTING),
    ("primary_reads_enabled", NO_ROUTING),
    ("sharding_function", Act::Drop("pgweir does not shard")),
    (
        "cleanup_server_connections",
        Act::Drop("settings are always taken back"),
    ),
];

const SHARD: Rules = &[("database", Act::Same("dbname"))];

const USER: Rules = &[
    ("password", Act::Same("password")),
    ("pool_size", Act::Same("pool_size")),
    ("pool_mode", Act::Same("pool_mode")),
    ("statement_timeout", Act::Ms("query_timeout")),
    ("connect_timeout", Act::Ms("query_wait_timeout")),
    (
        "idle_timeout",
        Act::Drop("a database has one for all its users (server_idle_timeout)"),
    ),
    (
        "server_lifetime",
        Act::Drop("a database has one for all its users"),
    ),
];

/// What a user says there, and its database here.
const USER_OF_DATABASE: Rules = &[
    ("server_username", Act::Same("user")),
    ("server_password", Act::Same("password")),
    (
        "min_pool_size",
        Act::But("min_pool_size", "a database has one for all its users"),
    ),
];
