//! A client that carries out its program and notes what it is answered.

use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Write};

use pgweir_pool::time::Time;
use pgweir_wire::backend::{self, ErrorView};
use pgweir_wire::encode;
use pgweir_wire::frame::{self, HEADER_LEN};

use super::check::isolation;
use super::program::{Op, Program, Then};
use super::settings::{self, REPORTED};
use super::sql::Tag;
use super::stream::End;
use super::tables::{Spans, Tables};

/// The end of the error of a client that was cancelled while it waited for a server.
pub(super) const WAIT_CANCELED: &str = "still waiting for a server connection.";

/// An answer, as far as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) kind: u8,
    pub(super) text: String,
}

#[derive(Debug)]
pub(super) struct Client {
    pub(super) program: Program,
    ops: VecDeque<Op>,
    pub(super) end: Option<End>,
    input: Vec<u8>,
    output: VecDeque<u8>,
    written: usize,
    /// ReadyForQuery messages that are still to come.
    owed: u32,
    wait: Then,
    /// What the last wait is about came.
    marked: bool,
    copying: bool,
    answers_seen: u32,
    failed: bool,
    /// When the next write may begin, once that is known.
    next_at: Option<Time>,
    read_at: Time,
    settings: BTreeMap<String, String>,
    pub(super) answers: Vec<Answer>,
    /// How often tables have changed.
    pub(super) tables: Tables,
    pub(super) spans: Spans,
    /// The end of its login is still to come, before any answer.
    pub(super) ungreeted: bool,
    /// The number that it was told at the end of its login.
    pub(super) number: Option<u32>,
    /// The program ended as it should.
    pub(super) finished: bool,
    /// The other side ended the session.
    pub(super) hung_up: bool,
    /// As `hung_up`, and nothing was lost by it.
    pub(super) ended: bool,
}

impl Client {
    pub(super) fn new(program: Program, end: End) -> Self {
        let mut settings: BTreeMap<_, _> = REPORTED
            .iter()
            .map(|&(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        for (name, value) in &program.startup {
            let name = name.to_ascii_lowercase();
            if settings.contains_key(&name) {
                settings.insert(name, value.clone());
            }
        }
        Self {
            ops: program.ops.clone().into(),
            program,
            end: Some(end),
            input: Vec::new(),
            output: VecDeque::new(),
            written: 0,
            owed: 0,
            wait: Then::Nothing,
            marked: false,
            copying: false,
            answers_seen: 0,
            failed: false,
            next_at: None,
            read_at: Time(0),
            settings,
            answers: Vec::new(),
            tables: 0,
            spans: Spans::default(),
            ungreeted: false,
            number: None,
            finished: false,
            hung_up: false,
            ended: false,
        }
    }

    /// Does what can be done now; when to call again without an event. With `replays` nothing
    /// takes time and the program is not cut.
    pub(super) fn run(&mut self, now: Time, replays: bool) -> Option<Time> {
        loop {
            self.read(now, replays);
            self.write(replays);
            self.end.as_ref()?;
            if !self.output.is_empty() || !self.may_go_on() {
                return self.read_wake(now, replays);
            }
            if !self.output.is_empty() {
                continue;
            }
            let Some(op) = self.ops.front() else {
                if self.owed > 0 && !self.program.abrupt {
                    return self.read_wake(now, replays);
                }
                let mut goodbye = Vec::new();
                encode::terminate(&mut goodbye);
                self.output.extend(goodbye);
                self.write(replays);
                self.finished = self.end.take().is_some();
                return None;
            };
            if op.quiet && self.owed > 0 {
                return self.read_wake(now, replays);
            }
            let at = *self.next_at.get_or_insert(now + op.pause);
            if now < at && !replays {
                return Some(self.read_wake(now, replays).map_or(at, |wake| wake.min(at)));
            }
            self.next_at = None;
            let op = self.ops.pop_front().expect("looked at above");
            self.begin(op);
        }
    }

    fn read_wake(&self, now: Time, replays: bool) -> Option<Time> {
        (now < self.read_at && !replays).then_some(self.read_at)
    }

    fn begin(&mut self, op: Op) {
        self.spans.begin(&op.bytes, self.tables);
        self.output.extend(op.bytes);
        self.owed += op.readies;
        self.wait = op.then;
        self.marked = false;
        self.copying = false;
        self.answers_seen = 0;
    }

    /// Whether what was awaited has come.
    fn may_go_on(&mut self) -> bool {
        match &self.wait {
            Then::Nothing => true,
            Then::Answers(count) => self.failed || self.answers_seen >= *count,
            Then::Marker(_) => false,
            Then::Copy { .. } if self.copying => {
                let Then::Copy {
                    data,
                    readies,
                    synced,
                } = std::mem::replace(&mut self.wait, Then::Nothing)
                else {
                    unreachable!("matched above");
                };
                self.output.extend(data);
                self.owed = self.owed + readies - u32::from(synced);
                true
            }
            Then::Copy { .. } => self.owed == 0,
        }
    }

    fn write(&mut self, replays: bool) {
        let cut = self.program.cut.filter(|_| !replays);
        while let Some(end) = &mut self.end
            && !self.output.is_empty()
        {
            let most = cut.map_or(usize::MAX, |cut| cut - self.written);
            let len = self.output.len().min(most);
            let bytes = &self.output.make_contiguous()[..len];
            match end.write(bytes) {
                Ok(len) => {
                    self.written += len;
                    self.output.drain(..len);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.output.clear();
                    return;
                }
            }
            if cut == Some(self.written) {
                self.end = None;
            }
        }
        if cut == Some(self.written) {
            self.end = None;
        }
    }

    fn read(&mut self, now: Time, replays: bool) {
        let pace = self.program.reads.filter(|_| !replays);
        let most = pace.map_or(16 * 1024, |(size, _)| size);
        while let Some(end) = &mut self.end {
            if pace.is_some() && now < self.read_at {
                return;
            }
            match end.read_onto(most, &mut self.input) {
                Ok(0) => {
                    self.ended = true;
                    self.hang_up();
                }
                Ok(_) => {
                    self.look();
                    if let Some((_, pause)) = pace {
                        self.read_at = now + pause;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.hang_up(),
            }
        }
    }

    fn hang_up(&mut self) {
        self.hung_up = true;
        self.end = None;
    }

    fn look(&mut self) {
        let mut at = 0;
        loop {
            let rest = &self.input[at..];
            let header = frame::header(rest).unwrap_or_else(|bad| {
                panic!(
                    "isolation: c{} was sent garbage: {bad:?}",
                    self.program.client
                )
            });
            let Some(header) = header.filter(|header| rest.len() >= header.message_len()) else {
                break;
            };
            let body = rest[HEADER_LEN..header.message_len()].to_vec();
            at += header.message_len();
            self.answered(header.kind, &body);
        }
        self.input.drain(..at);
    }

    fn answered(&mut self, kind: u8, body: &[u8]) {
        isolation::sees(self.program.client, kind, body);
        if self.ungreeted {
            self.number = self
                .number
                .or(isolation::greets(self.program.client, kind, body));
            if kind == backend::BACKEND_KEY_DATA {
                return;
            }
            if kind == backend::READY_FOR_QUERY {
                assert!(self.number.is_some(), "a login ends with a number");
                self.ungreeted = false;
                return;
            }
        }
        let text = match kind {
            backend::NOTICE_RESPONSE => return,
            backend::NOTIFICATION_RESPONSE => {
                isolation::notified(self.program.client, self.number, body);
                return;
            }
            backend::PARAMETER_STATUS => {
                let (name, value) = backend::parameter_status(body).expect("a ParameterStatus");
                let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                let value = String::from_utf8_lossy(value).into_owned();
                self.settings.insert(name, value);
                return;
            }
            backend::READY_FOR_QUERY => {
                self.owed = self.owed.saturating_sub(1);
                if self.owed == 0 {
                    self.spans.all_answered(self.tables);
                }
                self.failed = false;
                if std::mem::take(&mut self.marked) {
                    self.owed = 0;
                    self.wait = Then::Nothing;
                }
                let settings: Vec<_> = self
                    .settings
                    .iter()
                    .filter(|(name, _)| *name != "scram_iterations")
                    .map(|(name, value)| settings::canonical(name, value))
                    .collect();
                format!("{} {settings:?}", char::from(body[0]))
            }
            backend::ERROR_RESPONSE => {
                self.failed = true;
                let error = ErrorView::parse(body);
                let detail = error.field(b'D').map(String::from_utf8_lossy);
                let code = error.field(b'C').map(String::from_utf8_lossy);
                format!(
                    "{} {} {} {}",
                    error.severity(),
                    code.unwrap_or_default(),
                    error.message(),
                    detail.unwrap_or_default()
                )
            }
            _ => {
                let text = String::from_utf8_lossy(body);
                let short: String = text.chars().take(150).collect();
                format!("{short} ({} bytes)", body.len())
            }
        };
        if kind == backend::COPY_IN_RESPONSE {
            self.copying = true;
        }
        if let Then::Marker(tag) = self.wait
            && isolation::tag(kind, body) == Some(tag)
        {
            self.marked = true;
        }
        if text.ends_with(WAIT_CANCELED) && matches!(self.wait, Then::Marker(_)) {
            // The mark may not come, and without it the client does not know what is still to be
            // answered: it leaves.
            self.marked = true;
            self.ops.clear();
        }
        self.count(kind);
        self.answers.push(Answer { kind, text });
    }

    /// Counts what finishes one message of the extended protocol.
    fn count(&mut self, kind: u8) {
        if matches!(
            kind,
            backend::PARSE_COMPLETE
                | backend::BIND_COMPLETE
                | backend::CLOSE_COMPLETE
                | backend::COMMAND_COMPLETE
                | backend::PORTAL_SUSPENDED
                | backend::ROW_DESCRIPTION
                | backend::NO_DATA
                | backend::COPY_IN_RESPONSE
        ) {
            self.answers_seen += 1;
        }
    }

    /// Whether the front of a message came without its rest.
    pub(super) fn is_mid_message(&self) -> bool {
        !self.input.is_empty()
    }

    /// What was asked last, for a trace.
    pub(super) fn waits_for(&self) -> String {
        format!(
            "{} ops left, {} ready owed, {} bytes unsent, waits for {:?}, answers {:?}",
            self.ops.len(),
            self.owed,
            self.output.len(),
            self.wait,
            self.answers.iter().rev().take(3).collect::<Vec<_>>()
        )
    }
}

/// The tag that `text` begins with.
pub(super) fn tag_of(text: &[u8]) -> Option<Tag> {
    Tag::parse(&String::from_utf8_lossy(&text[..text.len().min(40)]))
}
