//! What is found out about clients ten times a second: what long leases have done, who holds
//! servers, and who waits for one.

use pgweir_pool::driver::Client;

use super::Worker;
use crate::insight::{Author, Holder, Holders, Locking, NOTED_AFTER, Noted, WAITERS_MAX, Waiter};
use crate::pins;
use crate::shell::author;

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
