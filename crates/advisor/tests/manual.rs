//! The manual's tables are those of the code.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but does not see helpers"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests read the manual, and write its tables when they are asked to"
)]

use std::fmt::Write;
use std::path::Path;

use pgweir_advisor::corrections::{CORRECTIONS, Standing};
use pgweir_advisor::fleet::keys::{Fallback, Scope};
use pgweir_advisor::formula::FORMULAS;
use pgweir_advisor::render::TARGETS;

/// Set to write the tables into the manual instead of comparing them.
const WRITE: &str = "PGWEIR_WRITE_MANUAL";

#[test]
fn the_manual_has_the_tables_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/planning.md");
    let manual = std::fs::read_to_string(&path).unwrap();
    let (before, _) = manual.split_once(MARK).expect("the mark is there");
    let expected = format!("{before}{MARK}{}", reference());
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, expected).unwrap();
        return;
    }
    assert_eq!(
        manual, expected,
        "run this test with {WRITE}=1, and look at what it changes"
    );
}

fn reference() -> String {
    let mut text = String::from("\n\n## Settings\n");
    for scope in Scope::ALL {
        write!(
            text,
            "\n### `[{}]`\n\n| Setting | What | May be | Default |\n|---|---|---|---|\n",
            scope.title()
        )
        .unwrap();
        for key in scope.keys() {
            let default = match key.fallback {
                Fallback::Is(value) => format!("`{value}`: {}", key.why),
                Fallback::Follows => key.why.to_owned(),
                Fallback::Unknown => "not known".to_owned(),
            };
            writeln!(
                text,
                "| `{}` | {} | {} | {} |",
                key.name,
                cell(key.about),
                cell(&key.kind.allowed()),
                cell(&default)
            )
            .unwrap();
        }
    }
    text.push_str("\n## Formulas\n\n| | What | How | Source |\n|---|---|---|---|\n");
    for formula in FORMULAS {
        writeln!(
            text,
            "| {} | {} | `{}` | {} |",
            formula.id,
            formula.name,
            formula.expression,
            cell(formula.source)
        )
        .unwrap();
    }
    text.push_str("\n## Targets of `pgweir render`\n\n| Target | What is written |\n|---|---|\n");
    for target in TARGETS {
        writeln!(text, "| `{}` | {} |", target.name, target.about).unwrap();
    }
    text.push_str(
        "\n## Corrections\n\nWhat the two documents say, and what is true. *Seen* means tried on a running \
         server.\n\n| | They say | Which is | What is true | What to do | Source |\n|---|---|---|---|---|---|\n",
    );
    for correction in CORRECTIONS {
        let standing = match correction.standing {
            Standing::Right => "right",
            Standing::Incomplete => "incomplete",
            Standing::Outdated => "outdated",
            Standing::False => "false",
            Standing::Dangerous => "dangerous",
            Standing::Missing => "missing",
        };
        writeln!(
            text,
            "| C{} | {} | {standing} | {} | {} | {} |",
            correction.number,
            cell(correction.says),
            cell(correction.truth),
            cell(correction.rule),
            cell(correction.source)
        )
        .unwrap();
    }
    text
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
        .replace('<', "&lt;")
        .replace('*', "\\*")
}

const MARK: &str = "<!-- The tables below are written by the test `manual` of pgweir-advisor. -->";
