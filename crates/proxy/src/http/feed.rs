//! The live document, kept up to date and handed to whoever watches.
//!
//! One look per second serves all streams: the document is rendered once and its bytes are shared.
//! A stream that does not keep up misses documents and never holds more than two.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use hyper::body::Bytes;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::events::{Events, Severity};
use super::history::History;
use super::insights::Insights;
use super::live::{Document, Past};
use super::queues::Queues;
use crate::registry::Registry;
use crate::snapshot::Snapshot;

/// Time between looks.
const PERIOD: Duration = Duration::from_secs(1);

/// Streams at once. People who look are a few; what each costs is the sending of some kilobytes
/// per second.
pub(super) const STREAMS_MAX: usize = 32;

/// Documents under way to one stream.
const PENDING_MAX: usize = 2;

/// Life of a stream, after which the viewer has to come again, with a token that is still good.
pub(super) const STREAM_LIFE: Duration = Duration::from_secs(600);

/// What is known of the past, and who watches.
pub(super) struct Feed {
    registry: Arc<Registry>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    history: History,
    events: Events,
    queues: Queues,
    /// At most [`STREAMS_MAX`].
    streams: Vec<Stream>,
}

struct Stream {
    outbox: mpsc::Sender<Bytes>,
    /// Since the start of the process.
    ends: Duration,
}

impl Feed {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            state: Mutex::default(),
        }
    }

    /// Looks once per second until the future is dropped.
    pub(super) async fn run(&self) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look();
        }
    }

    /// The document as of now.
    pub(super) fn document(&self) -> String {
        let snapshot = Snapshot::take(&self.registry);
        let insights = Insights::take(&self.registry, &snapshot);
        self.with_state(|state| state.render(&snapshot, insights))
    }

    /// Begins a stream of server-sent events, the first of which is there at once; `None` if there
    /// are too many.
    pub(super) fn subscribe(&self) -> Option<mpsc::Receiver<Bytes>> {
        let snapshot = Snapshot::take(&self.registry);
        let insights = Insights::take(&self.registry, &snapshot);
        self.with_state(|state| {
            state.streams.retain(|stream| !stream.outbox.is_closed());
            if state.streams.len() >= STREAMS_MAX {
                return None;
            }
            let (outbox, inbox) = mpsc::channel(PENDING_MAX);
            let first = event(&state.render(&snapshot, insights));
            outbox.try_send(first).expect("a new channel has room");
            let ends = snapshot.uptime + STREAM_LIFE;
            state.streams.push(Stream { outbox, ends });
            Some(inbox)
        })
    }

    /// Notes what an administrator did.
    pub(super) fn note(&self, text: String) {
        let now = SystemTime::now();
        self.with_state(|state| state.events.note(now, Severity::Info, text));
    }

    fn look(&self) {
        let snapshot = Snapshot::take(&self.registry);
        let insights = || Insights::take(&self.registry, &snapshot);
        self.with_state(|state| state.look(&snapshot, insights));
    }

    fn with_state<T>(&self, run: impl FnOnce(&mut State) -> T) -> T {
        run(&mut self.state.lock().expect("no panic under the lock"))
    }
}

impl State {
    fn look(&mut self, snapshot: &Snapshot, insights: impl FnOnce() -> Insights) {
        self.history.observe(snapshot);
        self.events.observe(snapshot);
        self.queues.observe(snapshot);
        self.streams
            .retain(|stream| !stream.outbox.is_closed() && snapshot.uptime < stream.ends);
        if self.streams.is_empty() {
            return;
        }
        let event = event(&self.render(snapshot, insights()));
        for stream in &self.streams {
            // A full one has two to read already; a closed one is gone at the next look.
            let _ = stream.outbox.try_send(event.clone());
        }
    }

    fn render(&self, snapshot: &Snapshot, insights: Insights) -> String {
        let past = Past {
            history: &self.history,
            queues: &self.queues,
        };
        let document = Document::of(snapshot, past, &self.events, insights);
        serde_json::to_string(&document).expect("our own types have text as keys")
    }
}

/// One server-sent event (HTML standard, section 9.2): JSON has no line breaks of its own.
fn event(json: &str) -> Bytes {
    Bytes::from(format!("data: {json}\n\n"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Feed, Insights, PENDING_MAX, STREAM_LIFE, STREAMS_MAX};
    use crate::http::tests::world;
    use crate::snapshot::Snapshot;

    fn feed() -> Feed {
        Feed::new(world("").registry)
    }

    #[test]
    fn a_stream_begins_with_a_document_and_has_one_per_look() {
        let feed = feed();
        let mut stream = feed.subscribe().unwrap();
        feed.look();
        for _ in 0..2 {
            let event = String::from_utf8(stream.try_recv().unwrap().to_vec()).unwrap();
            let json = event.strip_prefix("data: ").unwrap();
            let json: serde_json::Value = serde_json::from_str(json).unwrap();
            assert_eq!(json["pools"][0]["database"], "app");
            assert!(event.ends_with("}\n\n"));
        }
        assert!(stream.try_recv().is_err());
    }

    #[test]
    fn who_does_not_read_misses_documents_and_holds_two() {
        let feed = feed();
        let mut stream = feed.subscribe().unwrap();
        for _ in 0..10 {
            feed.look();
        }
        let pending = std::iter::from_fn(|| stream.try_recv().ok()).count();
        assert_eq!(pending, PENDING_MAX);
        feed.look();
        assert!(stream.try_recv().is_ok(), "and goes on with the newest");
    }

    #[test]
    fn who_comes_late_is_told_how_long_the_queue_has_been_long() {
        let feed = feed();
        let mut snapshot = Snapshot::take(&feed.registry);
        snapshot.pools[0].counts.waiting = 6;
        let insights = |snapshot: &Snapshot| Insights::take(&feed.registry, snapshot);
        for _ in 0..=30 {
            snapshot.uptime += Duration::from_secs(1);
            feed.with_state(|state| state.look(&snapshot, || insights(&snapshot)));
        }
        let json = feed.with_state(|state| state.render(&snapshot, insights(&snapshot)));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["pools"][0]["queuedMs"], 30_000.0);
    }

    #[test]
    fn there_is_a_bound_on_streams_and_room_when_one_has_gone() {
        let feed = feed();
        let mut streams: Vec<_> = (0..STREAMS_MAX).filter_map(|_| feed.subscribe()).collect();
        assert_eq!(streams.len(), STREAMS_MAX);
        assert!(feed.subscribe().is_none());
        streams.pop();
        assert!(feed.subscribe().is_some());
    }

    #[test]
    fn a_stream_ends_after_its_life() {
        let feed = feed();
        let mut stream = feed.subscribe().unwrap();
        let mut snapshot = Snapshot::take(&feed.registry);
        snapshot.uptime += STREAM_LIFE - Duration::from_secs(1);
        let insights = |snapshot: &Snapshot| Insights::take(&feed.registry, snapshot);
        feed.with_state(|state| state.look(&snapshot, || insights(&snapshot)));
        assert!(!stream.is_closed());
        snapshot.uptime += Duration::from_secs(1);
        feed.with_state(|state| state.look(&snapshot, || insights(&snapshot)));
        while stream.try_recv().is_ok() {}
        assert!(stream.is_closed());
    }
}
