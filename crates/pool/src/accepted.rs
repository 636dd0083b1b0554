//! Settings that servers of a pool have accepted from clients, so that a login with them need not ask again.

use std::collections::VecDeque;

use crate::session::Accepted;

/// Settings remembered for each pool: those of some dozens of applications.
const SETTINGS_MAX: usize = 128;

/// Bytes of name and values of one that is remembered. With their number that is 64 KiB.
const LEN_MAX: usize = 512;

/// The settings that were accepted last.
#[derive(Debug, Default)]
pub struct Known(VecDeque<Accepted>);

impl Known {
    /// A server accepted this.
    pub fn note(&mut self, accepted: Accepted) {
        let len = accepted.name.len() + accepted.written.len() + accepted.value.len();
        if len > LEN_MAX || self.spelling(&accepted.name, &accepted.written).is_some() {
            return;
        }
        if self.0.len() == SETTINGS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(accepted);
    }

    /// How PostgreSQL spells the value of a setting, of which the name is in lower case; `None` if it is not known
    /// whether it accepts it.
    pub fn spelling(&self, name: &str, written: &str) -> Option<&str> {
        let mut all = self.0.iter();
        let found = all.find(|known| &*known.name == name && known.written == written)?;
        Some(&found.value)
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, LEN_MAX, SETTINGS_MAX};
    use crate::session::Accepted;

    fn accepted(written: &str, value: &str) -> Accepted {
        Accepted {
            name: "timezone".into(),
            written: written.into(),
            value: value.into(),
        }
    }

    #[test]
    fn what_was_accepted_is_known_with_its_spelling_until_there_is_too_much() {
        let mut known = Known::default();
        known.note(accepted("asia/tokyo", "Asia/Tokyo"));
        assert_eq!(known.spelling("timezone", "asia/tokyo"), Some("Asia/Tokyo"));
        assert_eq!(known.spelling("datestyle", "asia/tokyo"), None);
        assert_eq!(known.spelling("timezone", "Asia/Tokyo"), None, "as written");
        known.note(accepted(&"x".repeat(LEN_MAX), ""));
        for at in 1..SETTINGS_MAX {
            known.note(accepted(&at.to_string(), "x"));
            known.note(accepted(&at.to_string(), "x"));
        }
        assert!(
            known.spelling("timezone", "asia/tokyo").is_some(),
            "all fit"
        );
        known.note(accepted("one more", "x"));
        assert_eq!(known.spelling("timezone", "asia/tokyo"), None);
    }
}
