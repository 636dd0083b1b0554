//! What is remembered from one look to the next.

use std::time::SystemTime;

use crate::events::Events;
use crate::history::History;
use crate::live::{Findings, Live, Severity};
use crate::queues::Queues;
use crate::refusals::Refusals;
use crate::snapshot::Snapshot;

/// The past of a pooler, as far as views show it. Takes a look once per second, whether anybody
/// watches or not, so that a view that was opened a moment ago knows as much as any other.
#[derive(Debug, Default)]
pub struct Recorder {
    pub(crate) history: History,
    pub(crate) events: Events,
    pub(crate) queues: Queues,
    pub(crate) refusals: Refusals,
}

impl Recorder {
    /// Takes a look. To be called once per second or so.
    pub fn observe(&mut self, snapshot: &Snapshot) {
        self.history.observe(snapshot);
        self.events.observe(snapshot);
        self.queues.observe(snapshot);
        self.refusals.observe(snapshot);
    }

    /// Something happened at `at` that is no difference between two looks.
    pub fn note(&mut self, at: SystemTime, text: String) {
        self.events.note(at, Severity::Info, text);
    }

    /// The live document as of a snapshot.
    pub fn document(&self, snapshot: &Snapshot, findings: Findings) -> Live {
        Live::of(snapshot, self, findings)
    }
}
