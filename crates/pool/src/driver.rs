//! What a worker decides: which session is served next, which server goes where, and what becomes of
//! both when something ends.
//!
//! A [`Driver`] owns the clients of one worker and knows the servers that live there. It hears that a
//! stream is ready, takes messages of other drivers and is swept ten times a second; it moves bytes
//! through [`Session`], asks pools that it shares with other drivers, and leaves orders in its
//! [`Outbox`]. Threads, locks, sockets and the clock are the [`Shell`]'s. `pgweir-sim` runs several
//! drivers against each other, with their messages on the way for any time.
//!
//! Whatever is said about a client or a server may be said too late: it went away, was served, or
//! lives elsewhere. So every message names what it means exactly ([`ClientRef`], a server's number
//! beside its slot), and who receives it looks first.

mod clients;
mod endings;
mod outbox;
mod servers;
mod shell;
mod slots;
mod suspension;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub use endings::Cancelled;
pub use outbox::{Draining, Message, Order, Outbox};
pub use shell::{
    ClientStreamOf, Farewell, LastWords, Platform, PoolOf, ServerStreamOf, SharedPool, Shell,
};

use crate::id::{ClientId, ClientRef, WorkerId};
use crate::server::Server;
use crate::session::{Limits, Need, Session};
use crate::time::Time;
use crate::trace::Thresholds;
use servers::Resident;
use slots::Slots;

/// What a session needs.
type NeedOf<S> = Need<ServerStreamOf<S>>;

/// The rules for the clients of a pool, in the form the data path uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Times that sessions may take.
    pub limits: Limits,
    /// From when on statements are slow; `None` follows none.
    pub thresholds: Option<Thresholds>,
    /// Sent to a server that was idle for `check_delay` before a client gets it.
    pub check_query: String,
    /// `Duration::MAX` checks none.
    pub check_delay: Duration,
    /// Sent to a server whose session may differ from a fresh one; empty is none.
    pub reset_query: String,
    /// Whether it is sent whenever a client gives a server up, so that no session state ever reaches the next.
    pub reset_always: bool,
    /// Named statements that a server keeps for all clients outside session mode; 0 shares none.
    pub statements_max: u32,
    /// Whether what would keep a server outside session mode is rejected.
    pub rejects_state: bool,
    /// One lease in so many is audited outside session mode; 0 audits none.
    pub audit_interval: u32,
    /// Whether simple queries are taken.
    pub takes_queries: bool,
    /// Longest message of a client that is taken, in bytes with its header.
    pub message_max: u32,
    /// What a client is told that has waited for so long.
    pub wait_notice: Option<WaitNotice>,
    /// Whether a session ends, outside a transaction, when the server that it keeps is of an old configuration.
    pub closes_fast: bool,
}

/// What a client is told that waits for a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitNotice {
    /// Wait after which it is told, once.
    pub after: Duration,
    /// The message, as it is sent.
    pub message: Vec<u8>,
}

/// A client that has logged in.
pub struct Client<P: Platform> {
    /// Its session.
    pub session: Session<P::ClientStream, P::ServerStream>,
    /// Its pool.
    pub pool: P::Pool,
    /// The rules for it, as of the last reload.
    pub policy: Arc<Policy>,
    /// What the shell keeps of it.
    pub account: P::Account,
}

/// What an event says of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// There may be something to read: bytes, the end, an error.
    pub readable: bool,
    /// The peer has closed its side, or the stream failed.
    pub hung_up: bool,
}

/// Whose stream an event is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// The client in this slot.
    Client(u32),
    /// The server in this slot.
    Server(u32),
}

/// The clients of one worker and the servers that live there. See the module's description.
pub struct Driver<S: Shell> {
    here: WorkerId,
    shell: Arc<S>,
    clients: Slots<Box<Client<S::Platform>>>,
    servers: Slots<Resident<S::Platform>>,
    /// Bytes read at once; one buffer serves all streams.
    scratch: Vec<u8>,
    outbox: Outbox<S::Platform>,
    /// Clients that gave others a turn.
    turns: BTreeSet<u32>,
    /// Slots of servers that are on their way back to their pool.
    returning: Vec<u32>,
    /// Where clients move when they are idle, and how many before the next sweep.
    leaving: Option<(WorkerId, u32)>,
    draining: Option<Draining>,
    /// Nothing is read or written for a client beyond what was begun.
    suspended: bool,
    now: Time,
}

impl<S: Shell> Driver<S> {
    /// A driver without clients. `scratch_len` is larger than any message that must be understood.
    pub fn new(here: WorkerId, shell: Arc<S>, scratch_len: usize) -> Self {
        Self {
            here,
            shell,
            clients: Slots::default(),
            servers: Slots::default(),
            scratch: vec![0; scratch_len],
            outbox: Outbox::new(Some(here)),
            turns: BTreeSet::new(),
            returning: Vec::new(),
            leaving: None,
            draining: None,
            suspended: false,
            now: Time::default(),
        }
    }

    /// A stream became ready.
    pub fn ready(&mut self, now: Time, peer: Peer, readiness: Readiness) {
        self.now = now;
        match peer {
            Peer::Client(slot) => self.client_ready(slot, readiness),
            Peer::Server(slot) => self.server_ready(slot, readiness),
        }
    }

    /// A message of another driver, or of the control plane, has come.
    pub fn message(&mut self, now: Time, message: Message<S::Platform>) {
        self.now = now;
        self.handle(message);
        self.handle_local();
    }

    /// Gives those clients a turn that let others have theirs, and handles what the driver has sent
    /// to itself. Called after all events and messages that there are, and only then: an event may
    /// be of a stream that left this worker in an earlier one, whose slot nobody else has until
    /// messages are handled.
    pub fn take_turns(&mut self, now: Time) {
        self.now = now;
        for slot in std::mem::take(&mut self.turns) {
            self.pump_client(slot);
        }
        self.handle_local();
    }

    /// Ends what has taken too long. `relief` says where clients should go, and how many, when this
    /// worker has too much to do.
    pub fn sweep(&mut self, now: Time, relief: Option<(WorkerId, u32)>) {
        self.now = now;
        self.leaving = relief;
        if !self.suspended {
            self.sweep_clients();
        }
        self.sweep_returning();
        self.handle_local();
    }

    /// What the shell has to do next; asked after each input until there is nothing.
    pub fn poll_order(&mut self) -> Option<Order<S::Platform>> {
        self.outbox.poll_order()
    }

    /// Whether [`Driver::take_turns`] is due at once.
    pub fn has_turns(&self) -> bool {
        !self.turns.is_empty() || self.outbox.has_local()
    }

    /// Whether nothing here can become overdue.
    pub fn is_resting(&self) -> bool {
        self.clients.is_empty() && self.returning.is_empty()
    }

    /// Clients that live here.
    pub fn clients_count(&self) -> usize {
        self.clients.len()
    }

    /// Servers that live here.
    pub fn servers_count(&self) -> usize {
        self.servers.len()
    }

    /// The clients that live here, for whoever shows what they do.
    pub fn clients_mut(&mut self) -> impl Iterator<Item = &mut Client<S::Platform>> {
        self.clients.iter_mut().map(|client| &mut **client)
    }

    /// The clients that live here from this place on, each with its place: for whoever lists them in pieces.
    pub fn clients_from(
        &mut self,
        place: u32,
    ) -> impl Iterator<Item = (u32, &mut Client<S::Platform>)> {
        let clients = self.clients.iter_mut_from(place);
        clients.map(|(place, client)| (place, &mut **client))
    }

    /// The servers that are on their way back to their pool.
    pub fn returning(&self) -> impl Iterator<Item = &Server<ServerStreamOf<S>>> {
        self.servers.iter().filter_map(|(_, it)| it.returning())
    }

    /// The client of that name, if it lives here.
    pub fn client(&self, name: ClientId) -> Option<&Client<S::Platform>> {
        let name = ClientRef::from(name);
        let client = self.clients.get(name.slot)?;
        self.is(name).then_some(client)
    }

    /// The shell.
    pub fn shell(&self) -> &S {
        &self.shell
    }

    /// Handles what this driver has sent to itself, and what that causes.
    fn handle_local(&mut self) {
        while let Some(message) = self.outbox.poll_local() {
            self.handle(message);
        }
    }

    fn handle(&mut self, message: Message<S::Platform>) {
        match message {
            Message::Adopt(client) => self.adopt(client),
            Message::Grant(pool, granted) => self.granted(&pool, granted),
            Message::Refuse(client, place, refusal) => self.refused(client, place, refusal),
            Message::Cancel(client, ticket) => {
                self.cancel_for(client, Some(ticket));
            }
            Message::CancelDone(id, slot, delivery) => self.cancel_done(id, slot, delivery),
            Message::TakeHome(pool, id) => self.watch_parked(&pool, id),
            Message::Unhome(id, slot) => self.forget_server(id, slot),
            Message::Reloaded => self.reloaded(),
            Message::Drain(draining) => self.drain(draining),
        }
    }
}
