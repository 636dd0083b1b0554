//! What differs between two plans.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::push;
use crate::plan::Plan;

/// A number or text that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where it stands in the JSON form; list entries by name.
    pub path: String,
    /// What it was; `None`: it was not there.
    pub from: Option<String>,
    /// What it is; `None`: it is not there.
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
        let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        push(
            &mut text,
            format_args!("{path:<48} {} -> {}\n", or_none(from), or_none(to)),
        );
    }
    text
}

fn leaves(plan: &Plan) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let value = serde_json::to_value(plan).expect("a plan is made of plain data");
    walk(String::new(), &value, &mut found);
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
                if !SENTENCES.contains(&name.as_str()) {
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

/// Fields that put into words what other fields are numbers of, or that never change by themselves.
const SENTENCES: [&str; 13] = [
    "changes",
    "correction",
    "id",
    "source",
    "reasons",
    "message",
    "text",
    "summary",
    "remedy",
    "why",
    "readings",
    "first",
    "suppose",
];
