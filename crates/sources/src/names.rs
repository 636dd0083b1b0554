//! Names of services: made of the letters that the planner allows, and each used once.

use std::collections::HashSet;

/// Turns a name into one that the planner allows.
pub fn service_name(name: &str) -> String {
    let letter = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_lowercase() || c.is_ascii_digit() => c,
        _ => '-',
    };
    let name: String = name.chars().map(letter).take(53).collect();
    let name = name.trim_matches('-');
    match name.chars().next() {
        Some(first) if first.is_ascii_lowercase() => name.to_owned(),
        Some(_) => format!("service-{name}"),
        None => "app".to_owned(),
    }
}

/// Names of services in use. Each is given out once, because two services of one name would count as
/// one.
#[derive(Debug, Default)]
pub struct Names(HashSet<String>);

impl Names {
    /// The first of these that is free, as a name that the planner allows; else the last with a number.
    pub fn take(&mut self, wanted: &[&str]) -> String {
        let wanted = wanted.iter().map(|name| service_name(name));
        let mut name = String::new();
        for wanted in wanted {
            name = wanted;
            if self.0.insert(name.clone()) {
                return name;
            }
        }
        let mut number = 2_u64;
        loop {
            let numbered = format!("{}-{number}", &name[..name.len().min(NUMBERED_MAX)]);
            if self.0.insert(numbered.clone()) {
                return numbered;
            }
            number += 1;
        }
    }
}

/// Letters of a name with a number after it.
const NUMBERED_MAX: usize = 45;
