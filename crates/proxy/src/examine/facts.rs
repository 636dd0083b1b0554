//! What a PostgreSQL is asked of itself, from rows into facts and sentences.
//!
//! Source: PostgreSQL documentation, "pg_database", "pg_roles" and "Connection Settings".

use std::collections::{BTreeMap, BTreeSet};

use pgweir_pool::parameters::literal;
use pgweir_wire::backend;

use super::{Examined, Found};

/// A database of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseFacts {
    /// Its name in PostgreSQL.
    pub name: String,
    /// Whether there is one.
    pub exists: bool,
    /// Whether it takes connections.
    pub is_open: bool,
    /// `CONNECTION LIMIT`, where it has one.
    pub limit: Option<u32>,
}

/// A role of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleFacts {
    /// Its name.
    pub name: String,
    /// Whether there is one.
    pub exists: bool,
    /// Whether it may log in.
    pub may_log_in: bool,
    /// Whether its password has expired.
    pub has_expired: bool,
    /// Whether it is a superuser, for which no slots are reserved from others.
    pub is_superuser: bool,
    /// `CONNECTION LIMIT`, where it has one.
    pub limit: Option<u32>,
}

/// The answer.
#[derive(Debug, Default)]
pub(super) struct Server {
    version: String,
    max_connections: u32,
    reserved: u32,
    sessions: u32,
    is_standby: bool,
    databases: BTreeMap<String, DatabaseFacts>,
    roles: BTreeMap<String, RoleFacts>,
}

/// Three statements in one query, whose rows begin with what they are about. Every name is qualified, so that
/// no `search_path` changes what is called.
pub(super) fn questions(databases: &BTreeSet<String>, roles: &BTreeSet<String>) -> String {
    format!(
        "SELECT 'server', pg_catalog.current_setting('server_version'), \
         pg_catalog.current_setting('max_connections'), \
         pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int4 \
         + coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::pg_catalog.int4, \
         (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity \
         WHERE datid IS NOT NULL AND usesysid IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()), \
         pg_catalog.pg_is_in_recovery(); \
         SELECT 'database', datname, datallowconn, datconnlimit \
         FROM pg_catalog.pg_database WHERE datname::pg_catalog.text IN ({}); \
         SELECT 'role', rolname, rolcanlogin, coalesce(rolvaliduntil < pg_catalog.now(), false), rolsuper, \
         rolconnlimit FROM pg_catalog.pg_roles WHERE rolname::pg_catalog.text IN ({})",
        list(databases),
        list(roles)
    )
}

fn list(names: &BTreeSet<String>) -> String {
    let literals: Vec<String> = names.iter().map(|name| literal(name)).collect();
    match literals.is_empty() {
        true => "NULL".to_owned(),
        false => literals.join(", "),
    }
}

impl Server {
    /// Reads the rows that answer [`questions`]; `None` if they are none.
    pub(super) fn read(rows: &[Vec<u8>]) -> Option<Self> {
        let mut server = Self::default();
        for row in rows {
            let columns: Option<Vec<&str>> = backend::data_row(row)?
                .into_iter()
                .map(|column| str::from_utf8(column?).ok())
                .collect();
            server.row(&columns?)?;
        }
        (!server.version.is_empty()).then_some(server)
    }

    fn row(&mut self, columns: &[&str]) -> Option<()> {
        match *columns {
            ["server", version, max, reserved, sessions, standby] => {
                version.clone_into(&mut self.version);
                self.max_connections = max.parse().ok()?;
                self.reserved = reserved.parse().ok()?;
                self.sessions = sessions.parse().ok()?;
                self.is_standby = standby == "t";
            }
            ["database", name, open, limit] => {
                let facts = DatabaseFacts {
                    name: name.to_owned(),
                    exists: true,
                    is_open: open == "t",
                    limit: limit.parse().ok(),
                };
                self.databases.insert(name.to_owned(), facts);
            }
            ["role", name, login, expired, superuser, limit] => {
                let facts = RoleFacts {
                    name: name.to_owned(),
                    exists: true,
                    may_log_in: login == "t",
                    has_expired: expired == "t",
                    is_superuser: superuser == "t",
                    // -1 is none.
                    limit: limit.parse().ok(),
                };
                self.roles.insert(name.to_owned(), facts);
            }
            _ => return None,
        }
        Some(())
    }

    /// What it says of these.
    pub(super) fn found(
        &self,
        databases: &BTreeSet<String>,
        roles: &BTreeSet<String>,
        wanted: Option<u32>,
    ) -> Found {
        let database = |name: &String| {
            let known = self.databases.get(name).cloned();
            known.unwrap_or_else(|| DatabaseFacts {
                name: name.clone(),
                exists: false,
                is_open: false,
                limit: None,
            })
        };
        let role = |name: &String| {
            let known = self.roles.get(name).cloned();
            known.unwrap_or_else(|| RoleFacts {
                name: name.clone(),
                exists: false,
                may_log_in: false,
                has_expired: false,
                is_superuser: false,
                limit: None,
            })
        };
        Found {
            version: self.version.clone(),
            max_connections: self.max_connections,
            reserved: self.reserved,
            sessions: self.sessions,
            is_standby: self.is_standby,
            databases: databases.iter().map(database).collect(),
            roles: roles.iter().map(role).collect(),
            wanted,
        }
    }
}

/// Says what does not fit.
pub(super) fn judge(found: &Found, examined: &mut Examined) {
    for database in &found.databases {
        let name = &database.name;
        if !database.exists {
            examined
                .problems
                .push(format!("there is no database {name}"));
        } else if !database.is_open {
            examined.problems.push(format!(
                "database {name} takes no connections (datallowconn)"
            ));
        }
    }
    for role in &found.roles {
        let name = &role.name;
        if !role.exists {
            examined.problems.push(format!("there is no role {name}"));
        } else if !role.may_log_in {
            examined
                .problems
                .push(format!("role {name} may not log in (NOLOGIN)"));
        } else if role.has_expired {
            examined.problems.push(format!(
                "the password of role {name} has expired (VALID UNTIL)"
            ));
        }
    }
    let ordinary = found.max_connections.saturating_sub(found.reserved);
    if let Some(wanted) = found.wanted.filter(|wanted| *wanted > ordinary) {
        examined.warnings.push(format!(
            "the pools may open {wanted} servers together, and PostgreSQL has {ordinary} slots for ordinary roles \
             (max_connections {}, of which {} are reserved): lower default_pool_size or max_db_connections, or raise \
             max_connections",
            found.max_connections, found.reserved
        ));
    }
}

#[cfg(test)]
mod tests;
