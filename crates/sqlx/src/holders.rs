//! Who holds a connection, where they took it, and since when.
//!
//! An acquire and a release each take one short lock on a list. The list is as long as the largest number
//! of connections that were held at once.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::meter::Shared;

/// Someone who holds a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// Where the connection was taken.
    pub place: Place,
    /// How long ago.
    pub held_for: Duration,
    /// Whether that is longer than [`crate::PoolSettings::leak_after`] and was logged.
    pub leaked: bool,
}

/// Where a connection was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// The line that called [`crate::Pool::acquire`] or [`crate::Pool::begin`].
    Code(&'static Location<'static>),
    /// The beginning of a statement that runs on the pool itself, where SQLx hides the caller.
    Statement(Box<str>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(location) => location.fmt(f),
            Self::Statement(text) => write!(f, "statement {text}"),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            place, held_for, ..
        } = self;
        write!(f, "{place} for {:.1} s", held_for.as_secs_f64())
    }
}

/// The beginning of a statement on one line.
pub(crate) fn excerpt(statement: &str) -> Box<str> {
    let mut text = String::with_capacity(EXCERPT_MAX + 4);
    for word in statement.split_whitespace() {
        if !text.is_empty() {
            text.push(' ');
        }
        let room = EXCERPT_MAX.saturating_sub(text.len());
        if word.len() > room {
            let fits = word.char_indices().map(|(at, c)| at + c.len_utf8());
            let end = fits.take_while(|end| *end <= room).last();
            text.push_str(&word[..end.unwrap_or(0)]);
            text.push('…');
            break;
        }
        text.push_str(word);
    }
    text.into()
}

/// The connections that are held.
#[derive(Debug, Default)]
pub(crate) struct Holders(Mutex<List>);

#[derive(Debug, Default)]
struct List {
    /// Never shrinks; its length is bounded by the pool's limit and the connections being returned.
    entries: Vec<Option<Held>>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Held {
    place: Place,
    since: Instant,
    leaked: bool,
}

impl Holders {
    /// A connection is held from now on, until the lease is dropped.
    pub(crate) fn hold(shared: &Arc<Shared>, place: Place, since: Instant) -> Lease {
        let mut list = shared.holders.list();
        let entry = Some(Held {
            place,
            since,
            leaked: false,
        });
        let index = if let Some(index) = list.free.pop() {
            list.entries[index] = entry;
            index
        } else {
            list.entries.push(entry);
            list.entries.len() - 1
        };
        Lease {
            shared: Arc::clone(shared),
            index,
            since,
        }
    }

    /// How many are held.
    pub(crate) fn count(&self) -> usize {
        let list = self.list();
        list.entries.len() - list.free.len()
    }

    /// All holders, the longest first.
    pub(crate) fn all(&self, now: Instant) -> Vec<Holder> {
        let mut holders: Vec<Holder> = self
            .list()
            .entries
            .iter()
            .flatten()
            .map(|entry| entry.holder(now))
            .collect();
        holders.sort_by_key(|holder| std::cmp::Reverse(holder.held_for));
        holders
    }

    /// Holders that exceeded `bound` since the last call.
    pub(crate) fn leaks(&self, now: Instant, bound: Duration) -> Vec<Holder> {
        let mut list = self.list();
        let entries = list.entries.iter_mut().flatten();
        entries
            .filter(|entry| !entry.leaked && now.duration_since(entry.since) >= bound)
            .map(|entry| {
                entry.leaked = true;
                entry.holder(now)
            })
            .collect()
    }

    /// When the oldest holder that is not a known leak took its connection.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        let list = self.list();
        let entries = list.entries.iter().flatten();
        entries
            .filter(|entry| !entry.leaked)
            .map(|entry| entry.since)
            .min()
    }

    fn list(&self) -> MutexGuard<'_, List> {
        // Nothing below can panic half way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn holder(&self, now: Instant) -> Holder {
        Holder {
            place: self.place.clone(),
            held_for: now.duration_since(self.since),
            leaked: self.leaked,
        }
    }
}

/// One line with how many connections each place holds.
pub(crate) fn by_place(holders: &[Holder]) -> String {
    let mut places: Vec<(&Place, usize, Duration)> = Vec::new();
    for holder in holders {
        match places
            .iter_mut()
            .find(|(place, ..)| *place == &holder.place)
        {
            Some((_, count, longest)) => {
                *count += 1;
                *longest = (*longest).max(holder.held_for);
            }
            None => places.push((&holder.place, 1, holder.held_for)),
        }
    }
    places.sort_by_key(|(_, count, longest)| std::cmp::Reverse((*count, *longest)));
    let more = places.len().saturating_sub(PLACES_MAX);
    let mut parts: Vec<String> = places
        .iter()
        .take(PLACES_MAX)
        .map(|(place, count, longest)| {
            format!("{count} x {place} (up to {:.1} s)", longest.as_secs_f64())
        })
        .collect();
    if more > 0 {
        parts.push(format!("{more} more places"));
    }
    if parts.is_empty() {
        parts.push("nobody".to_owned());
    }
    parts.join(", ")
}

/// A connection's entry in the list; dropping it removes it.
pub(crate) struct Lease {
    shared: Arc<Shared>,
    index: usize,
    since: Instant,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut list = self.shared.holders.list();
        let entry = list.entries[self.index].take();
        list.free.push(self.index);
        drop(list);
        assert!(entry.is_some(), "a lease is removed from the list once");
        self.shared.meter.held.record(self.since.elapsed());
    }
}

const EXCERPT_MAX: usize = 120;
const PLACES_MAX: usize = 5;

#[cfg(test)]
mod tests;
