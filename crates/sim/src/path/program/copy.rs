//! COPY to the client and from it, in both protocols.

use pgweir_wire::encode;
use pgweir_wire::frontend;

use super::extended::execute;
use super::{Then, Writer};
use crate::path::postgres::put;
use crate::path::sql::Verb;

impl Writer<'_> {
    pub(super) fn copy(&mut self) {
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
}
