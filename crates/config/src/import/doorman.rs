//! `pg_doorman.toml`: pools are databases with users of their own.
//!
//! Source: the commented configuration that PgDoorman ships.

use pgweir_settings::toml::Leaf;

use super::draft::{Act, Draft, Rules, To};
use super::pgcat::{names, user};

pub(super) fn carry(leaves: &[Leaf], draft: &mut Draft) {
    let names = names(leaves);
    for leaf in leaves {
        let path: Vec<&str> = leaf.path.iter().map(String::as_str).collect();
        match path[..] {
            ["general", "pg_hba", "path"] => {
                let value = leaf.given.value.clone();
                draft.place(leaf, To::Global, "auth_hba_file", value, None);
                draft.set(To::Global, "auth_type", "hba");
            }
            ["general", "tcp_user_timeout"] => {
                // Seconds there, milliseconds here.
                let value = format!("{}s", leaf.given.value.bare());
                draft.place(leaf, To::Global, "tcp_user_timeout", value.into(), None);
            }
            ["general", _] => draft.carry(leaf, GENERAL, To::Global),
            ["pools", _, "users", _, "password"]
                if leaf.given.value.bare().starts_with("jwt-pkey-fpath:") =>
            {
                draft.drop(
                    leaf,
                    "for tokens set auth_type = \"jwt\" and auth_jwks_file",
                );
            }
            ["pools", pool, "users", number, key] => {
                user(leaf, (pool, number, key), &names, USER, draft);
            }
            ["pools", pool, "auth_query", _] => {
                draft.carry(leaf, LOOKUP, To::Database(pool));
            }
            ["pools", pool, _] => {
                draft.section(To::Database(pool));
                draft.carry(leaf, POOL, To::Database(pool));
            }
            ["web", _] => draft.drop(leaf, "page and metrics are at http_listen"),
            _ => draft.unlike(leaf),
        }
    }
    draft.fill(
        "pool_mode",
        "transaction",
        "pool_mode (PgDoorman's default)",
    );
    draft.fill("listen_addr", "*", "general.host (PgDoorman's default)");
    draft.fill("listen_port", "5432", "general.port (PgDoorman's default)");
    draft.fill(
        "max_client_conn",
        "8192",
        "general.max_connections (PgDoorman's default)",
    );
    draft.fill(
        "auth_type",
        "md5",
        "PgDoorman asks clients for what their secret is",
    );
}

const ALWAYS: Act = Act::Drop("is always so here");

const GENERAL: Rules = &[
    ("host", Act::Same("listen_addr")),
    ("port", Act::Same("listen_port")),
    (
        "backlog",
        Act::Drop("listen_backlog is 128; 0 is not a length here"),
    ),
    ("connect_timeout", Act::Ms("server_connect_timeout")),
    ("query_wait_timeout", Act::Ms("query_wait_timeout")),
    ("idle_timeout", Act::Ms("server_idle_timeout")),
    ("server_lifetime", Act::Ms("server_lifetime")),
    ("server_idle_check_timeout", Act::Ms("server_check_delay")),
    ("shutdown_timeout", Act::Ms("shutdown_timeout")),
    ("tcp_keepalives_idle", Act::Same("tcp_keepidle")),
    ("tcp_keepalives_interval", Act::Same("tcp_keepintvl")),
    ("tcp_keepalives_count", Act::Same("tcp_keepcnt")),
    ("tcp_socket_buffer_size", Act::Same("tcp_socket_buffer")),
    ("tcp_no_delay", ALWAYS),
    ("unix_socket_dir", Act::Same("unix_socket_dir")),
    ("unix_socket_mode", Act::Same("unix_socket_mode")),
    ("max_connections", Act::Same("max_client_conn")),
    ("log_client_connections", Act::Same("log_connections")),
    ("log_client_disconnections", Act::Same("log_disconnections")),
    (
        "syslog_prog_name",
        Act::Drop("the log goes to standard error, which systemd takes to its journal"),
    ),
    ("worker_threads", Act::Same("workers")),
    ("server_round_robin", Act::Same("server_round_robin")),
    ("sync_server_parameters", ALWAYS),
    (
        "prepared_statements",
        Act::Drop("max_prepared_statements = 0 shares none"),
    ),
    (
        "prepared_statements_cache_size",
        Act::But("max_prepared_statements", "counts for each server"),
    ),
    (
        "server_prepared_statements_cache_size",
        Act::Same("max_prepared_statements"),
    ),
    (
        "admin_username",
        Act::Drop("who may use the console is said by admin_users"),
    ),
    (
        "admin_password",
        Act::Drop("an administrator logs in as any user does"),
    ),
    ("tls_certificate", Act::Same("client_tls_cert_file")),
    ("tls_private_key", Act::Same("client_tls_key_file")),
    ("tls_ca_cert", Act::Same("client_tls_ca_file")),
    ("tls_mode", Act::Same("client_tls_sslmode")),
    ("server_tls_mode", Act::Same("server_tls_sslmode")),
    ("server_tls_ca_cert", Act::Same("server_tls_ca_file")),
    ("server_tls_certificate", Act::Same("server_tls_cert_file")),
    ("server_tls_private_key", Act::Same("server_tls_key_file")),
    (
        "pg_hba",
        Act::Drop(
            "write the rules to a file and name it in auth_hba_file, with auth_type = \"hba\"",
        ),
    ),
    (
        "hba",
        Act::Drop("write rules to a file and name it in auth_hba_file, with auth_type = \"hba\""),
    ),
];

const POOL: Rules = &[
    ("server_host", Act::Same("host")),
    ("server_port", Act::Same("port")),
    ("server_database", Act::Same("dbname")),
    ("pool_mode", Act::Same("pool_mode")),
    ("connect_timeout", Act::Ms("server_connect_timeout")),
    ("idle_timeout", Act::Ms("server_idle_timeout")),
    ("server_lifetime", Act::Ms("server_lifetime")),
    ("cleanup_server_connections", ALWAYS),
    (
        "prepared_statements_cache_size",
        Act::But("max_prepared_statements", "counts for each server"),
    ),
    (
        "server_prepared_statements_cache_size",
        Act::Same("max_prepared_statements"),
    ),
    ("max_db_connections", Act::Same("max_db_connections")),
    (
        "reserve_pool_size",
        Act::But("reserve_pool_size", "is beyond the size of each pool"),
    ),
    ("reserve_pool_timeout", Act::Ms("reserve_pool_timeout")),
    ("application_name", Act::Same("application_name")),
];

const USER: Rules = &[
    ("password", Act::Same("password")),
    ("pool_size", Act::Same("pool_size")),
    ("pool_mode", Act::Same("pool_mode")),
    (
        "server_lifetime",
        Act::Drop("a database has one for all its users"),
    ),
    (
        "auth_pam_service",
        Act::Drop("see pgweir help security for what proves who a client is"),
    ),
];

const LOOKUP: Rules = &[
    (
        "query",
        Act::But("auth_query", "its row has the name and the secret"),
    ),
    ("user", Act::Same("auth_user")),
    (
        "password",
        Act::Drop("give auth_user a section in [users] with this password"),
    ),
    (
        "database",
        Act::But("auth_dbname", "names an entry of [databases]"),
    ),
    ("server_user", Act::Same("user")),
    ("server_password", Act::Same("password")),
    ("pool_size", Act::Same("pool_size")),
    ("min_pool_size", Act::Same("min_pool_size")),
    (
        "cache_ttl",
        Act::Drop("auth_cache_ttl is for all databases"),
    ),
];
