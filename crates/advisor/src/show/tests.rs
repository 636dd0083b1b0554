//! What people are shown.

use super::{
    Colours, brief, diff, diff_text, explain, explain_text, picture, services_table, text,
};
use crate::formula::FORMULAS;
use crate::plan::{Plan, plan};
use crate::{corrections, fleet};

fn planned(text: &str) -> Plan {
    let (draft, problems) = fleet::read("fleet.toml", text);
    plan(fleet::resolve(&draft, problems).unwrap())
}

const FLEET: &str = "\
[database]
shared_buffers = \"256MB\"
ram = \"1GB\"
[services.rust-iss]
kind = \"sqlx\"
replicas = 3
pool = 10
requests = 10
[services.php-web]
kind = \"php-fpm\"
";

#[test]
fn the_table_has_both_sums_and_says_what_was_chosen() {
    let table = services_table(&planned(FLEET));
    let line = |word: &str| {
        let line = table.lines().find(|line| line.starts_with(word));
        let words: Vec<_> = line.unwrap().split_whitespace().collect();
        words.join(" ")
    };
    assert_eq!(
        line("rust-iss"),
        "rust-iss sqlx direct 3+1 1 10 1 30 40 2 30"
    );
    assert_eq!(
        line("php-web"),
        "php-web php-fpm direct 1 1 20* 1 20 20 - -"
    );
    assert_eq!(line("connections to"), "connections to PostgreSQL 50 60");
    assert_eq!(
        line("usable"),
        "usable by ordinary roles (100 less 3 reserved) 97 97"
    );
    assert_eq!(line("utilisation"), "utilisation 51.5 % 61.9 %");
    assert_eq!(line("*"), "* chosen by the planner");
}

#[test]
fn the_picture_is_drawn_from_the_data_and_straight() {
    for fleet in [FLEET.to_owned(), format!("[pooler]\n{FLEET}")] {
        let picture = picture(&planned(&fleet));
        assert!(picture.contains("3 x pool 10 = 30"), "{picture}");
        assert!(picture.contains("pm.max_children 20"), "{picture}");
        assert!(
            picture.contains("max_connections 100, 3 of them reserved"),
            "{picture}"
        );
        for line in picture.lines() {
            let wide = line.chars().count();
            assert!(wide <= 79, "{line}");
            let framed = line.starts_with(['┌', '│', '└']);
            assert!(!framed || wide == 64, "{line}");
        }
    }
    let past = picture(&planned(&format!("[pooler]\n{FLEET}via = \"direct\"\n")));
    assert!(past.contains("bypassing the pooler"), "{past}");
}

#[test]
fn a_share_beyond_everything_is_drawn_full() {
    let picture = picture(&planned(
        "[database]\nmax_connections = 4\n[services.a]\npool = 10000\n",
    ));
    assert!(picture.contains("█! 10000 + 3 of 1 "), "{picture}");
}

#[test]
fn every_formula_can_be_explained() {
    let fleet = format!(
        "[pooler]\n[measured]\nsteps = [[1,65],[18,996],[36,1652],[72,1853],[108,1829],[144,1775],\
         [216,1702]]\n{FLEET}connections_per_task = 2\n"
    );
    let plan = planned(&fleet);
    let derivations = explain(&plan);
    for formula in FORMULAS {
        let known = derivations.iter().any(|d| d.formula == formula.id);
        assert!(known, "{}", formula.id);
    }
    for derivation in &derivations {
        assert!(!derivation.inputs.is_empty(), "{derivation:?}");
        assert!(!derivation.source.is_empty(), "{derivation:?}");
    }
    let text = explain_text(&plan);
    assert!(
        text.contains("capacity.usable = 97\n    F4: max_connections - "),
        "{text}"
    );
}

#[test]
fn the_whole_text_has_the_verdict_first_and_every_assumption() {
    let plan = planned(FLEET);
    let plain = text(&plan, Colours(false));
    assert!(
        plain.starts_with("WARN  PostgreSQL is expected to use"),
        "{plain}"
    );
    assert!(!plain.contains('\x1b'));
    assert!(text(&plan, Colours(true)).starts_with("\x1b[1;33mWARN\x1b[0m"));
    for assumption in &plan.assumptions {
        assert!(plain.contains(&assumption.key), "{}", assumption.key);
    }
    assert!(
        plain.contains(
            corrections::CORRECTIONS[45]
                .says
                .split_whitespace()
                .last()
                .unwrap()
        ) || plain.contains("C46")
    );
}

#[test]
fn a_diff_names_what_changed_and_nothing_else() {
    let before = planned(FLEET);
    assert_eq!(diff(&before, &before), []);
    let after = planned(&FLEET.replace("pool = 10", "pool = 11"));
    let text = diff_text(&diff(&before, &after));
    assert!(text.contains("services.rust-iss.pool"), "{text}");
    assert!(text.contains("10 -> 11"), "{text}");
    assert!(!text.contains("php-web"), "{text}");
    assert_eq!(diff_text(&[]), "The plans are equal.\n");
}

#[test]
fn a_diff_speaks_of_units_and_not_of_bookkeeping() {
    let before = planned(FLEET);
    let text = format!("[pooler]\n{FLEET}requests = 100\n[services.new]\n").replace("1GB", "512MB");
    let after = planned(&text);
    let text = diff_text(&diff(&before, &after));
    for words in [
        "memory.ram                                       1024 MB -> 512 MB\n",
        "assumed services.*.via                           direct -> pooler\n",
        "queueing.rate                                    30/s -> 330/s\n",
        "finding ",
    ] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
    for words in [
        ".count",
        ".key",
        "_bytes",
        ".severity",
        ".subjects",
        "true",
        "schema",
        ".name",
        "\"",
    ] {
        assert!(!text.contains(words), "{words} in\n{text}");
    }
}

/// Numbers of the JSON form that no formula gave: they were given or counted, or count parts of the form.
const NO_FORMULA: &[&str] = &[
    "formulas",
    "capacity.max_connections",
    "capacity.superuser_reserved",
    "capacity.reserved",
    "capacity.reserve",
    "capacity.target_percent",
    "memory.ram_bytes",
    "queueing.unknown",
    "queueing.wait_ms",
    "queueing.wait_share",
    "pooler.instances",
    "pooler.pairs",
    "pooler.databases",
    "services.*.replicas",
    "services.*.processes",
    "services.*.pool",
    "services.*.dsns",
    "findings.*.correction",
    "assumptions.*.count",
];

/// The paths of all numbers in the JSON form; entries of lists by name.
fn numbers(path: &str, value: &serde_json::Value, found: &mut Vec<(String, String)>) {
    match value {
        serde_json::Value::Number(number) => found.push((path.to_owned(), number.to_string())),
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                numbers(&format!("{path}{dot}{name}"), value, found);
            }
        }
        serde_json::Value::Array(entries) => {
            for entry in entries {
                let name = entry.get("name").and_then(|name| name.as_str());
                numbers(&format!("{path}.{}", name.unwrap_or("*")), entry, found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_number_has_a_derivation_or_was_given() {
    let steps = "[measured]\nsteps = [[1,65],[18,996],[36,1652],[72,1853],[108,1829],[144,1775],[216,1702]]\n";
    for fleet in [
        FLEET.to_owned(),
        format!("{steps}{FLEET}"),
        format!("[pooler]\ninstances = 3\n{steps}{FLEET}"),
    ] {
        let plan = planned(&fleet);
        let derivations = explain(&plan);
        let mut found = Vec::new();
        numbers("", &serde_json::to_value(&plan).unwrap(), &mut found);
        assert!(found.len() > 60, "{}", found.len());
        for (path, value) in found {
            let given = NO_FORMULA
                .iter()
                .any(|known| match known.split_once(".*.") {
                    Some((list, field)) => {
                        path.starts_with(list) && path.ends_with(&format!(".{field}"))
                    }
                    None => path == *known,
                });
            let derived = derivations.iter().filter(|d| d.number == path).count();
            assert_eq!(derived, usize::from(!given), "{path} = {value}");
        }
    }
}

#[test]
fn the_poolers_derivations_say_how_each_size_came_about() {
    let plan = planned(&format!(
        "[pooler]\ninstances = 3\n{FLEET}[services.c]\npool = 140\nsurge = 0\n"
    ));
    let derivations = explain(&plan);
    let of = |name: &str| derivations.iter().find(|d| d.number == name).unwrap();
    let limit = of("pooler.max_client_conn");
    assert_eq!(limit.value, "250");
    assert!(limit.expression.contains("1.25 * clients"));
    assert!(
        limit
            .inputs
            .contains(&("clients".to_owned(), "200".to_owned())),
        "{limit:?}"
    );
    assert_eq!(
        of("pooler.reserve_pool_size").expression,
        "ceil(default_pool_size / 5), as far as it fits the cap"
    );
    // What was given has no formula.
    let given = planned(&format!(
        "[pooler]\nmax_client_conn = 99\ndefault_pool_size = 7\n{FLEET}"
    ));
    let derivations = explain(&given);
    for name in ["pooler.max_client_conn", "pooler.default_pool_size"] {
        assert!(derivations.iter().all(|d| d.number != name), "{name}");
    }
}

#[test]
fn the_plan_fits_a_screen_and_speaks_in_words() {
    for fleet in [
        FLEET.to_owned(),
        format!("[pooler]\n{FLEET}[services.past]\nvia = \"direct\"\n"),
        "[services.a]\npool = 90\nreplicas = 3\n".to_owned(),
    ] {
        let plan = planned(&fleet);
        let plain = brief(&plan, Colours(false));
        assert!(plain.lines().count() <= 30, "{plain}");
        assert!(plain.starts_with(&plan.verdict.to_string()), "{plain}");
        for service in &plan.services {
            let total = format!(" = {}", service.steady);
            let line = plain
                .lines()
                .find(|line| line.trim_start().starts_with(&service.name));
            assert!(line.unwrap().contains(&total), "{plain}");
        }
        let code = |word: &str| {
            let word = word.trim_matches(['[', ']', ',', ';', ':', '(', ')']);
            let mut letters = word.chars();
            letters.next().is_some_and(|first| "ACFLS".contains(first))
                && word.len() > 1
                && letters.all(|letter| letter.is_ascii_digit())
        };
        let codes: Vec<_> = plain.split_whitespace().filter(|word| code(word)).collect();
        assert_eq!(codes, [""; 0], "{plain}");
    }
}
