//! Places of connections: who makes room when all are taken.
//!
//! A probe of liveness must not wait behind connections that say nothing. So the connection makes room
//! whose last request is the longest ago, or that never sent one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

/// Time for a request, and its answer, before its connection may have to make room. A scrape takes
/// some milliseconds.
const PATIENCE: Duration = Duration::from_millis(250);

/// All places.
#[derive(Debug)]
pub(crate) struct Places {
    table: Mutex<Table>,
    /// A place became free.
    freed: Notify,
}

impl Places {
    /// So many.
    pub(crate) fn new(max: usize) -> Self {
        assert!(max > 0, "somebody must be served");
        Self {
            table: Mutex::new(Table {
                max,
                next: 0,
                taken: BTreeMap::new(),
            }),
            freed: Notify::new(),
        }
    }

    /// Waits for a place: what is given besides ends when the connection has to make room.
    pub(crate) async fn enter(self: &Arc<Self>) -> (Place, oneshot::Receiver<()>) {
        loop {
            let answer = self.lock().enter(Instant::now());
            match answer {
                Ok((number, ejected)) => {
                    let places = self.clone();
                    return (Place { places, number }, ejected);
                }
                Err(Some(until)) => {
                    // Whichever comes first. Both only say that it is worth another look.
                    let _ = timeout_at(until, self.freed.notified()).await;
                }
                Err(None) => self.freed.notified().await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection, free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    number: u64,
}

impl Place {
    /// A request came; with `stays`, one whose answer goes on: it makes no room.
    pub(crate) fn heard(&self, stays: bool) {
        let now = Instant::now();
        if let Some(one) = self.places.lock().taken.get_mut(&self.number) {
            one.heard = (!stays).then_some(now);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.places.lock().taken.remove(&self.number).is_some() {
            self.places.freed.notify_one();
        }
    }
}

#[derive(Debug)]
struct Table {
    max: usize,
    next: u64,
    taken: BTreeMap<u64, Taken>,
}

#[derive(Debug)]
struct Taken {
    /// The last request, or the beginning; `None` while it makes no room.
    heard: Option<Instant>,
    eject: oneshot::Sender<()>,
}

impl Table {
    /// A number and word of having to go; or when it is worth another look, if by time alone.
    fn enter(&mut self, now: Instant) -> Result<(u64, oneshot::Receiver<()>), Option<Instant>> {
        if self.taken.len() >= self.max {
            let heard = |(number, one): (&u64, &Taken)| Some((one.heard?, *number));
            let (heard, number) = self.taken.iter().filter_map(heard).min().ok_or(None)?;
            if now - heard < PATIENCE {
                return Err(Some(heard + PATIENCE));
            }
            let one = self.taken.remove(&number).expect("was found");
            // One that has ended by itself meanwhile does not listen.
            let _ = one.eject.send(());
        }
        let (eject, ejected) = oneshot::channel();
        let number = self.next;
        self.next += 1;
        let heard = Some(now);
        self.taken.insert(number, Taken { heard, eject });
        Ok((number, ejected))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{PATIENCE, Places, Table};

    #[test]
    fn the_connection_that_was_silent_for_longest_makes_room() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut table = Table {
            max: 3,
            next: 0,
            taken: Default::default(),
        };
        let mut places = Vec::new();
        for millis in 0..3 {
            places.push(table.enter(at(millis)).unwrap());
        }
        table.taken.get_mut(&0).unwrap().heard = None;
        table.taken.get_mut(&1).unwrap().heard = Some(at(10));
        let until = table.enter(at(20)).unwrap_err();
        assert_eq!(until, Some(at(2) + PATIENCE));
        table.enter(at(2) + PATIENCE).unwrap();
        let mut ejected = |at: usize| places[at].1.try_recv().is_ok();
        assert_eq!([0, 1, 2].map(&mut ejected), [false, false, true]);
        for number in [1, 3] {
            table.taken.get_mut(&number).unwrap().heard = None;
        }
        assert!(
            table.enter(at(99_999)).unwrap_err().is_none(),
            "all are streams"
        );
    }

    #[tokio::test]
    async fn a_place_that_is_left_is_free_at_once() {
        let places = Arc::new(Places::new(1));
        let (one, mut ejected) = places.enter().await;
        one.heard(true);
        let other = places.clone();
        let waits = tokio::spawn(async move { other.enter().await });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        drop(one);
        waits.await.unwrap();
        assert!(ejected.try_recv().is_err());
    }
}
