//! What each PostgreSQL of a configuration gives, as text and as JSON.

use anyhow::Context;
use pgweir_config::Config;
use pgweir_proxy::{DatabaseFacts, Examined, Found, RoleFacts};
use pgweir_telemetry::words::{flat, plural};
use serde_json::{Value, json};

/// Asks them.
///
/// # Errors
/// The system gives no event loop.
pub(super) fn examine(config: &Config) -> anyhow::Result<Vec<Examined>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    Ok(runtime.block_on(pgweir_proxy::examine(config)))
}

/// A few lines for each.
pub(super) fn text(server: &Examined) -> String {
    let as_whom = server.user.as_deref();
    let as_whom = as_whom.map_or(String::new(), |user| format!(" as {}", flat(user)));
    let mut lines = vec![format!("{}{as_whom}", server.server)];
    if let Some(found) = &server.found {
        lines.extend(facts(found).into_iter().map(|line| format!("  {line}")));
    }
    let warnings = server.warnings.iter();
    lines.extend(warnings.map(|line| format!("  warning: {}", flat(line))));
    let problems = server.problems.iter();
    lines.extend(problems.map(|line| format!("  problem: {}", flat(line))));
    lines.join("\n") + "\n"
}

fn facts(found: &Found) -> Vec<String> {
    let kind = if found.is_standby {
        ", a standby that only reads"
    } else {
        ""
    };
    let ordinary = found.max_connections.saturating_sub(found.reserved);
    let mut lines = vec![
        format!("PostgreSQL {}{kind}", flat(&found.version)),
        format!(
            "{ordinary} connections for ordinary roles (max_connections {}, of which {} are reserved); now {}",
            found.max_connections,
            found.reserved,
            plural(found.sessions, "session"),
        ),
    ];
    if let Some(wanted) = found.wanted {
        lines.push(format!(
            "the pools may open {} there",
            plural(wanted, "server")
        ));
    }
    let databases = found.databases.iter().filter(|one| one.exists);
    lines.extend(databases.map(|one| limited("database", &one.name, one.limit, &[])));
    let roles = found.roles.iter().filter(|one| one.exists);
    lines.extend(roles.map(|role| {
        let superuser = role.is_superuser.then_some("superuser");
        limited("role", &role.name, role.limit, superuser.as_slice())
    }));
    lines
}

fn limited(kind: &str, name: &str, limit: Option<u32>, traits: &[&str]) -> String {
    let limit = limit.map(|limit| format!("at most {}", plural(limit, "connection")));
    let traits = traits.iter().map(|word| (*word).to_owned());
    let all: Vec<String> = traits.chain(limit).collect();
    let name = flat(name);
    match all.is_empty() {
        true => format!("{kind} {name}"),
        false => format!("{kind} {name}: {}", all.join(", ")),
    }
}

/// All of it.
pub(super) fn json(servers: &[Examined]) -> Value {
    let servers = servers.iter().map(|server| {
        let found = server.found.as_ref();
        json!({
            "server": server.server,
            "user": server.user,
            "version": found.map(|found| &found.version),
            "max_connections": found.map(|found| found.max_connections),
            "reserved_connections": found.map(|found| found.reserved),
            "sessions": found.map(|found| found.sessions),
            "standby": found.map(|found| found.is_standby),
            "wanted": found.and_then(|found| found.wanted),
            "databases": found.map(|found| found.databases.iter().map(database).collect::<Vec<_>>()),
            "roles": found.map(|found| found.roles.iter().map(role).collect::<Vec<_>>()),
            "problems": server.problems,
            "warnings": server.warnings,
        })
    });
    servers.collect()
}

fn database(one: &DatabaseFacts) -> Value {
    json!({ "name": one.name, "exists": one.exists, "open": one.is_open, "limit": one.limit })
}

fn role(one: &RoleFacts) -> Value {
    json!({
        "name": one.name,
        "exists": one.exists,
        "login": one.may_log_in,
        "expired": one.has_expired,
        "superuser": one.is_superuser,
        "limit": one.limit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_told_in_a_few_lines() {
        let examined = Examined {
            server: "db:5432".to_owned(),
            user: Some("web".to_owned()),
            found: Some(Found {
                version: "18.1".to_owned(),
                max_connections: 100,
                reserved: 3,
                sessions: 1,
                is_standby: true,
                databases: vec![DatabaseFacts {
                    name: "app".to_owned(),
                    exists: true,
                    is_open: true,
                    limit: None,
                }],
                roles: vec![RoleFacts {
                    name: "web".to_owned(),
                    exists: true,
                    may_log_in: true,
                    has_expired: false,
                    is_superuser: true,
                    limit: Some(1),
                }],
                wanted: Some(20),
            }),
            problems: vec!["there is no role\nx".to_owned()],
            warnings: Vec::new(),
        };
        assert_eq!(
            text(&examined),
            "\
db:5432 as web
  PostgreSQL 18.1, a standby that only reads
  97 connections for ordinary roles (max_connections 100, of which 3 are reserved); now 1 session
  the pools may open 20 servers there
  database app
  role web: superuser, at most 1 connection
  problem: there is no role x
"
        );
        let json = json(&[examined]);
        assert_eq!(json[0]["roles"][0]["limit"], 1);
        assert_eq!(json[0]["databases"][0]["limit"], Value::Null);
    }
}
