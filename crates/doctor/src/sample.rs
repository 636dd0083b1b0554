//! What was seen at one moment: the answers, and what the caller knows besides.

use std::collections::BTreeMap;

use pgweir_advisor::units::Bytes;

use crate::question::{Answer, Missing, Question, Row, Rows};

/// What the caller knows and a server does not say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Given {
    /// Memory of the machine that PostgreSQL runs on.
    pub ram: Option<Bytes>,
    /// Its physical cores.
    pub cores: Option<u32>,
    /// Seconds from which a check warns, by its id, where the check's own do not suit.
    pub after_s: BTreeMap<String, f64>,
}

/// The answers of one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// By the name of the question.
    pub answers: BTreeMap<&'static str, Answer>,
    /// What the caller knows.
    pub given: Given,
    /// What consoles of poolers said.
    pub consoles: Vec<Console>,
}

/// What the console of a pooler said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Console {
    /// Where it is, without secrets.
    pub shown: String,
    /// By the name of the question.
    pub answers: BTreeMap<&'static str, Answer>,
    /// Why it did not answer at all.
    pub silent: Option<String>,
}

/// Seconds from which something is worth a warning, and from which it is critical.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct After {
    pub(crate) warning: f64,
    pub(crate) critical: f64,
}

impl Sample {
    /// Whether a PostgreSQL was asked.
    pub fn is_of_a_server(&self) -> bool {
        !self.answers.is_empty() || self.consoles.is_empty()
    }

    /// From when a check reports: as the caller says, or as the check does. The distance between the two
    /// stays.
    pub(crate) fn after(&self, id: &str, own: After) -> After {
        match self.given.after_s.get(id) {
            Some(&warning) => After {
                warning,
                critical: own.critical * warning / own.warning,
            },
            None => own,
        }
    }

    /// The rows that answer a question.
    ///
    /// # Errors
    /// Why there are none.
    pub fn rows(&self, question: &Question) -> Result<&Rows, Missing> {
        match self.answers.get(question.name) {
            Some(Answer::Rows(rows)) => Ok(rows),
            Some(Answer::Refused { sqlstate, message }) => Err(Missing(format!(
                "PostgreSQL refused the question ({sqlstate}: {})",
                crate::words::flat(message)
            ))),
            Some(Answer::Late) => Err(Missing(
                "PostgreSQL did not answer in time; a lock, or an overloaded server; try again"
                    .to_owned(),
            )),
            None => Err(Missing("the question was not asked".to_owned())),
        }
    }

    /// The only row that answers a question.
    ///
    /// # Errors
    /// Why there is none.
    pub fn row(&self, question: &Question) -> Result<Row<'_>, Missing> {
        let first = self.rows(question)?.first();
        first.ok_or_else(|| Missing("PostgreSQL answered without a row".to_owned()))
    }
}
