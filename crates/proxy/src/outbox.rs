//! Messages to workers: everything that crosses a thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use pgweir_pool::id::{ClientId, ServerId, WorkerId};
use pgweir_pool::pool::Refusal;
use tokio::sync::oneshot;

use crate::admin;
use crate::effects::Grant;
use crate::pool_handle::PoolHandle;
use crate::worker::Client;

/// What a worker is told.
pub(crate) enum Message {
    /// A client that has logged in, or comes from another worker, lives here from now on.
    Adopt(Box<Client>),
    /// A client gets a server. With the pool, should the client be gone.
    Grant(Arc<PoolHandle>, Grant),
    /// A client does not get a server.
    Refuse(ClientId, Refusal),
    /// A client asks to cancel what it is doing. The request is pending until the sender is
    /// dropped.
    Cancel(ClientId, oneshot::Sender<()>),
    /// An administrator does something to a client.
    Administer(ClientId, admin::Request),
    /// A cancel request for a server that lives here has reached PostgreSQL, or never will.
    CancelDone(ServerId, u32),
    /// An idle server lives here from now on.
    TakeHome(Arc<PoolHandle>, ServerId),
    /// A server that lived in this slot is closed or lives elsewhere.
    Unhome(ServerId, u32),
    /// Pools have new settings.
    Reloaded,
    /// Clients are closed as soon as they are outside a transaction.
    Drain,
    /// Everything is closed, and the thread ends.
    Stop,
}

/// A worker as others see it.
pub(crate) struct WorkerHandle {
    pub(crate) id: WorkerId,
    /// For taking a server's socket out of this worker's epoll set.
    pub(crate) registry: mio::Registry,
    /// Share of its time that the worker was not waiting, in thousandths, over the last sweep.
    pub(crate) busy_permille: AtomicU32,
    /// Clients that live there.
    pub(crate) clients: AtomicU32,
    inbox: Mutex<Vec<Message>>,
    waker: mio::Waker,
}

impl WorkerHandle {
    pub(crate) fn new(id: WorkerId, registry: mio::Registry, waker: mio::Waker) -> Self {
        Self {
            id,
            registry,
            busy_permille: AtomicU32::new(0),
            clients: AtomicU32::new(0),
            inbox: Mutex::default(),
            waker,
        }
    }

    /// Leaves a message and wakes the worker, unless a message before has done so.
    pub(crate) fn send(&self, message: Message) {
        let was_empty = {
            let mut inbox = self.inbox.lock().expect("no panic under the lock");
            inbox.push(message);
            inbox.len() == 1
        };
        if was_empty {
            self.waker.wake().expect("an eventfd takes a wake-up");
        }
    }

    /// Takes all messages; `taken` is empty and gives its capacity in return.
    pub(crate) fn take(&self, taken: &mut Vec<Message>) {
        assert!(
            taken.is_empty(),
            "messages are handled before more are taken"
        );
        let mut inbox = self.inbox.lock().expect("no panic under the lock");
        std::mem::swap(&mut *inbox, taken);
    }

    pub(crate) fn busy(&self) -> u32 {
        self.busy_permille.load(Ordering::Relaxed)
    }
}

/// Where messages go that a thread causes: its own it handles without a wake-up.
#[derive(Default)]
pub(crate) struct Outbox {
    /// The worker whose thread this is; `None` on the control plane.
    pub(crate) here: Option<WorkerId>,
    /// Messages to itself.
    pub(crate) local: VecDeque<Message>,
}

impl Outbox {
    pub(crate) fn send(&mut self, workers: &[WorkerHandle], to: WorkerId, message: Message) {
        if self.here == Some(to) {
            self.local.push_back(message);
        } else {
            workers[to.index()].send(message);
        }
    }
}
