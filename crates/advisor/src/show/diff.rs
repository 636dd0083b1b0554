//! What differs between two plans.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::plan::Plan;
use crate::text::push;
use crate::units::{Bytes, short};

/// A number or text that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its path in the JSON form; list entries by name, assumptions and findings each as a whole.
    pub path: String,
    /// What it was; `None` if it was not there.
    pub from: Option<String>,
    /// What it is; `None` if it is not there.
    pub to: Option<String>,
}

/// What differs, in the order of paths. Sentences are left out: the numbers in them are compared by
/// themselves.
pub fn diff(from: &Plan, to: &Plan) -> Vec<Difference> {
    let (from, to) = (leaves(from), leaves(to));
    let mut paths: Vec<&String> = from.keys().chain(to.keys()).collect();
    paths.sort();
    paths.dedup();
    paths
        .into_iter()
        .filter(|path| from.get(*path) != to.get(*path))
        .map(|path| Difference {
            path: path.clone(),
            from: from.get(path).cloned(),
            to: to.get(path).cloned(),
        })
        .collect()
}

/// The differences, one on each line.
pub fn diff_text(differences: &[Difference]) -> String {
    let mut text = String::new();
    if differences.is_empty() {
        text.push_str("The plans are equal.\n");
    }
    for Difference { path, from, to } in differences {
        let (name, unit) = named(path);
        let said = |value: &Option<String>, exact: bool| match value {
            Some(value) => unit.said(value, exact),
            None => "-".to_owned(),
        };
        let mut sides = (said(from, false), said(to, false));
        if sides.0 == sides.1 {
            // Rounding hid what differs.
            sides = (said(from, true), said(to, true));
        }
        push(
            &mut text,
            format_args!("{name:<48} {} -> {}\n", sides.0, sides.1),
        );
    }
    text
}

/// What a number counts, by the end of its name in the JSON form.
#[derive(Clone, Copy)]
enum Unit {
    Bytes,
    Milliseconds,
    PerSecond,
    Plain,
}

impl Unit {
    fn said(self, value: &str, exact: bool) -> String {
        let number = || value.parse::<f64>().map(short);
        match self {
            Self::Bytes => match value.parse() {
                Ok(bytes) if exact => Bytes(bytes).postgres(),
                Ok(bytes) => Bytes(bytes).to_string(),
                Err(_) => value.to_owned(),
            },
            Self::Milliseconds => number().map_or(value.to_owned(), |ms| format!("{ms} ms")),
            Self::PerSecond => number().map_or(value.to_owned(), |rate| format!("{rate}/s")),
            Self::Plain if value == "true" => "yes".to_owned(),
            Self::Plain if value == "false" => "no".to_owned(),
            Self::Plain if exact => value.to_owned(),
            Self::Plain => number().unwrap_or_else(|_| value.to_owned()),
        }
    }
}

/// The name of the number at this path for people, and its unit.
fn named(path: &str) -> (String, Unit) {
    let units = [
        ("_bytes", Unit::Bytes),
        ("_ms", Unit::Milliseconds),
        ("_per_second", Unit::PerSecond),
    ];
    let (path, unit) = units
        .into_iter()
        .find_map(|(end, unit)| Some((path.strip_suffix(end)?, unit)))
        .unwrap_or((path, Unit::Plain));
    let name = match path.split_once('.') {
        Some(("assumptions", setting)) => format!("assumed {setting}"),
        Some(("findings", id)) => format!("finding {id}"),
        Some(("advice", topic)) => topic.replace(".called_for", " called for"),
        _ => path.to_owned(),
    };
    (name, unit)
}

fn leaves(plan: &Plan) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let value = serde_json::to_value(plan).expect("a plan is made of plain data");
    walk(String::new(), &value, &mut found);
    // One line for each, whatever it is made of.
    for assumption in &plan.assumptions {
        let value = assumption.value.trim_matches('"');
        found
            .entry(format!("assumptions.{}", assumption.key))
            .and_modify(|all: &mut String| {
                all.push_str(" or ");
                all.push_str(value);
            })
            .or_insert_with(|| value.to_owned());
    }
    for finding in &plan.findings {
        let services = match finding.subjects.as_slice() {
            [] => String::new(),
            subjects => format!(" for {}", subjects.join(", ")),
        };
        let text = format!("{}{services}", finding.severity.word());
        found.insert(format!("findings.{}", finding.id), text);
    }
    found
}

fn walk(path: String, value: &Value, found: &mut BTreeMap<String, String>) {
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (name, value) in fields {
                if !LEFT_OUT.contains(&name.as_str()) {
                    walk(below(name), value, found);
                }
            }
        }
        Value::Array(entries) => {
            for (at, entry) in entries.iter().enumerate() {
                let name = ["name", "id", "topic", "key"]
                    .iter()
                    .find_map(|field| entry.get(field)?.as_str())
                    .map_or_else(|| at.to_string(), str::to_owned);
                walk(below(&name), entry, found);
            }
        }
        Value::String(text) => {
            found.insert(path, text.clone());
        }
        other => {
            found.insert(path, other.to_string());
        }
    }
}

/// Fields that describe other fields in words, that never change by themselves, or that are shown as a
/// whole.
const LEFT_OUT: [&str; 18] = [
    "assumptions",
    "changes",
    "chosen",
    "correction",
    "findings",
    "first",
    "formulas",
    "id",
    "message",
    "name",
    "pool_chosen",
    "readings",
    "reasons",
    "remedy",
    "schema",
    "slower",
    "source",
    "summary",
];
