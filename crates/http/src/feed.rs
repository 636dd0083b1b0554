//! The live document, kept up to date and handed to whoever watches.
//!
//! One look per second serves all streams: the document is rendered once for each window that somebody
//! looks at, and its bytes are shared.
//! A stream that does not keep up misses documents and never holds more than two.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use hyper::body::Bytes;
use pgweir_telemetry::findings::Findings;
use pgweir_telemetry::window::Window;
use pgweir_telemetry::{Recorder, Snapshot};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::pooler::Pooler;

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
    pooler: Arc<dyn Pooler>,
    audience: Mutex<Audience>,
}

#[derive(Default)]
struct Audience {
    recorder: Recorder,
    /// At most [`STREAMS_MAX`].
    watchers: Vec<Watcher>,
}

struct Watcher {
    outbox: mpsc::Sender<Bytes>,
    /// Since the start of the process.
    ends: Duration,
    window: Window,
}

impl Feed {
    pub(super) fn new(pooler: Arc<dyn Pooler>) -> Self {
        Self {
            pooler,
            audience: Mutex::default(),
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
    pub(super) fn document(&self, window: Window) -> String {
        let snapshot = self.pooler.snapshot();
        let findings = self.pooler.findings();
        self.with_audience(|audience| audience.render(&snapshot, findings, window))
    }

    /// Begins a stream of server-sent events, the first of which is there at once; `None` if there
    /// are too many.
    pub(super) fn subscribe(&self, window: Window) -> Option<mpsc::Receiver<Bytes>> {
        let snapshot = self.pooler.snapshot();
        let findings = self.pooler.findings();
        self.with_audience(|audience| {
            audience
                .watchers
                .retain(|stream| !stream.outbox.is_closed());
            if audience.watchers.len() >= STREAMS_MAX {
                return None;
            }
            let (outbox, inbox) = mpsc::channel(PENDING_MAX);
            let first = event(&audience.render(&snapshot, findings, window));
            outbox.try_send(first).expect("a new channel has room");
            let ends = snapshot.uptime + STREAM_LIFE;
            audience.watchers.push(Watcher {
                outbox,
                ends,
                window,
            });
            Some(inbox)
        })
    }

    /// Notes what an administrator did.
    pub(super) fn note(&self, text: String) {
        let now = SystemTime::now();
        self.with_audience(|audience| audience.recorder.note(now, text));
    }

    fn look(&self) {
        let snapshot = self.pooler.snapshot();
        self.with_audience(|audience| audience.look(&snapshot, || self.pooler.findings()));
    }

    fn with_audience<T>(&self, run: impl FnOnce(&mut Audience) -> T) -> T {
        run(&mut self.audience.lock().expect("no panic under the lock"))
    }
}

impl Audience {
    fn look(&mut self, snapshot: &Snapshot, findings: impl FnOnce() -> Findings) {
        self.recorder.observe(snapshot);
        self.watchers
            .retain(|stream| !stream.outbox.is_closed() && snapshot.uptime < stream.ends);
        if self.watchers.is_empty() {
            return;
        }
        let findings = findings();
        for window in Window::ALL {
            let watchers = self.watchers.iter();
            let mut watchers = watchers.filter(|stream| stream.window == window).peekable();
            if watchers.peek().is_none() {
                continue;
            }
            let event = event(&self.render(snapshot, findings.clone(), window));
            for stream in watchers {
                // A full one has two to read already; a closed one is gone at the next look.
                let _ = stream.outbox.try_send(event.clone());
            }
        }
    }

    fn render(&self, snapshot: &Snapshot, findings: Findings, window: Window) -> String {
        let document = self.recorder.document(snapshot, findings, window);
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

    use pgweir_telemetry::findings::Findings;

    use pgweir_telemetry::window::Window;

    use super::{Feed, PENDING_MAX, STREAM_LIFE, STREAMS_MAX};
    use crate::tests::FakePooler;

    fn feed() -> Feed {
        Feed::new(FakePooler::quiet())
    }

    #[test]
    fn a_stream_begins_with_a_document_and_has_one_per_look() {
        let feed = feed();
        let mut stream = feed.subscribe(Window::Minute).unwrap();
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
        let mut stream = feed.subscribe(Window::Minute).unwrap();
        for _ in 0..10 {
            feed.look();
        }
        let pending = std::iter::from_fn(|| stream.try_recv().ok()).count();
        assert_eq!(pending, PENDING_MAX);
        feed.look();
        assert!(stream.try_recv().is_ok(), "and goes on with the newest");
    }

    #[test]
    fn there_is_a_bound_on_streams_and_room_when_one_has_gone() {
        let feed = feed();
        let mut streams: Vec<_> = (0..STREAMS_MAX)
            .filter_map(|_| feed.subscribe(Window::Minute))
            .collect();
        assert_eq!(streams.len(), STREAMS_MAX);
        assert!(feed.subscribe(Window::Minute).is_none());
        streams.pop();
        assert!(feed.subscribe(Window::Minute).is_some());
    }

    #[test]
    fn a_stream_ends_after_its_life() {
        let feed = feed();
        let mut stream = feed.subscribe(Window::Minute).unwrap();
        let mut snapshot = feed.pooler.snapshot();
        snapshot.uptime += STREAM_LIFE - Duration::from_secs(1);
        feed.with_audience(|audience| audience.look(&snapshot, Findings::default));
        assert!(!stream.is_closed());
        snapshot.uptime += Duration::from_secs(1);
        feed.with_audience(|audience| audience.look(&snapshot, Findings::default));
        while stream.try_recv().is_ok() {}
        assert!(stream.is_closed());
    }

    #[test]
    fn what_an_administrator_did_is_an_event() {
        let feed = feed();
        feed.note("client 7 was ended by eve".to_owned());
        let json: serde_json::Value = serde_json::from_str(&feed.document(Window::Minute)).unwrap();
        assert_eq!(json["events"][0]["text"], "client 7 was ended by eve");
        assert_eq!(json["events"][0]["severity"], "info");
    }
}
