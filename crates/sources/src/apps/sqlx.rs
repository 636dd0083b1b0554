//! Rust with SQLx, and what is made on it: options of a pool that are plain numbers and times, or constants
//! of the same file that are.

use std::collections::HashMap;

use pgweir_advisor::fleet::Value;

use crate::inventory::Program;

use super::settings::Settings;

/// What a file that makes a pool of SQLx says; `None` if it makes none.
pub(crate) fn read(settings: Settings<'_>) -> Option<Program> {
    let code = without_comments(settings.text());
    // Pools of tests are opened in tests.
    let code = match code.find("#[cfg(test)]\nmod ") {
        Some(tests) => code[..tests].to_owned(),
        None => code,
    };
    let made = |call: &str| code.matches(call).count();
    let pools = made("PgPoolOptions::new(")
        + made("PgPoolOptions::default(")
        + made("PoolOptions::<Postgres>::new(")
        + made("ConnectOptions::new(");
    let bare = made("PgPool::connect") + made("Pool::<Postgres>::connect");
    if pools + bare == 0 && !code.contains("PgPoolOptions") {
        return None;
    }
    let constants = constants(&code);
    let mut program = Program {
        origin: settings.whole(),
        kind: Some(("sqlx", settings.whole())),
        ..Program::default()
    };
    for (method, key) in OPTIONS {
        let mut largest: Option<(Value, usize)> = None;
        for (at, argument) in calls(&code, method) {
            let line = code[..at].matches('\n').count() + 1;
            let meant = plain_value(argument, &constants, DEPTH_MAX);
            match meant.map(|meant| meant.value(key)) {
                Some(Some(value)) => {
                    let is_larger = match (&value, &largest) {
                        (Value::Integer(one), Some((Value::Integer(other), _))) => one > other,
                        _ => true,
                    };
                    if is_larger {
                        largest = Some((value, line));
                    }
                }
                // `None`: no limit, which is 0 to the planner, where it has such a limit.
                Some(None) => {}
                None if key == "pool" => program.leave_open(
                    format!("{method} is no plain value"),
                    key,
                    settings.line(line),
                ),
                None => program.leave_out(
                    format!("{method} is not a plain value, and is not read"),
                    "set it in fleet.toml",
                    settings.line(line),
                ),
            }
        }
        if let Some((value, line)) = largest {
            program.give(key, value, method, settings.line(line));
        }
    }
    if !program.mentions("pool") {
        program.assume("pool", POOL, "the default of SQLx", settings.whole());
    }
    // Each has a pool of its own, of the largest size at most.
    let pools = u64::try_from(pools + bare).unwrap_or(u64::MAX);
    if pools > 1 {
        program.give("dsns", pools, "pools of the file", settings.whole());
    }
    Some(program)
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

/// `max_connections` of SQLx.
const POOL: u64 = 10;

/// Types of numbers.
const INTEGERS: [&str; 7] = ["u8", "u16", "u32", "u64", "usize", "i32", "i64"];

/// Length of a chain of constants that refer to constants.
const DEPTH_MAX: u32 = 16;

#[cfg(test)]
mod tests;
