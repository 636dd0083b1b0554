//! Numbers of sequences: taken without a sign of it in the text, and read where only the session's own last one
//! is right.

use pgweir_wire::encode;

use super::extended::execute;
use super::{Then, Writer};
use crate::path::sql::Verb;

impl Writer<'_> {
    /// Takes a number, reads the last, or both, in one message, one batch or several.
    pub(super) fn numbers(&mut self) {
        let verbs = match self.aside.below(6) {
            0 => vec![Verb::Insert],
            1 => vec![Verb::LastNumber],
            2 => vec![Verb::DiscardSequences, Verb::LastNumber],
            3 => vec![Verb::Insert, Verb::Insert, Verb::LastNumber],
            _ => vec![Verb::Insert, Verb::LastNumber],
        };
        let mut bytes = Vec::new();
        match self.aside.below(4) {
            0 => {
                let texts: Vec<_> = verbs.into_iter().map(|verb| self.text(verb)).collect();
                encode::query(&mut bytes, &texts.join("; "));
                self.push_aside(bytes);
            }
            1 => {
                for verb in verbs {
                    self.run(&mut bytes, verb);
                }
                encode::sync(&mut bytes);
                self.push_aside(bytes);
            }
            2 => {
                for verb in verbs {
                    let mut bytes = Vec::new();
                    self.run(&mut bytes, verb);
                    encode::sync(&mut bytes);
                    self.push_aside(bytes);
                }
            }
            _ => {
                for verb in verbs {
                    let mut bytes = Vec::new();
                    encode::query(&mut bytes, &self.text(verb));
                    self.push_aside(bytes);
                }
            }
        }
    }

    fn text(&mut self, verb: Verb) -> String {
        self.statement(verb).to_string()
    }

    fn run(&mut self, bytes: &mut Vec<u8>, verb: Verb) {
        bytes.extend(self.parse_bind("", "", verb));
        execute(bytes, "", 0);
    }

    fn push_aside(&mut self, bytes: Vec<u8>) {
        self.push(bytes, 1, Then::Nothing);
    }
}
