//! Everything that crosses a thread: letters to workers and errands for the control plane.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use pgweir_pool::driver::Message;
use pgweir_pool::id::{ClientId, WorkerId};
use tokio::sync::oneshot;

use crate::admin;
use crate::connections::ListRequest;
use crate::platform::Sockets;

/// Letters that wait to be taken from one mailbox. Each is about a connection, and none has more
/// than five under way (for a client: adopted, granted or refused, cancelled, administered; for a
/// server: opened, taken home, left, two cancel requests). Linux lets a process have 2^20
/// descriptors.
const LETTERS_MAX: usize = 5 << 20;

/// Letters from any thread to one that takes them all at once.
#[derive(Debug)]
pub(crate) struct Mailbox<T>(Mutex<Vec<T>>);

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Mailbox<T> {
    /// Leaves a letter; true if nobody has been woken for one before it.
    ///
    /// # Panics
    /// If more wait than can be under way.
    pub(crate) fn leave(&self, letter: T) -> bool {
        let mut letters = self.0.lock().expect("no panic under the lock");
        assert!(letters.len() < LETTERS_MAX, "letters that nobody sent");
        letters.push(letter);
        letters.len() == 1
    }

    /// Takes all letters; `taken` is empty and gives its capacity in return.
    pub(crate) fn take(&self, taken: &mut Vec<T>) {
        assert!(
            taken.is_empty(),
            "letters are handled before more are taken"
        );
        let mut letters = self.0.lock().expect("no panic under the lock");
        std::mem::swap(&mut *letters, taken);
    }
}

/// What a worker is told.
pub(crate) enum Letter {
    /// For its driver.
    Message(Message<Sockets>),
    /// An administrator does something to a client.
    Administer(ClientId, admin::Request),
    /// Clients are suspended; the answer is whether nothing moves any more.
    Suspend(oneshot::Sender<bool>),
    /// Clients that are suspended and not still are ended.
    EndMoving,
    /// Clients that are suspended go on.
    Resume,
    /// Who is there, from a place on.
    List(ListRequest),
    /// Everything is closed, and the thread ends.
    Stop,
}

/// A worker as others see it.
pub(crate) struct WorkerHandle {
    pub(crate) id: WorkerId,
    /// For taking sockets into and out of this worker's epoll set.
    pub(crate) registry: mio::Registry,
    /// Share of its time that the worker was not waiting, in thousandths, over the last sweep.
    pub(crate) busy_permille: AtomicU32,
    /// Clients that live there.
    pub(crate) clients: AtomicU32,
    letters: Mailbox<Letter>,
    waker: mio::Waker,
}

impl WorkerHandle {
    pub(crate) fn new(id: WorkerId, registry: mio::Registry, waker: mio::Waker) -> Self {
        Self {
            id,
            registry,
            busy_permille: AtomicU32::new(0),
            clients: AtomicU32::new(0),
            letters: Mailbox::default(),
            waker,
        }
    }

    /// Leaves a message and wakes the worker, unless a letter before has done so.
    pub(crate) fn send(&self, message: Message<Sockets>) {
        self.post(Letter::Message(message));
    }

    /// As [`WorkerHandle::send`], for any letter.
    pub(crate) fn post(&self, letter: Letter) {
        if self.letters.leave(letter) {
            self.waker.wake().expect("an eventfd takes a wake-up");
        }
    }

    /// Takes all letters.
    pub(crate) fn take(&self, taken: &mut Vec<Letter>) {
        self.letters.take(taken);
    }

    pub(crate) fn busy(&self) -> u32 {
        self.busy_permille.load(Ordering::Relaxed)
    }
}
