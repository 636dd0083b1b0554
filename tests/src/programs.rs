//! PostgreSQL's own client programs.

use std::process::{Command, Stdio};

use pgweir_cluster::Postgres;

use crate::client::Target;

/// What a program left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
    /// Whether it ended well.
    pub success: bool,
}

/// Runs `psql` with a script, unaligned, tuples only.
///
/// # Panics
/// If it is not installed.
#[track_caller]
pub fn psql(target: &Target, script: &str) -> Output {
    psql_with(target, &[], script)
}

/// As [`psql`], with further environment variables: those of libpq.
///
/// # Panics
/// If it is not installed.
#[track_caller]
pub fn psql_with(target: &Target, variables: &[(&str, &str)], script: &str) -> Output {
    let mut command = program("psql", "postgresql-client", target);
    command.envs(variables.iter().copied());
    run(command.args([
        "-X",
        "-q",
        "-A",
        "-t",
        "-v",
        "VERBOSITY=verbose",
        "-c",
        script,
    ]))
}

/// As [`pgbench`], with further environment variables.
///
/// # Panics
/// If it is not installed.
#[track_caller]
pub fn pgbench_with(target: &Target, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = program("pgbench", "postgresql", target);
    run(command.envs(variables.iter().copied()).args(arguments))
}

/// Runs `pgbench`.
///
/// # Panics
/// If it is not installed.
#[track_caller]
pub fn pgbench(target: &Target, arguments: &[&str]) -> Output {
    pgbench_with(target, &[], arguments)
}

/// Runs a program of PostgreSQL's that replicates, such as `pg_basebackup`.
///
/// # Panics
/// If it is not installed.
#[track_caller]
pub fn replicate(name: &str, target: &Target, arguments: &[&str]) -> Output {
    run(program(name, "postgresql-client", target).args(arguments))
}

#[track_caller]
fn program(name: &str, package: &str, target: &Target) -> Command {
    let postgres = Postgres::find().unwrap_or_else(|missing| panic!("{missing}"));
    let Some(path) = postgres.client_program(name) else {
        panic!("`{name}` is not installed; on Debian: apt-get install {package}");
    };
    let mut command = Command::new(path);
    command
        .env("PGHOST", &target.host)
        .env("PGPORT", target.port.to_string())
        .env("PGUSER", &target.user)
        .env("PGPASSWORD", &target.password)
        .env("PGDATABASE", &target.database)
        .env("PGCONNECT_TIMEOUT", "20")
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Output {
    let output = command.output().expect("an installed program runs");
    Output {
        out: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        err: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        success: output.status.success(),
    }
}
