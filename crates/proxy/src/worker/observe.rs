//! What is found out about clients ten times a second: what long leases have done, who holds
//! servers, and who waits for one.

use std::collections::BTreeMap;
use std::sync::Arc;

use pgweir_pool::budget::PoolId;
use pgweir_pool::driver::Client;
use pgweir_telemetry::pools::OTHER;
use pgweir_telemetry::services::{SERVICES_MAX, ServiceClients};

use super::Worker;
use crate::insight::{Author, Holder, Holders, Locking, NOTED_AFTER, Noted, WAITERS_MAX, Waiter};
use crate::pins;
use crate::shell::author;

/// Services in pools that one worker tells apart.
const COUNTED_MAX: usize = 10 * SERVICES_MAX;

impl Worker {
    /// Counts what was done on servers that stay with their clients for long.
    pub(super) fn count_work(&mut self) {
        let now = self.now;
        for client in self.driver.clients_mut() {
            let Client {
                session,
                pool,
                account,
                ..
            } = client;
            session.count_pin(now);
            let parameters = session.relay.client.parameters.clone();
            let Some(server) = session.server() else {
                continue;
            };
            if server.upstream.observer.work.is_due() {
                pool.count(server);
            }
            let application = parameters.value("application_name");
            let author = || Author::new(pool, account.pid, application);
            let trace = &mut server.upstream.observer.trace;
            let insight = &self.registry.insight;
            insight.take(pool, server.id, trace, author);
        }
    }

    /// Notes who holds servers, and tells of leaks once per lease.
    pub(super) fn note_holders(&mut self) {
        let now = self.now;
        let looks = self.registry.locks.looks();
        let mut holders = Holders::default();
        for client in self.driver.clients_mut() {
            let Some(holding) = client.session.holding(now) else {
                continue;
            };
            let held = now - holding.since;
            let settings = client.pool.settings();
            let locking = Locking::of(&looks, now, &holding);
            let Noted::Shown { is_leak } =
                holders.note(&client.pool, &settings.config, held, &holding, locking)
            else {
                continue;
            };
            let cancel = client
                .session
                .server()
                .and_then(|s| s.stream.cancel.as_ref());
            let holder = Holder {
                pool: client.pool.0.clone(),
                server: holding.server,
                server_pid: cancel.map(|target| target.pid),
                locking,
                author: author(client),
                address: client.account.address,
                hold: holding.hold,
                since: holding.since,
                held,
                quiet: holding.quiet,
                running: holding.running,
                statement: holding.statement,
                pinned: holding.pinned,
                is_leak,
            };
            if is_leak && client.account.leak_since != Some(holding.since) {
                client.account.leak_since = Some(holding.since);
                self.registry.insight.warn_of_leak(&holder);
            }
            holders.show(holder);
            if let Some(pinned) = holding.pinned {
                pins::look(&self.registry, client, pinned, now);
            }
        }
        holders.tell(self.id, &mut self.told);
        self.registry.insight.set_holders(self.id, holders);
    }

    /// Counts clients by what they call themselves, where metrics want that.
    pub(super) fn note_services(&mut self) {
        let compat = self.registry.config().http.compat;
        if !compat.prisma && !compat.sqlx {
            return;
        }
        let mut counted = BTreeMap::<(PoolId, Arc<str>), (u32, u32)>::new();
        for client in self.driver.clients_mut() {
            let holds = client.session.server().is_some();
            let waits = client.session.place().is_some();
            let parameters = &client.session.relay.client.parameters;
            let name = parameters.value("application_name").unwrap_or_default();
            if name.is_empty() {
                continue;
            }
            let is_known = |(pool, service): &&(PoolId, Arc<str>)| {
                *pool == client.pool.id && **service == *name
            };
            let name = match counted.keys().find(is_known) {
                Some((_, known)) => known.clone(),
                None if counted.len() < COUNTED_MAX => name.into(),
                None => OTHER.into(),
            };
            let (active, waiting) = counted.entry((client.pool.id, name)).or_default();
            *active += u32::from(holds);
            *waiting += u32::from(waits);
        }
        let counted = counted.into_iter();
        let counted = counted.map(|((pool, service), (active, waiting))| ServiceClients {
            pool,
            service,
            active,
            waiting,
        });
        let counted = counted.collect();
        self.registry.insight.set_services(self.id, counted);
    }

    /// Notes who has waited longest for a server.
    pub(super) fn note_waiters(&mut self) {
        let now = self.now;
        let waiting = self.driver.clients_mut().filter_map(|client| {
            let since = client.session.place()?.since;
            (now - since >= NOTED_AFTER).then_some((since, &*client))
        });
        let mut waiting: Vec<_> = waiting.collect();
        if waiting.len() > WAITERS_MAX {
            waiting.select_nth_unstable_by_key(WAITERS_MAX, |(since, _)| *since);
            waiting.truncate(WAITERS_MAX);
        }
        let waiters = waiting.into_iter().map(|(since, client)| Waiter {
            pool: client.pool.0.clone(),
            author: author(client),
            address: client.account.address,
            waited: now - since,
        });
        self.registry
            .insight
            .set_waiters(self.id, waiters.collect());
    }
}
