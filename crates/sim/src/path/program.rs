//! What one client does, decided before it begins, so that it can do the same without a pooler.
//!
//! A program is a list of writes with what to wait for after each. What must not be expected of a
//! pooler is not in it: outside of session mode no statement, portal or setting that is not
//! reported is used after the transaction that made it, unless it is a named statement.

use std::time::Duration;

use pgweir_pool::relay::Mode;
use pgweir_wire::encode;
use pgweir_wire::frontend;

use super::options::Options;
use super::postgres::put;
use super::sql::{Statement, Tag, Verb};
use crate::rng::Rng;
use crate::swarm::{Chance, Spread};

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
            named: Vec::new(),
            noise: false,
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
    named: Vec<(String, Verb)>,
    /// Sync and Flush come amid COPY data.
    noise: bool,
}

impl Writer<'_> {
    fn unit(&mut self) {
        let work = self.options.work.clone();
        if self.rng.happens(work.transaction) {
            self.toggle_transaction();
        } else if self.rng.happens(work.odd) {
            self.odd();
        } else if self.rng.happens(work.copy) {
            self.copy();
        } else if self.rng.happens(work.named) {
            self.named();
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
        let session = self.options.mode == Mode::Session && !self.options.reset_query.is_empty();
        if self.plain && self.rng.happens(self.options.work.resets) {
            let names = ["timezone", "application_name", "DateStyle"];
            let name = self.rng.pick(&names).expect("some");
            return Verb::Reset(vec![name.into()]);
        }
        let local = self.in_transaction && self.rng.one_in(3);
        let (name, value) = match self.rng.below(if session || local { 6 } else { 4 }) {
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
            _ => ("search_path", format!("s{}", self.number)),
        };
        Verb::Set {
            pairs: vec![(name.into(), value)],
            local,
            selects: !local && self.rng.one_in(3),
        }
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

    fn parse_bind(&mut self, name: &str, portal: &str, verb: Verb) -> Vec<u8> {
        let mut bytes = Vec::new();
        let statement = self.statement(verb);
        encode::parse(&mut bytes, name, statement.to_string());
        bind(&mut bytes, portal, name, self.tag());
        bytes
    }

    /// A batch of the extended protocol.
    fn batch(&mut self) {
        let work = self.options.work.clone();
        let mut bytes = Vec::new();
        let mut answers = 0;
        let count = self.rng.between(1, 4);
        for at in 0..count {
            let portal = if self.rng.one_in(4) {
                format!("p{}", self.number)
            } else {
                String::new()
            };
            let verb = self.verb();
            bytes.extend(self.parse_bind("", &portal, verb));
            answers += 2;
            if self.rng.one_in(3) {
                let target = if self.rng.one_in(2) {
                    frontend::TARGET_STATEMENT
                } else {
                    frontend::TARGET_PORTAL
                };
                let name = if target == frontend::TARGET_STATEMENT {
                    ""
                } else {
                    &portal
                };
                named(&mut bytes, frontend::DESCRIBE, target, name);
                answers += 1;
            }
            let executes = if self.rng.happens(work.limited) {
                self.rng.between(1, 3)
            } else {
                1
            };
            for _ in 0..executes {
                let limit = if self.rng.happens(work.limited) {
                    1 + self.rng.below(3)
                } else {
                    0
                };
                execute(&mut bytes, &portal, u32::try_from(limit).expect("small"));
                answers += 1;
            }
            if self.rng.one_in(6) {
                named(
                    &mut bytes,
                    frontend::CLOSE,
                    frontend::TARGET_PORTAL,
                    &portal,
                );
                answers += 1;
            }
            let last = at + 1 == count;
            if !last && self.rng.happens(work.flush) {
                put(&mut bytes, frontend::FLUSH, &[]);
                let batch = std::mem::take(&mut bytes);
                let then = if self.rng.one_in(2) {
                    Then::Answers(answers)
                } else {
                    Then::Nothing
                };
                self.push(batch, 0, then);
                answers = 0;
            } else if !last && self.rng.happens(work.pipelines) {
                let batch = std::mem::take(&mut bytes);
                self.push(batch, 0, Then::Nothing);
                // What is not flushed cannot be waited for.
                answers = 0;
            }
            // A batch that was begun waits for nothing but its flushed answers.
            if at > 0 || !last {
                self.unquiet();
            }
        }
        encode::sync(&mut bytes);
        self.push(bytes, 1, Then::Nothing);
        if count > 1 {
            self.unquiet();
        }
    }

    fn unquiet(&mut self) {
        if let Some(op) = self.ops.last_mut() {
            op.quiet = false;
        }
    }

    fn copy(&mut self) {
        let fails = self.rng.happens(self.options.work.fails);
        let extended = self.rng.happens(self.options.work.extended);
        if self.rng.one_in(3) {
            let big = self.rng.happens(self.options.work.big);
            let verb = Verb::CopyOut {
                rows: u32::try_from(self.rng.below(20)).expect("few"),
                size: if big { 4_000 } else { 100 },
            };
            let mut bytes;
            if extended {
                bytes = self.parse_bind("", "", verb);
                execute(&mut bytes, "", 0);
                encode::sync(&mut bytes);
            } else {
                bytes = self.query(verb);
            }
            return self.push(bytes, 1, Then::Nothing);
        }
        self.noise = self.rng.happens(self.options.work.copy_noise);
        let bad = if fails { self.rng.between(1, 4) } else { 0 };
        let verb = Verb::CopyIn {
            bad: u32::try_from(bad).expect("small"),
        };
        if extended {
            self.copy_in_extended(verb);
        } else {
            self.copy_in_simple(verb);
        }
        if std::mem::take(&mut self.noise) {
            // How many ReadyForQuery come depends on where the COPY ends.
            self.marker();
        }
    }

    fn copy_in_simple(&mut self, verb: Verb) {
        let mut bytes = Vec::new();
        let several = self.rng.happens(self.options.work.several);
        let mut text = self.statement(verb.clone()).to_string();
        if several {
            let last = if self.rng.one_in(2) {
                verb
            } else {
                self.verb()
            };
            text = format!("{text}; {}", self.statement(last));
        }
        encode::query(&mut bytes, &text);
        let data = self.data(several);
        if several || self.rng.one_in(2) {
            bytes.extend(data);
            self.push(bytes, 1, Then::Nothing);
        } else {
            let then = Then::Copy {
                data,
                readies: 0,
                synced: false,
            };
            self.push(bytes, 1, then);
        }
    }

    fn copy_in_extended(&mut self, verb: Verb) {
        let mut bytes = self.parse_bind("", "", verb);
        execute(&mut bytes, "", 0);
        let mut data = self.data(false);
        encode::sync(&mut data);
        match self.rng.below(3) {
            // All at once.
            0 => {
                bytes.extend(data);
                self.push(bytes, 1, Then::Nothing);
            }
            // With Flush.
            1 => {
                put(&mut bytes, frontend::FLUSH, &[]);
                self.push(bytes, 0, Then::Answers(3));
                self.push(data, 1, Then::Nothing);
                self.unquiet();
            }
            // As libpq does, with a Sync that COPY ignores.
            _ => {
                encode::sync(&mut bytes);
                let then = Then::Copy {
                    data,
                    readies: 1,
                    synced: true,
                };
                self.push(bytes, 1, then);
                self.marker();
            }
        }
    }

    /// COPY data with its end.
    fn data(&mut self, twice: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..=u8::from(twice) {
            for _ in 0..self.rng.below(6) {
                if self.noise && self.rng.one_in(3) {
                    match self.rng.one_in(2) {
                        true => encode::sync(&mut bytes),
                        false => put(&mut bytes, frontend::FLUSH, &[]),
                    }
                }
                let tag = self.tag();
                let size = if self.rng.happens(self.options.work.big) {
                    20_000
                } else {
                    50
                };
                let size = self.rng.below(size) as usize;
                let text = format!("{tag}|{}", "y".repeat(size));
                put(&mut bytes, frontend::COPY_DATA, text.as_bytes());
            }
            if self.rng.one_in(5) {
                encode::copy_fail(&mut bytes, "changed my mind");
            } else {
                put(&mut bytes, frontend::COPY_DONE, &[]);
            }
        }
        bytes
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

    /// Named statements: prepared, used, perhaps closed.
    fn named(&mut self) {
        let mut bytes = Vec::new();
        let choice = self.rng.below(4);
        match (choice, self.named.last().cloned()) {
            (0 | 1, Some((name, verb))) => {
                bind(&mut bytes, "", &name, self.tag());
                execute(&mut bytes, "", 0);
                let _ = verb;
            }
            (2, Some((name, _))) => {
                self.named.pop();
                named(
                    &mut bytes,
                    frontend::CLOSE,
                    frontend::TARGET_STATEMENT,
                    &name,
                );
            }
            _ => {
                let name = format!("s{}", self.rng.below(4));
                let verb = self.verb();
                let statement = self.statement(verb.clone());
                encode::parse(&mut bytes, &name, statement.to_string());
                self.named.push((name, verb));
            }
        }
        encode::sync(&mut bytes);
        self.push(bytes, 1, Then::Nothing);
    }

    /// What few clients do.
    fn odd(&mut self) {
        let mut bytes = Vec::new();
        match self.rng.below(7) {
            0 => {
                encode::sync(&mut bytes);
                self.push(bytes, 1, Then::Nothing);
            }
            1 => {
                encode::query(&mut bytes, "");
                self.push(bytes, 1, Then::Nothing);
            }
            2 => {
                let body = format!("{}\0", self.tag());
                put(&mut bytes, frontend::FUNCTION_CALL, body.as_bytes());
                self.push(bytes, 1, Then::Nothing);
            }
            3 => {
                put(&mut bytes, frontend::FLUSH, &[]);
                put(&mut bytes, frontend::COPY_DATA, b"stray");
                put(&mut bytes, frontend::COPY_DONE, &[]);
                self.push(bytes, 0, Then::Nothing);
            }
            // A query that closes a batch without Sync; after an error it is skipped.
            4 => {
                let verb = self.verb();
                let mut bytes = self.parse_bind("", "", verb);
                execute(&mut bytes, "", 0);
                let verb = self.verb();
                bytes.extend(self.query(verb));
                encode::sync(&mut bytes);
                self.push(bytes, 2, Then::Nothing);
                self.marker();
            }
            // What does not belong into a COPY.
            5 if self.rng.one_in(4) => {
                let mut bytes = self.query(Verb::CopyIn { bad: 0 });
                let verb = self.verb();
                bytes.extend(self.query(verb));
                self.push(bytes, 2, Then::Nothing);
                self.marker();
            }
            _ => {
                // More than a pooler may keep count of, once in a while.
                let most = if self.rng.one_in(30) { 80_000 } else { 200 };
                for _ in 0..self.rng.between(2, most) {
                    encode::sync(&mut bytes);
                }
                self.push(bytes, 0, Then::Nothing);
                self.marker();
            }
        }
    }

    fn violate(&mut self) {
        let mut bytes = Vec::new();
        match self.rng.below(4) {
            0 => put(&mut bytes, b'?', b"what"),
            1 => bytes.extend([b'Q', 0, 0, 0, 2]),
            2 => encode::parse(&mut bytes, "n".repeat(3_000), "select"),
            _ => bytes.extend([b'D', 255, 255, 255, 255, 0]),
        }
        self.push(bytes, 1, Then::Nothing);
    }
}

/// Binds a statement with one parameter, the tag.
fn bind(out: &mut Vec<u8>, portal: &str, statement: &str, tag: Tag) {
    let tag = tag.to_string();
    let mut body = format!("{portal}\0{statement}\0").into_bytes();
    body.extend([0, 0, 0, 1]);
    body.extend(u32::try_from(tag.len()).expect("short").to_be_bytes());
    body.extend(tag.as_bytes());
    body.extend([0, 0]);
    put(out, frontend::BIND, &body);
}

fn execute(out: &mut Vec<u8>, portal: &str, limit: u32) {
    let mut body = format!("{portal}\0").into_bytes();
    body.extend(limit.to_be_bytes());
    put(out, frontend::EXECUTE, &body);
}

fn named(out: &mut Vec<u8>, kind: u8, target: u8, name: &str) {
    let mut body = vec![target];
    body.extend(name.as_bytes());
    body.push(0);
    put(out, kind, &body);
}
