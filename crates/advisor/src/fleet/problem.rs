//! A mistake in what was said about a fleet, worded for whoever has to mend it.

use std::borrow::Cow;
use std::fmt;

use crate::facts::Origin;

/// One mistake. All of them are collected, so that one run shows everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where the value was read.
    pub origin: Origin,
    /// The setting with its section, such as `services.api.pool`; empty where the text itself
    /// cannot be read.
    pub key: String,
    /// The value as written; `None` where there is none to show.
    pub value: Option<String>,
    /// What is wrong, and what is allowed.
    pub message: String,
    /// What is allowed, where it can be said of the setting by itself.
    pub allowed: Option<String>,
    /// What to write in its place.
    pub suggestion: Option<String>,
}

impl Problem {
    /// A problem with `key` as such.
    pub fn new(origin: &Origin, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            origin: origin.clone(),
            key: key.into(),
            value: None,
            message: message.into(),
            allowed: None,
            suggestion: None,
        }
    }

    /// A problem with a value that its setting may not have.
    pub fn not_allowed(origin: &Origin, key: impl Into<String>, allowed: String) -> Self {
        let mut problem = Self::new(origin, key, format!("must be {allowed}"));
        problem.allowed = Some(allowed);
        problem
    }

    /// Adds the value as written, but for what looks like a password.
    #[must_use]
    pub fn with_value(mut self, value: impl AsRef<str>) -> Self {
        let mut value = without_secrets(value.as_ref()).into_owned();
        if value.chars().count() > SHOWN_MAX {
            value = value.chars().take(SHOWN_MAX).chain(['…']).collect();
        }
        self.value = Some(value);
        self
    }

    /// Adds what to write in its place.
    #[must_use]
    pub fn with_suggestion(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "{}", self.key)?;
            if let Some(value) = &self.value {
                write!(f, " = {value}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; {suggestion}"),
            None => Ok(()),
        }
    }
}

/// The text with dots in place of what may be a password: what stands before the host of a URL, and
/// what follows a word like `password`, or a line end. No setting of a fleet is a secret, but one may have landed in
/// the wrong place.
pub fn without_secrets(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    let login = text.find("://").map(|at| at + "://".len());
    let login = login.or_else(|| text.find(':').map(|at| at + 1));
    // A password may hold an `@`, a host may not.
    if let (Some(from), Some(to)) = (login, text.rfind('@'))
        && from < to
    {
        text = format!("{}…{}", &text[..from], &text[to..]).into();
    }
    let lower = text.to_ascii_lowercase();
    let words = SECRET_WORDS
        .iter()
        .filter_map(|word| Some(lower.find(word)? + word.len()));
    // A quote that is never closed takes in the lines that follow, whatever they are.
    match words.chain(text.find("\\n")).min() {
        Some(end) if end < text.len() => format!("{}…", &text[..end]).into(),
        _ => text,
    }
}

/// What a password is called.
pub(super) const SECRET_WORDS: [&str; 5] = ["password", "passwd", "pwd", "secret", "token"];

/// Longer values help nobody on a terminal.
const SHOWN_MAX: usize = 80;

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn what_may_be_a_password_is_not_shown() {
        for (text, shown) in [
            ("\"sqlx\"", "\"sqlx\""),
            ("postgres://app@db/x", "postgres://…@db/x"),
            ("postgres://app:hunter2@db/x", "postgres://…@db/x"),
            ("postgres://app:hunter2secret@db", "postgres://…@db"),
            ("postgres://app:hunt@er:2@db?a=b", "postgres://…@db?a=b"),
            ("postgres://a:b@c postgres://d:e@f", "postgres://…@f"),
            ("app:hunter2@db", "app:…@db"),
            ("host=db Password=hunter2 port=1", "host=db Password…"),
            (
                "postgres://db/x?sslpassword=hunter2",
                "postgres://db/x?sslpassword…",
            ),
            ("postgres://u:v@db/x?PWD=hunter2", "postgres://…@db/x?PWD…"),
            ("\"app\\npasswort = 'hunter2'\"", "\"app…"),
            ("pässwörd token", "pässwörd token"),
            ("[\"ä@b\", 1]", "[\"ä@b\", 1]"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }
}
