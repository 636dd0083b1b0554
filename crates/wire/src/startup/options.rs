//! The startup parameter `options`: switches of the `postgres` program, of which only those that
//! set a setting are known here.

use super::{StartupError, excerpt};

/// The settings in a value of `options`. The other switches of the `postgres` program would need
/// a server process of their own and are errors.
pub(super) fn settings(
    options: &str,
) -> impl Iterator<Item = Result<(String, String), StartupError>> + use<'_> {
    let mut words = Words(options);
    std::iter::from_fn(move || {
        let word = words.next()?;
        let setting = match word.strip_prefix("--") {
            Some(setting) => setting.to_owned(),
            None => match word.strip_prefix("-c") {
                Some("") => words.next().unwrap_or_default(),
                Some(setting) => setting.to_owned(),
                None => String::new(),
            },
        };
        Some(match setting.split_once('=') {
            // PostgreSQL writes names with underscores and takes dashes in their place here.
            Some((name, value)) if !name.is_empty() => {
                Ok((name.replace('-', "_"), value.to_owned()))
            }
            _ => Err(StartupError::BadOption {
                option: excerpt(if setting.is_empty() { &word } else { &setting }),
            }),
        })
    })
}

/// Words between white space, where a backslash takes the next character as it is.
struct Words<'a>(&'a str);

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        // C's isspace(), which unlike Rust's ASCII white space has the vertical tab.
        let is_space = |c: char| c.is_ascii_whitespace() || c == '\x0b';
        self.0 = self.0.trim_start_matches(is_space);
        if self.0.is_empty() {
            return None;
        }
        let mut word = String::new();
        let mut escaped = false;
        let mut end = self.0.len();
        for (at, c) in self.0.char_indices() {
            if escaped {
                word.push(c);
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if is_space(c) {
                end = at;
                break;
            } else {
                word.push(c);
            }
        }
        self.0 = &self.0[end..];
        Some(word)
    }
}
