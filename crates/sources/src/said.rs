//! Combines what several lines say about one service. Where they contradict each other, the choice does
//! not depend on their order and is reported.

use pgweir_advisor::facts::{Observation, Origin, Ruling};
use pgweir_advisor::fleet::{Section, Value, without_secrets};

/// A statement about a service.
#[derive(Debug, Clone)]
struct Said {
    key: &'static str,
    value: Value,
    /// Its name there, such as `DB_MAX_CONNECTIONS`.
    by: String,
    origin: Origin,
}

/// All statements about one service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sayings {
    all: Vec<Said>,
}

impl Sayings {
    /// Adds the value of `by` in the line `origin`.
    pub(crate) fn add(&mut self, key: &'static str, value: Value, by: &str, origin: &Origin) {
        self.all.push(Said {
            key,
            value,
            by: by.to_owned(),
            origin: origin.clone(),
        });
    }

    /// Sets all of them in a section. Of different numbers the larger counts, because a plan that counts
    /// too little is worse than one that counts too much; of other values the last.
    pub(crate) fn decide(self, section: &mut Section, remedy: &'static str) -> Vec<Observation> {
        let mut decided: Vec<Said> = Vec::new();
        let mut observations = Vec::new();
        for said in self.all {
            let Some(known) = decided.iter_mut().find(|known| known.key == said.key) else {
                decided.push(said);
                continue;
            };
            if known.value == said.value {
                continue;
            }
            let larger = match (&known.value, &said.value) {
                (Value::Integer(known), Value::Integer(said)) => Some(said > known),
                _ => None,
            };
            let rule = match larger {
                Some(_) => "the larger counts",
                None => "the last counts",
            };
            observations.push(Observation {
                ruling: Ruling::Wrong(remedy),
                what: format!(
                    "{} says {}, and {} ({}) says {}: {rule}",
                    said.by,
                    shown(&said.value),
                    known.by,
                    known.origin,
                    shown(&known.value),
                ),
                origin: said.origin.clone(),
            });
            if larger.unwrap_or(true) {
                *known = said;
            }
        }
        for said in decided {
            section.give(said.key, said.value, said.origin);
        }
        observations
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    without_secrets(text.trim_matches('"')).into_owned()
}
