//! How the fake PostgreSQL executes statements: step by step, so that it can be slow, be
//! cancelled, and wait for room or for COPY data between any two steps.

use std::collections::VecDeque;
use std::time::Duration;

use pgweir_wire::backend;
use pgweir_wire::encode::Severity;
use pgweir_wire::frontend;

use super::check::hygiene;
use super::held::Thing;
use super::postgres::{Backend, Env, Tx, put};
use super::sql::{Statement, Tag, Verb};

/// Microseconds that it takes to clean a dazed server, and a mute one to answer; the pooler has no patience for that.
const DAZE: u64 = 20_000_000;

/// What a backend is doing.
#[derive(Debug)]
pub(super) enum Task {
    /// A query string.
    Simple {
        rest: VecDeque<Statement>,
        run: Option<Running>,
        several: bool,
    },
    /// A portal, of which so many rows are wanted.
    Execute {
        name: String,
        portal: Portal,
        left: Option<u32>,
    },
}

/// A statement that is being executed.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) statement: Statement,
    /// Steps done, by which a cancel is repeated.
    step: u32,
    /// Rows sent, or COPY data read.
    rows: u32,
    /// The answer has begun.
    begun: bool,
    slept: bool,
}

#[derive(Debug)]
pub(super) struct Portal {
    pub(super) run: Running,
    pub(super) done: bool,
}

enum Progress {
    More,
    /// Has to wait for input or time.
    Waits,
    Done(String),
    /// The rows that were wanted are sent.
    Suspended,
    /// It failed, which was said.
    Failed,
}

impl Running {
    pub(super) fn new(statement: Statement) -> Self {
        Self {
            statement,
            step: 0,
            rows: 0,
            begun: false,
            slept: false,
        }
    }
}

impl Portal {
    pub(super) fn new(run: Running) -> Self {
        Self { run, done: false }
    }
}

impl Backend {
    /// One step of the task; false if it has to wait.
    pub(super) fn work(&mut self, env: &mut Env<'_>) -> bool {
        match self.task.take() {
            Some(Task::Simple {
                mut rest,
                run: None,
                several,
            }) => {
                let Some(statement) = rest.pop_front() else {
                    self.ready();
                    return true;
                };
                self.receive_guest(statement.tag, env);
                if self.tx == Tx::Failed && !statement.ends_transaction() {
                    match statement.tag {
                        Some(tag) => self.fail_in_failed(Some(tag)),
                        None => panic!("{}: the pooler asks in a failed transaction", self.name),
                    }
                    return true;
                }
                self.begin_if_idle();
                self.task = Some(Task::Simple {
                    rest,
                    run: Some(Running::new(statement)),
                    several,
                });
                true
            }
            Some(Task::Simple {
                rest,
                run: Some(run),
                several,
            }) => self.work_simple(rest, run, several, env),
            Some(Task::Execute { name, portal, left }) => self.work_portal(name, portal, left, env),
            None => false,
        }
    }

    fn work_simple(
        &mut self,
        rest: VecDeque<Statement>,
        mut run: Running,
        several: bool,
        env: &mut Env<'_>,
    ) -> bool {
        let progress = self.progress(&mut run, None, several, true, env);
        let waits = matches!(progress, Progress::Waits);
        let run = match progress {
            Progress::More | Progress::Waits => Some(run),
            Progress::Done(tag) => {
                if rest.is_empty() && self.tx == Tx::Implicit && !self.commit() {
                    return true;
                }
                self.complete(&tag);
                None
            }
            Progress::Failed => return true,
            Progress::Suspended => unreachable!("a query string has no limit of rows"),
        };
        self.task = Some(Task::Simple { rest, run, several });
        !waits
    }

    fn work_portal(
        &mut self,
        name: String,
        mut portal: Portal,
        mut left: Option<u32>,
        env: &mut Env<'_>,
    ) -> bool {
        let progress = self.progress(&mut portal.run, left.as_mut(), false, false, env);
        match progress {
            Progress::More | Progress::Waits => {
                self.task = Some(Task::Execute { name, portal, left });
                return matches!(progress, Progress::More);
            }
            Progress::Done(tag) => {
                self.complete(&tag);
                portal.done = true;
            }
            Progress::Suspended => put(&mut self.output, backend::PORTAL_SUSPENDED, &[]),
            Progress::Failed => return true,
        }
        if self.tx != Tx::Idle {
            self.portals.insert(name, portal);
        }
        true
    }

    fn progress(
        &mut self,
        run: &mut Running,
        left: Option<&mut u32>,
        several: bool,
        simple: bool,
        env: &mut Env<'_>,
    ) -> Progress {
        let tag = run.statement.tag;
        if self.is_interrupted(tag, run.step, env) {
            let who = tag.map_or_else(|| "pooler".to_owned(), |tag| tag.to_string());
            self.fail(*b"57014", &format!("{who} canceling statement"));
            return Progress::Failed;
        }
        let slow = match (tag, &run.statement.verb) {
            (Some(_), _) => run.statement.slow,
            (None, Verb::Rollback | Verb::DiscardAll) if self.dazed => DAZE,
            (None, _) if self.mute => DAZE,
            (None, _) => self.own_slow,
        };
        if slow > 0 && !env.replays && !run.slept {
            run.slept = true;
            self.asleep_until = Some(env.now + Duration::from_micros(slow));
            return Progress::Waits;
        }
        if let (0, Some(tag)) = (run.step, tag) {
            env.journal.insert(tag, self.digest());
            if run.statement.verb == Verb::LastNumber {
                self.recall(tag, env);
            }
        }
        let progress = self.step(run, left, several, simple);
        if !matches!(progress, Progress::Waits) {
            run.slept = false;
            run.step += 1;
        }
        progress
    }

    /// The last number is asked for: what was discarded with the pooler is without it.
    fn recall(&mut self, tag: Tag, env: &mut Env<'_>) {
        if env.replays && env.forgotten.contains(&tag) {
            self.last_number = None;
        }
        if !env.replays && self.last_number.is_none() {
            env.forgotten.insert(tag);
        }
    }

    fn is_interrupted(&mut self, tag: Option<Tag>, step: u32, env: &mut Env<'_>) -> bool {
        let Some(tag) = tag else {
            return std::mem::take(&mut self.cancelled);
        };
        if env.replays {
            return env.interrupts.get(&tag) == Some(&step);
        }
        let hit = std::mem::take(&mut self.cancelled);
        if hit {
            env.interrupts.insert(tag, step);
        }
        hit
    }

    fn step(
        &mut self,
        run: &mut Running,
        left: Option<&mut u32>,
        several: bool,
        simple: bool,
    ) -> Progress {
        let statement = run.statement.clone();
        match &statement.verb {
            Verb::Select { rows, size, fails } => {
                if simple && !run.begun {
                    run.begun = true;
                    self.row_description(0);
                }
                if run.rows < *rows {
                    self.row(statement.tag, run.rows, *size);
                    run.rows += 1;
                    if let Some(left) = left {
                        *left -= 1;
                        if *left == 0 {
                            return Progress::Suspended;
                        }
                    }
                    return Progress::More;
                }
                if let (true, Some(tag)) = (*fails, statement.tag) {
                    self.fail(*b"22012", &format!("{tag} division by zero"));
                    return Progress::Failed;
                }
                Progress::Done(format!("SELECT {}", run.rows))
            }
            Verb::CopyOut { rows, size } => {
                if !run.begun {
                    run.begun = true;
                    put(&mut self.output, backend::COPY_OUT_RESPONSE, &COPY_FORMAT);
                } else if run.rows < *rows {
                    let text = self.text(statement.tag, run.rows, *size);
                    put(&mut self.output, backend::COPY_DATA, text.as_bytes());
                    run.rows += 1;
                } else {
                    put(&mut self.output, backend::COPY_DONE, &[]);
                    return Progress::Done(format!("COPY {}", run.rows));
                }
                Progress::More
            }
            Verb::CopyIn { bad } => self.copy_in(run, *bad),
            verb => self.command_step(verb, statement.tag, several, simple),
        }
    }

    /// Verbs of one step.
    fn command_step(
        &mut self,
        verb: &Verb,
        tag: Option<Tag>,
        several: bool,
        simple: bool,
    ) -> Progress {
        let who = tag.map_or_else(|| "pooler".to_owned(), |tag| tag.to_string());
        let done = match verb {
            Verb::Begin => {
                self.tx = Tx::Block;
                "BEGIN"
            }
            Verb::Commit if self.tx == Tx::Failed => {
                self.roll_back();
                "ROLLBACK"
            }
            Verb::Commit => {
                if !self.commit() {
                    return Progress::Failed;
                }
                "COMMIT"
            }
            Verb::Rollback => {
                self.roll_back();
                "ROLLBACK"
            }
            Verb::Set {
                pairs,
                local,
                selects,
            } => {
                for (name, value) in pairs {
                    if !self.settings.set(name, value, *local) {
                        let text = format!("{who} invalid value for parameter {name:?}: {value:?}");
                        self.fail(*b"22023", &text);
                        return Progress::Failed;
                    }
                }
                self.report_at_once();
                if *selects {
                    if simple {
                        self.row_description(0);
                    }
                    self.row(tag, 0, 0);
                    "SELECT 1"
                } else {
                    "SET"
                }
            }
            Verb::Reset(names) => {
                for name in names {
                    match &**name {
                        "all" => self.settings.reset_all_but_role(),
                        name => self.settings.reset(name),
                    }
                }
                self.report_at_once();
                "RESET"
            }
            Verb::DiscardAll => {
                if several || self.tx != Tx::Implicit {
                    self.fail(*b"25001", &format!("{who} DISCARD ALL in a transaction"));
                    return Progress::Failed;
                }
                self.settings.reset_all();
                self.held.discard();
                self.last_number = None;
                self.statements.retain(|name, _| name.is_empty());
                if !self.commit() {
                    return Progress::Failed;
                }
                "DISCARD ALL"
            }
            Verb::DeallocateAll => {
                self.statements.retain(|name, _| name.is_empty());
                "DEALLOCATE ALL"
            }
            Verb::Defer => {
                self.deferred = tag;
                "INSERT 0 1"
            }
            Verb::Hold(thing, takes) => {
                self.held.take(*thing, *takes);
                if *thing == Thing::Lock {
                    if simple {
                        self.row_description(0);
                    }
                    self.row(tag, 0, 0);
                }
                "HOLD"
            }
            Verb::Unseen(thing) => {
                self.held.take(*thing, true);
                if simple {
                    self.row_description(0);
                }
                self.row(tag, 0, 0);
                "SELECT 1"
            }
            Verb::Insert => {
                self.last_number = tag;
                "INSERT 0 1"
            }
            Verb::LastNumber => {
                let Some(number) = self.last_number else {
                    self.fail(*b"55000", &format!("{who} lastval is not yet defined"));
                    return Progress::Failed;
                };
                if simple {
                    self.row_description(0);
                }
                self.row_of(&[Some(&format!("{who}|{number}"))]);
                "SELECT 1"
            }
            Verb::DiscardSequences => {
                self.last_number = None;
                "DISCARD SEQUENCES"
            }
            Verb::Ask { settings, held } => {
                self.answer(settings.as_deref(), held);
                "SELECT"
            }
            Verb::Select { .. } | Verb::Syntax | Verb::CopyIn { .. } | Verb::CopyOut { .. } => {
                unreachable!("verbs of other kinds")
            }
        };
        Progress::Done(done.to_owned())
    }

    fn copy_in(&mut self, run: &mut Running, bad: u32) -> Progress {
        if !run.begun {
            run.begun = true;
            put(&mut self.output, backend::COPY_IN_RESPONSE, &COPY_FORMAT);
            self.flush();
            return Progress::More;
        }
        let tag = run.statement.tag.expect("only clients copy");
        let Some((kind, body)) = self.message() else {
            return Progress::Waits;
        };
        match kind {
            frontend::COPY_DATA => {
                hygiene::copies(self, tag, &body);
                run.rows += 1;
                if run.rows == bad {
                    self.fail(*b"22P04", &format!("{tag} bad data"));
                    return Progress::Failed;
                }
                Progress::More
            }
            frontend::SYNC | frontend::FLUSH => Progress::More,
            frontend::COPY_DONE => Progress::Done(format!("COPY {}", run.rows)),
            frontend::COPY_FAIL => {
                self.fail(*b"57014", &format!("{tag} COPY from stdin failed"));
                Progress::Failed
            }
            _ => {
                let text = format!("{tag} unexpected message type during COPY");
                if self.reports_at_once {
                    // PostgreSQL before 14 had read the message, and goes on.
                    self.fail(*b"08P01", &text);
                    return Progress::Failed;
                }
                self.say(Severity::Error, *b"08P01", &text);
                // The message was not read to its end.
                self.fatal("terminating connection because protocol synchronization was lost");
                Progress::Failed
            }
        }
    }

    /// Answers what the pooler asked.
    fn answer(&mut self, custom: Option<&[String]>, held: &[Thing]) {
        let settings = custom.map(|custom| self.settings.listed(custom));
        for (name, value) in settings.unwrap_or_default() {
            let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
            self.row_of(&[Some("s"), Some(&name), Some(&hex)]);
        }
        for thing in held {
            if self.held.has(*thing) {
                self.row_of(&[Some(thing.letter()), Some(""), None]);
            }
        }
    }

    fn row_of(&mut self, values: &[Option<&str>]) {
        put(&mut self.output, backend::DATA_ROW, &columns(values));
    }

    fn row(&mut self, tag: Option<Tag>, number: u32, size: u32) {
        let text = self.text(tag, number, size);
        let mut body = vec![0, 1];
        body.extend(u32::try_from(text.len()).expect("small rows").to_be_bytes());
        body.extend(text.as_bytes());
        put(&mut self.output, backend::DATA_ROW, &body);
    }

    /// What a row says: who asked, which row it is, the state of the session, and padding.
    fn text(&self, tag: Option<Tag>, number: u32, size: u32) -> String {
        let tag = tag.map_or_else(|| "pooler".to_owned(), |tag| tag.to_string());
        format!(
            "{tag}|{number}|{}|{:?}|{}",
            self.digest(),
            self.tx,
            "x".repeat(size as usize)
        )
    }
}

/// The body of a row.
fn columns(values: &[Option<&str>]) -> Vec<u8> {
    let count = u16::try_from(values.len()).expect("few columns");
    let mut body = count.to_be_bytes().to_vec();
    for value in values {
        let len = value.map_or(-1, |value| i32::try_from(value.len()).expect("short"));
        body.extend(len.to_be_bytes());
        body.extend(value.unwrap_or_default().as_bytes());
    }
    body
}

/// Text, one column.
const COPY_FORMAT: [u8; 5] = [0, 0, 1, 0, 0];
