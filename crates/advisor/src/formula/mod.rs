//! The arithmetic: one function per formula, and a catalogue of what each computes and where it comes
//! from.
//!
//! Counts and percentages are exact integers; only queueing and scaling, which are models of
//! averages, use floating point. Nothing here knows about a fleet: inputs are plain numbers with units.

pub mod base;
pub mod demand;
pub mod memory;
pub mod pooler;
pub mod queueing;
pub mod scaling;
pub mod tuning;

#[cfg(test)]
mod tests;

use serde::Serialize;

/// Version of the whole set. Grows when a formula gives another number for the same inputs.
pub const VERSION: u32 = 2;

/// A formula: its number, what it computes, how, and its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Formula {
    /// The number in the manual, such as `F1`.
    pub id: &'static str,
    /// What it computes.
    pub name: &'static str,
    /// How.
    pub expression: &'static str,
    /// Where it comes from.
    pub source: &'static str,
}

/// Connections that can usefully be active at once.
pub const F1: Formula = Formula {
    id: "F1",
    name: "active optimum",
    expression: "2 * physical_cores + effective_spindles",
    source: "PostgreSQL wiki, Number Of Database Connections: cores and spindles of the database \
             machine, active connections of the whole fleet; spindles count 0 on SSD or when cached",
};
/// Instances at the peak of a rollout.
pub const F2: Formula = Formula {
    id: "F2",
    name: "replicas during a rollout",
    expression: "replicas + ceil(replicas * surge)",
    source: "Kubernetes, Deployment: maxSurge is rounded up, old and new pods run side by side",
};
/// Connections of one service.
pub const F3: Formula = Formula {
    id: "F3",
    name: "demand of a service",
    expression: "replicas * processes * pool * dsns",
    source: "S1 Best Practices 1 and S2 summary, with processes and data source names counted",
};
/// Connections that ordinary roles get.
pub const F4: Formula = Formula {
    id: "F4",
    name: "usable connections",
    expression: "max_connections - superuser_reserved_connections - reserved_connections",
    source: "PostgreSQL manual, Connections and Authentication",
};
/// Verdict, and the `max_connections` that would do.
pub const F5: Formula = Formula {
    id: "F5",
    name: "capacity verdict and need",
    expression: "FAIL if M > U; WARN if 100 * (M + reserve) > target * U; need = ceil(100 * (M + \
                 reserve) / target) + superuser_reserved + reserved, up to the next 50",
    source: "80 % is what the table of S1 comes to (120/150, 400/500, 800/1000)",
};
/// Memory from both sides.
pub const F6: Formula = Formula {
    id: "F6",
    name: "memory",
    expression: "shared_buffers + executors * nodes * work_mem * hash_mem_multiplier + connections * \
                 idle_backend + page tables + maintenance",
    source: "PostgreSQL manual, Resource Consumption (work_mem is per node and process); idle backend \
             measured at 1.3 to 4.6 MB on PostgreSQL 15",
};
/// Connections below which nested checkouts block each other forever.
pub const F7: Formula = Formula {
    id: "F7",
    name: "deadlock floor",
    expression: "tasks * (connections_per_task - 1) + 1",
    source: "HikariCP wiki, About Pool Sizing",
};
/// Mean number of busy connections.
pub const F8: Formula = Formula {
    id: "F8",
    name: "busy connections",
    expression: "requests/s * queries per request * hold time; requests/s * request_time where a \
                 process serves one request at a time",
    source: "Little's law",
};
/// Probability that a request waits.
pub const F9: Formula = Formula {
    id: "F9",
    name: "probability to wait, and mean wait",
    expression: "Erlang-C(c, a), from Erlang-B by B_k = a B / (k + a B); mean wait = C / (c/S - rate) * V \
                 with V = (arrival_variation + hold_variation) / 2",
    source: "A. K. Erlang 1917; recursion as in Gross, Shortle, Thompson, Harris, Fundamentals of \
             Queueing Theory; Allen-Cunneen approximation",
};
/// Connections that queueing asks for.
pub const F10: Formula = Formula {
    id: "F10",
    name: "queueing need",
    expression: "smallest c > a with C(c, a) * exp(-(c/S - rate) * t / V) <= epsilon, the load shared by \
                 all instances but one",
    source: "M/M/c waiting time, with Allen and Cunneen's V",
};
/// Sizes of a pooler.
pub const F11: Formula = Formula {
    id: "F11",
    name: "pooler sizes",
    expression: "cap = floor(target * U) - reserve - direct; want = max(need * instances / (instances - \
                 1), kappa * F1); pool = want / (pairs * instances), as far as pool and a fifth more fit \
                 the cap",
    source: "PgBouncer manual: default_pool_size is per database, user and process",
};
/// Throughput as concurrency grows.
pub const F12: Formula = Formula {
    id: "F12",
    name: "universal scalability law",
    expression: "X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1)); N* = sqrt((1 - sigma) / kappa)",
    source: "N. J. Gunther, Guerrilla Capacity Planning",
};

/// All formulas in their order.
pub const FORMULAS: [&Formula; 12] = [
    &F1, &F2, &F3, &F4, &F5, &F6, &F7, &F8, &F9, &F10, &F11, &F12,
];
