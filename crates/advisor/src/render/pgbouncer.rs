//! PgBouncer: its ini file, and a template for its users.

use super::connect::{distinct, pairs, password_variable};
use super::file::{File, header};
use crate::facts::PgbouncerVersion;
use crate::plan::{Plan, PoolerPlan};
use crate::units::short;
use std::time::Duration;

pub(super) fn files(plan: &Plan) -> Vec<File> {
    let Some(sizes) = &plan.pooler else {
        return Vec::new();
    };
    vec![
        File {
            path: "pgbouncer/pgbouncer.ini".to_owned(),
            content: header(plan, "pgbouncer", ";") + &ini(plan, sizes),
        },
        File {
            path: "pgbouncer/userlist.txt.template".to_owned(),
            content: users(plan),
        },
    ]
}

/// The text of `pgbouncer.ini`, without a header; empty without a pooler.
pub(super) fn ini(plan: &Plan, sizes: &PoolerPlan) -> String {
    let Some(pooler) = &plan.facts.pooler else {
        return String::new();
    };
    let database = &plan.facts.database;
    let mut text = format!(
        "; For each of {} instances. Needs {} file descriptors (ulimit -n, LimitNOFILE).\n\n[databases]\n",
        sizes.instances, sizes.descriptors
    );
    text.push_str(&databases(plan));
    let seconds = |time: Duration| short(time.as_secs_f64());
    let or_none = |time: Option<Duration>| time.map_or("0".to_owned(), seconds);
    text.push_str(&format!(
        "\n[pgbouncer]\n\
         listen_addr = *\n\
         listen_port = {port}\n\
         auth_type = scram-sha-256\n\
         auth_file = /etc/pgbouncer/userlist.txt\n\
         pool_mode = {mode}\n\
         max_client_conn = {clients}\n\
         ; For each database and user, in this process alone.\n\
         default_pool_size = {pool}\n\
         reserve_pool_size = {reserve}\n\
         reserve_pool_timeout = 3\n\
         ; The cap for all users of a database.\n\
         max_db_connections = {per_database}\n\
         ; Seconds; 0 is none.\n\
         query_wait_timeout = {wait}\n\
         idle_transaction_timeout = {idle_transaction}\n\
         client_idle_timeout = {client_idle}\n\
         server_lifetime = {lifetime}\n\
         server_idle_timeout = {server_idle}\n\
         server_connect_timeout = 5\n\
         tcp_keepalive = 1\n\
         tcp_keepidle = {keepidle}\n\
         tcp_keepintvl = {keepintvl}\n\
         tcp_keepcnt = {keepcnt}\n\
         ; JDBC and others send it; it is harmless.\n\
         ignore_startup_parameters = extra_float_digits\n\
         {prepared}\
         ; The console, psql -p {port} {CONSOLE}: SHOW for stats, everything for admin. Exporters log in as stats.\n\
         admin_users = {ADMIN}\n\
         stats_users = {STATS}\n\
         ; TLS to PostgreSQL where it offers it; with its authority's certificate, verify-full.\n\
         server_tls_sslmode = prefer\n\
         ;server_tls_sslmode = verify-full\n\
         ;server_tls_ca_file = /etc/pgbouncer/tls/ca.crt\n\
         ; TLS for clients, once the files are there.\n\
         ;client_tls_sslmode = require\n\
         ;client_tls_cert_file = /etc/pgbouncer/tls/tls.crt\n\
         ;client_tls_key_file = /etc/pgbouncer/tls/tls.key\n",
        prepared = prepared(pooler.version),
        port = pooler.port,
        mode = pooler.pool_mode,
        clients = sizes.max_client_conn,
        pool = sizes.default_pool_size,
        reserve = sizes.reserve_pool_size,
        per_database = sizes.max_db_connections,
        wait = seconds(pooler.query_wait),
        idle_transaction = or_none(pooler.idle_transaction),
        client_idle = or_none(pooler.client_idle),
        lifetime = seconds(pooler.server_lifetime),
        server_idle = seconds(pooler.server_idle),
        keepidle = crate::units::whole_seconds(database.timeouts.keepalives_idle),
        keepintvl = crate::units::whole_seconds(database.timeouts.keepalives_interval),
        keepcnt = database.timeouts.keepalives_count,
    ));
    text
}

/// PgBouncer's own database, by which one reaches its console.
const CONSOLE: &str = "pgbouncer";
/// Users of the console. They exist in `auth_file` only, not in PostgreSQL.
pub(super) const ADMIN: &str = "pgbouncer_admin";
pub(super) const STATS: &str = "pgbouncer_stats";

/// An older PgBouncer does not start with a setting that it does not know.
fn prepared(version: PgbouncerVersion) -> String {
    if version.shares_prepared_statements() {
        "; Transactions share prepared statements; PgBouncer before 1.21 does not know the setting.\n\
         max_prepared_statements = 200\n"
            .to_owned()
    } else {
        format!(
            "; PgBouncer {version} cannot share prepared statements: from 1.21 on there is\n\
             ; max_prepared_statements.\n"
        )
    }
}

/// The entries of the section `databases`.
fn databases(plan: &Plan) -> String {
    let database = &plan.facts.database;
    let mut text = String::new();
    let pairs = pairs(plan, true);
    let names = distinct(pairs.iter().map(|(_, database)| *database));
    let server = format!("host={} port={}", value(&database.host), database.port);
    for name in names.iter().filter(|name| is_key(name)) {
        text.push_str(&format!("{name} = {server} dbname={name}\n"));
    }
    if !names.iter().all(|name| is_key(name)) {
        text.push_str(&format!(
            "; Any other database: names with anything but letters, digits, `_`, `-` and `.` cannot be\n\
             ; written here, not even in quotes. Only users of auth_file may log in.\n\
             * = {server}\n"
        ));
    }
    text
}

fn users(plan: &Plan) -> String {
    let mut text = header(plan, "pgbouncer", ";");
    text.push_str(
        "; Fill in the variables' values and save it as userlist.txt, readable by PgBouncer alone. A SCRAM\n\
         ; verifier works as well as a password: SELECT rolpassword FROM pg_authid WHERE rolname = '...'\n",
    );
    let pairs = pairs(plan, true);
    let users = distinct(pairs.iter().map(|(user, _)| *user));
    for user in users.into_iter().chain([ADMIN, STATS]) {
        text.push_str(&format!(
            "\"{}\" \"${{{}}}\"\n",
            user.replace('"', "\"\""),
            password_variable(user)
        ));
    }
    text
}

/// Whether PgBouncer reads this as the name of a database. Its manual allows names in quotes, but up to at
/// least 1.18 its parser stops at the first quote with "syntax error in configuration".
fn is_key(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.';
    name.chars().all(plain)
}

/// A value of a connection string.
fn value(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}
