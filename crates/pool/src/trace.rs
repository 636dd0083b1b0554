//! What a server's statements are and how long they take, on the way into the tables of the
//! process.
//!
//! A statement is one execution: an Execute, or a whole simple query. It is followed by its
//! fingerprint alone; its text, without literals, is kept once for the table that it is counted
//! in, when this server meets it first. All of it is collected with the server, where nobody else
//! looks, and taken from there when the pool's counters are.

mod bound;
mod finding;
mod samples;
mod texts;

use std::time::Duration;

use pgweir_sql::fingerprint::Fingerprint;
use pgweir_sql::sqlcommenter;
use pgweir_wire::frame;
use pgweir_wire::frontend;

use crate::parameters::Parameters;
use crate::repeats::REPEATS_MIN;
use crate::text::Text;
use crate::time::Time;
use bound::BoundStatement;
pub use finding::{Finding, FindingCounts, Slowness, Thresholds, Unseen};
pub use samples::Sample;
use samples::Samples;
pub use texts::{TEXT_MAX, Texts};

/// Findings kept until they are taken.
const FINDINGS_MAX: usize = 8;

/// What a server's statements are. See the module's description.
#[derive(Debug, Default)]
pub struct Trace {
    /// `None`: nothing is followed.
    pub thresholds: Option<Thresholds>,
    /// The statement that was executed last.
    pub last: Fingerprint,
    /// The last one that may have left something in the session that keeps the server.
    pub(crate) holding: Fingerprint,
    /// The next simple query is such a one.
    holds_next: bool,
    /// Texts that were recognised lately, and those that are new.
    pub texts: Texts,
    /// How many findings there were.
    pub found: FindingCounts,
    /// The first statement of the round trip that can be repeated in vain.
    opening: Option<Fingerprint>,
    /// The round trip has executed something that neither reads nor writes rows.
    parting: bool,
    /// How long the client had waited, until the first statement of the lease has ended.
    waited: Duration,
    bound: BoundStatement,
    /// Since when the statement runs that ends next.
    began: Time,
    /// Bytes of answers when the last statement ended.
    answered: u64,
    /// The simple query that is answered has failed.
    failed: bool,
    /// Rows of the statement that is answered.
    rows: u64,
    samples: Samples,
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
        self.samples.list()
    }

    /// Takes what somebody should know of.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    /// A client gets the server after it has `waited`.
    pub(crate) fn attach(&mut self, thresholds: Option<Thresholds>, waited: Duration) {
        self.thresholds = thresholds;
        self.waited = waited;
        self.holding = Fingerprint::NONE;
    }

    /// The client goes on after everything it sent was answered: what it did meanwhile is no time of
    /// a statement.
    pub(crate) fn resume(&mut self, now: Time) {
        self.began = now;
    }

    /// A round trip begins.
    pub(crate) fn begin(&mut self) {
        self.opening = None;
        self.parting = false;
    }

    /// Whether the round trip parts what is before it from what follows: a BEGIN, a COMMIT.
    pub(crate) fn parting(&mut self) -> bool {
        std::mem::take(&mut self.parting)
    }

    /// The statement that the round trip began with which may be one of many.
    pub(crate) fn opening(&mut self) -> Option<Fingerprint> {
        self.opening.take()
    }

    /// A simple query: its text as far as it is there. What is to be remembered of it.
    pub(crate) fn query(&mut self, text: Text<'_>, settings: &Parameters) -> Fingerprint {
        if self.thresholds.is_none() {
            return Fingerprint::NONE;
        }
        let statement = self.texts.recognise(text, settings);
        if std::mem::take(&mut self.holds_next) {
            self.holding = statement;
        }
        self.executed(statement)
    }

    /// A Parse of the statement `name`.
    pub(crate) fn parse(
        &mut self,
        name: &[u8],
        text: Text<'_>,
        settings: &Parameters,
    ) -> Fingerprint {
        if self.thresholds.is_none() {
            return Fingerprint::NONE;
        }
        let statement = self.texts.recognise_prepared(text, settings);
        self.bound.parse(name, statement);
        statement
    }

    /// A Bind of the statement `name`, which is `prepared` if it was before.
    pub(crate) fn bind(&mut self, name: &[u8], prepared: Option<Fingerprint>) {
        if self.thresholds.is_some() {
            self.bound.bind(name, prepared);
        }
    }

    /// A Bind of a statement, whatever its name.
    pub(crate) fn bind_to(&mut self, statement: Fingerprint) {
        self.bound.bind_to(statement);
    }

    /// An Execute. What is to be remembered of it.
    pub(crate) fn execute(&mut self) -> Fingerprint {
        if self.thresholds.is_none() {
            return Fingerprint::NONE;
        }
        self.executed(self.bound.statement())
    }

    /// The simple query that is sent next, or else the statement that was bound, may leave something in the session
    /// that keeps the server.
    pub(crate) fn may_hold(&mut self, is_query: bool) {
        self.holds_next = is_query;
        if !is_query {
            self.holding = self.bound.statement();
        }
    }

    fn executed(&mut self, statement: Fingerprint) -> Fingerprint {
        self.last = statement;
        let is_one = self.texts.may_be_one_of_many(statement);
        self.parting |= !is_one && statement != Fingerprint::NONE;
        if self.opening.is_none() && is_one {
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
        self.samples.ended(&Sample {
            statement,
            calls: 1,
            errors: u64::from(failed),
            rows,
            bytes,
            us: 0,
        });
    }

    /// One read is over, at `now`: the statements that ended in it took equal shares of the time
    /// since the one before them ended.
    pub(crate) fn read(&mut self, now: Time) {
        let ended = self.samples.untimed();
        if ended.is_empty() {
            return;
        }
        let us = match ended.iter().map(|ended| ended.calls).sum() {
            // Nearly always, and a division is dear.
            1 => now.us_since(self.began),
            calls => now.us_since(self.began) / calls,
        };
        let took = Duration::from_micros(us);
        let waited = std::mem::take(&mut self.waited);
        self.began = now;
        let slowness = self.thresholds.and_then(|bounds| bounds.slowness(took));
        if let Some(slowness) = slowness {
            self.slow(slowness, waited, took);
        }
        self.samples.took(us);
    }

    /// Something was left that no text told of.
    pub(crate) fn unseen(&mut self, unseen: Unseen) {
        self.found.unseen_settings += u64::from(!unseen.settings.is_empty());
        self.found.unseen_held += u64::from(!unseen.held.is_empty());
        find(&mut self.findings, Finding::Unseen(unseen));
    }

    /// A client repeated so many times what `bytes` begin with.
    pub(crate) fn repeated(&mut self, statement: Fingerprint, times: u32, bytes: &[u8]) {
        self.found.repeated += u64::from(times == REPEATS_MIN);
        let tags = first_sql(bytes).map(|sql| sqlcommenter::tags(sql, true));
        let finding = Finding::Repeated {
            statement,
            times,
            tags: tags.unwrap_or_default(),
        };
        find(&mut self.findings, finding);
    }

    /// What has ended in this read was slow.
    fn slow(&mut self, slowness: Slowness, waited: Duration, took: Duration) {
        for ended in self.samples.untimed() {
            *match slowness {
                Slowness::Slow => &mut self.found.slow,
                Slowness::VerySlow => &mut self.found.very_slow,
            } += ended.calls;
            let finding = Finding::Slow {
                statement: ended.statement,
                slowness,
                waited,
                took,
            };
            find(&mut self.findings, finding);
        }
    }
}

/// Keeps a finding, if there is room.
fn find(findings: &mut Vec<Finding>, finding: Finding) {
    if findings.len() < FINDINGS_MAX {
        findings.push(finding);
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
