//! The shell around the drivers: streams in memory, pools and a budget behind locks that notice when
//! they are taken in the wrong order, and notes of what the drivers report.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use pgweir_pool::budget::{Budget, Group, Permit, PoolId};
use pgweir_pool::driver::{Client, Farewell, LastWords, Peer, Platform, Policy, SharedPool, Shell};
use pgweir_pool::id::{ClientId, ServerId, WorkerId};
use pgweir_pool::pool::{CloseReason, Refusal};
use pgweir_pool::server::{Home, Server};
use pgweir_pool::session::End as Ending;
use pgweir_pool::stock::Stock;
use pgweir_pool::stream::Stream;
use pgweir_pool::time::Time;
use pgweir_pool::upstream::OwnError;
use pgweir_wire::sqlstate::SqlState;

use super::check::{punctual, rest};
use super::postgres::Backend;
use super::stream::{End, EndId, Net};

/// Drivers over streams in memory.
pub(super) enum InMemory {}

impl Platform for InMemory {
    type ClientStream = End;
    type ServerStream = Link;
    type Pool = PoolCell;
    /// The client's number in its world.
    type Account = u64;
    type CancelTarget = ServerId;
    /// The client that asked, by its number.
    type Ticket = u64;
}

/// The stream of a server.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) end: End,
    pub(super) permit: Permit,
}

impl Read for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.end.read(buffer)
    }
}

impl Stream for Link {
    fn has_more(&self) -> bool {
        self.end.has_more()
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.end.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.end.flush()
    }
}

/// A pool and its lock.
#[derive(Clone)]
pub(super) struct PoolCell(Rc<Locked>);

struct Locked {
    id: PoolId,
    stock: RefCell<Stock<Link>>,
    policy: RefCell<Arc<Policy>>,
    /// The shortest wait that it ever refused after, and its latest clock.
    wait_min: Cell<Duration>,
    latest: Cell<Time>,
    /// Whether some pool's lock is taken.
    taken: Rc<Cell<bool>>,
}

impl PoolCell {
    /// The shortest wait after which a client may be refused, and a time that no clock has passed.
    pub(super) fn patience(&self) -> (Duration, Time) {
        (self.0.wait_min.get(), self.0.latest.get())
    }

    /// Clients may be refused after this wait from now on.
    pub(super) fn may_refuse_after(&self, wait: Duration) {
        self.0.wait_min.set(self.0.wait_min.get().min(wait));
    }

    /// The world's clock.
    pub(super) fn tick(&self, now: Time) {
        self.0.latest.set(now);
    }

    pub(super) fn set_policy(&self, policy: Policy) {
        *self.0.policy.borrow_mut() = Arc::new(policy);
    }
}

impl SharedPool for PoolCell {
    type ServerStream = Link;

    fn id(&self) -> PoolId {
        self.0.id
    }

    fn with<T>(&self, decide: impl FnOnce(&mut Stock<Link>) -> T) -> T {
        let taken = self.0.taken.replace(true);
        assert!(!taken, "locks: two pools are locked at once");
        let outcome = decide(&mut self.0.stock.borrow_mut());
        self.0.taken.set(false);
        outcome
    }

    fn policy(&self) -> Arc<Policy> {
        self.0.policy.borrow().clone()
    }
}

/// What drivers reported.
#[derive(Debug)]
pub(super) enum Note {
    /// A client lives under this name.
    Settled(u64, ClientId),
    Left(u64, Ending),
    Farewell(Farewell),
    Closed(Option<CloseReason>),
    ParkedEnded,
    CheckedIn,
    /// A stream is no longer heard there; an event of it may have been fetched before.
    Unheard(WorkerId, Peer),
}

/// What all drivers share.
pub(super) struct Plant {
    net: Net,
    pub(super) pools: Vec<PoolCell>,
    budget: RefCell<Budget>,
    budget_taken: Cell<bool>,
    pool_taken: Rc<Cell<bool>>,
    /// Who hears the events of an end.
    pub(super) heard: RefCell<BTreeMap<EndId, (WorkerId, Peer)>>,
    /// The system refuses to have the next server's events heard, or not heard any more.
    pub(super) deaf: Cell<bool>,
    pub(super) backends: RefCell<BTreeMap<ServerId, Backend>>,
    /// Numbers of processes that clients were told.
    pub(super) processes: RefCell<BTreeMap<u64, u32>>,
    notes: RefCell<Vec<Note>>,
}

impl Plant {
    pub(super) fn new(net: Net, budget: Budget) -> Self {
        Self {
            net,
            pools: Vec::new(),
            budget: RefCell::new(budget),
            budget_taken: Cell::new(false),
            pool_taken: Rc::default(),
            heard: RefCell::default(),
            deaf: Cell::new(false),
            backends: RefCell::default(),
            processes: RefCell::default(),
            notes: RefCell::default(),
        }
    }

    pub(super) fn add_pool(&mut self, stock: Stock<Link>, policy: Policy, wait_max: Duration) {
        let id = PoolId(u32::try_from(self.pools.len()).expect("few pools"));
        self.pools.push(PoolCell(Rc::new(Locked {
            id,
            stock: RefCell::new(stock),
            policy: RefCell::new(Arc::new(policy)),
            wait_min: Cell::new(wait_max),
            latest: Cell::default(),
            taken: self.pool_taken.clone(),
        })));
    }

    /// What was reported since the last call.
    pub(super) fn notes(&self) -> Vec<Note> {
        self.notes.take()
    }

    fn note(&self, note: Note) {
        self.notes.borrow_mut().push(note);
    }

    /// Connections of a group, as the budget counts them.
    pub(super) fn used(&self, group: &Group) -> u32 {
        self.budget.borrow().used(group)
    }

    /// A stream is about to be closed.
    fn forget(&self, end: EndId) {
        if let Some((worker, peer)) = self.heard.borrow_mut().remove(&end) {
            self.note(Note::Unheard(worker, peer));
        }
    }

    fn hear(&self, end: EndId, worker: WorkerId, peer: Peer) {
        let before = self.heard.borrow_mut().insert(end, (worker, peer));
        assert_eq!(before, None, "heard: a stream has one worker");
        // As registering it with epoll does.
        self.net.register(end);
    }

    fn unhear(&self, end: EndId, worker: WorkerId, peer: Peer) {
        let before = self.heard.borrow_mut().remove(&end);
        assert_eq!(
            before,
            Some((worker, peer)),
            "heard: a stream is given up where it is heard"
        );
        self.note(Note::Unheard(worker, peer));
    }
}

impl Shell for Plant {
    type Platform = InMemory;

    fn pool(&self, id: PoolId) -> PoolCell {
        self.pools[id.0 as usize].clone()
    }

    fn pools_of_database(&self, _: &Client<InMemory>, _: &[u8]) -> Vec<PoolCell> {
        self.pools.clone()
    }

    fn budget<T>(&self, decide: impl FnOnce(&mut Budget) -> T) -> T {
        assert!(
            !self.pool_taken.get(),
            "locks: the budget's comes before a pool's"
        );
        let taken = self.budget_taken.replace(true);
        assert!(!taken, "locks: the budget is locked twice");
        let outcome = decide(&mut self.budget.borrow_mut());
        self.budget_taken.set(false);
        outcome
    }

    fn watch_client(&self, stream: &mut End, home: Home) -> io::Result<()> {
        self.hear(stream.id, home.worker, Peer::Client(home.slot));
        Ok(())
    }

    fn unwatch_client(&self, stream: &mut End, home: Home) -> io::Result<()> {
        self.unhear(stream.id, home.worker, Peer::Client(home.slot));
        Ok(())
    }

    fn watch_server(&self, stream: &mut Link, home: Home) -> io::Result<()> {
        if self.deaf.replace(false) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.hear(stream.end.id, home.worker, Peer::Server(home.slot));
        Ok(())
    }

    fn unwatch_server(&self, stream: &mut Link, home: Home) -> io::Result<()> {
        if self.deaf.replace(false) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.unhear(stream.end.id, home.worker, Peer::Server(home.slot));
        Ok(())
    }

    fn cancel_target(&self, _: &Link) -> Option<ServerId> {
        // Whose stream it is does not matter: the order names the server.
        Some(ServerId(0))
    }

    fn close(&self, server: Box<Server<Link>>, reason: Option<CloseReason>) -> Permit {
        self.note(Note::Closed(reason));
        self.forget(server.stream.end.id);
        server.stream.permit
    }

    fn parked_ended(&self, _: &PoolCell, _: ServerId) {
        self.note(Note::ParkedEnded);
    }

    fn cleaning_failed(&self, _: &PoolCell, _: &OwnError) {}

    fn settled(&self, client: &Client<InMemory>, name: ClientId) {
        self.note(Note::Settled(client.account, name));
    }

    fn told(&self, client: &Client<InMemory>, process: u32) {
        let earlier = self.processes.borrow_mut().insert(client.account, process);
        assert_eq!(earlier, None, "a client is greeted once");
    }

    fn left(&self, client: &Client<InMemory>, end: &Ending) {
        self.forget(client.session.client.id);
        self.note(Note::Left(client.account, end.clone()));
    }

    fn farewell(&self, client: &Client<InMemory>, why: Farewell) -> LastWords {
        if why == Farewell::Refused(Refusal::Timeout) {
            let place = client.session.place().expect("it waits");
            punctual::refused(client.account, place.since, &client.pool);
        }
        self.note(Note::Farewell(why));
        LastWords::new(SqlState::ADMIN_SHUTDOWN, "the pooler ends the session")
    }

    fn observe(&self, _: &Client<InMemory>, _: &mut Server<Link>) {}

    fn checked_in(&self, _: &PoolCell, server: &Server<Link>) {
        self.note(Note::CheckedIn);
        let mut backends = self.backends.borrow_mut();
        let backend = backends.get_mut(&server.id).expect("it was opened");
        backend.holder = None;
        let far = backend.end.as_ref().map(|end| end.id);
        let unseen = far.map(|far| self.net.unread(far)).unwrap_or_default();
        let unread = self.net.unread(server.stream.end.id);
        rest::returned(backend, &unread, &unseen);
    }
}
