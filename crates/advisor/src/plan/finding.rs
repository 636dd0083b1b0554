//! A finding: a rule that is broken, how much that weighs, and what to do.

use serde::Serialize;

use crate::corrections;
use crate::formula::demand::Verdict;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Will cause trouble some day.
    Warn,
    /// Does not work.
    Fail,
}

impl Severity {
    /// What a fleet is at best that has such a finding.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Info => Verdict::Ok,
            Self::Warn => Verdict::Warn,
            Self::Fail => Verdict::Fail,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// A rule that is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule: `C` and the number of a correction, `L` and the number of a timeout rule, a
    /// formula, or `from` for what was found in what was read.
    pub id: String,
    /// Number of the correction in the manual, if it is one.
    pub correction: Option<u32>,
    /// How much it weighs.
    pub severity: Severity,
    /// The services it was seen in; empty for the fleet as a whole.
    pub subjects: Vec<String>,
    /// What is wrong, with the numbers of the first subject.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// Where the rule comes from.
    pub source: String,
}

impl Finding {
    pub(super) fn new(
        id: impl Into<String>,
        correction: Option<u32>,
        severity: Severity,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let source = correction.and_then(corrections::numbered);
        Self {
            id: id.into(),
            correction,
            severity,
            subjects: Vec::new(),
            message: message.into(),
            remedy: remedy.into(),
            source: source.map_or(String::new(), |correction| correction.source.to_owned()),
        }
    }

    /// Subject, message and remedy in one line.
    pub fn sentence(&self) -> String {
        let subject = match self.subjects.as_slice() {
            [] => String::new(),
            [one] => format!("{one}: "),
            [first, rest @ ..] => format!("{first} and {} more: ", rest.len()),
        };
        format!("{subject}{}; {}", self.message, self.remedy)
    }
}

/// A finding of the correction with this number.
pub(super) fn corrected(
    number: u32,
    severity: Severity,
    message: impl Into<String>,
    remedy: impl Into<String>,
) -> Finding {
    Finding::new(
        format!("C{number}"),
        Some(number),
        severity,
        message,
        remedy,
    )
}

/// Reports a rule that several services break once, with the numbers of the first.
pub(super) fn gather<'a>(
    services: impl Iterator<Item = (&'a str, Finding)>,
    into: &mut Vec<Finding>,
) {
    let start = into.len();
    for (name, mut finding) in services {
        let known = into[start..]
            .iter_mut()
            .find(|known| known.id == finding.id && known.severity == finding.severity);
        match known {
            Some(known) => known.subjects.push(name.to_owned()),
            None => {
                finding.subjects.push(name.to_owned());
                into.push(finding);
            }
        }
    }
}
