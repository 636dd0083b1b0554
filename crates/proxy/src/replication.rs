//! Replication connections: clients that speak to a WAL sender, which nobody can share.
//!
//! Each has a pool of its own with one server, opened with the client's own startup parameters: a WAL sender
//! takes no settings later, and `synchronous_standby_names` goes by its `application_name`. The pool counts as its
//! database and user, so their limits hold, and what it does is shown and counted with their ordinary pool.

use std::time::Duration;

use pgweir_config::access::Replication;
use pgweir_config::{Config, PoolConfig, PoolMode};
use pgweir_wire::startup::Startup;

/// What `startup` asks for; `None` if that is an ordinary session.
///
/// What value means what, and whether it means anything, is PostgreSQL's to say.
pub(crate) fn startup_parameters(
    config: &Config,
    startup: &Startup,
) -> Option<Vec<(String, String)>> {
    let value = startup.replication.as_ref()?;
    if is_off(value) {
        return None;
    }
    let is_kept = |(name, _): &&(String, String)| {
        let ignored = &config.ignore_startup_parameters;
        !ignored.contains(&name.to_ascii_lowercase())
    };
    let mut parameters: Vec<_> = startup.parameters.iter().filter(is_kept).cloned().collect();
    parameters.push(("replication".to_owned(), value.clone()));
    Some(parameters)
}

/// What a client wants to replicate. A value that means nothing is taken for the most that it could mean.
pub(crate) fn wanted(startup: &Startup) -> Replication {
    match startup.replication.as_deref() {
        None => Replication::No,
        Some("database") => Replication::Logical,
        Some(value) if is_off(value) => Replication::No,
        Some(_) => Replication::Physical,
    }
}

/// What startup parameters ask for that were kept, as PgBouncer calls it.
pub(crate) fn word(parameters: &[(String, String)]) -> &'static str {
    let value = parameters.iter().find(|(name, _)| name == "replication");
    match value {
        Some((_, value)) if value == "database" => "logical",
        Some(_) => "physical",
        None => "none",
    }
}

/// The settings of its pool, of those for ordinary clients: one server, used once and never for
/// nothing, and no bound on the time that a stream of it lasts or rests.
pub(crate) fn adapt(config: PoolConfig) -> PoolConfig {
    PoolConfig {
        pool_mode: PoolMode::Session,
        pool_size: Some(std::num::NonZeroU32::MIN),
        min_pool_size: 0,
        reserve_pool_size: 0,
        query_timeout: None,
        transaction_timeout: None,
        client_idle_timeout: None,
        track_statements: false,
        leak_time: None,
        server_idle_timeout: None,
        server_lifetime: Duration::ZERO,
        server_check_delay: None,
        server_reset_query: String::new(),
        ..config
    }
}

/// PostgreSQL's spellings of false: any front of them that can mean nothing else.
fn is_off(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    let is_front = |word: &str, least: usize| value.len() >= least && word.starts_with(&value);
    value == "0" || is_front("false", 1) || is_front("no", 1) || is_front("off", 2)
}

#[cfg(test)]
mod tests {
    use super::{is_off, startup_parameters};
    use crate::world::world;
    use pgweir_wire::startup::Startup;

    #[test]
    fn what_postgresql_takes_for_false_is_no_replication() {
        for value in ["0", "f", "F", "fal", "false", "n", "No", "of", "OFF"] {
            assert!(is_off(value), "{value}");
        }
        for value in [
            "", "o", "on", "1", "t", "true", "yes", "database", "falsey", "00",
        ] {
            assert!(!is_off(value), "{value}");
        }
    }

    #[test]
    fn a_server_is_opened_with_what_the_client_asked_for() {
        let world = world("ignore_startup_parameters = \"extra_float_digits\"");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut startup = Startup {
            minor: 0,
            user: "bob".to_owned(),
            database: "app".to_owned(),
            replication: Some("database".to_owned()),
            parameters: vec![
                pair("Extra_Float_Digits", "3"),
                pair("application_name", "standby"),
                pair("application_name", "standby1"),
            ],
            unknown_protocol_options: Vec::new(),
        };
        let config = world.registry.config();
        let expected = [
            pair("application_name", "standby"),
            pair("application_name", "standby1"),
            pair("replication", "database"),
        ];
        let asked = startup_parameters(&config, &startup);
        assert_eq!(asked.as_deref(), Some(&expected[..]));
        startup.replication = Some("off".to_owned());
        assert_eq!(startup_parameters(&config, &startup), None);
        startup.replication = None;
        assert_eq!(startup_parameters(&config, &startup), None);
    }
}
