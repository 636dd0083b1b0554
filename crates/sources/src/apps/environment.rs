//! Variables of a program: those of a container, or of an environment file.

use pgweir_advisor::facts::{Observation, Ruling};
use pgweir_advisor::fleet::Value;

use crate::inventory::{Address, Program, Scheme, Setting, Text, Unknown, Variable};

use super::address::{address, is_side_door};
use super::command::{self, Limit, Started};
use super::{hosts, libraries, multipliers, pools};

/// What variables say of the pools of their program, in whatever order they are.
pub fn environment(variables: &[Variable]) -> Program {
    program(&[], variables)
}

/// What the command of a container, its entry point included, and its variables say together.
pub fn program(command: &[Text], variables: &[Variable]) -> Program {
    let mut program = Program::default();
    let is_front = |variable: &Variable| {
        !is_side_door(&variable.name) && address(&variable.name, &variable.value).is_some()
    };
    let has_front = variables.iter().any(is_front);
    for variable in variables {
        if let Some(address) = address(&variable.name, &variable.value) {
            // What only migrations use says nothing of the pool, where there is something else.
            if !has_front || !is_side_door(&variable.name) {
                pool_of_url(&mut program, &address);
            }
            program.addresses.push(address);
        } else {
            setting(&mut program, variable);
        }
    }
    program.addresses.extend(hosts::addresses(variables));
    pools::sizes(&mut program, variables);
    program.kind = kind(&program);
    match command::started(command, variables) {
        Some(started) => start(&mut program, started),
        None => {
            if let Some(workers) = multipliers::workers(variables) {
                program.processes.extend(workers.processes);
                program.unknown.extend(workers.unknown);
            }
            program.threads.extend(multipliers::threads(variables));
        }
    }
    if program.kind.is_none() {
        libraries::default_pool(&mut program, variables);
    }
    program
}

/// Adds what a command starts.
fn start(program: &mut Program, started: Started) {
    program.server = started.program.server;
    program.processes.extend(started.program.processes);
    program.unknown.extend(started.program.unknown);
    program.unsaid.extend(started.program.unsaid);
    if let Some((kind, origin)) = started.program.kind {
        // Containers of workers often have the variables of the web server too.
        let of_fpm = |by: &str| by.starts_with("PHP_FPM_");
        if kind != "php-fpm" {
            program.settings.retain(|setting| !of_fpm(&setting.by));
            program.kind = Some((kind, origin));
        }
    }
    match started.limit {
        Limit::Pool => {}
        Limit::Threads(threads, by, origin) => {
            program.threads.push(Setting {
                key: "pool",
                value: Value::from(threads),
                by,
                origin,
            });
        }
        Limit::Unknown(unknown) => program.unsaid.push(unknown),
        Limit::One => {
            let pools = ["pool", "pool_min"];
            program
                .unknown
                .retain(|unknown| unknown.key != Some("pool"));
            for setting in program
                .settings
                .extract_if(.., |setting| pools.contains(&setting.key))
            {
                program.observations.push(Observation {
                    ruling: Ruling::Left("each of its processes does one job at a time, with one connection; set pool in fleet.toml if yours do more"),
                    what: format!("{} of a program that runs jobs", setting.by),
                    origin: setting.origin,
                });
            }
        }
    }
}

/// FPM's workers count wherever there are some, and Prisma reads no `DB_MAX_CONNECTIONS`, while
/// pgweir-sqlx reads a `connection_limit`.
fn kind(program: &Program) -> Option<(&'static str, pgweir_advisor::facts::Origin)> {
    KINDS.iter().find_map(|(by, kind)| {
        let mut settings = program.settings.iter();
        let found = settings.find(|setting| setting.by == *by)?;
        Some((*kind, found.origin.clone()))
    })
}

/// The parameters of a URL that Prisma has.
pub(super) fn pool_of_url(program: &mut Program, address: &Address) {
    if let Scheme::Other(_) = address.scheme {
        return;
    }
    for (name, value) in &address.parameters {
        // Npgsql's have spaces, and any case.
        let lower = name.to_ascii_lowercase().replace(' ', "");
        let (key, seconds) = match lower.as_str() {
            "connection_limit" => ("pool", false),
            // Rails and Ecto, pgx, R2DBC, Npgsql.
            "pool" | "pool_size" | "pool_max_conns" | "maxsize" => ("pool", false),
            "maximumpoolsize" | "maxpoolsize" => ("pool", false),
            "pool_min_conns" | "minimumpoolsize" | "minpoolsize" => ("pool_min", false),
            "pool_timeout" => ("acquire_timeout", true),
            "connect_timeout" => ("connect_timeout", true),
            "socket_timeout" => ("socket_timeout", true),
            "max_idle_connection_lifetime" => ("idle_timeout", true),
            "max_connection_lifetime" => ("max_lifetime", true),
            _ => continue,
        };
        let by = format!("{name} of the URL");
        say(program, key, value, by, seconds);
    }
}

fn setting(program: &mut Program, variable: &Variable) {
    let known = SETTINGS.iter().find(|(name, ..)| *name == variable.name);
    let Some((_, key, seconds)) = known.copied() else {
        return;
    };
    if variable.value.is_empty() {
        return;
    }
    say(
        program,
        key,
        &variable.value,
        variable.name.clone(),
        seconds,
    );
}

fn say(program: &mut Program, key: &'static str, text: &Text, by: String, seconds: bool) {
    let origin = text.origin.clone();
    let Some(known) = text.known() else {
        // Anything but a size has a default that hides no connections.
        if key == "pool" {
            program.unknown.push(Unknown {
                what: format!(
                    "{by} is {}, which none of the files says",
                    text.gaps().join(" and ")
                ),
                add: "add the file that says it".to_owned(),
                key: Some(key),
                origin,
            });
        }
        return;
    };
    let known = known.trim();
    let value = match seconds {
        true => Value::from(format!("{known}s")),
        false => Value::from_text(known),
    };
    program.settings.push(Setting {
        key,
        value,
        by,
        origin,
    });
}

/// The kind of a service that has a setting by this name; the first of them counts.
const KINDS: [(&str, &str); 3] = [
    ("PHP_FPM_MAX_CHILDREN", "php-fpm"),
    ("DB_MAX_CONNECTIONS", "sqlx"),
    ("connection_limit of the URL", "prisma6"),
];

/// Variables, their settings, and whether they are in seconds.
const SETTINGS: [(&str, &str, bool); 10] = [
    ("DB_MAX_CONNECTIONS", "pool", false),
    ("PHP_FPM_MAX_CHILDREN", "pool", false),
    ("DB_MIN_CONNECTIONS", "pool_min", false),
    ("DB_ACQUIRE_TIMEOUT", "acquire_timeout", true),
    ("DB_IDLE_TIMEOUT", "idle_timeout", true),
    ("DB_MAX_LIFETIME", "max_lifetime", true),
    ("PHP_FPM_START_SERVERS", "start_servers", false),
    ("PHP_FPM_MIN_SPARE", "min_spare_servers", false),
    ("PHP_FPM_MAX_SPARE", "max_spare_servers", false),
    ("PHP_FPM_MAX_REQUESTS", "max_requests", false),
];
