//! Variables of a program: those of a container, or of an environment file.

use pgweir_advisor::fleet::Value;

use crate::inventory::{Address, Program, Scheme, Setting, Text, Unknown, Variable};

use super::address::address;
use super::hosts;

/// What variables say of the pools of their program, in whatever order they are.
pub fn environment(variables: &[Variable]) -> Program {
    let mut program = Program::default();
    for variable in variables {
        if let Some(address) = address(&variable.name, &variable.value) {
            pool_of_url(&mut program, &address);
            program.addresses.push(address);
        } else {
            setting(&mut program, variable);
        }
    }
    program.addresses.extend(hosts::addresses(variables));
    program.kind = kind(&program);
    program
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
fn pool_of_url(program: &mut Program, address: &Address) {
    if address.scheme != Scheme::Postgres {
        return;
    }
    for (name, value) in &address.parameters {
        let (key, seconds) = match name.as_str() {
            "connection_limit" => ("pool", false),
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
