//! Rust with SQLx: options of `PgPoolOptions` that are plain numbers and times, or constants of the same
//! file that are.

use std::collections::HashMap;

use pgweir_advisor::facts::{Observation, Ruling};
use pgweir_advisor::fleet::{Draft, Value};

use super::file::SourceFile;
use super::said::Sayings;

pub(crate) fn read(source: &SourceFile<'_>) -> Draft {
    let mut draft = Draft::default();
    if !source.text.contains("PgPoolOptions") {
        return draft;
    }
    let code = without_comments(source.text);
    let constants = constants(&code);
    let name = source.service();
    let section = draft.service(&name, source.line(0));
    section.set("kind", "sqlx");
    let mut sayings = Sayings::default();
    let mut unread = Vec::new();
    for (method, key) in OPTIONS {
        for (at, argument) in calls(&code, method) {
            let origin = source.line(code[..at].matches('\n').count() + 1);
            let meant = plain_value(argument, &constants, DEPTH_MAX);
            match meant.map(|meant| meant.value(key)) {
                Some(Some(value)) => sayings.add(key, value, method, &origin),
                // `None`: no limit, which is 0 to the planner, where it has such a limit.
                Some(None) => {}
                None => unread.push(Observation {
                    ruling: Ruling::Left("set it in fleet.toml"),
                    what: format!("{method} is not a plain value, and is not read"),
                    origin,
                }),
            }
        }
    }
    let mut observations = sayings.decide(
        section,
        "give each pool a service of its own in fleet.toml if there are several",
    );
    observations.extend(unread);
    draft.observations = observations;
    draft
}

/// The text without `//` comments; lines keep their numbers.
fn without_comments(text: &str) -> String {
    let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    let lines: Vec<String> = text.lines().map(code).collect();
    lines.join("\n")
}

/// The right sides of constants and plain bindings, by name. A name with two different values is left
/// out: only a compiler knows which is meant.
fn constants(code: &str) -> HashMap<&str, Option<&str>> {
    let mut constants = HashMap::new();
    for statement in code.split([';', '{', '}']) {
        let Some((left, right)) = statement.split_once('=') else {
            continue;
        };
        let words = left.split_whitespace();
        let mut words = words.skip_while(|word| !["const", "static", "let"].contains(word));
        let Some(name) = words.nth(1).map(|name| name.trim_end_matches(':')) else {
            continue;
        };
        let name = name.split(':').next().unwrap_or_default();
        let right = right.trim();
        constants
            .entry(name)
            .and_modify(|known: &mut Option<&str>| {
                if *known != Some(right) {
                    *known = None;
                }
            })
            .or_insert(Some(right));
    }
    constants
}

/// Calls of a method: where, and the argument.
fn calls<'a>(code: &'a str, method: &str) -> impl Iterator<Item = (usize, &'a str)> {
    let call = format!(".{method}(");
    let places: Vec<usize> = code.match_indices(&call).map(|(at, _)| at).collect();
    places.into_iter().filter_map(move |at| {
        let after = &code[at + call.len()..];
        let mut depth = 0_u32;
        let end = after.find(|c| match c {
            '(' => {
                depth += 1;
                false
            }
            ')' if depth == 0 => true,
            ')' => {
                depth -= 1;
                false
            }
            _ => false,
        })?;
        Some((at, after[..end].trim().trim_end_matches(',').trim()))
    })
}

/// A plain value.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Plain {
    Number(u64),
    Millis(u64),
    /// `None` of an option.
    Nothing,
}

impl Plain {
    fn value(self, key: &str) -> Option<Value> {
        match self {
            Self::Number(number) => Some(Value::from(number)),
            Self::Millis(millis) if millis % 1000 == 0 => {
                Some(Value::from(format!("{}s", millis / 1000)))
            }
            Self::Millis(millis) => Some(Value::from(format!("{millis}ms"))),
            Self::Nothing if key == "acquire_timeout" => None,
            Self::Nothing => Some(Value::Integer(0)),
        }
    }
}

fn plain_value(text: &str, constants: &HashMap<&str, Option<&str>>, depth: u32) -> Option<Plain> {
    let depth = depth.checked_sub(1)?;
    let text = text.trim();
    if let Some(inner) = text
        .strip_prefix("Some(")
        .and_then(|text| text.strip_suffix(')'))
    {
        return plain_value(inner, constants, depth);
    }
    if text == "None" {
        return Some(Plain::Nothing);
    }
    if let Some(number) = literal(text) {
        return Some(Plain::Number(number));
    }
    if let Some((path, argument)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        let factor = match path.rsplit_once("Duration::")?.1 {
            "from_millis" => 1,
            "from_secs" => 1_000,
            "from_mins" => 60_000,
            _ => return None,
        };
        return match plain_value(argument, constants, depth)? {
            Plain::Number(number) => number.checked_mul(factor).map(Plain::Millis),
            Plain::Millis(_) | Plain::Nothing => None,
        };
    }
    let (path, name) = text.rsplit_once("::").unwrap_or(("", text));
    // `u32::MAX` and its like are not constants of this file.
    if INTEGERS.contains(&path) {
        return None;
    }
    plain_value((*constants.get(name)?)?, constants, depth)
}

/// `1_000`, `14u32`.
fn literal(text: &str) -> Option<u64> {
    let digits = INTEGERS
        .iter()
        .find_map(|suffix| text.strip_suffix(suffix))
        .unwrap_or(text);
    let starts = digits.starts_with(|c: char| c.is_ascii_digit());
    let digits: String = digits.chars().filter(|c| *c != '_').collect();
    starts.then(|| digits.parse().ok())?
}

/// Options of SQLx and their settings.
const OPTIONS: [(&str, &str); 5] = [
    ("max_connections", "pool"),
    ("min_connections", "pool_min"),
    ("acquire_timeout", "acquire_timeout"),
    ("idle_timeout", "idle_timeout"),
    ("max_lifetime", "max_lifetime"),
];

/// Types of numbers.
const INTEGERS: [&str; 7] = ["u8", "u16", "u32", "u64", "usize", "i32", "i64"];

/// Length of a chain of constants that refer to constants.
const DEPTH_MAX: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::seen;

    #[test]
    fn arguments_are_read_where_they_are_plain() {
        let code = "pub const MAX: u32 = 14;\nconst SAME: u32 = config::MAX;\nstatic WAIT: Duration = \
                    Duration::from_secs(SECS);\nconst SECS: u64 = 3;\nfn a() { let max = 7_0; }\n\
                    const LOOP: u32 = LOOP;\nmod a { const TWICE: u32 = 1; }\nmod b { const TWICE: u32 = 2; }\n";
        let constants = constants(code);
        for (text, expected) in [
            ("14", Some(Plain::Number(14))),
            ("1_000u32", Some(Plain::Number(1000))),
            ("MAX", Some(Plain::Number(14))),
            ("Self::SAME", Some(Plain::Number(14))),
            ("max", Some(Plain::Number(70))),
            ("WAIT", Some(Plain::Millis(3000))),
            (
                "Some(std::time::Duration::from_millis(250))",
                Some(Plain::Millis(250)),
            ),
            ("None", Some(Plain::Nothing)),
            ("LOOP", None),
            ("TWICE", None),
            ("settings.max", None),
            ("MAX + 1", None),
            ("size()", None),
            ("Duration::from_secs(u64::MAX)", None),
        ] {
            assert_eq!(plain_value(text, &constants, DEPTH_MAX), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_plain_or_there_twice_is_reported_with_its_line() {
        let text = "use sqlx::postgres::PgPoolOptions;\nPgPoolOptions::new()\n    .max_connections(\n        5, \
                    // few\n    )\n    .idle_timeout(settings.idle(1))\n    .max_lifetime(None);\n\
                    PgPoolOptions::new().max_connections(4).max_connections(6);\n";
        let name = "api/src/main.rs";
        let draft = read(&SourceFile { name, text });
        let (service, section) = &draft.services[0];
        assert_eq!(service, "api");
        let value = |key: &str| section.get(key).map(|given| given.value.clone());
        assert_eq!(value("pool"), Some(Value::Integer(6)));
        assert_eq!(value("max_lifetime"), Some(Value::Integer(0)));
        assert_eq!(value("idle_timeout"), None);
        assert_eq!(
            seen(&draft.observations),
            [
                "api/src/main.rs:8: max_connections says 4, and max_connections (api/src/main.rs:3) says 5: \
                 the larger counts",
                "api/src/main.rs:8: max_connections says 6, and max_connections (api/src/main.rs:3) says 5: \
                 the larger counts",
                "api/src/main.rs:6: idle_timeout is not a plain value, and is not read",
            ]
        );
    }
}
