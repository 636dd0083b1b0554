//! The manual and the example agree with the table of settings.
#![expect(
    clippy::disallowed_methods,
    reason = "reads the manual, and writes it on demand"
)]

use std::path::{Path, PathBuf};

use pgweir_settings::Value;

use super::{OUTSIDE, lines, raw, resolve_all};
use crate::pgbouncer::{ROWS, Ruling};
use crate::settings::{SETTINGS, Scope, find};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// The table of settings in Markdown.
fn table() -> String {
    let mut text = "| setting | sections | takes | default | reload | meaning |\n\
                    |---|---|---|---|---|---|\n"
        .to_owned();
    for setting in SETTINGS {
        let sections: Vec<&str> = setting
            .scopes
            .iter()
            .map(|scope| match scope {
                Scope::Global => "pgweir",
                Scope::Database => "databases",
                Scope::User => "users",
            })
            .collect();
        let default = match (setting.global_name, setting.default) {
            (Some(global_name), _) => format!("`{global_name}`"),
            (None, "") => "unset".to_owned(),
            (None, default) => format!("`{default}`"),
        };
        let alias = setting.alias.map(|alias| format!(" (`{alias}`)"));
        text.push_str(&format!(
            "| `{}`{} | {} | {} | {default} | {} | {} |\n",
            setting.name,
            alias.unwrap_or_default(),
            sections.join(", "),
            setting.kind.describe(),
            if setting.reload { "yes" } else { "restart" },
            setting.meaning,
        ));
    }
    text
}

/// The table of PgBouncer's settings in Markdown.
fn pgbouncers() -> String {
    let mut text =
        "| setting | sections | PgBouncer's default | here |\n|---|---|---|---|\n".to_owned();
    for row in ROWS {
        let sections: Vec<&str> = row.parts.iter().map(|part| part.name()).collect();
        let default = match row.default {
            "" => "unset".to_owned(),
            default if default.contains(' ') && row.name != "server_reset_query" => {
                default.to_owned()
            }
            default => format!("`{default}`"),
        };
        let here = match row.ruling {
            Ruling::Served => "the same".to_owned(),
            Ruling::Differs(how) => format!("the same, but: {how}"),
            Ruling::LogLevel => "1 is `log_level = debug`, more is `trace`".to_owned(),
            Ruling::Meaningless(why) => why.to_owned(),
        };
        let (name, sections) = (row.name, sections.join(", "));
        text.push_str(&format!("| `{name}` | {sections} | {default} | {here} |\n"));
    }
    text
}

#[test]
fn the_manual_holds_the_table_of_settings() {
    check_table("configuration.md", "settings", &table());
}

#[test]
fn the_guide_holds_the_table_of_pgbouncers_settings() {
    check_table("pgbouncer.md", "pgbouncer", &pgbouncers());
}

fn check_table(file: &str, mark: &str, table: &str) {
    let path = docs().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let (start, end) = (
        format!("<!-- {mark}: begin -->\n"),
        format!("<!-- {mark}: end -->"),
    );
    let (start, end) = (start.as_str(), end.as_str());
    let (before, rest) = text.split_once(start).expect("the table's begin is marked");
    let (_, after) = rest.split_once(end).expect("the table's end is marked");
    let expected = format!("{before}{start}{table}{end}{after}");
    if std::env::var_os("PGWEIR_WRITE_DOCS").is_some() {
        std::fs::write(&path, expected).unwrap();
        return;
    }
    assert!(
        text == expected,
        "docs/{file} differs from the table in the code; run the tests once with \
         PGWEIR_WRITE_DOCS=1"
    );
}

#[test]
fn the_example_has_no_problems_and_names_every_setting() {
    let path = docs().join("pgweir.example.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (raw, problems) = raw::read_file(Path::new("conf/pgweir.toml"), &text);
    if let Err(problems) = resolve_all(&raw, problems, &OUTSIDE) {
        panic!("{}", lines(&problems).join("\n"));
    }
    for setting in SETTINGS {
        let names = |line: &str| {
            let name = line.trim_start_matches(['#', ' ']).split(['=', ' ']).next();
            name == Some(setting.name)
        };
        assert!(
            text.lines().any(names),
            "the example does not name {}",
            setting.name
        );
    }
}

#[test]
fn what_the_example_comments_out_is_right_too() {
    let text = std::fs::read_to_string(docs().join("pgweir.example.toml")).unwrap();
    let mut checked = 0;
    for line in text.lines().filter_map(|line| line.strip_prefix('#')) {
        // Prose has a space after its #, settings have none.
        if line.starts_with([' ', '[']) || line.is_empty() {
            continue;
        }
        let name = line.split(' ').next().unwrap();
        let setting = SETTINGS.iter().find(|setting| setting.name == name);
        let setting = setting.unwrap_or_else(|| panic!("no setting: {line}"));
        let (raw, problems) = raw::read_file(Path::new("x"), &format!("[pgweir]\n{line}"));
        assert!(problems.is_empty(), "{line}");
        let given = &raw.globals.get(name).unwrap().value;
        assert!(setting.kind.parse(given).is_ok(), "{line}");
        checked += 1;
    }
    assert!(checked > 20);
}

#[test]
fn the_table_is_sound() {
    for (at, setting) in SETTINGS.iter().enumerate() {
        let default = setting.kind.parse(&Value::from(setting.default));
        assert!(default.is_ok(), "default of {}", setting.name);
        assert!(
            SETTINGS[..at]
                .iter()
                .all(|other| other.name != setting.name),
            "{}",
            setting.name
        );
        assert!(
            !setting.meaning.contains('|') && setting.meaning.ends_with('.'),
            "{}",
            setting.name
        );
        assert!(!setting.scopes.is_empty());
        if let Some(global_name) = setting.global_name {
            let global = find(Scope::Global, global_name).unwrap();
            assert_eq!(
                (global.kind, global.default),
                (setting.kind, setting.default)
            );
        }
    }
}
