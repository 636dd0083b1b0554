//! What one client does, decided before it begins, so that it can do the same without a pooler.
//!
//! A program is a list of writes with what to wait for after each. What must not be expected of a
//! pooler is not in it: outside of session mode no portal is used after the transaction that made it.
//!
//! [`Program::draw`] decides how the client comes and goes. A `Writer` draws what it does in between,
//! one unit after another: here the simple protocol and transactions, and in files of their own what
//! else there is.

mod copy;
mod extended;
mod numbers;
mod odd;

use std::time::Duration;

use pgweir_pool::relay::Mode;
use pgweir_wire::encode;

use super::held::THINGS;
use super::options::Options;
use super::sql::{Statement, Tag, Verb};
use crate::rng::Rng;
use crate::swarm::{Chance, Spread};
use extended::execute;

/// One write.
#[derive(Debug, Clone)]
pub(super) struct Op {
    pub(super) pause: Duration,
    /// Every ReadyForQuery so far is awaited first.
    pub(super) quiet: bool,
    pub(super) bytes: Vec<u8>,
    /// Answers with ReadyForQuery that it brings.
    pub(super) readies: u32,
    pub(super) then: Then,
}

/// What is awaited after a write, before the next one may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Then {
    Nothing,
    /// That COPY begins, and then so much more is sent; or that it does not.
    Copy {
        data: Vec<u8>,
        readies: u32,
        /// A Sync went with the Execute, which COPY ignores.
        synced: bool,
    },
    /// So many answers, or an error.
    Answers(u32),
    /// An answer with this tag, and the ReadyForQuery behind it: how many come is not known.
    Marker(Tag),
}

#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) client: u64,
    /// Settings of the startup packet.
    pub(super) startup: Vec<(String, String)>,
    pub(super) refused: bool,
    pub(super) ops: Vec<Op>,
    /// Says goodbye without waiting for answers.
    pub(super) abrupt: bool,
    /// Disconnects after so many bytes.
    pub(super) cut: Option<usize>,
    /// Reads so much at a time, then pauses.
    pub(super) reads: Option<(usize, Duration)>,
    /// Breaks the protocol at the end.
    pub(super) violates: bool,
}

impl Program {
    pub(super) fn draw(rng: &mut Rng, options: &Options, client: u64) -> Self {
        let work = &options.work;
        let mut startup = Vec::new();
        if rng.happens(work.startup) {
            startup.push(("application_name".into(), format!("app-c{client}'\\")));
            if rng.one_in(2) {
                startup.push(("timezone".into(), "asia/tokyo".into()));
            }
            if rng.one_in(2) {
                startup.push(("extra_float_digits".into(), "3".into()));
            }
            if rng.one_in(3) {
                startup.push(("search_path".into(), format!("s{client}, public")));
            }
        }
        let refused = rng.happens(work.wrong_startup);
        if refused {
            startup.push(("extra_float_digits".into(), "many".into()));
        }
        let mut writer = Writer {
            client,
            plain: startup.is_empty() && options.faults.strangers == Chance::NEVER,
            options,
            number: 0,
            ops: Vec::new(),
            in_transaction: false,
            noise: false,
            aside: Rng::new(rng.clone().next()),
            rng,
        };
        let units = writer.rng.between(1, options.work.units);
        for _ in 0..units {
            writer.unit();
        }
        writer.close_transaction();
        let violates = writer.rng.happens(work.violates);
        if violates {
            writer.violate();
        }
        let ops = writer.ops;
        let total: usize = ops.iter().map(|op| op.bytes.len()).sum();
        let cut = rng
            .happens(work.cut)
            .then(|| rng.below(total as u64 + 1) as usize);
        let reads = rng.happens(work.slow_reader).then(|| {
            let spread = Spread {
                least_us: 10,
                most_us: 3_000,
            };
            (rng.between(100, 8_000) as usize, rng.duration(spread))
        });
        Self {
            client,
            startup,
            refused,
            ops,
            abrupt: violates || rng.happens(work.abrupt),
            cut,
            reads,
            violates,
        }
    }
}

struct Writer<'a> {
    client: u64,
    /// No setting in the startup packet, so the server's defaults are the client's.
    plain: bool,
    options: &'a Options,
    rng: &'a mut Rng,
    number: u32,
    ops: Vec<Op>,
    in_transaction: bool,
    /// Sync and Flush come amid COPY data.
    noise: bool,
    /// For what comes beside all else that is drawn.
    aside: Rng,
}

impl Writer<'_> {
    fn unit(&mut self) {
        let work = self.options.work.clone();
        if self.aside.happens(work.numbers) && self.leaves_quietly() {
            self.numbers();
        }
        let keeps = !self.options.reset_always && self.leaves_quietly();
        if self.options.audits && keeps && self.aside.one_in(8) {
            let thing = self.aside.pick(&THINGS).expect("some");
            let bytes = self.query(Verb::Unseen(thing));
            self.push(bytes, 1, Then::Nothing);
        }
        if self.rng.happens(work.transaction) {
            self.toggle_transaction();
        } else if self.rng.happens(work.odd) {
            self.odd();
        } else if self.rng.happens(work.copy) {
            self.copy();
        } else if self.rng.happens(work.named) {
            if self.rng.one_in(5) {
                self.unnamed();
            } else {
                self.named();
            }
        } else if self.rng.happens(work.extended) {
            self.batch();
        } else {
            self.simple();
        }
    }

    fn tag(&mut self) -> Tag {
        self.number += 1;
        Tag {
            client: self.client,
            number: self.number,
        }
    }

    fn statement(&mut self, verb: Verb) -> Statement {
        let slow = if self.rng.happens(self.options.work.slow) {
            self.rng.between(10, 10_000)
        } else {
            0
        };
        Statement {
            tag: Some(self.tag()),
            verb,
            slow,
        }
    }

    fn push(&mut self, bytes: Vec<u8>, readies: u32, then: Then) {
        let work = &self.options.work;
        let spread = Spread {
            least_us: 1,
            most_us: 30_000,
        };
        let pause = if self.rng.happens(work.pauses) {
            self.rng.duration(spread)
        } else {
            Duration::ZERO
        };
        let quiet = then != Then::Nothing || !self.rng.happens(work.pipelines);
        self.ops.push(Op {
            pause,
            quiet,
            bytes,
            readies,
            then,
        });
    }

    /// Something that can be done anywhere.
    fn verb(&mut self) -> Verb {
        let work = &self.options.work;
        if self.rng.happens(work.sets) {
            return self.set();
        }
        if self.rng.happens(work.holds) && self.leaves_quietly() {
            let thing = self.rng.pick(&THINGS).expect("some");
            let takes = self.rng.one_in(2);
            return Verb::Hold(thing, takes);
        }
        if self.rng.happens(work.defers) {
            return Verb::Defer;
        }
        let fails = self.rng.happens(work.fails);
        if fails && self.rng.one_in(3) {
            return Verb::Syntax;
        }
        let size = if self.rng.happens(work.big) {
            self.rng.between(5_000, 40_000)
        } else {
            self.rng.below(200)
        };
        Verb::Select {
            rows: u32::try_from(self.rng.below(6)).expect("few"),
            size: u32::try_from(size).expect("small"),
            fails,
        }
    }

    fn set(&mut self) -> Verb {
        let quiet = self.leaves_quietly();
        // A client is told of a setting that was taken back before it is set again.
        if self.plain && self.rng.happens(self.options.work.resets) {
            let names = [
                "timezone",
                "application_name",
                "DateStyle",
                "all",
                "role",
                "search_path",
                "my.var",
                "extra_float_digits",
            ];
            let name = self.rng.pick(&names).expect("some");
            return Verb::Reset(vec![name.into()]);
        }
        if self.rng.happens(self.options.work.roles) {
            return self.role();
        }
        let local = self.in_transaction && self.rng.one_in(3);
        let (name, value) = match self.rng.below(if quiet || local { 7 } else { 4 }) {
            0 => (
                "application_name",
                format!("app-c{}-{}", self.client, self.number),
            ),
            1 => {
                let zones = ["utc", "Asia/tokyo", "Europe/Berlin", "GMT", "Nowhere"];
                ("TimeZone", self.rng.pick(&zones).expect("some").to_owned())
            }
            2 => {
                let styles = ["iso,dmy", "ISO,MDY"];
                (
                    "datestyle",
                    self.rng.pick(&styles).expect("some").to_owned(),
                )
            }
            3 => ("application_name", format!("app-c{}'\\n\"x", self.client)),
            4 => ("my.var", format!("v{}", self.client)),
            5 => ("extra_float_digits", self.rng.below(4).to_string()),
            _ => ("search_path", format!("s{}", self.number)),
        };
        Verb::Set {
            pairs: vec![(name.into(), value)],
            local,
            selects: !local && self.rng.one_in(3),
        }
    }

    /// Becomes somebody of its own, who is nobody else.
    fn role(&mut self) -> Verb {
        let name = self.rng.pick(&["role", "session_authorization"]);
        Verb::Set {
            pairs: vec![(name.expect("two").into(), format!("c{}", self.client))],
            local: false,
            selects: false,
        }
    }

    /// Whether what PostgreSQL does not report is taken back behind a client.
    fn leaves_quietly(&self) -> bool {
        self.options.mode != Mode::Session || !self.options.reset_query.is_empty()
    }

    fn query(&mut self, verb: Verb) -> Vec<u8> {
        let mut bytes = Vec::new();
        let statement = self.statement(verb);
        encode::query(&mut bytes, &statement.to_string());
        bytes
    }

    fn simple(&mut self) {
        let several = self.rng.happens(self.options.work.several);
        let count = if several { self.rng.between(2, 4) } else { 1 };
        let mut texts = Vec::new();
        for _ in 0..count {
            let verb = self.verb();
            texts.push(self.statement(verb).to_string());
        }
        let mut bytes = Vec::new();
        encode::query(&mut bytes, &texts.join("; "));
        self.push(bytes, 1, Then::Nothing);
        // What a client connected with is set again behind the text, not in it.
        if self.rng.happens(self.options.work.resets) {
            let names = ["search_path", "extra_float_digits"];
            let name = self.rng.pick(&names).expect("some");
            let bytes = self.query(Verb::Reset(vec![name.into()]));
            self.push(bytes, 1, Then::Nothing);
        }
        if self.plain && self.rng.happens(self.options.work.resets) {
            let verb = if self.rng.one_in(2) {
                Verb::DiscardAll
            } else {
                Verb::DeallocateAll
            };
            if !self.in_transaction || verb == Verb::DeallocateAll {
                let bytes = self.query(verb);
                self.push(bytes, 1, Then::Nothing);
            }
        }
    }

    fn toggle_transaction(&mut self) {
        let verb = match (self.in_transaction, self.rng.one_in(3)) {
            (false, _) => Verb::Begin,
            (true, false) => Verb::Commit,
            (true, true) => Verb::Rollback,
        };
        self.in_transaction = !self.in_transaction;
        if self.rng.happens(self.options.work.extended) {
            let mut bytes = self.parse_bind("", "", verb);
            execute(&mut bytes, "", 0);
            encode::sync(&mut bytes);
            self.push(bytes, 1, Then::Nothing);
        } else {
            let bytes = self.query(verb);
            self.push(bytes, 1, Then::Nothing);
        }
    }

    fn close_transaction(&mut self) {
        if self.in_transaction && self.rng.one_in(2) {
            self.toggle_transaction();
        }
    }

    fn unquiet(&mut self) {
        if let Some(op) = self.ops.last_mut() {
            op.quiet = false;
        }
    }

    /// A query whose end shows that everything before it has ended.
    fn marker(&mut self) {
        let verb = Verb::Select {
            rows: 1,
            size: 0,
            fails: false,
        };
        let statement = self.statement(verb);
        let mut bytes = Vec::new();
        encode::query(&mut bytes, &statement.to_string());
        let tag = statement.tag.expect("just made");
        self.push(bytes, 1, Then::Marker(tag));
        self.unquiet();
    }
}
