//! Markdown, for a ticket or a page.

use super::summary;
use crate::examine::{Report, State};

/// The findings, then what was skipped, then what is well.
pub fn markdown(report: &Report) -> String {
    let mut text = format!("# {}\n\n", escaped(&report.target));
    if !report.server.is_empty() {
        text += &format!("{}\n\n", escaped(&report.server));
    }
    text += &format!("**{}**: {}\n", report.state.word(), summary(report));
    for checked in &report.checks {
        for finding in &checked.judgement.findings {
            text += &format!(
                "\n## {} `{}`\n\n* Observation: {}\n* Conclusion: {}\n* Recommendation: {}\n",
                State::from(finding.severity).word(),
                checked.about.id,
                escaped(&finding.observation),
                escaped(&finding.conclusion),
                escaped(&finding.recommendation),
            );
            text += &block("text", &finding.evidence);
            text += &block("sql", &finding.commands);
        }
    }
    let rest: Vec<_> = report
        .checks
        .iter()
        .filter(|checked| checked.judgement.findings.is_empty())
        .collect();
    if rest.is_empty() {
        return text;
    }
    text += "\n| check | state | seen, or needed |\n|---|---|---|\n";
    for checked in rest {
        let words = match checked.state {
            State::Skipped => format!("needs {}", checked.judgement.needs()),
            State::Ok | State::Warning | State::Critical => checked.judgement.seen.clone(),
        };
        text += &format!(
            "| `{}` | {} | {} |\n",
            checked.about.id,
            checked.state.word(),
            escaped(&words).replace('|', "\\|")
        );
    }
    text
}

fn block(language: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    // A name may contain a fence; a longer one is needed then.
    let mut fence = "```".to_owned();
    while lines.iter().any(|line| line.contains(&fence)) {
        fence.push('`');
    }
    format!("\n{fence}{language}\n{}\n{fence}\n", lines.join("\n"))
}

/// Names that others chose, such as an application's, are not markup.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
