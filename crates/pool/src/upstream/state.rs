//! What a session may hold that PostgreSQL does not report.
//!
//! A text that may leave something behind makes a question due; the question is asked when its
//! transaction is over; the answer says which settings the client has and what holds the server.

use std::collections::BTreeSet;
use std::sync::Arc;

use pgweir_sql::effects::{Effects, Kinds, Plain};
use pgweir_wire::backend::TxStatus;

use super::Upstream;
use crate::pin::Pin;
use crate::prepared::ClientState;
use crate::question::{ASKED, Answer, Question};

/// Texts known to leave nothing behind: 2 KiB per server that was used.
const HARMLESS: usize = 256;

/// How often a question is asked again that was not answered, as a limit of the client's on the time of
/// statements may cause. After that it waits for another text, and the server stays.
const RETRIES_MAX: u32 = 3;

/// What always makes a question due.
const DUE: Kinds = Kinds::HELD
    .with(Kinds::SETTINGS)
    .with(Kinds::RESET)
    .with(Kinds::RESET_ALL)
    .with(Kinds::ANYTHING);

/// What a failed statement leaves behind all the same.
const NOT_ROLLED_BACK: Kinds = Kinds::ADVISORY_LOCK
    .with(Kinds::FUNCTION)
    .with(Kinds::ANYTHING);

/// What cannot be asked about. It lasts as long as the session.
const UNASKED: Kinds = Kinds::LIBRARY.with(Kinds::FUNCTION).with(Kinds::UNNAMED);

/// See the module's description.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// It is followed what the client leaves behind: not in session mode.
    asks: bool,
    /// What texts since the last answer may have left behind.
    due: Effects,
    /// One of the client's commands completed since.
    completed: bool,
    /// All of what is due, if a text told that.
    told: Option<Told>,
    asking: Option<Box<Question>>,
    /// It is an audit.
    is_audit: bool,
    /// Questions in a row that were not answered.
    failures: u32,
    /// What the session holds.
    held: Kinds,
    /// A setting may be what the server began with, not what the client did; what it sends next
    /// waits until that is known.
    blocks: bool,
    /// Names of settings that the session has of its own, as an answer said.
    sourced: Option<BTreeSet<Arc<str>>>,
    /// What the texts that the last question was about took back.
    taken_back: TakenBack,
    /// Hashes of texts, each at a place told by the hash.
    harmless: Vec<u64>,
}

/// What the only statement of a text does, which was sent when nothing was due and no transaction open.
#[derive(Debug)]
struct Told {
    what: Plain,
    is_done: bool,
}

/// What texts took back, if their transactions were committed.
#[derive(Debug, Default)]
struct TakenBack {
    all: bool,
    names: BTreeSet<Arc<str>>,
}

impl State {
    /// Another client gets the server; whether it is followed what that leaves behind.
    ///
    /// # Panics
    /// The one before left something.
    pub(crate) fn client_changed(&mut self, asks: bool) {
        assert!(!self.is_dirty(), "what a client left was taken back");
        self.asks = asks;
        self.sourced = None;
        self.blocks = false;
        self.failures = 0;
    }

    /// Whether it is followed what the client leaves behind.
    pub(super) fn asks(&self) -> bool {
        self.asks
    }

    /// Whether a text with this hash is known to leave nothing behind.
    #[inline]
    pub(crate) fn is_harmless(&self, hash: u64) -> bool {
        self.harmless.get(hash as usize % HARMLESS) == Some(&hash)
    }

    /// A text with this hash leaves nothing behind.
    pub(crate) fn learn_harmless(&mut self, hash: u64) {
        if self.harmless.is_empty() {
            self.harmless.resize(HARMLESS, 0);
        }
        self.harmless[hash as usize % HARMLESS] = hash;
    }

    /// Texts may leave something after all.
    pub(crate) fn forget_harmless(&mut self) {
        self.harmless.clear();
    }

    /// A text with these effects may run.
    pub(crate) fn note(&mut self, effects: &Effects) {
        self.told = None;
        let mut kinds = effects.kinds.and(DUE);
        // The answer that is under way speaks of the time before the text.
        let asking = self.asking.as_ref().map(|question| question.kinds());
        let held = self.held.with(asking.unwrap_or_default());
        if kinds.any(Kinds::RESET) {
            kinds.add(Kinds::SETTINGS);
        }
        if effects.kinds.any(Kinds::DROP) {
            kinds.add(held.and(Kinds::TEMPORARY));
        }
        if effects.kinds.any(Kinds::CLOSE) {
            kinds.add(held.and(Kinds::CURSOR));
        }
        if effects.kinds.any(Kinds::UNLOCK) {
            kinds.add(held.and(Kinds::ADVISORY_LOCK));
        }
        if effects.kinds.any(Kinds::UNLISTEN) {
            kinds.add(held.and(Kinds::LISTEN));
        }
        if effects.kinds.any(Kinds::DISCARD_ALL) {
            kinds.add(held.and(ASKED));
        }
        if kinds.is_empty() {
            return;
        }
        if self.due.kinds.is_empty() {
            self.completed = false;
        }
        let names = effects.names.clone();
        self.due.add(&Effects { kinds, names });
        self.failures = 0;
    }

    /// The text that was noted just now, when nothing else was due and no transaction was open, has one
    /// statement, and does this.
    pub(crate) fn note_told(&mut self, what: Plain) {
        let is_done = false;
        self.told = Some(Told { what, is_done });
    }

    /// Whether a setting has a value of the client's whose name is not known.
    pub(crate) fn has_unnamed(&self) -> bool {
        self.held.any(Kinds::UNNAMED)
    }

    /// Whether nothing is due.
    pub(crate) fn is_clear(&self) -> bool {
        self.due.kinds.is_empty() && self.asking.is_none()
    }

    /// What a text did of which nothing else is due.
    pub(crate) fn take_told(&mut self) -> Option<Plain> {
        let told = self.told.take_if(|told| told.is_done)?;
        self.due = Effects::default();
        Some(told.what)
    }

    /// What the client sends next has to wait until it is known what a text took back.
    pub(crate) fn block(&mut self) {
        self.blocks = true;
    }

    /// Whether it has to.
    pub(crate) fn blocks(&self) -> bool {
        self.blocks
    }

    /// A command of the client completed, with this tag unless it is only suspended.
    #[inline]
    pub(super) fn completed(&mut self, tag: &[u8]) {
        self.completed = true;
        if let Some(told) = &mut self.told {
            told.is_done |= match told.what {
                Plain::Set { .. } => tag == b"SET\0",
                Plain::DiscardAll => tag == b"DISCARD ALL\0",
            };
        }
    }

    /// A query of the client's has ended.
    #[inline]
    pub(super) fn ready(&mut self) {
        if self.told.as_ref().is_some_and(|told| !told.is_done) {
            // It failed, and may be followed by others that do not.
            self.told = None;
            self.due = Effects::default();
            self.blocks = false;
        }
    }

    /// `DISCARD ALL` was all that the client did, and nothing is left.
    pub(crate) fn all_taken_back(&mut self) {
        self.sourced = Some(BTreeSet::new());
        self.taken_back = TakenBack {
            all: true,
            names: BTreeSet::new(),
        };
    }

    /// All that can be discarded was: by the client, which may have sent more since, or by the pooler,
    /// when nobody holds the session.
    pub(super) fn discarded(&mut self, by_pooler: bool) {
        self.held = self.held.and(UNASKED).without(Kinds::UNNAMED);
        if by_pooler {
            self.due.kinds = self.due.kinds.and(UNASKED).without(Kinds::UNNAMED);
            self.due.names.clear();
            self.failures = 0;
            self.blocks = false;
            self.sourced = None;
        }
    }

    /// Whether nothing is to be asked, and no answer is to be looked at.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.due.kinds.is_empty() && self.sourced.is_none() && !self.blocks
    }

    /// Whether the session may hold what the next client must not have.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.due.kinds.is_empty() || !self.held.is_empty() || self.asking.is_some()
    }

    /// Whether it may hold what no command takes back.
    pub(crate) fn cannot_be_cleaned(&self) -> bool {
        let kinds = self.due.kinds.with(self.held);
        kinds.any(Kinds::LIBRARY.with(Kinds::FUNCTION))
    }

    /// Whether a question is under way.
    pub(crate) fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    /// Whether a text took settings back, or may have.
    pub(crate) fn may_have_reset(&self) -> bool {
        self.due.kinds.any(Kinds::RESET)
    }

    /// Whether a text took this setting back.
    pub(crate) fn took_back(&self, name: &str) -> bool {
        self.taken_back.all || self.taken_back.names.contains(name)
    }

    /// The client went on behind the question with what may change settings, so that an answer says what
    /// was.
    fn ask_again(&mut self) {
        self.due.kinds.add(Kinds::SETTINGS);
        self.completed = true;
    }

    /// Names of settings that the session has of its own, once, after an answer.
    pub(crate) fn take_sourced(&mut self) -> Option<BTreeSet<Arc<str>>> {
        self.sourced.take()
    }

    /// Nothing is waited for any more.
    pub(crate) fn unblock(&mut self) {
        self.blocks = false;
    }

    /// The client of a session that is its own is not asked about.
    pub(crate) fn forget_due(&mut self) {
        self.due = Effects::default();
    }

    /// What holds the server to its client.
    pub(crate) fn pin(&self) -> Option<Pin> {
        if !self.due.kinds.is_empty() {
            return Some(Pin::Uncertain);
        }
        Pin::of(self.held)
    }

    /// The question that is due at the end of a transaction, if one is; `names` are custom settings
    /// that are known already.
    pub(crate) fn ask(&mut self, names: &[Arc<str>]) -> Option<String> {
        if self.failures > RETRIES_MAX || self.due.kinds.is_empty() {
            return None;
        }
        let Effects { kinds, names: own } = std::mem::take(&mut self.due);
        if !self.completed && !kinds.any(NOT_ROLLED_BACK) {
            self.blocks = false;
            return None;
        }
        self.held.add(kinds.and(UNASKED));
        let kinds = kinds.without(UNASKED);
        if kinds.is_empty() {
            return None;
        }
        let own: Vec<Arc<str>> = own.into_iter().map(Arc::from).collect();
        self.taken_back = TakenBack {
            all: kinds.any(Kinds::RESET_ALL),
            names: own.iter().cloned().collect(),
        };
        self.begin(kinds, own.into_iter().chain(names.iter().cloned()))
    }

    /// A question about everything, although no text told of anything.
    pub(crate) fn ask_all(&mut self, names: &[Arc<str>]) -> Option<String> {
        assert!(!self.is_dirty(), "what texts told of was asked about");
        self.is_audit = true;
        self.taken_back = TakenBack::default();
        // What the client sends meanwhile would have to be asked about in turn, and so on without end.
        self.blocks = true;
        self.begin(Kinds::ANYTHING, names.iter().cloned())
    }

    /// The client does not have what an audit found.
    fn forget_held(&mut self) {
        self.held = Kinds::NONE;
        self.blocks = false;
    }

    /// A question about settings amid a transaction, whose own question stays due.
    pub(crate) fn ask_early(&mut self, names: &[Arc<str>]) -> Option<String> {
        self.taken_back = TakenBack {
            all: self.due.kinds.any(Kinds::RESET_ALL),
            names: self
                .due
                .names
                .iter()
                .map(|name| name.as_str().into())
                .collect(),
        };
        self.begin(Kinds::SETTINGS, names.iter().cloned())
    }

    fn begin(&mut self, kinds: Kinds, names: impl Iterator<Item = Arc<str>>) -> Option<String> {
        assert!(self.asking.is_none(), "one question at a time");
        let names: BTreeSet<_> = names.filter(|name: &Arc<str>| name.contains('.')).collect();
        let question = Question::new(kinds, names.into_iter().collect());
        let sql = question.sql();
        self.asking = Some(Box::new(question));
        Some(sql)
    }

    /// A row of an answer to the pooler.
    pub(super) fn row(&mut self, body: &[u8]) {
        if let Some(question) = &mut self.asking {
            question.row(body);
        }
    }

    /// An answer to the pooler is an error; whether it is one to a question.
    pub(super) fn refused(&mut self) -> bool {
        let is_question = self.asking.is_some();
        if let Some(question) = &mut self.asking {
            question.failed();
        }
        is_question
    }

    /// The answer of the pooler's query that has ended, if that was a question.
    fn finish(&mut self) -> Option<Answer> {
        match self.asking.take()?.finish() {
            Ok(answer) => {
                let asked = answer.kinds.and(ASKED);
                self.held = self.held.without(asked).with(answer.held);
                self.failures = 0;
                Some(answer)
            }
            // The next one may be.
            Err(_) if self.is_audit => None,
            Err((kinds, names)) => {
                let names = names.iter().map(|name| name.to_string()).collect();
                self.due.add(&Effects { kinds, names });
                self.completed = true;
                self.failures += 1;
                self.blocks &= self.failures <= RETRIES_MAX;
                None
            }
        }
    }
}

impl Upstream {
    /// A query of the pooler has ended. If it was a question, its answer is what the client, and the
    /// server, have from now on; amid a transaction it only says what was taken back.
    pub(super) fn own_ended(&mut self, client: Option<&mut ClientState>) {
        let is_early = self.status != TxStatus::Idle;
        let finished = self.state.finish();
        let is_audit = std::mem::take(&mut self.state.is_audit);
        let Some(answer) = finished else {
            if is_audit {
                self.state.unblock();
                self.audit.failed();
            }
            return;
        };
        if is_audit && !self.audited(&answer) {
            self.state.forget_held();
            return;
        }
        if !answer.kinds.any(Kinds::SETTINGS) {
            return;
        }
        let is_own = |name: &&Arc<str>| {
            let is_empty = answer
                .settings
                .get(*name)
                .is_some_and(|value| value.is_empty());
            // A custom setting that was taken back is empty.
            !(is_empty && answer.names.contains(name))
        };
        // What the client sent behind the question, if that is known to leave nothing, changed nothing.
        if self.replies.is_settled() || self.state.due.kinds.is_empty() {
            let sourced = answer.settings.keys().filter(is_own).cloned().collect();
            self.state.sourced = Some(sourced);
        } else {
            self.state.ask_again();
        }
        if is_early {
            return;
        }
        self.role_is_foreign = answer
            .settings
            .get("role")
            .is_some_and(|role| &**role != "none");
        let own = Arc::make_mut(&mut self.parameters);
        own.learn(&answer.settings, &answer.names, &self.defaults);
        if let Some(ClientState {
            parameters: client, ..
        }) = client
        {
            Arc::make_mut(client).learn(&answer.settings, &answer.names, &self.defaults);
            if **client == *self.parameters {
                *client = self.parameters.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests;
