//! Text for a person at a terminal.

use pgweir_advisor::show::Colours;

use super::summary;
use crate::check::Finding;
use crate::examine::{Checked, Report, State};

/// Findings in full, the rest in a line each; with `all` also what is well.
pub fn text(report: &Report, all: bool, colours: Colours) -> String {
    let mut text = format!("{}\n", report.target);
    if !report.server.is_empty() {
        text += &format!("{}\n", report.server);
    }
    for checked in &report.checks {
        let findings = &checked.judgement.findings;
        for finding in findings {
            text += &in_full(checked, finding, colours);
        }
    }
    let brief = report.checks.iter().filter(|checked| match checked.state {
        State::Skipped => true,
        State::Ok => all,
        State::Warning | State::Critical => !checked.judgement.missing.is_empty(),
    });
    let brief: Vec<String> = brief.map(|checked| line(checked, colours)).collect();
    if !brief.is_empty() {
        text += &format!("\n{}", brief.concat());
    }
    text + &format!("\n{}\n", summary(report))
}

fn in_full(checked: &Checked, finding: &Finding, colours: Colours) -> String {
    let state = State::from(finding.severity);
    let mut text = format!(
        "\n{}  {}: {}\n",
        painted(state, colours),
        checked.about.id,
        finding.observation
    );
    for line in &finding.evidence {
        text += &format!("    {line}\n");
    }
    text += &format!(
        "  so    {}\n  do    {}\n",
        finding.conclusion, finding.recommendation
    );
    for command in &finding.commands {
        text += &format!("        {command}\n");
    }
    text
}

fn line(checked: &Checked, colours: Colours) -> String {
    match checked.state {
        State::Ok => format!(
            "{}  {}: {}\n",
            painted(State::Ok, colours),
            checked.about.id,
            checked.judgement.seen
        ),
        State::Skipped => format!(
            "{}  {}: needs {}\n",
            painted(State::Skipped, colours),
            checked.about.id,
            checked.judgement.needs()
        ),
        State::Warning | State::Critical => format!(
            "{}  {}: part of it was not seen; it needs {}\n",
            painted(State::Skipped, colours),
            checked.about.id,
            checked.judgement.needs()
        ),
    }
}

/// The word of a state, as wide as the widest, so that what follows stands in a column.
fn painted(state: State, colours: Colours) -> String {
    let word = format!("{:<8}", state.word().to_ascii_uppercase());
    let code = match state {
        State::Ok => "32",
        State::Skipped => "2",
        State::Warning => "33",
        State::Critical => "31;1",
    };
    match colours.0 {
        true => format!("\x1b[{code}m{word}\x1b[0m"),
        false => word,
    }
}
