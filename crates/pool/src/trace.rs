//! What a server's statements are and how long they take, on the way into the tables of the
//! process.
//!
//! A statement is one execution: an Execute, or a whole simple query. It is followed by its
//! fingerprint alone; its text, without literals, is kept once for the table that it is counted
//! in, when this server meets it first. All of it is collected with the server, where nobody else
//! looks, and taken from there when the pool's counters are.

mod texts;

use std::time::Duration;

use pgweir_sql::fingerprint::{Fingerprint, text_hash};
use pgweir_sql::sqlcommenter::{self, Tag};
use pgweir_wire::frame;
use pgweir_wire::frontend;

use crate::parameters::Parameters;
use crate::repeats::REPEATS_MIN;
use crate::time::Time;
pub use texts::{TEXT_MAX, Texts};

/// Different statements kept one by one until they are taken.
const SAMPLES_MAX: usize = 16;

/// Findings kept until they are taken.
const FINDINGS_MAX: usize = 8;

/// From when on a statement is slow. `Duration::MAX` is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Worth a line in the log.
    pub slow: Duration,
    /// Worth somebody's attention.
    pub very_slow: Duration,
}

impl Thresholds {
    fn level(&self, took: Duration) -> Option<Level> {
        if took >= self.very_slow {
            Some(Level::VerySlow)
        } else {
            (took >= self.slow).then_some(Level::Slow)
        }
    }
}

/// How slow a statement was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// As slow as `Thresholds::slow`.
    Slow,
    /// As slow as `Thresholds::very_slow`.
    VerySlow,
}

/// One execution, or several of the same statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// What was executed.
    pub statement: Fingerprint,
    /// How often.
    pub calls: u64,
    /// How many of them failed.
    pub errors: u64,
    /// Rows that PostgreSQL said were returned or changed.
    pub rows: u64,
    /// Bytes that PostgreSQL answered.
    pub bytes: u64,
    /// Microseconds all of them took.
    pub us: u64,
}

/// Something that somebody should know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A statement was slow.
    Slow {
        /// Which.
        statement: Fingerprint,
        /// How slow.
        level: Level,
        /// How long the client had waited for the server before its transaction.
        waited: Duration,
        /// How long the server took.
        took: Duration,
    },
    /// A client repeated a statement, a round trip each.
    Repeated {
        /// Which.
        statement: Fingerprint,
        /// How often by now.
        times: u32,
        /// What the application says of itself in a comment of the statement.
        tags: Vec<Tag>,
    },
}

/// How many findings there were, also those that were too many to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Found {
    /// Slow statements.
    pub slow: u64,
    /// Very slow ones, which are not among the slow.
    pub very_slow: u64,
    /// Statements that a client repeated, each counted once.
    pub repeated: u64,
}

impl Found {
    /// Adds what was found elsewhere.
    pub fn add(&mut self, other: Self) {
        self.slow += other.slow;
        self.very_slow += other.very_slow;
        self.repeated += other.repeated;
    }
}

/// What a server's statements are. See the module's description.
#[derive(Debug, Default)]
pub struct Trace {
    /// `None`: nothing is followed.
    pub thresholds: Option<Thresholds>,
    /// The statement that was executed last.
    pub last: Fingerprint,
    /// Texts that were recognised lately, and those that are new.
    pub texts: Texts,
    /// How many findings there were.
    pub found: Found,
    /// The first statement of the round trip that can be repeated in vain.
    opening: Option<Fingerprint>,
    /// How long the client had waited, until the first statement of the lease has ended.
    waited: Duration,
    /// Statement of the last Parse, and the hash of its name.
    parsed: (u64, Fingerprint),
    /// The unnamed statement.
    unnamed: Fingerprint,
    /// Statement of the last Bind. With several portals at once, those of the others are counted
    /// as this one.
    bound: Fingerprint,
    /// Since when the statement runs that ends next.
    began: Time,
    /// Bytes of answers when the last statement ended.
    answered: u64,
    /// The simple query that is answered has failed.
    failed: bool,
    /// Rows of the statement that is answered.
    rows: u64,
    samples: Vec<Sample>,
    /// How many of `samples`, at the end, ended in this read and have no time yet.
    ended: usize,
    findings: Vec<Finding>,
}

impl Trace {
    /// Whether there is something to take.
    pub fn has_news(&self) -> bool {
        !self.samples.is_empty() || !self.texts.fresh.is_empty() || !self.findings.is_empty()
    }

    /// What was executed since it was taken last, to be left empty.
    pub fn samples(&mut self) -> &mut Vec<Sample> {
        // The session may have ended in the middle of a read.
        self.read(self.began);
        &mut self.samples
    }

    /// Takes what somebody should know of.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    /// A client gets the server after it has `waited`.
    pub(crate) fn attach(&mut self, thresholds: Option<Thresholds>, waited: Duration) {
        self.thresholds = thresholds;
        self.waited = waited;
    }

    /// The client goes on after everything it sent was answered: what it did meanwhile is no time of
    /// a statement.
    pub(crate) fn resume(&mut self, now: Time) {
        self.began = now;
    }

    /// A round trip begins.
    pub(crate) fn begin(&mut self) {
        self.opening = None;
    }

    /// The statement that the round trip began with which may be one of many.
    pub(crate) fn opening(&mut self) -> Option<Fingerprint> {
        self.opening.take()
    }

    /// A simple query: its text as far as it is there. What is to be remembered of it.
    pub(crate) fn query(&mut self, body: &[u8], settings: &Parameters) -> Fingerprint {
        if self.thresholds.is_none() {
            return Fingerprint::NONE;
        }
        let sql = body.strip_suffix(b"\0").unwrap_or(body);
        let statement = self.texts.recognise(sql, settings);
        self.executed(statement)
    }

    /// A Parse of the statement `name`: its body as far as it is there.
    pub(crate) fn parse(&mut self, name: &[u8], body: &[u8], settings: &Parameters) -> Fingerprint {
        if self.thresholds.is_none() {
            return Fingerprint::NONE;
        }
        let rest = body.get(name.len() + 1..).unwrap_or_default();
        // All that is there of a text that is longer than the buffer.
        let sql = frame::c_string(rest).map_or(rest, |(sql, _)| sql);
        let statement = self.texts.recognise_prepared(sql, settings);
        self.parsed = (text_hash(name), statement);
        if name.is_empty() {
            self.unnamed = statement;
        }
        statement
    }

    /// A Bind of the statement `name`, which is `prepared` if it was before.
    pub(crate) fn bind(&mut self, name: &[u8], prepared: Option<Fingerprint>) {
        if self.thresholds.is_none() {
            return;
        }
        self.bound = if name.is_empty() {
            self.unnamed
        } else {
            // It may be on its way still.
            let (parsed, statement) = self.parsed;
            let earlier = (parsed == text_hash(name)).then_some(statement);
            earlier.or(prepared).unwrap_or(Fingerprint::NONE)
        };
    }

    /// An Execute. What is to be remembered of it.
    pub(crate) fn execute(&mut self) -> Fingerprint {
        if self.thresholds.is_none() {
            return Fingerprint::NONE;
        }
        self.executed(self.bound)
    }

    fn executed(&mut self, statement: Fingerprint) -> Fingerprint {
        self.last = statement;
        if self.opening.is_none() && self.texts.may_be_one_of_many(statement) {
            self.opening = Some(statement);
        }
        statement
    }

    /// A command completed with this tag.
    #[inline]
    pub(crate) fn completed(&mut self, tag: &[u8]) {
        if self.thresholds.is_some() {
            self.rows += rows(tag);
        }
    }

    /// A batch of extended messages was answered.
    pub(crate) fn batch_ended(&mut self) {
        self.failed = false;
    }

    /// The simple query that is answered has failed; it ends with its ReadyForQuery.
    pub(crate) fn query_failed(&mut self) {
        self.failed = true;
    }

    /// A statement ended, when so many bytes of answers had come.
    pub(crate) fn ended(&mut self, statement: Fingerprint, answered: u64, has_failed: bool) {
        let failed = has_failed | std::mem::take(&mut self.failed);
        let rows = std::mem::take(&mut self.rows);
        let bytes = answered.saturating_sub(std::mem::replace(&mut self.answered, answered));
        if statement == Fingerprint::NONE {
            return;
        }
        let sample = Sample {
            statement,
            calls: 1,
            errors: u64::from(failed),
            rows,
            bytes,
            us: 0,
        };
        let first = self.samples.len() - self.ended;
        match same_or_last(&mut self.samples[first..], statement) {
            Some(same) => same.add(&sample),
            None => {
                self.samples.push(sample);
                self.ended += 1;
            }
        }
    }

    /// One read is over, at `now`: the statements that ended in it took equal shares of the time
    /// since the one before them ended.
    pub(crate) fn read(&mut self, now: Time) {
        if self.ended == 0 {
            return;
        }
        let first = self.samples.len() - std::mem::take(&mut self.ended);
        let calls: u64 = self.samples[first..].iter().map(|ended| ended.calls).sum();
        let us = match calls {
            // Nearly always, and a division is dear.
            1 => now.us_since(self.began),
            _ => now.us_since(self.began) / calls,
        };
        let took = Duration::from_micros(us);
        let waited = std::mem::take(&mut self.waited);
        self.began = now;
        for ended in &mut self.samples[first..] {
            ended.us = us.saturating_mul(ended.calls);
        }
        if let Some(level) = self
            .thresholds
            .and_then(|thresholds| thresholds.level(took))
        {
            for at in first..self.samples.len() {
                self.slow(at, level, waited, took);
            }
        }
        // Those of one read are of different statements.
        if first > 0 {
            self.add_up(first);
        }
    }

    /// A client repeated so many times what `bytes` begin with.
    pub(crate) fn repeated(&mut self, statement: Fingerprint, times: u32, bytes: &[u8]) {
        self.found.repeated += u64::from(times == REPEATS_MIN);
        let tags = first_sql(bytes).map(|sql| sqlcommenter::tags(sql, true));
        self.find(Finding::Repeated {
            statement,
            times,
            tags: tags.unwrap_or_default(),
        });
    }

    fn slow(&mut self, sample: usize, level: Level, waited: Duration, took: Duration) {
        let Sample {
            statement, calls, ..
        } = self.samples[sample];
        *match level {
            Level::Slow => &mut self.found.slow,
            Level::VerySlow => &mut self.found.very_slow,
        } += calls;
        self.find(Finding::Slow {
            statement,
            level,
            waited,
            took,
        });
    }

    fn find(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    /// Adds what has its time since `first` to what had one before.
    fn add_up(&mut self, first: usize) {
        let mut len = first;
        for at in first..self.samples.len() {
            let sample = self.samples[at];
            match same_or_last(&mut self.samples[..len], sample.statement) {
                Some(same) => same.add(&sample),
                None => {
                    self.samples[len] = sample;
                    len += 1;
                }
            }
        }
        self.samples.truncate(len);
    }
}

/// The sample of the same statement; or, where there are too many, the last one: so many different
/// statements in one transaction are rare, and their time is not lost.
fn same_or_last(samples: &mut [Sample], statement: Fingerprint) -> Option<&mut Sample> {
    let same = samples
        .iter()
        .position(|known| known.statement == statement);
    match same {
        Some(at) => Some(&mut samples[at]),
        None if samples.len() < SAMPLES_MAX => None,
        None => samples.last_mut(),
    }
}

impl Sample {
    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.errors += other.errors;
        self.rows += other.rows;
        self.bytes += other.bytes;
        self.us = self.us.saturating_add(other.us);
    }
}

/// Rows that a command's tag tells of: the number at its end.
fn rows(tag: &[u8]) -> u64 {
    let tag = tag.strip_suffix(b"\0").unwrap_or(tag);
    let digits = tag.iter().rev().take_while(|byte| byte.is_ascii_digit());
    let len = digits.count();
    // Ten digits are more rows than pass in a day; twenty would not fit.
    if len == 0 || len > 18 || tag.len() == len {
        return 0;
    }
    let digits = &tag[tag.len() - len..];
    digits
        .iter()
        .fold(0, |rows, digit| rows * 10 + u64::from(digit - b'0'))
}

/// Text of the first Query or Parse in `bytes`, which begin with a message.
fn first_sql(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    while let Ok(Some(header)) = frame::header(rest) {
        let body = rest.get(frame::HEADER_LEN..header.message_len())?;
        match header.kind {
            frontend::QUERY => return body.strip_suffix(b"\0"),
            frontend::PARSE => {
                let (_name, rest) = frame::c_string(body)?;
                return Some(frame::c_string(rest)?.0);
            }
            _ => rest = &rest[header.message_len()..],
        }
    }
    None
}

#[cfg(test)]
mod tests;
