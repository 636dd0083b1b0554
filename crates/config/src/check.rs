//! What `pgweir check` prints: every resolved value with its origin, and every problem as JSON. Problems
//! as text are the shell's to tell.

use pgweir_settings::{Origin, Problem};
use serde_json::{Value, json};

use super::listing::Shown;
use super::resolve::Resolved;

/// The values in three columns: setting, value, origin. Defaults only if `all` are wanted.
pub fn render_text(resolved: &Resolved, all: bool, colour: bool) -> String {
    let is_default = |shown: &Shown| shown.origin == Origin::Default;
    let settings = || {
        let settings = resolved.settings.iter();
        settings.filter(move |shown| all || !is_default(shown))
    };
    let rows: Vec<[String; 3]> = settings()
        .map(|shown| {
            let origin = match &shown.inherited_from {
                Some(from) => format!("{} ({from})", shown.origin),
                None => shown.origin.to_string(),
            };
            [shown.path.clone(), shown.value.clone(), origin]
        })
        .collect();
    let width = |column: usize, at_most: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.filter(|width| *width <= at_most).max().unwrap_or(0)
    };
    // A few long names or queries must not push the columns off the screen.
    let (path_width, value_width) = (width(0, 56), width(1, 32));
    let mut text = String::new();
    for (shown, [path, value, origin]) in settings().zip(&rows) {
        let dim = colour && is_default(shown);
        let (start, end) = if dim {
            ("\x1b[2m", "\x1b[0m")
        } else {
            ("", "")
        };
        let line = format!("{start}{path:path_width$}  {value:value_width$}  {origin}{end}");
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// How many values nobody gave.
pub fn defaults(resolved: &Resolved) -> usize {
    let settings = resolved.settings.iter();
    settings
        .filter(|shown| shown.origin == Origin::Default)
        .count()
}

/// The values as JSON, and beside them what else was found out, by its name.
pub fn render_json(resolved: &Resolved, more: Option<(&str, Value)>) -> String {
    let settings: Vec<Value> = resolved
        .settings
        .iter()
        .map(|shown| {
            json!({
                "setting": shown.path,
                "value": shown.value,
                "origin": origin(&shown.origin),
                "inherited_from": shown.inherited_from,
            })
        })
        .collect();
    let warnings = as_json(&resolved.warnings);
    let mut pretty = json!({
        "schema": SCHEMA, "ok": true, "settings": settings, "problems": [], "warnings": warnings,
    });
    if let Some((name, more)) = more {
        pretty[name] = more;
    }
    format!("{pretty:#}\n")
}

/// The problems as JSON.
pub fn render_problems_json(problems: &[Problem]) -> String {
    let problems = as_json(problems);
    let pretty = json!({ "schema": SCHEMA, "ok": false, "settings": [], "problems": problems });
    format!("{pretty:#}\n")
}

fn as_json(problems: &[Problem]) -> Vec<Value> {
    let problems = problems.iter().map(|problem| {
        json!({
            "origin": origin(&problem.origin),
            "setting": problem.key,
            "value": problem.value,
            "message": problem.advice(),
        })
    });
    problems.collect()
}

fn origin(origin: &Origin) -> Value {
    match origin {
        Origin::File { path, line: 0, .. } => json!({ "file": &**path }),
        Origin::File { path, line, .. } => {
            json!({ "file": &**path, "line": line })
        }
        Origin::Url => json!({ "variable": "DATABASE_URL" }),
        Origin::UrlParameter(name) => json!({ "variable": "DATABASE_URL", "parameter": name }),
        Origin::Variable(name) => json!({ "variable": name }),
        Origin::Named(_) => json!({ "default": "without a file" }),
        Origin::Default => json!({ "default": "always" }),
    }
}

/// Grows when a field changes its meaning or goes away; a field more does not change it.
const SCHEMA: &str = "pgweir-check/1";
