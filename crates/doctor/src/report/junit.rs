//! JUnit's XML: a check is a test, a finding its failure.

use crate::examine::{Checked, Report, State};

/// One suite.
pub fn junit(report: &Report) -> String {
    let failures = report.count(State::Critical) + report.count(State::Warning);
    let cases: String = report.checks.iter().map(case).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"pgweir doctor {}\" tests=\"{}\" \
         failures=\"{failures}\" errors=\"0\" skipped=\"{}\">\n{cases}  </testsuite>\n</testsuites>\n",
        escaped(&report.target),
        report.checks.len(),
        report.count(State::Skipped),
    )
}

fn case(checked: &Checked) -> String {
    let start = format!(
        "    <testcase classname=\"pgweir.doctor\" name=\"{}: {}\"",
        escaped(checked.about.id),
        escaped(checked.about.title)
    );
    match checked.state {
        State::Ok => format!("{start}/>\n"),
        State::Skipped => format!(
            "{start}>\n      <skipped message=\"needs {}\"/>\n    </testcase>\n",
            escaped(&checked.judgement.needs())
        ),
        State::Warning | State::Critical => {
            let failures: String = checked
                .judgement
                .findings
                .iter()
                .map(|finding| {
                    let lines = finding.evidence.iter().chain(&finding.commands);
                    let lines: Vec<String> = lines.map(|line| escaped(line)).collect();
                    format!(
                        "      <failure type=\"{}\" message=\"{}\">{}. {}.\n{}</failure>\n",
                        State::from(finding.severity).word(),
                        escaped(&finding.observation),
                        escaped(&finding.conclusion),
                        escaped(&finding.recommendation),
                        lines.join("\n")
                    )
                })
                .collect();
            format!("{start}>\n{failures}    </testcase>\n")
        }
    }
}

/// Text in XML, which knows no control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => escaped.push(c),
        }
    }
    escaped
}
