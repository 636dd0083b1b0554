//! Cancel requests for clients of other processes that serve the same address (`[peers.NUMBER]`).
//!
//! The key says whose client it is. The request goes there as it came, and its sender waits until the peer has closed
//! the connection, as for PostgreSQL: by then it is done with it. How often it may be passed on is counted
//! down, so that processes that take each other for a third do not go on for ever.

use std::collections::HashMap;
use std::io;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use pgweir_config::{Config, Peer, ServerAddress};
use pgweir_pool::server::Delivery;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use crate::cancel;
use crate::cancel_key::{passed_on, peer_of};
use crate::dial::Duplex;
use crate::neighbour::{is_nobody, is_own};
use crate::slots::Canceller;

/// What becomes of a request that fits no client here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The peer took it and closed the connection.
    Taken,
    /// It is for nobody that is known here.
    Unknown,
    /// It was passed on as often as it may be.
    Exhausted,
    /// There are too many requests that wait.
    Crowded,
    /// The peer did not take it, or not in time.
    Failed,
}

/// The requests on their way to each peer.
#[derive(Default)]
pub(crate) struct Peers {
    pools: Mutex<HashMap<u16, Arc<PeerPool>>>,
    /// Where processes take requests whose sockets this one has taken over, and that may have clients still.
    before: Mutex<Vec<PathBuf>>,
}

/// Requests for one peer.
pub(crate) struct PeerPool {
    size: Option<NonZeroU32>,
    places: Semaphore,
    counts: Mutex<Counts>,
    /// The last one failed, which the log knows.
    is_failing: AtomicBool,
}

/// How many requests for a peer are where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    /// Wait for a connection.
    pub(crate) waiting: u32,
    /// Have one that is being opened.
    pub(crate) connecting: u32,
    /// Are with the peer.
    pub(crate) active: u32,
}

impl Peers {
    /// These processes may have clients still.
    pub(crate) fn come_after(&self, before: Vec<PathBuf>) {
        *self.before.lock().expect("no panic under the lock") = before;
    }

    /// Where processes take requests that may have clients still.
    pub(crate) fn before(&self) -> Vec<PathBuf> {
        self.before.lock().expect("no panic under the lock").clone()
    }

    /// Asks all processes before this one to see to a request.
    async fn ask_before(&self, (pid, key): (u32, &[u8]), most: Option<Duration>) -> Fate {
        let mut fate = Fate::Unknown;
        for path in self.before() {
            let sending = async {
                let stream = UnixStream::connect(&path).await?;
                if !is_own(&stream)? {
                    return Err(io::ErrorKind::NotFound.into());
                }
                let mut outcome = Delivery::Over;
                cancel::send(stream, pid, key, &mut outcome).await
            };
            match tokio::time::timeout(most.unwrap_or(Duration::MAX), sending).await {
                Ok(Ok(())) => fate = Fate::Taken,
                Ok(Err(error)) if is_nobody(&error) => {
                    let mut before = self.before.lock().expect("no panic under the lock");
                    before.retain(|other| *other != path);
                }
                Ok(Err(_)) | Err(_) => fate = Fate::Failed,
            }
        }
        fate
    }

    /// Passes a request on that fits no client here, to whom its number names. Without a place to wait it is dropped.
    pub(crate) async fn pass_on(
        &self,
        config: &Config,
        (pid, key): (u32, &[u8]),
        place: Option<Canceller>,
    ) -> Fate {
        let most = config.cancel_wait_timeout;
        let fate = match destination(config, pid) {
            None if place.is_none() => Fate::Crowded,
            None => self.ask_before((pid, key), most).await,
            Some((id, peer)) => match (passed_on(key), &place) {
                (None, _) => Fate::Exhausted,
                (Some(_), None) => Fate::Crowded,
                (Some(key), Some(_)) => {
                    let pool = self.pool(id, peer.pool_size);
                    send(&pool, (id, peer), (pid, &key), most).await
                }
            },
        };
        debug!(pid, ?fate, "cancel request for no client here");
        fate
    }

    /// How many requests for this peer are where.
    pub(crate) fn counts(&self, id: u16) -> Counts {
        let pool = self.lock().get(&id).cloned();
        pool.map_or_else(Counts::default, |pool| *pool.lock())
    }

    /// The pool of a peer. One of another size takes the place of the last, whose requests go on.
    fn pool(&self, id: u16, size: Option<NonZeroU32>) -> Arc<PeerPool> {
        let mut pools = self.lock();
        let known = pools.get(&id).filter(|pool| pool.size == size);
        if let Some(pool) = known {
            return pool.clone();
        }
        let pool = Arc::new(PeerPool::new(size));
        pools.insert(id, pool.clone());
        pool
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u16, Arc<PeerPool>>> {
        self.pools.lock().expect("no panic under the lock")
    }
}

impl PeerPool {
    fn new(size: Option<NonZeroU32>) -> Self {
        let places = size.map_or(Semaphore::MAX_PERMITS, |size| size.get() as usize);
        Self {
            size,
            places: Semaphore::new(places.min(Semaphore::MAX_PERMITS)),
            counts: Mutex::default(),
            is_failing: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().expect("no panic under the lock")
    }
}

/// One of [`Counts`] for as long as it lasts.
struct Stage<'a> {
    pool: &'a PeerPool,
    count: fn(&mut Counts) -> &mut u32,
}

impl<'a> Stage<'a> {
    fn begin(pool: &'a PeerPool, count: fn(&mut Counts) -> &mut u32) -> Self {
        *count(&mut pool.lock()) += 1;
        Self { pool, count }
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        *(self.count)(&mut self.pool.lock()) -= 1;
    }
}

/// The peer whose client it is, if there are peers and it is not this process.
fn destination(config: &Config, pid: u32) -> Option<(u16, &Peer)> {
    let (own, id) = (config.peer_id?.get(), peer_of(pid));
    let peer = config.peers.get(&id).filter(|_| id != own)?;
    Some((id, peer))
}

/// Sends a request to a peer, within `most` with the wait for a connection. Whatever does not end with the peer's
/// own end of the connection has not arrived for certain.
async fn send(
    pool: &PeerPool,
    (id, peer): (u16, &Peer),
    (pid, key): (u32, &[u8]),
    most: Option<Duration>,
) -> Fate {
    let sending = async {
        let waiting = Stage::begin(pool, |counts| &mut counts.waiting);
        let _place = pool.places.acquire().await.expect("never closed");
        drop(waiting);
        let connecting = Stage::begin(pool, |counts| &mut counts.connecting);
        let stream = connect(&peer.address).await?;
        drop(connecting);
        let _active = Stage::begin(pool, |counts| &mut counts.active);
        let mut outcome = Delivery::Over;
        cancel::send(stream, pid, key, &mut outcome).await
    };
    let outcome = match tokio::time::timeout(most.unwrap_or(Duration::MAX), sending).await {
        Ok(outcome) => outcome,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    };
    match outcome {
        Ok(()) => {
            pool.is_failing.store(false, Ordering::Relaxed);
            Fate::Taken
        }
        Err(error) => {
            // Whoever sends requests must not fill the log.
            if !pool.is_failing.swap(true, Ordering::Relaxed) {
                let (host, port) = (&*peer.host, peer.port);
                warn!(peer_id = id, host, port, %error, "a cancel request did not reach its peer: {error}");
            }
            Fate::Failed
        }
    }
}

/// Connects in the clear, as PgBouncer does.
async fn connect(address: &ServerAddress) -> io::Result<Duplex> {
    Ok(match address {
        ServerAddress::Tcp { host, port } => {
            Duplex::Tcp(TcpStream::connect((host.as_str(), *port)).await?)
        }
        ServerAddress::Unix(path) => Duplex::Unix(UnixStream::connect(path).await?),
    })
}

#[cfg(test)]
mod tests;
