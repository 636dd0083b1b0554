//! What the limit of open files is shared out for.
//!
//! A client that takes the last file descriptor takes it from a server, and nobody is served any
//! more. So clients get what servers, logins, HTTP and the process itself leave.

use std::num::NonZeroU32;

use pgweir_config::{Config, Database};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

/// Strangers at once where the limit allows; at 16 KiB each, they can make us hold 16 MiB.
const STRANGERS_MAX: u64 = 1024;

/// Connections of HTTP at once where the limit allows.
const HTTP_MAX: u64 = 256;

/// Connections of the probe, and cancel requests under way to PostgreSQL, where the limit allows.
const ERRANDS_MAX: u64 = 64;

/// Sockets that listen, standard streams, the runtimes' own, four of each worker, files that a reload
/// reads.
const OWN: u64 = 48;
const OF_WORKER: u64 = 4;

/// How many files each may have open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shares {
    /// All together.
    pub(crate) limit: u64,
    /// Who logs in and has not proven anything.
    pub(crate) strangers: u64,
    /// Connections of HTTP.
    pub(crate) http: u64,
    /// Servers.
    pub(crate) servers: u64,
    /// Clients that are logged in: all the rest.
    pub(crate) clients: u64,
}

impl Shares {
    /// Shares out `limit` where `servers` are wanted. Servers get half of it at most: without clients
    /// they are of no use.
    pub(crate) fn new(limit: u64, servers: u64, workers: u64) -> Self {
        let strangers = STRANGERS_MAX.min(limit / 8).max(1);
        let http = HTTP_MAX.min(limit / 16).max(1);
        let servers = servers.min(limit / 2);
        let own = OWN + workers * OF_WORKER + ERRANDS_MAX.min(limit / 16);
        let taken = strangers + http + servers + own;
        Self {
            limit,
            strangers,
            http,
            servers,
            clients: limit.saturating_sub(taken).max(1),
        }
    }

    /// The shares of this process, for this configuration.
    pub(crate) fn of(config: &Config, workers: usize) -> Self {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let mut shares = Self::new(limit, servers_wanted(config), workers as u64);
        let mut databases = config.databases.values().chain(&config.fallback_database);
        if config.auth.is_some() || databases.any(|database| database.auth.is_some()) {
            // As many strangers again may wait for PostgreSQL's word on them.
            shares.clients = shares.clients.saturating_sub(shares.strangers).max(1);
        }
        shares
    }

    /// Clients that may be logged in.
    pub(crate) fn clients_max(&self) -> u32 {
        u32::try_from(self.clients).unwrap_or(u32::MAX)
    }

    /// Says so where the limit does not allow what is configured.
    pub(crate) fn warn_if_short(&self, config: &Config) {
        let wanted = servers_wanted(config);
        if self.clients >= u64::from(config.max_client_conn) && self.servers >= wanted {
            return;
        }
        warn!(
            limit = self.limit,
            clients = self.clients,
            max_client_conn = config.max_client_conn,
            servers = self.servers,
            servers_wanted = wanted,
            "the limit of open files is too low for max_client_conn and the pools; raise it, or lower these"
        );
    }
}

/// The most servers that the pools of the configuration open together. A database that serves any name
/// counts as one.
fn servers_wanted(config: &Config) -> u64 {
    let databases = config.databases.values().chain(&config.fallback_database);
    let wanted = databases.map(|database| of_database(config, database));
    wanted.fold(0, u64::saturating_add)
}

fn of_database(config: &Config, database: &Database) -> u64 {
    let bound = |limit: Option<NonZeroU32>| limit.map_or(u64::MAX, |limit| u64::from(limit.get()));
    let pools = config.users.values().map(|user| {
        let pool = database.pool_config(&user.name);
        let size = bound(pool.pool_size).saturating_add(pool.reserve_pool_size.into());
        size.min(bound(user.max_user_connections))
    });
    let pools = pools.fold(0, u64::saturating_add);
    pools.min(bound(database.max_db_connections))
}

/// Says how many files may be open, and how many it may take.
pub(crate) fn tell_limit(config: &Config) {
    let limit = getrlimit(Resource::Nofile);
    let number =
        |bound: Option<u64>| bound.map_or_else(|| "unlimited".to_owned(), |it| it.to_string());
    let clients = u64::from(config.max_client_conn);
    info!(
        "kernel file descriptor limit: {} (hard: {}); max_client_conn: {clients}, max expected fd use: {}",
        number(limit.current),
        number(limit.maximum),
        servers_wanted(config).saturating_add(clients + 10)
    );
}

/// The soft limit of open files is for programs that use `select`; we may use the hard one.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        warn!(%error, "the limit of open files stays at {:?}", limit.current);
    }
}

#[cfg(test)]
mod tests {
    use super::{Shares, servers_wanted};
    use crate::world::world;

    #[test]
    fn clients_get_what_others_leave() {
        for (limit, servers, [strangers, http, servers_share, clients]) in [
            (20_000, 100, [1024, 256, 100, 18_504]),
            (20_000, 50_000, [1024, 256, 10_000, 8604]),
            (1024, 20, [128, 64, 20, 696]),
            (1024, u64::MAX, [128, 64, 512, 204]),
            (128, 20, [16, 8, 20, 24]),
            (16, 20, [2, 1, 8, 1]),
        ] {
            let shares = Shares::new(limit, servers, 1);
            let expected = Shares {
                limit,
                strangers,
                http,
                servers: servers_share,
                clients,
            };
            assert_eq!(shares, expected);
        }
    }

    #[test]
    fn all_shares_fit_together() {
        for limit in 256..5000 {
            for servers in [0, 20, limit] {
                let shares = Shares::new(limit, servers, 8);
                let own = 48 + 8 * 4 + 64.min(limit / 16);
                let sum = own + shares.strangers + shares.http + shares.servers + shares.clients;
                assert!(sum <= limit.max(sum - shares.clients + 1), "{shares:?}");
            }
        }
    }

    #[test]
    fn servers_are_counted_by_the_tightest_limit() {
        for (settings, wanted) in [
            ("", 50),
            ("reserve_pool_size = 5", 55),
            ("max_user_connections = 7", 7),
            ("max_db_connections = 3", 3),
            ("[databases.\"*\"]\npool_size = 10", 60),
            ("[users.ann]\npassword = \"x\"", 100),
            ("[databases.\"*\"]\npool_size = 0", u64::MAX),
        ] {
            let config = world(settings).registry.config();
            assert_eq!(servers_wanted(&config), wanted, "{settings}");
        }
    }
}
