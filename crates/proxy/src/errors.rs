//! How many errors of the pooler clients were sent, by SQLSTATE.

use std::collections::BTreeMap;
use std::sync::Mutex;

use pgweir_wire::sqlstate::SqlState;

/// Codes told apart. The pooler itself has a dozen; the rest are PostgreSQL's, passed on from
/// logins that failed.
const CODES_MAX: usize = 64;

/// The code under which more of them are counted, of no class that PostgreSQL has.
const OTHER: [u8; 5] = *b"other";

/// Counts by code. Errors of the pooler are rare, so one lock serves all threads.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    counts: Mutex<BTreeMap<[u8; 5], u64>>,
}

impl Errors {
    /// A client was sent an error with this code.
    pub(crate) fn count(&self, sqlstate: SqlState) {
        let mut counts = self.counts.lock().expect("no panic under the lock");
        let is_room = counts.len() < CODES_MAX || counts.contains_key(&sqlstate.0);
        let code = if is_room { sqlstate.0 } else { OTHER };
        *counts.entry(code).or_default() += 1;
    }

    /// The counts so far.
    pub(crate) fn counts(&self) -> Vec<(String, u64)> {
        let counts = self.counts.lock().expect("no panic under the lock");
        let text = |code: &[u8; 5]| String::from_utf8_lossy(code).into_owned();
        counts.iter().map(|(code, &n)| (text(code), n)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{CODES_MAX, Errors};
    use pgweir_wire::sqlstate::SqlState;

    #[test]
    fn beyond_the_bound_codes_are_counted_together() {
        let errors = Errors::default();
        for code in 0..2 * CODES_MAX {
            let text = format!("{code:05}");
            errors.count(SqlState::parse(text.as_bytes()).unwrap());
        }
        errors.count(SqlState(*b"00000"));
        let counts = errors.counts();
        assert_eq!(counts.len(), CODES_MAX + 1);
        assert_eq!(counts[0], ("00000".to_owned(), 2));
        assert_eq!(counts[CODES_MAX], ("other".to_owned(), CODES_MAX as u64));
    }
}
