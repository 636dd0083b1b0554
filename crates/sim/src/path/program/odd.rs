//! What few clients do, and what none may.

use pgweir_wire::encode;
use pgweir_wire::frontend;

use super::extended::execute;
use super::{Then, Writer};
use crate::path::postgres::put;
use crate::path::sql::Verb;

impl Writer<'_> {
    /// What few clients do.
    pub(super) fn odd(&mut self) {
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

    /// Breaks the protocol.
    pub(super) fn violate(&mut self) {
        let mut bytes = Vec::new();
        match self.rng.below(8) {
            0 => put(&mut bytes, b'?', b"what"),
            3 => put(&mut bytes, frontend::FLUSH, b"\0"),
            4 => put(&mut bytes, frontend::SYNC, &[0; 9]),
            5 => put(&mut bytes, frontend::COPY_DONE, &[0; 10_000]),
            6 => put(&mut bytes, frontend::COPY_FAIL, &[b'x'; 10_000]),
            1 => bytes.extend([b'Q', 0, 0, 0, 2]),
            2 => encode::parse(&mut bytes, "n".repeat(9_000), "select"),
            _ => bytes.extend([b'D', 255, 255, 255, 255, 0]),
        }
        self.push(bytes, 1, Then::Nothing);
    }
}
