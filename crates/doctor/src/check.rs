//! A check: what it is about, what it asks, and what follows from the answers.

use crate::mend::Mend;
use crate::question::{Missing, Question};
use crate::sample::Sample;

/// How urgent a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It will cause trouble under some load or failure.
    Warning,
    /// It causes trouble now, or will within hours.
    Critical,
}

/// What a role needs to see all that a check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// Any role may read it.
    Any,
    /// Sessions of other roles: `pg_monitor`, or `pg_read_all_stats` alone.
    Monitor,
    /// The files of the configuration: a superuser.
    Superuser,
    /// The console of a pooler: a user of `admin_users` or `stats_users`.
    Console,
}

impl Privilege {
    /// How it is granted, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Any => "none",
            Self::Monitor => "pg_monitor (or pg_read_all_stats)",
            Self::Superuser => "superuser",
            Self::Console => "stats_users of the pooler",
        }
    }
}

/// What a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// Its name on the command line and in JSON.
    pub id: &'static str,
    /// What it looks at, in a few words.
    pub title: &'static str,
    /// Why that matters.
    pub why: &'static str,
    /// The worst that it finds.
    pub worst: Severity,
    /// Where the rule comes from.
    pub source: &'static str,
    /// What a role needs for all of it.
    pub privilege: Privilege,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// How urgent it is.
    pub severity: Severity,
    /// What was seen, with the numbers.
    pub observation: String,
    /// The numbers by name; the unit is the end of the name.
    pub numbers: Vec<(&'static str, f64)>,
    /// Single sessions, settings or objects, one a line.
    pub evidence: Vec<String>,
    /// What follows from it.
    pub conclusion: String,
    /// What to do.
    pub recommendation: String,
    /// Exact commands for that: SQL, or a command line that begins with `pgweir`.
    pub commands: Vec<String>,
}

/// What a check saw.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judgement {
    /// What was looked at, with the numbers, for a reader who wants to know what `ok` means.
    pub seen: String,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What could not be seen, and what is needed for it. Without findings the check counts as skipped.
    pub missing: Vec<Missing>,
}

impl Judgement {
    /// All is well as far as was seen.
    pub(crate) fn seen(seen: impl Into<String>) -> Self {
        Self {
            seen: seen.into(),
            ..Self::default()
        }
    }

    /// What it needs that it did not get, in one line.
    pub(crate) fn needs(&self) -> String {
        let needs: Vec<&str> = self
            .missing
            .iter()
            .map(|missing| missing.0.as_str())
            .collect();
        needs.join("; ")
    }

    /// Adds a finding, if there is one.
    #[must_use]
    pub(crate) fn with(mut self, finding: impl IntoIterator<Item = Finding>) -> Self {
        self.findings.extend(finding);
        self
    }

    /// Adds what could not be seen, if there is something.
    #[must_use]
    pub(crate) fn without(mut self, missing: Option<Missing>) -> Self {
        self.missing.extend(missing);
        self
    }
}

/// A rule about a running server.
pub trait Check: Sync {
    /// What it is about.
    fn about(&self) -> About;

    /// What it asks.
    fn questions(&self) -> &'static [Question];

    /// What follows from the answers.
    ///
    /// # Errors
    /// Nothing can be said without what is missing.
    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing>;

    /// What can be put right of what it finds, without surprise.
    fn mends(&self, _sample: &Sample) -> Vec<Mend> {
        Vec::new()
    }

    /// Whether it is about something that was to be examined. One that is not is left out.
    fn applies(&self, sample: &Sample) -> bool {
        sample.is_of_a_server()
    }
}
