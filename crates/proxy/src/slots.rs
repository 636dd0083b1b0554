//! The places of those who log in and have not proven who they are: strangers.
//!
//! A client gives its place up as soon as it has proven itself, before it waits for PostgreSQL, and
//! a cancel request has one of its own kind. So nothing that a server does keeps a place, and what
//! a stranger does keeps one for [`PATIENCE`] at most while others want it.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use pgweir_wire::sqlstate::SqlState;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::texts::ClientError;

/// Time in which a stranger has to say the next thing when all places are taken. Longer than the
/// retransmission of a lost packet.
const PATIENCE: Duration = Duration::from_secs(1);

/// Cancel requests whose senders wait until PostgreSQL has been told. Further ones are passed on as
/// well, but their connections are closed at once.
const CANCELS_MAX: usize = 1024;

/// All places.
pub(crate) struct Slots {
    table: Mutex<Table>,
    /// A place became free.
    freed: Notify,
}

impl Slots {
    /// Room for so many strangers.
    pub(crate) fn new(strangers_max: usize) -> Self {
        Self {
            table: Mutex::new(Table::new(strangers_max)),
            freed: Notify::new(),
        }
    }

    /// Waits for a place: until one is free, or until the stranger that makes room for this one has
    /// said nothing for [`PATIENCE`].
    pub(crate) async fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Stranger {
        loop {
            let answer = self.lock().enter(Instant::now(), address);
            match answer {
                Answer::Entered(number, ejected) => {
                    return Stranger {
                        slots: self.clone(),
                        number,
                        address,
                        ejected: Some(ejected),
                        trouble: OnceLock::new(),
                    };
                }
                Answer::Full(until) => {
                    // Whichever comes first. Both only say that it is worth another look.
                    let _ = tokio::time::timeout_at(until, self.freed.notified()).await;
                }
            }
        }
    }

    /// How many there are, those who wait for PostgreSQL among them.
    pub(crate) fn count(&self) -> usize {
        let table = self.lock();
        table.strangers.len() + table.aside.len()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("no panic under the lock")
    }
}

/// The place of one stranger, free again when this is dropped.
pub(crate) struct Stranger {
    slots: Arc<Slots>,
    number: u64,
    address: Option<IpAddr>,
    ejected: Option<oneshot::Receiver<()>>,
    /// Why it waits for PostgreSQL for longer than it should have to.
    trouble: OnceLock<ClientError>,
}

impl Stranger {
    /// It goes on waiting for PostgreSQL, because of this. Only who has proven who it is may hear of it.
    pub(crate) fn is_held_up_by(&self, trouble: ClientError) {
        // The first reason is the one that explains the wait.
        let _ = self.trouble.set(trouble);
    }

    /// What its login was held up by.
    pub(crate) fn trouble(&self) -> Option<&ClientError> {
        self.trouble.get()
    }

    /// It said something that brings its login on.
    pub(crate) fn heard(&self) {
        self.slots.lock().heard(self.number, Instant::now());
    }

    /// Where it is.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// It is there, as a load balancer may have said. Waits until its login is one of the `max` that may
    /// be under way from there: for another one to end, or to say nothing for [`PATIENCE`]. `queued` is
    /// called if it has to.
    pub(crate) async fn comes_from(
        &mut self,
        address: Option<IpAddr>,
        max: Option<NonZeroU32>,
        queued: impl FnOnce(),
    ) {
        self.address = address;
        let turn = {
            let mut table = self.slots.lock();
            table.moved(self.number, address, Instant::now());
            table.begin(self.number, max)
        };
        let Some(mut turn) = turn else {
            return;
        };
        queued();
        loop {
            let until = self.slots.lock().hurry(self.number, Instant::now());
            // Without a turn its own end is near: it had to go.
            if tokio::time::timeout_at(until, &mut turn).await.is_ok() {
                return;
            }
        }
    }

    /// It waits for PostgreSQL, and not PostgreSQL for it: it gives its place to others until it steps back.
    /// `group` is whom it waits for; what is returned counts as long as it is kept. `None` if too many
    /// wait, for that one or altogether.
    pub(crate) fn step_aside(&self, group: Arc<str>) -> Option<Aside> {
        let is_aside = self.slots.lock().step_aside(self.number, &group);
        if !is_aside {
            return None;
        }
        self.slots.freed.notify_one();
        let slots = self.slots.clone();
        Some(Aside { slots, group })
    }

    /// It goes on with its login. It has a place at once: the files that it may have open are counted.
    pub(crate) fn step_back(&self) {
        self.slots.lock().step_back(self.number, Instant::now());
    }

    /// It is none any more.
    pub(crate) fn leave(&self) {
        if self.slots.lock().leave(self.number) {
            self.slots.freed.notify_one();
        }
    }

    /// It is a cancel request. `None` if it had better not wait for the answer.
    pub(crate) fn cancels(&self) -> Option<Canceller> {
        self.leave();
        self.slots.lock().cancel().then(|| Canceller {
            slots: self.slots.clone(),
        })
    }

    /// Ends when the stranger has to go for another one; never once it has left. To be taken once.
    ///
    /// # Panics
    /// The second time.
    pub(crate) fn ejected(&mut self) -> impl Future<Output = ClientError> + use<> {
        let ejected = self.ejected.take().expect("taken once");
        async move {
            if ejected.await.is_err() {
                std::future::pending::<()>().await;
            }
            ClientError::new(
                SqlState::TOO_MANY_CONNECTIONS,
                "too many clients are logging in, and this one said nothing for a second",
            )
            .hint("Connect again.")
        }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.leave();
    }
}

/// One that waits for PostgreSQL's word on it.
pub(crate) struct Aside {
    slots: Arc<Slots>,
    group: Arc<str>,
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.slots.lock().waits_no_more(&self.group);
    }
}

/// The place of a cancel request that waits for its answer.
pub(crate) struct Canceller {
    slots: Arc<Slots>,
}

impl Drop for Canceller {
    fn drop(&mut self) {
        let mut table = self.slots.lock();
        assert!(table.cancels > 0, "a place is given back once");
        table.cancels -= 1;
    }
}

/// What a stranger gets that comes.
enum Answer {
    /// A place with this number, and word when it has to go.
    Entered(u64, oneshot::Receiver<()>),
    /// None, which can be different then or when one leaves.
    Full(Instant),
}

struct Entry {
    address: Option<IpAddr>,
    heard: Instant,
    eject: oneshot::Sender<()>,
    stage: Stage,
}

/// How far a login is.
enum Stage {
    /// It is not known yet where it comes from.
    Arrived,
    /// As many as may be are under way from its address. It is told when it is its turn.
    Queued(oneshot::Sender<()>),
    /// It goes on.
    UnderWay,
}

/// Who has which place.
struct Table {
    strangers_max: usize,
    next: u64,
    strangers: BTreeMap<u64, Entry>,
    by_address: HashMap<Option<IpAddr>, u32>,
    /// Those who have stepped aside: as many as strangers at most.
    aside: HashMap<u64, Entry>,
    /// What is waited for on their behalf, by whom: half of all for one at most.
    waits: HashMap<Arc<str>, usize>,
    cancels: usize,
}

impl Table {
    fn new(strangers_max: usize) -> Self {
        assert!(strangers_max > 0, "somebody must be able to log in");
        Self {
            strangers_max,
            next: 0,
            strangers: BTreeMap::new(),
            by_address: HashMap::new(),
            aside: HashMap::new(),
            waits: HashMap::new(),
            cancels: 0,
        }
    }

    fn enter(&mut self, now: Instant, address: Option<IpAddr>) -> Answer {
        if self.strangers.len() >= self.strangers_max {
            match self.makes_room(now) {
                Some(number) => self.eject(number),
                None => return Answer::Full(self.longest_silent() + PATIENCE),
            }
        }
        let address = address.map(network);
        let (eject, ejected) = oneshot::channel();
        let number = self.next;
        self.next += 1;
        *self.by_address.entry(address).or_default() += 1;
        let entry = Entry {
            address,
            heard: now,
            eject,
            stage: Stage::Arrived,
        };
        self.strangers.insert(number, entry);
        Answer::Entered(number, ejected)
    }

    /// Of those out of patience, one from the address that has most places: there, the one that has
    /// been silent for longest. So an address can take all places, but not from others.
    fn makes_room(&self, now: Instant) -> Option<u64> {
        let silent = self.strangers.iter();
        let silent = silent.filter(|(_, entry)| now - entry.heard >= PATIENCE);
        let first = silent.min_by_key(|(_, entry)| {
            let places = self.by_address[&entry.address];
            (std::cmp::Reverse(places), entry.heard)
        });
        first.map(|(&number, _)| number)
    }

    fn longest_silent(&self) -> Instant {
        let heard = self.strangers.values().map(|entry| entry.heard);
        heard.min().expect("all places are taken")
    }

    fn eject(&mut self, number: u64) {
        let entry = self.remove(number).expect("was found");
        // One whose login has ended by itself meanwhile does not listen.
        let _ = entry.eject.send(());
    }

    fn heard(&mut self, number: u64, now: Instant) {
        if let Some(entry) = self.strangers.get_mut(&number) {
            entry.heard = now;
        }
    }

    /// It is at another address than it seemed, and has said so.
    fn moved(&mut self, number: u64, address: Option<IpAddr>, now: Instant) {
        let address = address.map(network);
        let Some(entry) = self.strangers.get_mut(&number) else {
            return;
        };
        if entry.address == address {
            return;
        }
        entry.heard = now;
        let before = std::mem::replace(&mut entry.address, address);
        self.uncount(before);
        *self.by_address.entry(address).or_default() += 1;
    }

    /// Its login goes on, or gets word when it may.
    fn begin(&mut self, number: u64, max: Option<NonZeroU32>) -> Option<oneshot::Receiver<()>> {
        // One that had to go needs no turn.
        let address = self.strangers.get(&number)?.address;
        let aside = self.aside.values().filter(|entry| entry.address == address);
        let going_on = self.under_way(address).count() + aside.count();
        let is_full = max.is_some_and(|max| going_on >= max.get() as usize);
        let entry = self.strangers.get_mut(&number)?;
        if !is_full {
            entry.stage = Stage::UnderWay;
            return None;
        }
        let (turn, its_turn) = oneshot::channel();
        entry.stage = Stage::Queued(turn);
        Some(its_turn)
    }

    /// Of the logins that are under way from where `number` waits, the longest silent makes room, if it is
    /// out of patience. Gives when the next one may be.
    fn hurry(&mut self, number: u64, now: Instant) -> Instant {
        let address = self.strangers.get(&number).and_then(|entry| entry.address);
        let silent = self.under_way(address);
        let silent = silent.min_by_key(|(_, entry)| entry.heard);
        let silent = silent.map(|(&number, entry)| (number, entry.heard));
        match silent {
            Some((silent, heard)) if now - heard >= PATIENCE => {
                self.eject(silent);
                now
            }
            Some((_, heard)) => heard + PATIENCE,
            None => now + PATIENCE,
        }
    }

    /// Logins from there that go on.
    fn under_way(&self, address: Option<IpAddr>) -> impl Iterator<Item = (&u64, &Entry)> {
        let all = self.strangers.iter();
        all.filter(move |(_, entry)| {
            entry.address == address && matches!(entry.stage, Stage::UnderWay)
        })
    }

    /// One login less is under way from there: the first that waits goes on.
    fn next_turn(&mut self, address: Option<IpAddr>) {
        let mut all = self.strangers.values_mut();
        let queued =
            all.find(|entry| entry.address == address && matches!(entry.stage, Stage::Queued(_)));
        if let Some(entry) = queued
            && let Stage::Queued(turn) = std::mem::replace(&mut entry.stage, Stage::UnderWay)
        {
            // One that has just given up leaves, and the next is told then.
            let _ = turn.send(());
        }
    }

    fn step_aside(&mut self, number: u64, group: &Arc<str>) -> bool {
        let all: usize = self.waits.values().sum();
        let of_group = self.waits.get(group).copied().unwrap_or(0);
        if all >= self.strangers_max || of_group >= self.strangers_max.div_ceil(2) {
            return false;
        }
        let Some(entry) = self.strangers.remove(&number) else {
            return false;
        };
        self.uncount(entry.address);
        // Its login goes on, so nobody else of its address takes its turn.
        self.aside.insert(number, entry);
        *self.waits.entry(group.clone()).or_default() += 1;
        true
    }

    fn step_back(&mut self, number: u64, now: Instant) {
        let entry = self.aside.remove(&number);
        let mut entry = entry.expect("it has stepped aside");
        entry.heard = now;
        *self.by_address.entry(entry.address).or_default() += 1;
        self.strangers.insert(number, entry);
    }

    fn waits_no_more(&mut self, group: &Arc<str>) {
        let count = self.waits.get_mut(group).expect("counted when it began");
        *count -= 1;
        if *count == 0 {
            self.waits.remove(group);
        }
    }

    /// Whether it had a place still.
    fn leave(&mut self, number: u64) -> bool {
        if let Some(entry) = self.aside.remove(&number) {
            self.next_turn(entry.address);
        }
        self.remove(number).is_some()
    }

    fn remove(&mut self, number: u64) -> Option<Entry> {
        let entry = self.strangers.remove(&number)?;
        self.uncount(entry.address);
        if matches!(entry.stage, Stage::UnderWay) {
            self.next_turn(entry.address);
        }
        Some(entry)
    }

    fn uncount(&mut self, address: Option<IpAddr>) {
        let places = self.by_address.get_mut(&address);
        let places = places.expect("counted when it came");
        *places -= 1;
        if *places == 0 {
            self.by_address.remove(&address);
        }
    }

    fn cancel(&mut self) -> bool {
        let has_room = self.cancels < CANCELS_MAX;
        self.cancels += usize::from(has_room);
        has_room
    }
}

/// What one peer has of the address space: a whole /64 of IPv6 as a rule.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests;
