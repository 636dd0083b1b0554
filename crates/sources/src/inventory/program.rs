//! What one file of settings, or one set of variables, says of the pools of one program.

use pgweir_advisor::facts::{Observation, Origin};
use pgweir_advisor::fleet::Value;

use super::{Text, Unknown};

/// What is said of the pools of one program.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Its name, if the file says one; else it is named after the file.
    pub name: Option<String>,
    /// Whether it is one of the processes that an application consists of: it has all settings of the
    /// application, which does not run in any other way.
    pub is_part: bool,
    /// The server that starts it, such as `puma`, or that its settings are for.
    pub server: Option<&'static str>,
    /// The file, or the container.
    pub origin: Origin,
    /// What it is made of, as `kind` in `[services.NAME]`.
    pub kind: Option<(&'static str, Origin)>,
    /// Settings of `[services.NAME]`. The same key may be there several times: what counts is decided
    /// later, and reported.
    pub settings: Vec<Setting>,
    /// Settings that count unless something says them, such as the default size of a library's pool.
    pub defaults: Vec<Setting>,
    /// Threads of each process, as `pool`: each holds one connection at most, which limits a pool that
    /// nobody set.
    pub threads: Vec<Setting>,
    /// Numbers of processes, such as workers of a web server. Of several the largest counts: they are
    /// names of the same number.
    pub processes: Vec<Setting>,
    /// Addresses of databases, of PostgreSQL and of others.
    pub addresses: Vec<Address>,
    /// Other files that are taken in, as patterns of their paths.
    pub includes: Vec<Text>,
    /// What could open connections and is not understood.
    pub unknown: Vec<Unknown>,
    /// What is not understood unless something else says the setting that answers it.
    pub unsaid: Vec<Unknown>,
    /// What does not do what its author meant, and what is left out.
    pub observations: Vec<Observation>,
}

/// A setting of `[services.NAME]`.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Its name there, such as `pool`.
    pub key: &'static str,
    /// Its value.
    pub value: Value,
    /// Its name where it was found, such as `DB_MAX_CONNECTIONS`.
    pub by: String,
    /// Where that is.
    pub origin: Origin,
}

/// Where a program finds a database. What is not known of a part has a gap.
#[derive(Debug, Clone)]
pub struct Address {
    /// The kind of database.
    pub scheme: Scheme,
    /// The host, its domain included; empty where none is given, which is the program's own machine.
    pub host: Text,
    /// The port; empty where none is given.
    pub port: Text,
    /// The database; empty where none is given.
    pub database: Text,
    /// The user; empty where none is given.
    pub user: Text,
    /// Parameters of a URL, decoded.
    pub parameters: Vec<(String, Text)>,
    /// The name of the variable or setting that has it, such as `DATABASE_URL`.
    pub by: String,
    /// Where it stands.
    pub origin: Origin,
}

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// PostgreSQL, and what speaks its protocol.
    Postgres,
    /// Another, by its name. No connection of it counts.
    Other(&'static str),
    /// Nothing says which.
    Unsaid,
}
