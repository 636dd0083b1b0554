//! What the fake server understands of SQL: enough to keep the state a pooler relies on.
//!
//! Settings that PostgreSQL reports must be reported here as well, or a pooler that compares them
//! would send them again and again; and the end of a transaction must be seen, or no server would
//! ever go back to its pool. Everything else is a query with one row or a command without any.

/// One SQL statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Statement {
    /// Nothing but blanks.
    Empty,
    /// Returns one row with one column, the number 1.
    Select,
    /// Returns one row with the value of a setting.
    Show(String),
    /// Returns one row and changes settings, as `SELECT set_config(..), ..` does.
    SetConfig(Vec<(String, String)>),
    /// Changes a setting for the session.
    Set {
        /// The setting, in lower case.
        name: String,
        /// Its value without quotes.
        value: String,
    },
    /// Puts one setting (or all, when absent) back to its value at login.
    Reset(Option<String>),
    /// Puts the whole session back to its state at login.
    DiscardAll,
    /// Forgets one prepared statement, or all.
    Deallocate(Option<String>),
    /// Opens a transaction.
    Begin,
    /// Ends a transaction, keeping its work.
    Commit,
    /// Ends a transaction, dropping its work.
    Rollback,
    /// Any other command; its tag is its first word.
    Other(String),
}

impl Statement {
    /// Reads one statement without its semicolon.
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.trim();
        let (word, rest) = split_word(text);
        match word.to_ascii_lowercase().as_str() {
            "" => Self::Empty,
            "select" if contains_set_config(rest) => Self::SetConfig(set_config_calls(rest)),
            "select" | "values" | "table" | "with" => Self::Select,
            "show" => Self::Show(rest.to_ascii_lowercase()),
            "set" => set(rest),
            "reset" if rest.eq_ignore_ascii_case("all") => Self::Reset(None),
            "reset" => Self::Reset(Some(rest.to_ascii_lowercase())),
            "discard" if rest.eq_ignore_ascii_case("all") => Self::DiscardAll,
            "deallocate" if rest.eq_ignore_ascii_case("all") => Self::Deallocate(None),
            "deallocate" => Self::Deallocate(Some(unquote(rest))),
            "begin" | "start" => Self::Begin,
            "commit" | "end" => Self::Commit,
            "rollback" | "abort" => Self::Rollback,
            _ => Self::Other(word.to_ascii_uppercase()),
        }
    }

    /// Whether it answers with a row.
    pub(crate) fn has_row(&self) -> bool {
        matches!(self, Self::Select | Self::Show(_) | Self::SetConfig(_))
    }
}

/// The statements in a simple query; a single empty one when there is none.
pub(crate) fn split(text: &str) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut quoted = None;
    let mut start = 0;
    for (at, byte) in text.bytes().enumerate() {
        match (byte, quoted) {
            (b'\'' | b'"', None) => quoted = Some(byte),
            (_, Some(quote)) if quote == byte => quoted = None,
            (b';', None) => {
                statements.push(Statement::parse(&text[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    statements.push(Statement::parse(&text[start..]));
    if statements.len() > 1 {
        statements.retain(|statement| *statement != Statement::Empty);
    }
    if statements.is_empty() {
        statements.push(Statement::Empty);
    }
    statements
}

/// `SET [SESSION] name {=|TO} value`; other forms of SET change nothing that is reported.
fn set(rest: &str) -> Statement {
    let other = || Statement::Other("SET".into());
    let (word, after) = split_word(rest);
    let rest = match word.to_ascii_lowercase().as_str() {
        "session" => after,
        "local" | "transaction" | "constraints" | "role" => return other(),
        _ => rest,
    };
    let end = rest
        .find(|c: char| c.is_whitespace() || c == '=')
        .unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    let rest = rest.trim_start();
    let value = if let Some(value) = rest.strip_prefix('=') {
        value
    } else {
        match split_word(rest) {
            (word, value) if word.eq_ignore_ascii_case("to") => value,
            _ => return other(),
        }
    };
    Statement::Set {
        name: unquote(name).to_ascii_lowercase(),
        value: unquote(value.trim()),
    }
}

const SET_CONFIG: &str = "set_config(";

fn contains_set_config(text: &str) -> bool {
    text.contains(SET_CONFIG)
}

/// The literal first two arguments of each call in `text`.
fn set_config_calls(text: &str) -> Vec<(String, String)> {
    text.split(SET_CONFIG)
        .skip(1)
        .filter_map(|arguments| {
            let (name, rest) = literal(arguments)?;
            let (value, _) = literal(rest.trim_start().strip_prefix(',')?)?;
            Some((name.to_ascii_lowercase(), value))
        })
        .collect()
}

/// A quoted string at the front of `text`, and what follows it.
fn literal(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start().strip_prefix('\'')?;
    let mut value = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('\'')?;
        value.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(after) => {
                value.push('\'');
                rest = after;
            }
            None => return Some((value, rest)),
        }
    }
}

fn unquote(text: &str) -> String {
    if let Some((value, _)) = literal(text) {
        return value;
    }
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    inner.map_or_else(|| text.to_owned(), |inner| inner.replace("\"\"", "\""))
}

fn split_word(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    (word, rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_in_every_form() {
        for text in [
            "SET application_name = 'it''s'",
            "set session application_name to 'it''s'",
            "SET \"application_name\"='it''s'",
        ] {
            let expected = Statement::Set {
                name: "application_name".into(),
                value: "it's".into(),
            };
            assert_eq!(Statement::parse(text), expected, "{text}");
        }
        assert_eq!(
            Statement::parse(
                "SELECT set_config('DateStyle', 'ISO', false), set_config('a','b',true)"
            ),
            Statement::SetConfig(vec![
                ("datestyle".into(), "ISO".into()),
                ("a".into(), "b".into())
            ])
        );
        assert_eq!(
            Statement::parse("SET LOCAL x = 1"),
            Statement::Other("SET".into())
        );
    }

    #[test]
    fn a_simple_query_is_split_outside_of_quotes() {
        assert_eq!(split(" "), [Statement::Empty]);
        assert_eq!(split(";;"), [Statement::Empty]);
        assert_eq!(split("SELECT ';'"), [Statement::Select]);
        assert_eq!(
            split("BEGIN; select 1; DISCARD ALL;commit;"),
            [
                Statement::Begin,
                Statement::Select,
                Statement::DiscardAll,
                Statement::Commit
            ]
        );
    }
}
