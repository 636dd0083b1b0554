//! What a service has where nothing says it.

use pgweir_advisor::fleet::{Section, Value};

use crate::inventory::{Program, Setting, Unknown};

/// Fills in what nothing says, and returns what is not understood then.
pub(super) fn fill(program: &Program, section: &mut Section) -> impl Iterator<Item = Unknown> {
    let mut keys: Vec<&'static str> = Vec::new();
    for setting in program.defaults.iter().chain(&program.threads) {
        if !keys.contains(&setting.key) && !section.has(setting.key) {
            keys.push(setting.key);
        }
    }
    for key in keys {
        let default = largest(&program.defaults, key);
        let threads = largest(&program.threads, key);
        // Both are at most: neither has more than the other lets it have.
        let smaller = [default, threads]
            .into_iter()
            .flatten()
            .min_by_key(|found| number(found));
        if let Some(found) = smaller {
            section.give(key, found.value.clone(), found.origin.clone());
        }
    }
    let open = program.unsaid.iter();
    let open = open.filter(|unknown| unknown.key.is_none_or(|key| !section.has(key)));
    open.cloned().collect::<Vec<_>>().into_iter()
}

/// Whether a setting by this name does anything: Prisma 7 takes none from its URL.
pub(super) fn counts(program: &Program, by: &str) -> bool {
    let is_new = program
        .kind
        .as_ref()
        .is_some_and(|(kind, _)| *kind == "prisma7");
    !is_new || !by.ends_with(" of the URL")
}

/// Of several the largest, because a plan that counts too little is worse.
fn largest<'a>(settings: &'a [Setting], key: &str) -> Option<&'a Setting> {
    let of_key = settings.iter().filter(|setting| setting.key == key);
    of_key.max_by_key(|setting| number(setting))
}

fn number(setting: &Setting) -> i128 {
    match setting.value {
        Value::Integer(number) => number,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use pgweir_advisor::facts::Origin;

    use super::*;

    fn settings(numbers: &[u64]) -> Vec<Setting> {
        let setting = |number: &u64| Setting {
            key: "pool",
            value: Value::from(*number),
            by: String::new(),
            origin: Origin::Default,
        };
        numbers.iter().map(setting).collect()
    }

    #[test]
    fn a_default_counts_where_nothing_is_said_and_threads_limit_it() {
        type Case<'a> = (Option<u64>, &'a [u64], &'a [u64], Option<i128>);
        let cases: [Case<'_>; 7] = [
            (Some(20), &[10], &[1], Some(20)),
            (None, &[10, 15], &[], Some(15)),
            (None, &[15], &[1], Some(1)),
            (None, &[5], &[8], Some(5)),
            (None, &[], &[2, 4], Some(4)),
            (None, &[], &[], None),
            (Some(3), &[], &[], Some(3)),
        ];
        for (said, defaults, threads, expected) in cases {
            let unsaid = vec![Unknown {
                what: String::new(),
                add: String::new(),
                key: Some("pool"),
                origin: Origin::Default,
            }];
            let program = Program {
                defaults: settings(defaults),
                threads: settings(threads),
                unsaid,
                ..Program::default()
            };
            let mut section = Section::new(Origin::Default);
            if let Some(said) = said {
                section.give("pool", Value::from(said), Origin::Default);
            }
            let open = fill(&program, &mut section).count();
            let found = section.get("pool").map(|given| given.value.clone());
            assert_eq!(
                found,
                expected.map(Value::Integer),
                "{said:?} {defaults:?} {threads:?}"
            );
            assert_eq!(open, usize::from(expected.is_none()));
        }
    }
}
