//! `postgresql.conf`, and settings of PostgreSQL wherever they are written: names, units, and the values
//! that mean "the default".

use std::collections::BTreeMap;

use pgweir_advisor::facts::{Observation, Origin, Ruling};
use pgweir_advisor::fleet::keys::{Scope, find};
use pgweir_advisor::fleet::{Draft, Section, Value};

use super::file::SourceFile;

/// Reads a `postgresql.conf`, and reports lines that would keep the server from starting. Of a setting
/// given twice the last counts, as in PostgreSQL.
pub(crate) fn read(source: &SourceFile<'_>) -> Draft {
    let mut draft = Draft {
        database: Section::new(source.line(0)),
        ..Draft::default()
    };
    let mut settings = BTreeMap::new();
    for (at, text) in source.text.lines().enumerate() {
        let origin = source.line(at + 1);
        match line(text) {
            Line::Empty => {}
            Line::Setting { name, value, rest } => {
                if rest.starts_with("--") {
                    draft.observations.push(Observation {
                        ruling: Ruling::Correction(3),
                        what: format!("{name} with a comment of two dashes"),
                        origin: origin.clone(),
                    });
                } else if !rest.is_empty() {
                    draft.observations.push(unreadable(&name, &origin));
                }
                if name.starts_with("include") {
                    draft.observations.push(Observation {
                        ruling: Ruling::Left("name the other file after --from too"),
                        what: format!("{name} '{value}' is not followed"),
                        origin: origin.clone(),
                    });
                }
                settings.insert(name, (value, origin));
            }
            Line::Dashes => draft.observations.push(Observation {
                ruling: Ruling::Correction(3),
                what: "a line that begins with two dashes".to_owned(),
                origin,
            }),
            Line::Unreadable => draft.observations.push(unreadable("the line", &origin)),
        }
    }
    for (name, (value, origin)) in settings {
        server_setting(&mut draft.database, &name, &value, &origin);
    }
    draft
}

fn unreadable(what: &str, origin: &Origin) -> Observation {
    Observation {
        ruling: Ruling::Wrong("write NAME = VALUE, text in single quotes, comments behind #"),
        what: format!("{what} is not a setting that PostgreSQL can read: it would not start"),
        origin: origin.clone(),
    }
}

#[derive(Debug, PartialEq)]
enum Line<'a> {
    /// Nothing, or a comment.
    Empty,
    /// A setting, its name in lower case, and any text after it that is not a comment.
    Setting {
        name: String,
        value: String,
        rest: &'a str,
    },
    /// A comment as SQL has it.
    Dashes,
    Unreadable,
}

/// Reads a line as PostgreSQL does: a name, an optional `=`, a value, a comment.
fn line(text: &str) -> Line<'_> {
    let text = text.trim();
    if text.is_empty() || text.starts_with('#') {
        return Line::Empty;
    }
    if text.starts_with("--") {
        return Line::Dashes;
    }
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.' || !c.is_ascii();
    let end = text.find(|c| !letter(c)).unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    let after = after.trim_start();
    let after = after.strip_prefix('=').unwrap_or(after).trim_start();
    let starts_well = !name.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let value = match after.strip_prefix('\'') {
        Some(quoted) => quoted_text(quoted),
        None => bare_text(after),
    };
    match value {
        Some((value, rest)) if starts_well && !name.is_empty() => {
            let rest = rest.trim_start();
            Line::Setting {
                name: name.to_ascii_lowercase(),
                value,
                rest: if rest.starts_with('#') { "" } else { rest },
            }
        }
        _ => Line::Unreadable,
    }
}

/// A value without quotes, and what follows it.
fn bare_text(text: &str) -> Option<(String, &str)> {
    let letter = |c: char| c.is_ascii_alphanumeric() || "_-+.:/".contains(c) || !c.is_ascii();
    let end = text.find(|c| !letter(c)).unwrap_or(text.len());
    // `100--` is a number and the start of an SQL comment.
    let end = text[..end].find("--").unwrap_or(end);
    (end > 0).then(|| (text[..end].to_owned(), &text[end..]))
}

/// A value after its opening quote, and what follows the closing one. A quote inside is doubled or comes
/// after a backslash.
fn quoted_text(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices().peekable();
    while let Some((at, c)) = letters.next() {
        match c {
            '\'' if letters.peek().is_some_and(|(_, next)| *next == '\'') => {
                letters.next();
                value.push('\'');
            }
            '\'' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match letters.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            }),
            _ => value.push(c),
        }
    }
    None
}

/// Sets a setting of PostgreSQL, if the planner knows it. Values that mean the default are left out.
pub fn server_setting(database: &mut Section, name: &str, value: &str, origin: &Origin) {
    let name = name.to_ascii_lowercase();
    let Some((name, unit)) = SETTINGS.iter().find(|(known, _)| *known == name) else {
        return;
    };
    let value = value.trim();
    let meant = match (*name, value) {
        ("huge_pages", _) => match truth(value) {
            Some(fact) => Value::Bool(fact),
            // `try` gets them or not.
            None if value.eq_ignore_ascii_case("try") => return,
            None => Value::from(value),
        },
        ("autovacuum_work_mem", "-1") => return,
        ("tcp_keepalives_idle" | "tcp_keepalives_interval" | "tcp_keepalives_count", "0") => return,
        _ => number(value, *unit),
    };
    let allowed = find(Scope::Database, name).is_some_and(|key| key.kind.allows(&meant));
    // The planner reports a value that does not fit as it is written.
    let meant = if allowed {
        meant
    } else {
        Value::from_text(value)
    };
    database.give(name, meant, origin.clone());
}

/// A number; without a unit it has that of its setting.
fn number(value: &str, unit: Unit) -> Value {
    let hexadecimal = value
        .strip_prefix("0x")
        .or_else(|| value.strip_prefix("0X"))
        .and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let bare = hexadecimal.or_else(|| value.parse().ok());
    match (bare, unit) {
        (Some(number), Unit::None) => Value::from(number),
        (Some(number), Unit::Blocks) => Value::from(format!("{}kB", number.saturating_mul(8))),
        (Some(number), Unit::Named(unit)) => Value::from(format!("{number}{unit}")),
        (None, _) => Value::from_text(value),
    }
}

/// PostgreSQL's words for true and false.
fn truth(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// The unit of a number that is written without one.
#[derive(Debug, Clone, Copy)]
enum Unit {
    /// It has none.
    None,
    /// Blocks of 8 kB.
    Blocks,
    /// This one.
    Named(&'static str),
}

/// PostgreSQL's settings that the planner knows, with their units.
const SETTINGS: [(&str, Unit); 22] = [
    ("port", Unit::None),
    ("max_connections", Unit::None),
    ("superuser_reserved_connections", Unit::None),
    ("reserved_connections", Unit::None),
    ("shared_buffers", Unit::Blocks),
    ("huge_pages", Unit::None),
    ("work_mem", Unit::Named("kB")),
    ("hash_mem_multiplier", Unit::None),
    ("maintenance_work_mem", Unit::Named("kB")),
    ("autovacuum_work_mem", Unit::Named("kB")),
    ("autovacuum_max_workers", Unit::None),
    ("max_parallel_workers", Unit::None),
    ("max_parallel_workers_per_gather", Unit::None),
    ("max_worker_processes", Unit::None),
    ("statement_timeout", Unit::Named("ms")),
    ("lock_timeout", Unit::Named("ms")),
    ("idle_in_transaction_session_timeout", Unit::Named("ms")),
    ("transaction_timeout", Unit::Named("ms")),
    ("idle_session_timeout", Unit::Named("ms")),
    ("tcp_keepalives_idle", Unit::Named("s")),
    ("tcp_keepalives_interval", Unit::Named("s")),
    ("tcp_keepalives_count", Unit::None),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::seen;

    fn setting(name: &str, value: &str, rest: &'static str) -> Line<'static> {
        let (name, value) = (name.to_owned(), value.to_owned());
        Line::Setting { name, value, rest }
    }

    #[test]
    fn lines_are_read_as_postgresql_does() {
        for (text, expected) in [
            ("", Line::Empty),
            ("  # max_connections = 1", Line::Empty),
            (
                "max_connections = 100\t\t\t# (change requires restart)",
                setting("max_connections", "100", ""),
            ),
            (
                "max_connections = 60#x",
                setting("max_connections", "60", ""),
            ),
            ("max_connections 222", setting("max_connections", "222", "")),
            (
                "max_connections\t=222",
                setting("max_connections", "222", ""),
            ),
            ("Max_Connections=5", setting("max_connections", "5", "")),
            ("a.b = -1", setting("a.b", "-1", "")),
            ("x = '#''a\\'b' # c", setting("x", "#'a'b", "")),
            ("work_mem = 4MB -- m", setting("work_mem", "4MB", "-- m")),
            ("work_mem = 4MB--m", setting("work_mem", "4MB", "--m")),
            ("work_mem = 4 MB", setting("work_mem", "4", "MB")),
            ("-- a", Line::Dashes),
            ("x = 'open", Line::Unreadable),
            ("x =", Line::Unreadable),
            ("= 5", Line::Unreadable),
            ("5 = 5", Line::Unreadable),
            ("ALTER", Line::Unreadable),
        ] {
            assert_eq!(line(text), expected, "{text}");
        }
    }

    #[test]
    fn values_have_the_unit_of_their_setting() {
        for (name, value, expected) in [
            ("shared_buffers", "32768", Some(Value::from("262144kB"))),
            ("shared_buffers", "128MB", Some(Value::from("128MB"))),
            ("work_mem", "4096", Some(Value::from("4096kB"))),
            ("max_connections", "0x64", Some(Value::Integer(100))),
            ("MAX_CONNECTIONS", "7", Some(Value::Integer(7))),
            ("max_connections", "many", Some(Value::from("many"))),
            ("huge_pages", "on", Some(Value::Bool(true))),
            ("huge_pages", "OFF", Some(Value::Bool(false))),
            ("huge_pages", "try", None),
            ("autovacuum_work_mem", "-1", None),
            ("autovacuum_work_mem", "65536", Some(Value::from("65536kB"))),
            ("tcp_keepalives_idle", "0", None),
            ("tcp_keepalives_interval", "10", Some(Value::from("10s"))),
            ("tcp_keepalives_count", "0", None),
            ("tcp_keepalives_count", "6", Some(Value::Integer(6))),
            (
                "idle_session_timeout",
                "60000",
                Some(Value::from("60000ms")),
            ),
            ("transaction_timeout", "60000", Some(Value::from("60000ms"))),
            ("statement_timeout", "30000", Some(Value::from("30000ms"))),
            ("statement_timeout", "30s", Some(Value::from("30s"))),
            ("statement_timeout", "0", Some(Value::from("0ms"))),
            // A setting of the planner that PostgreSQL does not have.
            ("ram", "8GB", None),
        ] {
            let mut database = Section::default();
            server_setting(&mut database, name, value, &Origin::Default);
            let name = name.to_ascii_lowercase();
            let given = database.get(&name).map(|given| given.value.clone());
            assert_eq!(given, expected, "{name} = {value}");
        }
    }

    #[test]
    fn the_last_of_a_setting_counts_and_what_is_not_read_is_reported() {
        let text = "autovacuum_work_mem = 64MB\nautovacuum_work_mem = -1\ninclude 'more.conf'\nport = 6000 x\n";
        let name = "postgresql.conf";
        let draft = read(&SourceFile { name, text });
        assert!(!draft.database.has("autovacuum_work_mem"));
        assert_eq!(
            seen(&draft.observations),
            [
                "postgresql.conf:3: include 'more.conf' is not followed",
                "postgresql.conf:4: port is not a setting that PostgreSQL can read: it would not start",
            ]
        );
    }
}
