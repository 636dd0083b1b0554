//! The lines about pools in the log of a start.

use std::num::NonZeroU32;
use std::time::Duration;

use pgweir_settings::text::printable;

use super::value::show_time;
use super::{Config, PoolConfig};

/// One line per pool configuration: that of each database, then those of users with their own.
pub fn startup_lines(config: &Config) -> Vec<String> {
    let databases = config.databases.values().chain(&config.fallback_database);
    let mut lines = Vec::new();
    for database in databases {
        let name = printable(&database.name);
        lines.push(line(&database.pool, &format!("database {name}")));
        for (user, pool) in &database.user_pools {
            let user = printable(user);
            lines.push(line(pool, &format!("database {name}, user {user}")));
        }
    }
    lines
}

fn line(pool: &PoolConfig, whose: &str) -> String {
    format!("Connection Pool: {} ({whose})", pool_info(pool))
}

/// The three numbers that decide how long a client waits, in words.
pub fn pool_info(pool: &PoolConfig) -> String {
    let limit = pool
        .pool_size
        .as_ref()
        .map_or("off".to_owned(), NonZeroU32::to_string);
    let time = |time: Option<Duration>| time.map_or("off".to_owned(), show_time);
    format!(
        "Limit: {limit}, Pool Timeout: {}, Connect Timeout: {}",
        time(pool.query_wait_timeout),
        time(pool.server_connect_timeout),
    )
}
