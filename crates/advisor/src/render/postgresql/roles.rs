//! The roles that services log in as, what they may do, and their time limits: a script for psql that can
//! be run again at any time.

use super::super::connect::{distinct, pairs, password_variable};
use super::super::file::header;
use super::{identifier, literal};
use crate::facts::{Database, Kind};
use crate::plan::Plan;
use crate::units::time_text;

/// The role of exporters, dashboards and `pgweir plan --from-database`.
pub(in crate::render) const MONITORING: &str = "monitoring";

/// The script. It holds no password: psql reads each from the environment or from a file.
pub(super) fn script(plan: &Plan) -> String {
    let pairs = pairs(plan, false);
    let users = distinct(pairs.iter().map(|(user, _)| *user));
    let databases = distinct(pairs.iter().map(|(_, database)| *database));
    let mut text = header(plan, "sql", "--");
    text.push_str(
        "-- Roles, what they may do, and their time limits, which count from the next connection on. Run it\n\
         -- with psql as a superuser, again after each change:\n\
         --   psql -X -v ON_ERROR_STOP=1 -d postgres -f 3-roles.sql\n\
         -- A password comes from the variable named below, or from the file that the variable with _FILE\n\
         -- behind it names; or set it with \\password. Roles for migrations and backups get no limits.\n\n\
         -- Passwords stay out of the server's log.\n\
         SET log_statement = 'none';\n\
         SET log_min_duration_statement = -1;\n\
         SET log_min_error_statement = 'panic';\n\
         SET pg_stat_statements.track = 'none';\n\
         SET password_encryption = 'scram-sha-256';\n",
    );
    for user in &users {
        text.push_str(&role(user));
    }
    for user in &users {
        text.push_str(&limits(plan, user));
    }
    text.push_str(&monitoring(&plan.facts.database, &users));
    for database in databases {
        let of_it = pairs.iter().filter(|(_, name)| *name == database);
        let users: Vec<&str> = of_it.map(|(user, _)| *user).collect();
        text.push_str(&grants(database, &users));
    }
    text
}

/// Creates a role that is missing, and gives it a password if there is one.
fn role(user: &str) -> String {
    let variable = password_variable(user);
    let create = format!("CREATE ROLE {} LOGIN", identifier(user));
    format!(
        "\nSELECT {create} WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {name}) \\gexec\n\
         \\set password `{{ test -n \"${variable}_FILE\" && cat \"${variable}_FILE\"; }} || printenv {variable} || true`\n\
         SELECT :'password' <> '' AS given \\gset\n\
         \\if :given\n\
         ALTER ROLE {role} PASSWORD :'password';\n\
         \\else\n\
         SELECT rolpassword IS NULL AS none FROM pg_authid WHERE rolname = {name} \\gset\n\
         \\if :none\n\
         \\echo 'a role has no password yet: set {variable} and run this again'\n\
         \\endif\n\
         \\endif\n\
         \\unset password\n",
        create = literal(&create),
        name = literal(user),
        role = identifier(user),
    )
}

/// Whether only queue workers log in as this role.
fn is_of_batch_jobs(plan: &Plan, user: &str) -> bool {
    let mut services = plan.facts.services.iter().filter(|s| s.user == user);
    services.all(|service| service.kind == Kind::Queue)
}

fn limits(plan: &Plan, user: &str) -> String {
    let database = &plan.facts.database;
    let limits = &database.timeouts;
    let batch = is_of_batch_jobs(plan, user);
    let mut text = String::from("\n");
    let mut shared = plan.facts.services.iter().filter(|s| s.user == user);
    if batch {
        text.push_str("-- Only queue workers use this role: its statements may take longer.\n");
    } else if let Some(service) = shared.find(|service| service.kind == Kind::Queue) {
        text.push_str(&format!(
            "-- The queue workers of {} share this role and its limits. Jobs that take longer need a role of\n\
             -- their own: user = \"jobs\" in [services.{}].\n",
            service.name, service.name
        ));
    }
    let or_none = |time: Option<_>| time.map_or("0".to_owned(), time_text);
    let statement = if batch {
        limits.batch_statement
    } else {
        limits.statement
    };
    let mut settings = vec![
        ("statement_timeout", or_none(statement)),
        ("lock_timeout", or_none(limits.lock)),
        (
            "idle_in_transaction_session_timeout",
            or_none(limits.idle_in_transaction),
        ),
    ];
    if database.version >= 14 {
        settings.push(("idle_session_timeout", or_none(limits.idle_session)));
    }
    if database.version >= 17 {
        let transaction = if batch {
            limits.batch_statement.map(|time| time * 2)
        } else {
            limits.transaction
        };
        settings.push(("transaction_timeout", or_none(transaction)));
    }
    for (name, value) in &settings {
        text.push_str(&format!(
            "ALTER ROLE {} SET {name} = {};\n",
            identifier(user),
            literal(value)
        ));
    }
    text
}

fn monitoring(database: &Database, users: &[&str]) -> String {
    // A service that logs in by this name has its limits from above.
    let mut text = if users.contains(&MONITORING) {
        String::from("\n")
    } else {
        role(MONITORING)
    };
    text.push_str(&format!(
        "-- For exporters and `pgweir plan --from-database`: sees all sessions, and no data.\n\
         GRANT pg_monitor TO {MONITORING};\n"
    ));
    if database.version >= 16 && database.reserved.0 > 0 {
        text.push_str(&format!(
            "-- It gets in when everything else is full.\n\
             GRANT pg_use_reserved_connections TO {MONITORING};\n"
        ));
    }
    text
}

/// What the roles of one database may do in it.
fn grants(database: &str, users: &[&str]) -> String {
    let create = format!("CREATE DATABASE {}", identifier(database));
    let all = users.iter().map(|user| identifier(user));
    let to = all.collect::<Vec<_>>().join(", ");
    let mut text = format!(
        "\nSELECT {} WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = {}) \\gexec\n\
         GRANT CONNECT, TEMPORARY ON DATABASE {} TO {to};\n\
         {}\
         -- CREATE is for migrations.\n\
         GRANT USAGE, CREATE ON SCHEMA public TO {to};\n\
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {to};\n\
         GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO {to};\n\
         ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {to};\n\
         ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO {to};\n",
        literal(&create),
        literal(database),
        identifier(database),
        connect(database),
    );
    if users.len() < 2 {
        return text;
    }
    text.push_str("-- Each sees what the others create.\n");
    for owner in users {
        let owner = identifier(owner);
        text.push_str(&format!(
            "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {to};\n\
             ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO {to};\n"
        ));
    }
    text
}

/// psql's command, which takes a connection string where a name is more than a word.
fn connect(database: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if database.chars().all(plain) {
        return format!("\\connect \"{database}\"\n");
    }
    let value = database.replace('\\', "\\\\").replace('\'', "\\'");
    let text = format!("dbname='{value}'").replace('"', "\"\"");
    format!("\\connect -reuse-previous=on \"{text}\"\n")
}
