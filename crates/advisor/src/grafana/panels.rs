//! What the dashboard shows, row by row.

use super::panel::{Panel, Row, Shape};

/// A stat that is never red.
const PLAIN: Shape = Shape::Stat { red_from: None };
/// A stat that is red unless it is zero.
const ZERO: Shape = Shape::Stat { red_from: Some(1) };

// Macros, since queries are constants and `concat!` takes literals only.
macro_rules! of_instance {
    ($before:literal, $after:literal) => {
        concat!($before, "{instance=~\"$instance\"}", $after)
    };
}
macro_rules! of_pools {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            "{instance=~\"$instance\",database=~\"$database\",user=~\"$user\"}",
            $after
        )
    };
}
macro_rules! quantile {
    ($quantile:literal, $histogram:literal) => {
        concat!(
            "histogram_quantile(",
            $quantile,
            ", sum by (le, database, user) (rate(",
            $histogram,
            "_bucket{instance=~\"$instance\",database=~\"$database\",user=~\"$user\"}[$__rate_interval])))"
        )
    };
}

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    Row { title: "Is it healthy?", panels: &[
        Panel {
            title: "Poolers without PostgreSQL", shape: ZERO, unit: "short", width: 4,
            description: "Not ready, and not shutting down.",
            queries: &[(of_instance!("sum((pgweir_ready", " == bool 0) unless pgweir_draining == 1) or vector(0)"), "not ready")],
        },
        Panel {
            title: "Pools that cannot log in", shape: ZERO, unit: "short", width: 4,
            description: "The last login to PostgreSQL failed; the log of pgweir has the reason.",
            queries: &[(of_pools!("sum(pgweir_pool_login_failing", ")"), "failing")],
        },
        Panel {
            title: "Clients waiting", shape: Shape::Stat { red_from: Some(6) }, unit: "short", width: 4,
            description: "Now, over all pools. A few for a moment are normal.",
            queries: &[(of_pools!("sum(pgweir_pool_waiters", ")"), "waiting")],
        },
        Panel {
            title: "Errors of the pooler", shape: PLAIN, unit: "ops", width: 4,
            description: "Sent to clients, of all kinds.",
            queries: &[(of_instance!("sum(rate(pgweir_errors_total", "[$__rate_interval])) or vector(0)"), "errors")],
        },
        Panel {
            title: "Clients", shape: PLAIN, unit: "percentunit", width: 4,
            description: "Share of max_client_conn, at the fullest pooler.",
            queries: &[(of_instance!("max(pgweir_clients", " / pgweir_clients_limit)"), "of the limit")],
        },
        Panel {
            title: "PostgreSQL's connections", shape: PLAIN, unit: "percentunit", width: 4,
            description: "Share of what ordinary users may open, at the fullest PostgreSQL.",
            queries: &[(of_instance!("max((sum without (origin, state) (pgweir_postgres_sessions", ") + 1) / pgweir_postgres_sessions_limit)"), "of the limit")],
        },
    ]},
    Row { title: "Who waits, and why?", panels: &[
        Panel {
            title: "Waiting clients", shape: Shape::Stack, unit: "short", width: 8,
            description: "By pool.",
            queries: &[(of_pools!("sum by (database, user) (pgweir_pool_waiters", ")"), "{{database}}/{{user}}")],
        },
        Panel {
            title: "Longest wait", shape: Shape::Lines, unit: "s", width: 8,
            description: "Of the client that is first in the queue. Near query_wait_timeout it is refused.",
            queries: &[(of_pools!("max by (database, user) (pgweir_pool_oldest_wait_seconds", ")"), "{{database}}/{{user}}")],
        },
        Panel {
            title: "Time spent waiting, by cause", shape: Shape::Stack, unit: "s", width: 8,
            description: "Seconds that clients waited, per second.",
            queries: &[(of_pools!("sum by (cause) (rate(pgweir_pool_waits_seconds_total", "[$__rate_interval]))"), "{{cause}}")],
        },
        Panel {
            title: "Leaks", shape: Shape::Stack, unit: "short", width: 8,
            description: "Clients that hold a server for too long.",
            queries: &[(of_pools!("sum by (database, user) (pgweir_pool_leaks", ")"), "{{database}}/{{user}}")],
        },
        Panel {
            title: "Pinned servers", shape: Shape::Stack, unit: "short", width: 8,
            description: "Kept with their client by state of its session, by what that is.",
            queries: &[(of_pools!("sum by (reason) (pgweir_pool_pinned_servers", ")"), "{{reason}}")],
        },
        Panel {
            title: "Clients that got no server", shape: Shape::Stack, unit: "ops", width: 8,
            description: "Refused, by reason.",
            queries: &[(of_pools!("sum by (reason) (rate(pgweir_pool_refusals_total", "[$__rate_interval]))"), "{{reason}}")],
        },
    ]},
    Row { title: "What do the servers do?", panels: &[
        Panel {
            title: "Servers", shape: Shape::Stack, unit: "short", width: 8,
            description: "Of all pools, by what they do.",
            queries: &[(of_pools!("sum by (state) (pgweir_pool_servers", ")"), "{{state}}")],
        },
        Panel {
            title: "Servers in use", shape: Shape::Lines, unit: "percentunit", width: 8,
            description: "Share of a pool's limit that clients hold. A full pool is fine while nobody waits.",
            queries: &[(
                "sum by (database, user) (pgweir_pool_servers{instance=~\"$instance\",database=~\"$database\",user=~\"$user\",state=\"active\"}) / sum by (database, user) (pgweir_pool_servers_limit{instance=~\"$instance\",database=~\"$database\",user=~\"$user\"})",
                "{{database}}/{{user}}",
            )],
        },
        Panel {
            title: "Logins to PostgreSQL", shape: Shape::Lines, unit: "ops", width: 8,
            description: "If many: server_lifetime or server_idle_timeout is too short, or servers break.",
            queries: &[
                (of_pools!("sum(rate(pgweir_pool_server_logins_total", "[$__rate_interval]))"), "succeeded"),
                (of_pools!("sum(rate(pgweir_pool_server_login_failures_total", "[$__rate_interval]))"), "failed"),
            ],
        },
    ]},
    Row { title: "How long does it take?", panels: &[
        Panel {
            title: "Wait for a server, 95th percentile", shape: Shape::Lines, unit: "s", width: 8,
            description: "0 where a server was free.",
            queries: &[(quantile!("0.95", "pgweir_pool_wait_seconds"), "{{database}}/{{user}}")],
        },
        Panel {
            title: "Queries, 95th percentile", shape: Shape::Lines, unit: "s", width: 8,
            description: "From sending to the answer, without the wait for a server.",
            queries: &[(quantile!("0.95", "pgweir_pool_query_seconds"), "{{database}}/{{user}}")],
        },
        Panel {
            title: "Transactions, 95th percentile", shape: Shape::Lines, unit: "s", width: 8,
            description: "From the first byte to the last answer; each holds a server while it lasts.",
            queries: &[(quantile!("0.95", "pgweir_pool_transaction_seconds"), "{{database}}/{{user}}")],
        },
        Panel {
            title: "Slow statements", shape: Shape::Stack, unit: "ops", width: 12,
            description: "By level.",
            queries: &[(of_pools!("sum by (level) (rate(pgweir_pool_slow_statements_total", "[$__rate_interval]))"), "{{level}}")],
        },
        Panel {
            title: "N+1", shape: Shape::Stack, unit: "ops", width: 12,
            description: "A client repeats one statement where one query would do.",
            queries: &[(of_pools!("sum by (database, user) (rate(pgweir_pool_n_plus_one_total", "[$__rate_interval]))"), "{{database}}/{{user}}")],
        },
    ]},
    Row { title: "How much load?", panels: &[
        Panel {
            title: "Queries", shape: Shape::Lines, unit: "ops", width: 8,
            description: "By pool.",
            queries: &[(of_pools!("sum by (database, user) (rate(pgweir_pool_queries_total", "[$__rate_interval]))"), "{{database}}/{{user}}")],
        },
        Panel {
            title: "Transactions", shape: Shape::Lines, unit: "ops", width: 8,
            description: "By pool.",
            queries: &[(of_pools!("sum by (database, user) (rate(pgweir_pool_transactions_total", "[$__rate_interval]))"), "{{database}}/{{user}}")],
        },
        Panel {
            title: "Bytes", shape: Shape::Lines, unit: "Bps", width: 8,
            description: "From clients to servers, and back.",
            queries: &[
                (of_pools!("sum(rate(pgweir_pool_received_bytes_total", "[$__rate_interval]))"), "from clients"),
                (of_pools!("sum(rate(pgweir_pool_sent_bytes_total", "[$__rate_interval]))"), "to clients"),
            ],
        },
        Panel {
            title: "Clients", shape: Shape::Stack, unit: "short", width: 8,
            description: "Logged in, by pool.",
            queries: &[(of_pools!("sum by (database, user) (pgweir_pool_clients", ")"), "{{database}}/{{user}}")],
        },
        Panel {
            title: "Logins of clients", shape: Shape::Lines, unit: "ops", width: 8,
            description: "If many: the application does not keep its connections.",
            queries: &[(of_pools!("sum by (database, user) (rate(pgweir_pool_client_logins_total", "[$__rate_interval]))"), "{{database}}/{{user}}")],
        },
        Panel {
            title: "Workers", shape: Shape::Lines, unit: "percentunit", width: 8,
            description: "Share of its time that a worker is busy. All near 100 %: give pgweir more cores.",
            queries: &[(of_instance!("pgweir_worker_busy_ratio", ""), "{{instance}} {{worker}}")],
        },
    ]},
    Row { title: "What goes wrong?", panels: &[
        Panel {
            title: "Errors of the pooler", shape: Shape::Stack, unit: "ops", width: 12,
            description: "Sent to clients, by SQLSTATE.",
            queries: &[(of_instance!("sum by (sqlstate) (rate(pgweir_errors_total", "[$__rate_interval]))"), "{{sqlstate}}")],
        },
        Panel {
            title: "Errors of PostgreSQL", shape: Shape::Stack, unit: "ops", width: 12,
            description: "Sent to clients, by pool. PostgreSQL's log has the statements.",
            queries: &[(of_pools!("sum by (database, user) (rate(pgweir_pool_errors_total", "[$__rate_interval]))"), "{{database}}/{{user}}")],
        },
    ]},
    Row { title: "How is PostgreSQL?", panels: &[
        Panel {
            title: "Sessions", shape: Shape::Stack, unit: "short", width: 8,
            description: "Ours and those from elsewhere.",
            queries: &[(of_instance!("max by (server, origin, state) (pgweir_postgres_sessions", ")"), "{{server}} {{origin}} {{state}}")],
        },
        Panel {
            title: "Active sessions, by what they wait for", shape: Shape::Stack, unit: "short", width: 8,
            description: "On average over a minute. A sum above the number of cores for long is overload.",
            queries: &[
                (of_instance!("max by (server, wait_event_type) (sum without (wait_event) (pgweir_postgres_active_sessions", "))"), "{{server}} {{wait_event_type}}"),
            ],
        },
        Panel {
            title: "Oldest transaction", shape: Shape::Lines, unit: "s", width: 8,
            description: "Old transactions hold locks and hold back vacuum.",
            queries: &[(of_instance!("max by (server, origin) (pgweir_postgres_oldest_transaction_seconds", ")"), "{{server}} {{origin}}")],
        },
        Panel {
            title: "Connections in use", shape: Shape::Lines, unit: "percentunit", width: 8,
            description: "Share of what ordinary users may open.",
            queries: &[(of_instance!("max by (server) ((sum without (origin, state) (pgweir_postgres_sessions", ") + 1) / pgweir_postgres_sessions_limit)"), "{{server}}")],
        },
        Panel {
            title: "Active sessions per core", shape: Shape::Lines, unit: "percentunit", width: 8,
            description: "Where server_cores is set. Above 100 % sessions wait for each other.",
            queries: &[(of_instance!("max by (server) (sum without (wait_event_type, wait_event) (pgweir_postgres_active_sessions", ") / pgweir_postgres_cores)"), "{{server}}")],
        },
        Panel {
            title: "The probe", shape: Shape::Lines, unit: "short", width: 8,
            description: "What it is: full, reduced (without pg_monitor), away, no_user, off.",
            queries: &[(of_instance!("max by (server, state) (pgweir_postgres_probe", " == 1)"), "{{server}} {{state}}")],
        },
    ]},
];
