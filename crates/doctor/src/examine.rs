//! Runs the checks and puts what they say in order.

use crate::check::{About, Check, Finding, Judgement, Severity};
use crate::checks::server::SERVER;
use crate::mend::{Mend, Rung};
use crate::question::Missing;
use crate::sample::Sample;

/// Version of the JSON form. Grows when a field changes its meaning or is removed; a new field does not
/// change it.
pub const SCHEMA: &str = "pgweir-doctor/1";

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// All was seen, and nothing is wrong.
    Ok,
    /// Something was not seen, and nothing is wrong with the rest.
    Skipped,
    /// A warning.
    Warning,
    /// Critical.
    Critical,
}

impl State {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl From<Severity> for State {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Warning => Self::Warning,
            Severity::Critical => Self::Critical,
        }
    }
}

/// A check and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// What it is about.
    pub about: About,
    /// The worst of its findings.
    pub state: State,
    /// What it saw.
    pub judgement: Judgement,
}

/// What was found out about one server.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Where it is, without secrets.
    pub target: String,
    /// Its version and role, and as whom it was asked; empty if it was not reached.
    pub server: String,
    /// The worst of all.
    pub state: State,
    /// All checks, the most urgent first.
    pub checks: Vec<Checked>,
}

impl Report {
    /// How many checks ended so.
    pub fn count(&self, state: State) -> usize {
        let checks = self.checks.iter();
        checks.filter(|checked| checked.state == state).count()
    }
}

/// Runs these checks on what was seen at `target`.
pub fn examine(target: &str, sample: &Sample, checks: &[&dyn Check]) -> Report {
    let checks = checks.iter().filter(|check| check.applies(sample));
    let checks = checks.map(|check| {
        let judgement = check.judge(sample).unwrap_or_else(|missing| Judgement {
            missing: vec![missing],
            ..Judgement::default()
        });
        checked(check.about(), judgement)
    });
    report(target, who(sample).unwrap_or_default(), checks.collect())
}

/// What can be put right of what these checks find, the mildest first. Cancelling what somebody may wait for,
/// and what takes a restart, is proposed only for checks that were `named`.
pub fn mends(sample: &Sample, checks: &[&dyn Check], named: bool) -> Vec<Mend> {
    let found = checks.iter().filter(|check| {
        let judgement = check.judge(sample);
        check.applies(sample) && judgement.is_ok_and(|judgement| !judgement.findings.is_empty())
    });
    let mut mends: Vec<Mend> = found.flat_map(|check| check.mends(sample)).collect();
    mends.retain(|mend| named || !matches!(mend.rung, Rung::Cancel | Rung::Restart));
    mends.sort_by_key(|mend| mend.rung);
    // Two checks may find the same session.
    let mut seen = Vec::new();
    mends.retain(|mend| {
        let is_new = !seen.contains(&mend.statements);
        seen.push(mend.statements.clone());
        is_new
    });
    mends
}

fn checked(about: About, mut judgement: Judgement) -> Checked {
    judgement
        .findings
        .sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let state = match judgement.findings.first() {
        Some(worst) => worst.severity.into(),
        None if !judgement.missing.is_empty() => State::Skipped,
        None => State::Ok,
    };
    Checked {
        about,
        state,
        judgement,
    }
}

fn report(target: &str, server: String, mut checks: Vec<Checked>) -> Report {
    // Stable: checks of one state keep their order, which is that of a doctor's round.
    checks.sort_by_key(|checked| std::cmp::Reverse(checked.state));
    // Skipped is not worse than ok for a whole: without privileges there is always something skipped.
    let worst = checks.iter().map(|checked| checked.state).max();
    let state = match worst {
        None | Some(State::Ok | State::Skipped) => State::Ok,
        Some(found) => found,
    };
    Report {
        target: target.to_owned(),
        server,
        state,
        checks,
    }
}

/// Why a server was not examined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreachable {
    /// It refused the login, with SQLSTATE and words.
    Refused {
        /// Five characters.
        sqlstate: String,
        /// The server's words.
        message: String,
    },
    /// No connection came about, or it broke.
    Broken(String),
    /// The login succeeded in one of the last slots, which are kept for others.
    Reserved {
        /// Clients that are connected, this one included.
        used: usize,
        /// Slots that ordinary roles may use.
        usable: usize,
    },
}

/// The report of a server that could not be examined.
pub fn unreachable(target: &str, why: &Unreachable) -> Report {
    let about = About {
        id: "reachable",
        title: "the server lets us in",
        why: "what cannot be reached cannot be examined, and applications may see the same",
        worst: Severity::Critical,
        source: "PostgreSQL: connection settings, error codes",
        privilege: crate::check::Privilege::Any,
    };
    let finding = reason(why);
    report(
        target,
        String::new(),
        vec![checked(about, Judgement::default().with([finding]))],
    )
}

fn reason(why: &Unreachable) -> Finding {
    let (observation, conclusion, recommendation, commands) = match why {
        Unreachable::Refused { sqlstate, message } => {
            let (conclusion, recommendation, commands) = refused(sqlstate);
            let words = crate::words::flat(message);
            (
                format!("the login was refused: {words} (SQLSTATE {sqlstate})"),
                conclusion,
                recommendation,
                commands,
            )
        }
        Unreachable::Broken(message) => (
            format!("there is no connection: {}", crate::words::flat(message)),
            "the address, the network or the server's listen_addresses is wrong, or it is down"
                .to_owned(),
            "look whether it runs and listens, from this machine and from its own".to_owned(),
            vec!["pg_isready -h HOST -p PORT".to_owned()],
        ),
        Unreachable::Reserved { used, usable } => (
            format!("{used} clients are connected, and ordinary roles may use {usable} slots"),
            "only slots that are reserved for operators are left, so the examination left at once"
                .to_owned(),
            "use a reserved slot for as long as the examination takes, which is a second or two"
                .to_owned(),
            vec!["pgweir doctor --reserved URL".to_owned()],
        ),
    };
    Finding {
        severity: Severity::Critical,
        observation,
        numbers: Vec::new(),
        evidence: Vec::new(),
        conclusion,
        recommendation,
        commands,
    }
}

fn refused(sqlstate: &str) -> (String, String, Vec<String>) {
    let (conclusion, recommendation, commands): (&str, &str, &[&str]) = match sqlstate {
        "53300" => (
            "every slot that this role may use is taken; applications are refused in the same way",
            "examine it as a superuser, or as a member of pg_use_reserved_connections (PostgreSQL 16 and later), \
             for whom slots are reserved; then shrink the pools that hold most",
            &["pgweir doctor --reserved postgres://SUPERUSER@HOST/postgres"],
        ),
        "28P01" => (
            "the password is wrong, or the role has none",
            "check the URL; in a password write %40 for @, %2F for / and %3F for ?",
            &[],
        ),
        "28000" => (
            "no rule of pg_hba.conf lets this role in from here, or it may not log in",
            "add a rule for the address and the role, and reload",
            &["SELECT pg_reload_conf();"],
        ),
        "3D000" => (
            "the database does not exist",
            "check the name behind the last / of the URL",
            &[],
        ),
        "57P03" => (
            "the server starts, stops or recovers",
            "wait, and look into its log when that lasts",
            &[],
        ),
        _ => (
            "the server does not let this role in",
            "see the message",
            &[],
        ),
    };
    let commands = commands.iter().map(|&command| command.to_owned());
    (
        conclusion.to_owned(),
        recommendation.to_owned(),
        commands.collect(),
    )
}

/// Who was asked, and as whom.
fn who(sample: &Sample) -> Result<String, Missing> {
    let row = sample.row(&SERVER)?;
    let kind = match row.is("standby") {
        true => ", a standby",
        false => "",
    };
    let role = match (row.is("superuser"), row.is("sees_all")) {
        (true, _) => "a superuser",
        (false, true) => "who sees all sessions",
        (false, false) => "who sees only sessions of its own",
    };
    Ok(format!(
        "PostgreSQL {}{kind}, up for {}, asked as {}, {role}",
        crate::words::flat(row.text("version")),
        crate::words::span(row.number("uptime").unwrap_or_default()),
        crate::words::flat(row.text("role")),
    ))
}
