//! docs/logs.md lists every event that the sources log, and no other.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but does not see helpers"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Level, text and fields of an event, as one line.
type Events = BTreeSet<String>;

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Crates whose code is in the pooler.
const CRATES: [&str; 5] = ["cli", "http", "pool", "proxy", "wire"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

fn event(level: &str, text: &str, fields: &[String]) -> String {
    let mut fields = fields.to_vec();
    fields.sort();
    format!("{level} {text:?} {}", fields.join(", "))
}

/// Replaces what stands between `open` and `close` by nothing, brackets excepted.
fn blank(text: &str, open: char, close: char) -> String {
    let mut blank = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open) {
        let Some((_, behind)) = after.split_once(close) else {
            break;
        };
        blank.push_str(before);
        blank.push_str("{}");
        rest = behind;
    }
    blank + rest
}

/// The arguments of a macro's call, whose text begins behind its parenthesis: texts of literals in
/// quotes, everything else without spaces.
fn arguments(source: &str) -> Vec<String> {
    let mut arguments = vec![String::new()];
    let mut depth = 0;
    let mut rest = source.chars().peekable();
    while let Some(c) = rest.next() {
        let last = arguments.last_mut().unwrap();
        match c {
            '"' => {
                last.push('"');
                while let Some(c) = rest.next() {
                    match (c, rest.peek()) {
                        ('"', _) => break,
                        // A line that goes on: its indentation is no part of the text.
                        ('\\', Some('\n')) => {
                            while rest.next_if(|c| c.is_whitespace()).is_some() {}
                        }
                        ('\\', _) => last.extend(rest.next()),
                        (c, _) => last.push(c),
                    }
                }
                last.push('"');
            }
            ')' if depth == 0 => break,
            ',' if depth == 0 => arguments.push(String::new()),
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            c if c.is_whitespace() => {}
            c => last.push(c),
        }
    }
    arguments
}

fn logged() -> Events {
    let mut files = Vec::new();
    for name in CRATES {
        sources(&root().join("crates").join(name).join("src"), &mut files);
    }
    let mut events = Events::new();
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        for level in LEVELS {
            let call = format!("{level}!(");
            for (at, _) in source.match_indices(&call) {
                // The end of another name.
                if source[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                    continue;
                }
                let mut fields = Vec::new();
                let mut text = None;
                for argument in arguments(&source[at + call.len()..]) {
                    if let Some(literal) = argument.strip_prefix('"') {
                        text = Some(blank(literal.trim_end_matches('"'), '{', '}'));
                        break;
                    }
                    let name = argument.split('=').next().unwrap();
                    fields.push(name.trim_start_matches(['%', '?']).to_owned());
                }
                let text = text.unwrap_or_else(|| panic!("{}: no text", file.display()));
                events.insert(event(level, &text, &fields));
            }
        }
    }
    events
}

fn documented() -> Events {
    let manual = fs::read_to_string(root().join("docs/logs.md")).unwrap();
    let rows = manual.lines().filter_map(|line| {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, level, text, fields, ..] = columns[..] else {
            return None;
        };
        let text = text.strip_prefix('`')?.strip_suffix('`')?;
        let fields: Vec<String> = fields
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect();
        Some(event(level, &blank(text, '<', '>'), &fields))
    });
    rows.collect()
}

#[test]
fn the_manual_lists_every_event_and_no_other() {
    let (logged, documented) = (logged(), documented());
    assert!(logged.len() > 30, "{logged:?}");
    let missing: Vec<_> = logged.difference(&documented).collect();
    assert!(
        missing.is_empty(),
        "docs/logs.md does not list {missing:#?}"
    );
    let stale: Vec<_> = documented.difference(&logged).collect();
    assert!(stale.is_empty(), "nothing logs {stale:#?}");
}
