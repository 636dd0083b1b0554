//! Texts that take settings back to what the session began with.
//!
//! PostgreSQL takes them back to what the *server* began with, which is another's beginning. What
//! the client connected with is set again behind it.

use std::sync::Arc;

use pgweir_sql::kind::{Kind, Scope, Setting};
use pgweir_sql::mentions;
use pgweir_sql::statements::Statements;

use crate::parameters::Parameters;

/// Longest text that is looked at. Nobody resets settings at greater length.
const TEXT_MAX: usize = 1024;

/// Settings that a text takes back, of those that a client began with otherwise than a server
/// with `defaults` did.
pub(crate) fn resets(text: &[u8], began: &Parameters, defaults: &Parameters) -> Vec<Arc<str>> {
    if !may_reset(text) {
        return Vec::new();
    }
    let text = text.strip_suffix(b"\0").unwrap_or(text);
    let mut names = Vec::new();
    for statement in Statements::new(text, true) {
        let is_reset = |name: &str| match Kind::of(statement, true) {
            Kind::Discard { all: true } | Kind::Reset(None) => true,
            Kind::Reset(Some(setting)) => setting.is(name),
            Kind::Set {
                scope: Scope::Session,
                setting,
            } => is_default(statement, setting, name),
            _ => false,
        };
        names.extend(began.differing(defaults).filter(|name| is_reset(name)));
    }
    names
}

/// Whether a text may take settings back.
pub(crate) fn may_reset(text: &[u8]) -> bool {
    text.len() <= TEXT_MAX && WORDS.iter().any(|word| mentions(text, word))
}

/// Words without which a text takes nothing back.
const WORDS: [&[u8]; 4] = [b"reset", b"discard", b"default", b"local"];

/// `SET name TO DEFAULT`, and `SET TIME ZONE LOCAL`.
fn is_default(statement: &[u8], setting: Setting<'_>, name: &str) -> bool {
    let ends_in = |word: &[u8]| {
        let start = statement.len().saturating_sub(word.len());
        statement[start..].eq_ignore_ascii_case(word)
    };
    let has_word = ends_in(b"default") || (name == "timezone" && ends_in(b" local"));
    has_word && setting.is(name)
}

#[cfg(test)]
mod tests {
    use super::resets;
    use crate::parameters::Parameters;

    #[test]
    fn a_text_takes_back_what_it_names_of_what_the_client_began_with() {
        let mut defaults = Parameters::default();
        defaults.set("timezone", "UTC");
        defaults.set("datestyle", "ISO, MDY");
        let mut began = defaults.clone();
        began.set("timezone", "Asia/Tokyo");
        began.set("search_path", "mine");
        for (text, names) in [
            ("reset all", "search_path timezone"),
            ("DISCARD ALL", "search_path timezone"),
            ("discard plans", ""),
            ("begin; Reset TimeZone; select 1", "timezone"),
            ("reset datestyle", ""),
            ("set search_path to default", "search_path"),
            ("set \"search_path\" = DEFAULT", "search_path"),
            ("set local search_path to default", ""),
            ("set time zone local", "timezone"),
            ("set timezone to 'UTC'", ""),
            ("select 'reset all'", ""),
        ] {
            let found = resets(format!("{text}\0").as_bytes(), &began, &defaults);
            assert_eq!(found.join(" "), names, "{text}");
        }
    }
}
