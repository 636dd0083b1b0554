//! The extended protocol: batches, and statements with names.

use pgweir_wire::encode;
use pgweir_wire::frontend;

use super::{Then, Writer};
use crate::path::postgres::put;
use crate::path::sql::{SHARED, Statement, Tag, Verb};
use crate::swarm::Chance;

impl Writer<'_> {
    /// Parse and Bind of a statement.
    pub(super) fn parse_bind(&mut self, name: &str, portal: &str, verb: Verb) -> Vec<u8> {
        let mut bytes = Vec::new();
        let statement = self.statement(verb);
        encode::parse(&mut bytes, name, statement.to_string());
        bind(&mut bytes, portal, name, self.tag());
        bytes
    }

    /// A batch of the extended protocol.
    pub(super) fn batch(&mut self) {
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

    /// Named statements: prepared, used, described, closed, in any order, known or not.
    pub(super) fn named(&mut self) {
        let mut bytes = Vec::new();
        for _ in 0..self.rng.between(1, 3) {
            let name = format!("s{}", self.rng.below(4));
            match self.rng.below(8) {
                0..=3 => {
                    bind(&mut bytes, "", &name, self.tag());
                    execute(&mut bytes, "", 0);
                }
                4 => {
                    let target = frontend::TARGET_STATEMENT;
                    let kind = self.rng.pick(&[frontend::CLOSE, frontend::DESCRIBE]);
                    // A Describe does not say whose it is, so it could not be refused in the same place.
                    let kind = kind.filter(|_| self.options.faults.alters == Chance::NEVER);
                    named(&mut bytes, kind.unwrap_or(frontend::CLOSE), target, &name);
                }
                choice => {
                    let statement = if choice == 5 {
                        let verb = self.verb();
                        self.statement(verb)
                    } else {
                        shared(self.rng.below(4))
                    };
                    encode::parse(&mut bytes, &name, statement.to_string());
                }
            }
        }
        encode::sync(&mut bytes);
        self.push(bytes, 1, Then::Nothing);
    }

    /// The unnamed statement, parsed in one batch and used in another.
    pub(super) fn unnamed(&mut self) {
        let mut bytes = Vec::new();
        let verb = self.verb();
        let statement = self.statement(verb);
        encode::parse(&mut bytes, "", statement.to_string());
        let target = frontend::TARGET_STATEMENT;
        if self.rng.one_in(2) {
            named(&mut bytes, frontend::DESCRIBE, target, "");
        }
        encode::sync(&mut bytes);
        self.push(bytes, 1, Then::Nothing);
        for _ in 0..self.rng.between(1, 3) {
            let mut bytes = Vec::new();
            bind(&mut bytes, "", "", self.tag());
            execute(&mut bytes, "", 0);
            encode::sync(&mut bytes);
            self.push(bytes, 1, Then::Nothing);
        }
    }
}

/// A statement that many clients prepare.
fn shared(number: u64) -> Statement {
    let number = u32::try_from(number).expect("few");
    Statement {
        tag: Some(Tag {
            client: SHARED,
            number,
        }),
        verb: Verb::Select {
            rows: number,
            size: 10,
            fails: number == 3,
        },
        slow: 0,
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

/// Runs a portal; 0 is no limit.
pub(super) fn execute(out: &mut Vec<u8>, portal: &str, limit: u32) {
    let mut body = format!("{portal}\0").into_bytes();
    body.extend(limit.to_be_bytes());
    put(out, frontend::EXECUTE, &body);
}

/// A Describe or Close.
fn named(out: &mut Vec<u8>, kind: u8, target: u8, name: &str) {
    let mut body = vec![target];
    body.extend(name.as_bytes());
    body.push(0);
    put(out, kind, &body);
}
