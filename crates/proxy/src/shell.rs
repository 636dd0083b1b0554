//! What drivers ask of the sockets, the locks and the log around them, and what the control plane
//! tells pools.

use std::io;
use std::sync::Arc;

use mio::Token;
use pgweir_pool::budget::{Budget, Permit, PoolId};
use pgweir_pool::driver::{Farewell, LastWords, Outbox, Shell};
use pgweir_pool::id::{ClientId, ServerId};
use pgweir_pool::pool::{CloseReason, Refusal};
use pgweir_pool::server::Home;
use pgweir_pool::session::{End, Overdue};
use pgweir_pool::stock::Stock;
use pgweir_pool::time::Time;
use pgweir_pool::upstream::OwnError;
use pgweir_pool::waits::Cause;
use pgweir_wire::sqlstate::SqlState;
use tracing::{info, warn};

use crate::caller::place;
use crate::insight::Author;
use crate::link::{CancelTarget, Link, Server};
use crate::pins;
use crate::platform::{Client, PoolRef, Sockets};
use crate::pool_handle::{PoolHandle, pool_of};
use crate::registry::Registry;
use crate::socket::Socket;
use crate::texts;
use pgweir_config::ErrorCodes;

/// The token of a client's stream: even. [`server_token`] is odd.
fn client_token(slot: u32) -> Token {
    Token((slot as usize) << 1)
}

fn server_token(slot: u32) -> Token {
    Token((slot as usize) << 1 | 1)
}

impl Registry {
    /// Does an errand of the control plane: tells pools what happened through `outbox`, and has the
    /// orders that follow carried out.
    pub(crate) fn run_errand<T>(&self, errand: impl FnOnce(&mut Outbox<Sockets>, Time) -> T) -> T {
        let mut outbox = Outbox::new(None);
        let outcome = errand(&mut outbox, self.clock.now());
        while let Some(order) = outbox.poll_order() {
            self.carry_out(order);
        }
        outcome
    }

    /// Tells one pool what happened.
    pub(crate) fn tell<T>(
        &self,
        pool: &Arc<PoolHandle>,
        what: impl FnOnce(&mut Stock<Link>, Time) -> T,
    ) -> T {
        self.run_errand(|outbox, now| {
            let pool = PoolRef(pool.clone());
            outbox.decide(self, &pool, now, |stock| what(stock, now))
        })
    }
}

impl Shell for Registry {
    type Platform = Sockets;

    fn pool(&self, id: PoolId) -> PoolRef {
        PoolRef(self.pool_by_id(id))
    }

    fn pools_of_database(&self, client: &Client, database: &[u8]) -> Vec<PoolRef> {
        let settings = client.pool.settings();
        let server = &settings.database.server;
        self.probes.leave(server, database);
        let pools = self.pools().into_iter();
        let pools = pools.filter(|pool| pool.is_in(server, database));
        pools.map(PoolRef).collect()
    }

    fn budget<T>(&self, decide: impl FnOnce(&mut Budget) -> T) -> T {
        decide(&mut self.lock_budget())
    }

    fn watch_client(&self, stream: &mut Socket, home: Home) -> io::Result<()> {
        let worker = &self.workers[home.worker.index()];
        stream
            .register(&worker.registry, client_token(home.slot))
            .inspect_err(|error| warn!(%error, "client socket cannot be watched"))
    }

    fn unwatch_client(&self, stream: &mut Socket, home: Home) -> io::Result<()> {
        let worker = &self.workers[home.worker.index()];
        stream
            .deregister(&worker.registry)
            .inspect_err(|error| warn!(%error, "client socket cannot be moved"))
    }

    fn watch_server(&self, stream: &mut Link, home: Home) -> io::Result<()> {
        let worker = &self.workers[home.worker.index()];
        stream
            .socket
            .register(&worker.registry, server_token(home.slot))
            .inspect_err(|error| warn!(%error, "server socket cannot be watched"))
    }

    fn unwatch_server(&self, stream: &mut Link, home: Home) -> io::Result<()> {
        let worker = &self.workers[home.worker.index()];
        stream
            .socket
            .deregister(&worker.registry)
            .inspect_err(|error| warn!(%error, "server socket cannot be moved"))
    }

    fn cancel_target(&self, stream: &Link) -> Option<Arc<CancelTarget>> {
        stream.cancel.clone()
    }

    fn close(&self, server: Box<Server>, reason: Option<CloseReason>) -> Permit {
        self.backends.remove(server.id);
        if self.config().log.disconnections {
            let pool = self.pool_by_id(pool_of(server.id));
            info!(
                database = &*pool.database,
                user = &*pool.user,
                server = %server.id,
                address = server.stream.place(),
                ?reason,
                "closing because: {} (age={}s)",
                texts::closed(reason),
                server.stream.since.elapsed().unwrap_or_default().as_secs()
            );
        }
        server.stream.permit
    }

    fn parked_ended(&self, pool: &PoolRef, server: ServerId) {
        info!(
            database = &*pool.database,
            user = &*pool.user,
            %server,
            "idle server connection ended"
        );
    }

    fn cleaning_failed(&self, pool: &PoolRef, error: &OwnError) {
        warn!(
            database = &*pool.database,
            user = &*pool.user,
            sqlstate = error.sqlstate.map(tracing::field::display),
            "server_reset_query failed, so the server is closed: {}",
            error.message
        );
    }

    fn settled(&self, client: &Client, name: ClientId) {
        self.client_moved(client.account.pid, name);
    }

    fn told(&self, client: &Client, process: u32) {
        self.client_told(client.account.pid, process);
    }

    fn left(&self, client: &Client, end: &End) {
        self.note_end(client, end);
        self.client_out(client.account.pid);
    }

    fn farewell(&self, client: &Client, why: Farewell) -> LastWords {
        let words = self.last_words(client, why);
        // It is told of the end itself in a moment.
        let _ = client.account.parting.set(words.reason().into());
        words
    }

    fn checked_in(&self, _: &PoolRef, _: &Server) {}

    fn observe(&self, client: &Client, server: &mut Server) {
        let trace = &mut server.upstream.observer.trace;
        self.insight
            .take(&client.pool, server.id, trace, || author(client));
    }
}

/// Who a client is.
pub(crate) fn author(client: &Client) -> Author {
    let application = client
        .session
        .relay
        .client
        .parameters
        .value("application_name");
    Author::new(&client.pool, client.account.pid, application)
}

impl Registry {
    /// What a client is told whose session the driver ends.
    fn last_words(&self, client: &Client, why: Farewell) -> LastWords {
        match why {
            Farewell::Refused(refusal) => self.refusal(client, refusal),
            Farewell::Overdue(overdue) => {
                if let Overdue::Pin(_) = overdue {
                    pins::ends(self, client, self.clock.now());
                }
                let mut words = texts::overdue(overdue, &client.policy.limits);
                // It is counted as what it is, whatever the client is sent.
                self.note_error(client, &words);
                if self.config().error_codes == ErrorCodes::PgBouncer {
                    words.sqlstate = SqlState::PROTOCOL_VIOLATION;
                }
                words
            }
            Farewell::Retired => {
                let words = texts::reconfigured();
                self.note_error(client, &words);
                words
            }
            Farewell::Shutdown => texts::shutting_down(),
            Farewell::Administrator => {
                let words = texts::ended_by_administrator();
                self.errors.count(words.sqlstate);
                words
            }
            Farewell::Suspension => {
                let words = texts::suspended();
                self.note_error(client, &words);
                words
            }
            Farewell::Unwatched => LastWords::new(
                SqlState::INTERNAL_ERROR,
                "a server connection could not be watched",
            ),
        }
    }

    fn refusal(&self, client: &Client, refusal: Refusal) -> LastWords {
        let pool = &client.pool;
        let login_error = pool.login_error();
        let cause = pool.cause(self.clock.now());
        let blocker = match cause {
            Cause::Locks => self.blocker_of(pool),
            _ => None,
        };
        let words = texts::refusal(
            refusal,
            &pool.settings().config,
            pool.counts(),
            cause,
            blocker.map(|blocker| blocker.sentence_for(pool)),
            login_error.as_ref(),
        );
        self.note_error(client, &words);
        words
    }

    /// Notes an error that a client is sent.
    fn note_error(&self, client: &Client, error: &LastWords) {
        self.errors.count(error.sqlstate);
        self.tell_error(client, error.sqlstate, &error.message);
    }

    fn tell_error(&self, client: &Client, sqlstate: SqlState, message: &str) {
        if self.config().log.pooler_errors {
            warn!(
                database = &*client.pool.database,
                user = &*client.account.user,
                client = client.account.pid,
                peer = place(client.account.address),
                %sqlstate,
                "pooler error: {message}"
            );
        }
    }

    /// Notes how a session ended.
    fn note_end(&self, client: &Client, end: &End) {
        let why = match end {
            End::Terminated => "client close request".into(),
            End::ClientGone => "client unexpected eof".into(),
            End::ServerGone { .. } => "server conn crashed?".into(),
            End::Ended => client.account.parting.get().map_or("", |why| &**why).into(),
            End::Violation(_)
            | End::ServerBroken(_)
            | End::Settings(_)
            | End::Transaction
            | End::Pinned(_) => match end.fault() {
                Some(fault) => texts::fault(fault).message,
                None => "".into(),
            },
        };
        // What the driver ends is noted with its farewell.
        if let Some(fault) = end.fault() {
            self.errors.count(fault.sqlstate());
            let message = texts::fault(fault).message;
            self.tell_error(client, fault.sqlstate(), &message);
        }
        if self.config().log.disconnections {
            let age = self.clock.now().since(client.account.since);
            info!(
                database = &*client.pool.database,
                user = &*client.account.user,
                client = client.account.pid,
                peer = place(client.account.address),
                reason = ?end,
                "closing because: {why} (age={}s)",
                age.as_secs()
            );
        }
    }
}
