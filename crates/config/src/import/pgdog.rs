//! `pgdog.toml` and `users.toml`.
//!
//! Source: the JSON schemas of PgDog's configuration.

use std::collections::BTreeMap;

use pgweir_settings::Value;
use pgweir_settings::toml::Leaf;

use super::draft::{Act, Draft, Rules, To};

pub(super) fn carry(leaves: &[Leaf], draft: &mut Draft) {
    let databases = numbered(leaves, "databases");
    let users = numbered(leaves, "users");
    let hosts = primaries(leaves, &databases);
    for leaf in leaves {
        let path: Vec<&str> = leaf.path.iter().map(String::as_str).collect();
        match path[..] {
            ["general", "auth_type"] => auth_type(leaf, draft),
            ["general", "tls_verify"] => tls_verify(leaf, draft),
            ["general", _] => draft.carry(leaf, GENERAL, To::Global),
            ["tcp", _] => draft.carry(leaf, TCP, To::Global),
            ["databases", number, key] => match named(&databases, number) {
                None => draft.drop(leaf, "its database has no name"),
                Some((number, name)) if hosts.get(name).is_some_and(|host| *host != number) => {
                    draft.drop(
                        leaf,
                        "one server of a database is used, the primary; pgweir does not shard",
                    );
                }
                Some((_, name)) if key == "name" => draft.named(leaf, To::Database(name)),
                Some((_, name)) => draft.carry(leaf, DATABASE, To::Database(name)),
            },
            ["users", number, key] => match named(&users, number) {
                None => draft.drop(leaf, "its user has no name"),
                Some((_, name)) if key == "name" => draft.named(leaf, To::User(name)),
                Some((_, name)) => draft.carry(leaf, USER, To::User(name)),
            },
            ["admin", _] => draft.drop(leaf, "who may use the console is said by admin_users"),
            _ => draft.unlike(leaf),
        }
    }
    draft.fill(
        "pool_mode",
        "transaction",
        "general.pooler_mode (PgDog's default)",
    );
    draft.fill(
        "default_pool_size",
        "10",
        "general.default_pool_size (PgDog's default)",
    );
    draft.fill(
        "min_pool_size",
        "1",
        "general.min_pool_size (PgDog's default)",
    );
    draft.fill("listen_addr", "*", "general.host (PgDog's default)");
    draft.fill("max_client_conn", "10000", "PgDog has no limit on clients");
}

/// The names of the entries of a list of sections, by number.
fn numbered(leaves: &[Leaf], list: &str) -> BTreeMap<usize, String> {
    let named = leaves.iter().filter_map(|leaf| match &leaf.path[..] {
        [of, number, name] if of == list && name == "name" => {
            Some((number.parse().ok()?, leaf.given.value.bare().into_owned()))
        }
        _ => None,
    });
    named.collect()
}

/// The number and the name of an entry.
fn named<'a>(entries: &'a BTreeMap<usize, String>, number: &str) -> Option<(usize, &'a str)> {
    let number = number.parse().ok()?;
    Some((number, entries.get(&number)?))
}

/// The entry of each database that is its server: the first primary of its first shard.
fn primaries<'a>(
    leaves: &[Leaf],
    databases: &'a BTreeMap<usize, String>,
) -> BTreeMap<&'a str, usize> {
    let says = |number: usize, key: &str| {
        let number = number.to_string();
        let found = leaves
            .iter()
            .find(|leaf| leaf.path == ["databases", &number, key]);
        found.map(|leaf| leaf.given.value.bare().into_owned())
    };
    let mut found = BTreeMap::new();
    for want_primary in [true, false] {
        for (&number, name) in databases {
            let is_first = says(number, "shard").is_none_or(|shard| shard == "0");
            let is_primary = says(number, "role").is_none_or(|role| role != "replica");
            if is_first && (is_primary || !want_primary) {
                found.entry(name.as_str()).or_insert(number);
            }
        }
    }
    found
}

fn auth_type(leaf: &Leaf, draft: &mut Draft) {
    let name = match &*leaf.given.value.bare() {
        "scram" => "scram-sha-256".to_owned(),
        other => other.to_owned(),
    };
    draft.place(leaf, To::Global, "auth_type", name.into(), None);
}

fn tls_verify(leaf: &Leaf, draft: &mut Draft) {
    let mode = match &*leaf.given.value.bare() {
        "disabled" => Value::from("disable"),
        other => Value::from(other.replace('_', "-")),
    };
    draft.place(leaf, To::Global, "server_tls_sslmode", mode, None);
}

const NO_ROUTING: Act = Act::Drop("pgweir does not route by what a query says");

const GENERAL: Rules = &[
    ("host", Act::Same("listen_addr")),
    ("port", Act::Same("listen_port")),
    ("workers", Act::Same("workers")),
    ("default_pool_size", Act::Same("default_pool_size")),
    ("min_pool_size", Act::Same("min_pool_size")),
    ("pooler_mode", Act::Same("pool_mode")),
    ("checkout_timeout", Act::Ms("query_wait_timeout")),
    ("connect_timeout", Act::Ms("server_connect_timeout")),
    ("connect_attempt_delay", Act::Ms("server_login_retry")),
    (
        "connect_attempts",
        Act::Drop("a failed login is tried again after server_login_retry"),
    ),
    ("idle_timeout", Act::Ms("server_idle_timeout")),
    ("server_lifetime", Act::Ms("server_lifetime")),
    ("idle_healthcheck_interval", Act::Ms("server_check_delay")),
    ("query_timeout", Act::Ms("query_timeout")),
    ("client_idle_timeout", Act::Ms("client_idle_timeout")),
    (
        "client_idle_in_transaction_timeout",
        Act::Ms("idle_transaction_timeout"),
    ),
    ("client_login_timeout", Act::Ms("client_login_timeout")),
    ("shutdown_timeout", Act::Ms("shutdown_timeout")),
    ("stats_period", Act::Ms("stats_period")),
    (
        "prepared_statements_limit",
        Act::Same("max_prepared_statements"),
    ),
    (
        "prepared_statements",
        Act::Drop("they always work; max_prepared_statements = 0 shares none"),
    ),
    ("log_connections", Act::Same("log_connections")),
    ("log_disconnections", Act::Same("log_disconnections")),
    ("log_level", Act::Same("log_level")),
    ("tls_certificate", Act::Same("client_tls_cert_file")),
    ("tls_private_key", Act::Same("client_tls_key_file")),
    ("tls_client_ca_certificate", Act::Same("client_tls_ca_file")),
    ("tls_server_ca_certificate", Act::Same("server_tls_ca_file")),
    ("tls_server_certificate", Act::Same("server_tls_cert_file")),
    ("tls_server_private_key", Act::Same("server_tls_key_file")),
    (
        "openmetrics_port",
        Act::Drop("metrics are at http_listen, 127.0.0.1:6433 by default"),
    ),
    (
        "openmetrics_host",
        Act::Drop("metrics are at http_listen, 127.0.0.1:6433 by default"),
    ),
    (
        "query_size_limit",
        Act::But("max_packet_size", "a longer message ends the session"),
    ),
    ("query_parser", NO_ROUTING),
    ("read_write_split", NO_ROUTING),
    ("read_write_strategy", NO_ROUTING),
    (
        "load_balancing_strategy",
        Act::Drop("a database has one server"),
    ),
    (
        "passthrough_auth",
        Act::Drop("a client's SCRAM login opens the servers where the user has a verifier"),
    ),
];

const TCP: Rules = &[
    ("keepalive", Act::Same("tcp_keepalive")),
    ("time", Act::Ms("tcp_keepidle")),
    ("interval", Act::Ms("tcp_keepintvl")),
    ("retries", Act::Same("tcp_keepcnt")),
    ("user_timeout", Act::Ms("tcp_user_timeout")),
];

const DATABASE: Rules = &[
    ("host", Act::Same("host")),
    ("port", Act::Same("port")),
    ("database_name", Act::Same("dbname")),
    ("user", Act::Same("user")),
    ("password", Act::Same("password")),
    ("pool_size", Act::Same("pool_size")),
    ("min_pool_size", Act::Same("min_pool_size")),
    ("pooler_mode", Act::Same("pool_mode")),
    ("idle_timeout", Act::Ms("server_idle_timeout")),
    ("server_lifetime", Act::Ms("server_lifetime")),
    ("statement_timeout", Act::Ms("query_timeout")),
    (
        "role",
        Act::Drop("pgweir does not route by what a query says"),
    ),
    ("shard", Act::Drop("pgweir does not shard")),
];

const USER: Rules = &[
    ("password", Act::Same("password")),
    ("password_hash", Act::Same("password")),
    ("pool_size", Act::Same("pool_size")),
    ("pooler_mode", Act::Same("pool_mode")),
    ("statement_timeout", Act::Ms("query_timeout")),
    (
        "database",
        Act::Drop("users may go to every database; auth_hba_file says who may go where"),
    ),
    (
        "databases",
        Act::Drop("users may go to every database; auth_hba_file says who may go where"),
    ),
    ("all_databases", Act::Drop("users may go to every database")),
    (
        "server_user",
        Act::Drop("a database has one login for servers: user and password of [databases]"),
    ),
    (
        "server_password",
        Act::Drop("a database has one login for servers: user and password of [databases]"),
    ),
];
