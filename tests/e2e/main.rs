//! End-to-end tests: the real `pgweir` in front of a real PostgreSQL.
//!
//! One file per subject. Every test has a role and a pooler of its own; PostgreSQL is shared,
//! except where a test breaks it.

#![allow(
    clippy::unwrap_used,
    reason = "everything here is a test, and a failure is its message"
)]

mod administration;
mod alerts;
mod altered;
mod audit;
mod auth;
mod before_login;
mod cancel;
mod command_line;
mod console;
mod crowd;
mod dashboards;
mod databases;
mod departures;
mod doctor;
mod drivers;
mod failures;
mod findings;
mod from_pgbouncer;
mod hba;
mod hostile;
mod known_bugs;
mod ldap;
mod limits;
mod load_balancer;
mod locks;
mod log_places;
mod login;
mod lookups;
mod negotiation;
mod neighbours;
mod nonsense_clients;
mod nonsense_servers;
mod oauth;
mod old_certificates;
mod pam;
mod peers;
mod pgbouncer_ini;
mod pins;
mod pipelines;
mod prepared;
mod probe;
mod process_numbers;
mod programs;
mod protocol;
mod push;
mod rendered;
mod replication;
mod sequences;
mod server_passwords;
mod service;
mod settings;
mod signals;
mod sockets;
mod state;
mod takeover;
mod timeouts;
mod tls;
mod tokens;
