//! A fake PostgreSQL backend: one session, speaking real bytes.
//!
//! The rules are those of `PostgresMain`, `exec_simple_query` and `CopyGetData`: after an error in
//! an extended batch everything is ignored up to a Sync; COPY from the client ignores Sync and
//! Flush and fails on anything but its data; what is left of a failed COPY is ignored; settings
//! are reported before ReadyForQuery and revert with their transaction; answers leave with
//! ReadyForQuery, with Flush, or 8 KiB at a time.
//!
//! `run` goes on until it has to wait: for input, for room, or for the end of slow work. What
//! a message makes it do is in `command`, the statements themselves are in `work`.

mod command;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{ErrorKind, Write};

use pgweir_pool::time::Time;
use pgweir_wire::backend::{self, TxStatus};
use pgweir_wire::encode::{self, ErrorFields, Severity};
use pgweir_wire::frame::{self, HEADER_LEN};
use pgweir_wire::sqlstate::SqlState;

use super::check::hygiene;
use super::held::Held;
use super::settings::Settings;
use super::sql::{Statement, Tag};
use super::stream::End;
use super::tables::{Met, STALE, Tables};
use super::work::{Portal, Task};

/// Size of PostgreSQL's output buffer.
const OUTPUT_MAX: usize = 8 * 1024;

/// Bytes that a backend reads at once.
const INPUT_MAX: usize = 8 * 1024;

/// At which step which statement was cancelled. A run without the pooler repeats them.
pub(super) type Interrupts = BTreeMap<Tag, u32>;

/// The settings that each statement met when it began.
pub(super) type Journal = BTreeMap<Tag, String>;

/// Statements that asked for the last number of a session that had none. A run without the pooler repeats them.
pub(super) type Forgotten = BTreeSet<Tag>;

/// What a backend shares with its world.
#[derive(Debug)]
pub(super) struct Env<'a> {
    pub(super) now: Time,
    pub(super) interrupts: &'a mut Interrupts,
    pub(super) forgotten: &'a mut Forgotten,
    /// Repeats a run: cancels as noted, and takes no time.
    pub(super) replays: bool,
    /// The settings that each statement met.
    pub(super) journal: &'a mut Journal,
    /// How often tables have changed.
    pub(super) tables: Tables,
    /// In a repeated run, what the client met.
    pub(super) met: Option<&'a Met<'a>>,
    /// Clients whose settings are wrong: no query of theirs may come.
    pub(super) refused: &'a BTreeSet<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tx {
    Idle,
    /// Begun by a query, or by the first message of an extended batch.
    Implicit,
    Block,
    Failed,
}

#[derive(Debug)]
pub(super) struct Backend {
    pub(super) name: String,
    /// The number of its process, if there is a pooler.
    pub(super) process: Option<u32>,
    /// `None` when the session is over.
    pub(super) end: Option<End>,
    pub(super) input: VecDeque<u8>,
    pub(super) output: Vec<u8>,
    sending: VecDeque<u8>,
    pub(super) settings: Settings,
    pub(super) held: Held,
    /// Who took a number of a sequence last.
    pub(super) last_number: Option<Tag>,
    /// Without a pooler, refuses what would keep a server; with one, is never asked for it.
    pub(super) rejects: bool,
    /// Reports a setting at once, as PostgreSQL before 14 does.
    pub(super) reports_at_once: bool,
    pub(super) tx: Tx,
    pub(super) statements: BTreeMap<String, Statement>,
    /// How often tables had changed when each was prepared; in a repeated run, by which Parse it was.
    pub(super) prepared: BTreeMap<String, u64>,
    /// Parse messages of statements with names that came.
    pub(super) parses: u64,
    /// Answers that were flushed.
    said: usize,
    pub(super) portals: BTreeMap<String, Portal>,
    /// Ignores everything up to a Sync.
    pub(super) skips: bool,
    /// The last message was of the extended protocol, so an error begins to skip.
    extended: bool,
    pub(super) task: Option<Task>,
    pub(super) cancelled: bool,
    pub(super) asleep_until: Option<Time>,
    /// A statement that makes the commit fail.
    pub(super) deferred: Option<Tag>,
    /// Ends when what it says is sent.
    leaving: bool,
    /// Whose query came last.
    pub(super) guest: Option<u64>,
    /// The first of those since a cancel request was in doubt: it may have been meant for one not heard yet.
    pub(super) first_guest: Option<u64>,
    /// Microseconds that each step of what the pooler asks takes.
    pub(super) own_slow: u64,
    /// It takes very long to be cleaned.
    pub(super) dazed: bool,
    /// It takes very long to answer anything of the pooler.
    pub(super) mute: bool,
    /// Who may send queries; not checked if there is no pooler.
    pub(super) holder: Option<u64>,
}

impl Backend {
    pub(super) fn new(name: String, end: End, settings: Settings, reports_at_once: bool) -> Self {
        Self {
            name,
            process: None,
            end: Some(end),
            input: VecDeque::new(),
            output: Vec::new(),
            sending: VecDeque::new(),
            settings,
            held: Held::default(),
            last_number: None,
            rejects: false,
            reports_at_once,
            tx: Tx::Idle,
            statements: BTreeMap::new(),
            prepared: BTreeMap::new(),
            parses: 0,
            said: 0,
            portals: BTreeMap::new(),
            skips: false,
            extended: false,
            task: None,
            cancelled: false,
            asleep_until: None,
            deferred: None,
            leaving: false,
            guest: None,
            first_guest: None,
            own_slow: 0,
            dazed: false,
            mute: false,
            holder: None,
        }
    }

    /// Does what can be done now; when to call again without an event.
    pub(super) fn run(&mut self, env: &mut Env<'_>) -> Option<Time> {
        while self.end.is_some() {
            if !self.send() {
                return None;
            }
            if self.leaving {
                self.end = None;
                return None;
            }
            if let Some(until) = self.asleep_until {
                if env.now < until && !self.cancelled {
                    return Some(until);
                }
                self.asleep_until = None;
            }
            let goes_on = if self.task.is_some() {
                self.work(env)
            } else {
                // A cancel request that comes while no query runs is forgotten.
                self.cancelled = false;
                self.command(env)
            };
            if self.output.len() >= OUTPUT_MAX {
                self.flush();
            } else if !goes_on {
                return self.asleep_until;
            }
        }
        None
    }

    /// A cancel request arrived.
    pub(super) fn cancel(&mut self) {
        self.cancelled = true;
    }

    /// The administrator ends the session.
    pub(super) fn terminate(&mut self) {
        if self.leaving {
            return;
        }
        self.task = None;
        self.asleep_until = None;
        self.say(
            Severity::Fatal,
            *b"57P01",
            "terminating connection due to administrator command",
        );
        self.leave();
    }

    /// Says something that nobody asked for.
    pub(super) fn chat(&mut self, what: u64) {
        let idle = self.task.is_none() && !self.skips;
        match what % 4 {
            0 | 1 => {
                // Long ones now and then, for they too pass in pieces.
                let text = "hint ".repeat(if what.is_multiple_of(5) { 4_000 } else { 10 });
                self.say(Severity::Notice, *b"00000", &text);
            }
            2 if idle && self.tx == Tx::Idle => {
                // Of its own or of somebody who is no process here.
                let own = self.process.filter(|_| what % 8 == 2);
                let mut body = own.unwrap_or(u32::MAX).to_be_bytes().to_vec();
                body.extend(b"channel\0payload\0");
                put(&mut self.output, backend::NOTIFICATION_RESPONSE, &body);
            }
            3 if idle => {
                let iterations = (4096 + what % 7).to_string();
                self.settings.reload("scram_iterations", &iterations);
                self.report();
            }
            _ => {}
        }
        if idle {
            self.flush();
        }
    }

    /// Names of statements that are neither unnamed nor the pooler's.
    pub(super) fn clients_statements(&self) -> impl Iterator<Item = &str> {
        let names = self.statements.keys().map(String::as_str);
        names.filter(|name| !name.is_empty() && !name.starts_with("pgweir_"))
    }

    /// What a query of a client can see of its session.
    pub(super) fn digest(&self) -> String {
        format!("{}/{}", self.settings.digest(), self.held)
    }

    /// Whether a transaction may use tables.
    pub(super) fn uses_tables(&self) -> bool {
        self.end.is_some() && self.tx != Tx::Idle
    }

    /// At which place of its client's answers the next one stands.
    pub(super) fn place(&self) -> usize {
        self.said + answers(&self.output)
    }

    pub(super) fn flush(&mut self) {
        self.said += answers(&self.output);
        self.sending.extend(self.output.drain(..));
    }

    /// What it has to say and has not sent.
    pub(super) fn unsent(&self) -> impl Iterator<Item = u8> {
        self.sending.iter().chain(&self.output).copied()
    }

    /// A cancel request is in doubt; whom it is meant for, if that has been heard.
    pub(super) fn doubted(&mut self) -> Option<u64> {
        self.first_guest = None;
        let is_busy = self.task.is_some() || self.tx != Tx::Idle;
        self.holder.or(self.guest.filter(|_| is_busy))
    }

    /// A tagged request came.
    pub(super) fn receive_guest(&mut self, tag: Option<Tag>, env: &Env<'_>) {
        if let Some(tag) = tag {
            hygiene::arrives(self, tag, env.refused);
            self.guest = Some(tag.client);
            self.first_guest.get_or_insert(tag.client);
        }
    }

    pub(super) fn begin_if_idle(&mut self) {
        if self.tx == Tx::Idle {
            self.tx = Tx::Implicit;
            self.settings.begin();
            self.held.begin();
        }
    }

    /// Ends the transaction; false if it fails, and then that was said.
    pub(super) fn commit(&mut self) -> bool {
        self.portals.clear();
        if let Some(tag) = self.deferred.take() {
            self.tx = Tx::Implicit;
            self.fail(*b"23505", &format!("{tag} duplicate key"));
            return false;
        }
        self.tx = Tx::Idle;
        self.settings.commit();
        self.held.commit();
        self.report_at_once();
        true
    }

    pub(super) fn roll_back(&mut self) {
        self.tx = Tx::Idle;
        self.portals.clear();
        self.deferred = None;
        self.settings.abort();
        self.held.abort();
        self.report_at_once();
    }

    /// The present command fails.
    pub(super) fn fail(&mut self, sqlstate: [u8; 5], text: &str) {
        self.say(Severity::Error, sqlstate, text);
        self.failed();
    }

    /// The present command fails, because its statement has another result now.
    pub(super) fn fail_stale(&mut self) {
        let error = format!("SERROR\0VERROR\0C0A000\0M{STALE}\0RRevalidateCachedQuery\0\0");
        put(&mut self.output, backend::ERROR_RESPONSE, error.as_bytes());
        self.flush();
        self.failed();
    }

    fn failed(&mut self) {
        let was_block = matches!(self.tx, Tx::Block | Tx::Failed);
        self.roll_back();
        if was_block {
            self.tx = Tx::Failed;
        }
        self.task = None;
        if self.extended {
            self.skips = true;
        } else {
            self.ready();
        }
    }

    /// An error from which the session does not recover.
    pub(super) fn fatal(&mut self, text: &str) {
        self.say(Severity::Fatal, *b"08P01", text);
        self.leave();
    }

    /// ReadyForQuery.
    pub(super) fn ready(&mut self) {
        self.report();
        let status = match self.tx {
            Tx::Idle | Tx::Implicit => TxStatus::Idle,
            Tx::Block => TxStatus::InTransaction,
            Tx::Failed => TxStatus::Failed,
        };
        assert_ne!(self.tx, Tx::Implicit, "an implicit transaction was ended");
        encode::ready_for_query(&mut self.output, status);
        self.flush();
    }

    pub(super) fn report_at_once(&mut self) {
        if self.reports_at_once {
            self.report();
        }
    }

    pub(super) fn complete(&mut self, tag: &str) {
        let body = format!("{tag}\0");
        put(&mut self.output, backend::COMMAND_COMPLETE, body.as_bytes());
    }

    /// Takes the next whole message; `None` if it did not come yet.
    pub(super) fn message(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            let front: Vec<u8> = self.input.iter().copied().take(HEADER_LEN).collect();
            let header = frame::header(&front).expect("the pooler checks lengths");
            if let Some(header) = header
                && self.input.len() >= header.message_len()
            {
                let message: Vec<u8> = self.input.drain(..header.message_len()).collect();
                return Some((header.kind, message[HEADER_LEN..].to_vec()));
            }
            match self.end.as_mut()?.read_onto(INPUT_MAX, &mut self.input) {
                Ok(0) => {
                    self.end = None;
                    return None;
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(_) => {
                    self.end = None;
                    return None;
                }
            }
        }
    }

    fn report(&mut self) {
        for (name, value) in self.settings.changed() {
            encode::parameter_status(&mut self.output, name, value);
        }
    }

    pub(super) fn say(&mut self, severity: Severity, sqlstate: [u8; 5], message: &str) {
        let fields = ErrorFields {
            severity,
            sqlstate: SqlState(sqlstate),
            message,
            detail: None,
            hint: None,
        };
        match severity {
            Severity::Notice => encode::notice(&mut self.output, &fields),
            Severity::Error | Severity::Fatal => encode::error(&mut self.output, &fields),
        }
        // `send_message_to_frontend` flushes.
        self.flush();
    }

    pub(super) fn leave(&mut self) {
        self.task = None;
        self.leaving = true;
        self.flush();
    }

    /// False while there is no room for what was said.
    fn send(&mut self) -> bool {
        while !self.sending.is_empty() {
            let Some(end) = &mut self.end else {
                return false;
            };
            let bytes = self.sending.make_contiguous();
            match end.write(bytes) {
                Ok(len) => drop(self.sending.drain(..len)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(_) => {
                    self.end = None;
                    return false;
                }
            }
        }
        true
    }

    /// With a tag where the failure is of one request alone, whichever of its messages comes first.
    pub(super) fn fail_in_failed(&mut self, tag: Option<Tag>) {
        let tag = tag.map_or_else(String::new, |tag| format!("{tag} "));
        let text = format!("{tag}current transaction is aborted");
        self.fail(*b"25P02", &text);
    }

    /// Of one column, whose type says how often tables had changed.
    pub(super) fn row_description(&mut self, tables: Tables) {
        let mut body = b"\0\x01t\0".to_vec();
        body.extend([0; 6]);
        let kind = u32::try_from(25 + tables).expect("few changes");
        body.extend(kind.to_be_bytes());
        body.extend([255, 255, 255, 255, 255, 255, 0, 0]);
        put(&mut self.output, backend::ROW_DESCRIPTION, &body);
    }
}

/// How many of these messages are a client's answers.
fn answers(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let Ok(Some(header)) = frame::header(bytes) {
        let is_aside = matches!(
            header.kind,
            backend::NOTICE_RESPONSE | backend::NOTIFICATION_RESPONSE | backend::PARAMETER_STATUS
        );
        count += usize::from(!is_aside);
        bytes = &bytes[header.message_len()..];
    }
    count
}

/// Appends a message.
pub(crate) fn put(out: &mut Vec<u8>, kind: u8, body: &[u8]) {
    out.push(kind);
    let length = u32::try_from(body.len() + 4).expect("small messages");
    out.extend(length.to_be_bytes());
    out.extend(body);
}
