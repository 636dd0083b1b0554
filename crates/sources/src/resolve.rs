//! What all files say together becomes a fleet for each PostgreSQL: who opens connections to which one,
//! through which pooler, under which name.

mod applications;
mod candidates;
mod defaults;
mod directory;
mod fleets;
mod hosts;
mod leads;
mod poolers;
mod reading;
mod servers;

use pgweir_advisor::facts::Origin;
use pgweir_advisor::fleet::keys::{Scope, find};
use pgweir_advisor::fleet::{Draft, Section, Value};

use crate::inventory::Inventory;

/// One fleet for each PostgreSQL, that with the most connections first. There is always one.
pub(crate) fn drafts(inventory: Inventory) -> Vec<Draft> {
    let directory = directory::Directory::of(inventory);
    let candidates = candidates::all(&directory);
    fleets::of(directory, candidates)
}

/// Gives a setting of a section, if it may have this value.
fn give(scope: Scope, section: &mut Section, key: &str, value: Value, origin: Origin) {
    if find(scope, key).is_some_and(|known| known.kind.allows(&value)) {
        section.give(key, value, origin);
    }
}

/// A size of memory as Kubernetes and docker write it, such as `4Gi`, `512m` or `2G`, as the planner has
/// it. `None` where it is not one of whole megabytes.
pub(crate) fn memory(text: &str) -> Option<String> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let factor = match text[end..].to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "ki" | "kb" => 1024.0,
        "m" | "mi" | "mb" => 1024.0 * 1024.0,
        "g" | "gi" | "gb" => 1024.0 * 1024.0 * 1024.0,
        "t" | "ti" | "tb" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let mebibytes = (number * factor / (1024.0 * 1024.0)).floor();
    (64.0..1e9).contains(&mebibytes).then(|| {
        if mebibytes % 1024.0 == 0.0 {
            format!("{}GB", mebibytes / 1024.0)
        } else {
            format!("{mebibytes}MB")
        }
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn memory_is_read_as_it_is_written() {
        for (text, expected) in [
            ("4Gi", Some("4GB")),
            ("512m", Some("512MB")),
            ("1.5Gi", Some("1536MB")),
            ("2147483648", Some("2GB")),
            ("100", None),
            ("4 apples", None),
            ("", None),
        ] {
            assert_eq!(super::memory(text).as_deref(), expected, "{text}");
        }
    }
}
