//! Time limits of application roles: there must be some, and in the right order.

use std::collections::BTreeMap;

use crate::check::{About, Check, Finding, Judgement, Privilege, Severity};
use crate::checks::server::SERVER;
use crate::mend::Mend;
use crate::question::{Missing, Question, Rows};
use crate::sample::Sample;
use crate::words::{flat, identifier, limit, plural, some};

/// Limits in milliseconds that each application role gets in the database it uses: those of the role there,
/// of the role, of the database, of all roles, of the server, in this order. Application roles are those
/// that are connected and are no superusers; where there are none, those that may log in. The server's own
/// value is visible only where our own login gets no other.
const ROLE_LIMITS: Question = Question {
    name: "role_limits",
    sql: r"
WITH connected AS (
    SELECT DISTINCT usesysid AS role, datid AS database
    FROM pg_stat_activity JOIN pg_roles ON oid = usesysid
    WHERE datid IS NOT NULL AND pid <> pg_backend_pid() AND NOT rolsuper AND NOT rolreplication
      AND NOT pg_has_role(pg_roles.oid, 'pg_monitor', 'USAGE')
), application AS (
    SELECT role, database FROM connected
    UNION ALL
    SELECT r.oid, d.oid FROM pg_roles r, pg_database d
    WHERE r.rolcanlogin AND NOT r.rolsuper AND NOT r.rolreplication
      AND NOT pg_has_role(r.oid, 'pg_monitor', 'USAGE')
      AND d.datname = current_database() AND NOT EXISTS (SELECT FROM connected)
), server AS (
    SELECT name, CASE WHEN NOT EXISTS (
               SELECT FROM pg_db_role_setting, unnest(setconfig) AS setting
               WHERE setrole IN ((SELECT oid FROM pg_roles WHERE rolname = session_user), 0)
                 AND setdatabase IN ((SELECT oid FROM pg_database WHERE datname = current_database()), 0)
                 AND starts_with(setting, name || '=')
           ) THEN reset_val END AS value
    FROM pg_settings
    WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout',
                   'transaction_timeout', 'idle_session_timeout')
), effective AS (
    SELECT server.name, rolname, coalesce(own.value, server.value) AS value
    FROM application JOIN pg_roles ON pg_roles.oid = application.role CROSS JOIN server
    LEFT JOIN LATERAL (
        SELECT substr(setting, length(server.name) + 2) AS value
        FROM pg_db_role_setting, unnest(setconfig) AS setting
        WHERE setrole IN (application.role, 0) AND setdatabase IN (application.database, 0)
          AND starts_with(setting, server.name || '=')
        ORDER BY setrole = 0, setdatabase = 0 LIMIT 1
    ) AS own ON true
)
SELECT name, rolname AS role,
       max(1000 * extract(epoch FROM
            (CASE WHEN value ~ '^\d+$' THEN value || 'ms' ELSE value END)::interval)) AS ms
FROM effective
WHERE value ~ '^\s*\d+(\.\d+)?\s*(us|ms|s|min|h|d)?\s*$'
GROUP BY 1, 2 ORDER BY 2, 1 LIMIT 5000",
};

/// Limits by role, then by name, in milliseconds.
type Limits = BTreeMap<String, BTreeMap<String, f64>>;

fn limits(rows: &Rows) -> Limits {
    let mut limits = Limits::new();
    for row in rows.iter() {
        if let Some(ms) = row.number("ms") {
            let of_role = limits.entry(row.text("role").to_owned()).or_default();
            of_role.insert(row.text("name").to_owned(), ms);
        }
    }
    limits
}

/// Application roles without a limit on idle transactions or statements.
pub(super) struct Guards;

impl Check for Guards {
    fn about(&self) -> About {
        About {
            id: "missing-timeouts",
            title: "application roles have time limits",
            why: "without statement_timeout and idle_in_transaction_session_timeout one lost client or bad plan keeps a \
                  connection, and its locks, for ever; both are off by default",
            worst: Severity::Warning,
            source: "S1 checklist, S2 section 4; C12, C13, C20",
            privilege: Privilege::Any,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[ROLE_LIMITS]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let limits = limits(sample.rows(&ROLE_LIMITS)?);
        let judgement = Judgement::seen(plural(limits.len(), "application role"));
        let findings = GUARDS.iter().filter_map(|(name, proposed, conclusion)| {
            let without: Vec<&String> = limits
                .iter()
                .filter(|(_, limits)| limits.get(*name) == Some(&0.0))
                .map(|(role, _)| role)
                .collect();
            if without.is_empty() {
                return None;
            }
            let names: Vec<String> = without.iter().map(|role| flat(role)).collect();
            Some(Finding {
                severity: Severity::Warning,
                observation: format!(
                    "{} of {} no {name}: {}",
                    plural(without.len(), "application role"),
                    match (limits.len(), without.len()) {
                        (all, 1) => format!("{all} has"),
                        (all, _) => format!("{all} have"),
                    },
                    some(&names, 5)
                ),
                numbers: vec![("roles", without.len() as f64)],
                evidence: Vec::new(),
                conclusion: (*conclusion).to_owned(),
                recommendation: "set it for the roles of applications, not for the server: migrations and backups need \
                                 longer"
                    .to_owned(),
                commands: without
                    .iter()
                    .take(5)
                    .map(|role| format!("ALTER ROLE {} SET {name} = '{proposed}';", identifier(role)))
                    .collect(),
            })
        });
        Ok(judgement.with(findings))
    }

    fn mends(&self, sample: &Sample) -> Vec<Mend> {
        let Ok(rows) = sample.rows(&ROLE_LIMITS) else {
            return Vec::new();
        };
        let missing = limits(rows).into_iter().flat_map(|(role, limits)| {
            let missing = GUARDS
                .iter()
                .filter(move |(name, ..)| limits.get(*name) == Some(&0.0));
            missing
                .map(move |(name, value, _)| Mend::of_role("missing-timeouts", &role, name, value))
        });
        missing.collect()
    }
}

/// A limit, what is proposed for it, and what follows where it is off.
const GUARDS: [(&str, &str, &str); 2] = [
    (
        "statement_timeout",
        "30s",
        "a statement may run for ever, also after its client has given up",
    ),
    (
        "idle_in_transaction_session_timeout",
        "60s",
        "a transaction that was forgotten keeps its locks and its slot for ever",
    ),
];

/// Limits of one role that contradict each other.
pub(super) struct Races;

impl Check for Races {
    fn about(&self) -> About {
        About {
            id: "timeout-races",
            title: "time limits do not race",
            why: "of two limits the shorter one acts: where the wrong one is shorter, an error hides its cause, or a \
                  limit never acts",
            worst: Severity::Warning,
            source: "planning.md, Set the timeouts",
            privilege: Privilege::Any,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[ROLE_LIMITS]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let limits = limits(sample.rows(&ROLE_LIMITS)?);
        let judgement = Judgement::seen(plural(limits.len(), "application role"));
        let findings = RULES.iter().filter_map(|rule| race(&limits, rule));
        Ok(judgement.with(findings))
    }
}

/// The first limit must be shorter than the second.
struct Rule {
    shorter: &'static str,
    longer: &'static str,
    conclusion: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        shorter: "lock_timeout",
        longer: "statement_timeout",
        conclusion: "lock_timeout never acts: a statement that waits for a lock ends as too slow (57014), and nobody \
                     learns of the lock",
    },
    Rule {
        shorter: "statement_timeout",
        longer: "transaction_timeout",
        conclusion: "statement_timeout never acts: the session ends (25P04) where one statement would have failed",
    },
    Rule {
        shorter: "idle_in_transaction_session_timeout",
        longer: "idle_session_timeout",
        conclusion: "sessions that rest in their pool end before transactions that were forgotten do",
    },
];

fn race(limits: &Limits, rule: &Rule) -> Option<Finding> {
    let of =
        |limits: &BTreeMap<String, f64>, name: &str| limits.get(name).copied().unwrap_or_default();
    let racing: Vec<(&String, f64, f64)> = limits
        .iter()
        .map(|(role, limits)| (role, of(limits, rule.shorter), of(limits, rule.longer)))
        .filter(|(_, shorter, longer)| *shorter > 0.0 && *longer > 0.0 && shorter >= longer)
        .collect();
    let (first, shorter, longer) = racing.first()?;
    let names: Vec<String> = racing.iter().map(|(role, ..)| flat(role)).collect();
    Some(Finding {
        severity: Severity::Warning,
        observation: format!(
            "{} {} is not shorter than {} {}, for {}",
            rule.shorter,
            limit(*shorter),
            rule.longer,
            limit(*longer),
            some(&names, 5)
        ),
        numbers: vec![("shorter_ms", *shorter), ("longer_ms", *longer)],
        evidence: Vec::new(),
        conclusion: rule.conclusion.to_owned(),
        recommendation: format!("make {} clearly shorter than {}", rule.shorter, rule.longer),
        commands: vec![format!(
            "ALTER ROLE {} SET {} = '{}';",
            identifier(first),
            rule.shorter,
            limit((longer / 3.0).ceil().max(1.0))
        )],
    })
}

/// `idle_session_timeout` for roles that pools connect as.
pub(super) struct PooledSessions;

impl Check for PooledSessions {
    fn about(&self) -> About {
        About {
            id: "idle-session-timeout",
            title: "the server does not end pooled sessions",
            why: "idle_session_timeout ends the warm connections of pools, and the next query on one fails (57P05)",
            worst: Severity::Warning,
            source: "PostgreSQL: idle_session_timeout; C9",
            privilege: Privilege::Any,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[SERVER, ROLE_LIMITS]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let limits = limits(sample.rows(&ROLE_LIMITS)?);
        if sample.major()? < 14 {
            return Ok(Judgement::seen(
                "PostgreSQL before 14 has no idle_session_timeout",
            ));
        }
        let judgement = Judgement::seen(plural(limits.len(), "application role"));
        let limited: Vec<(&String, f64)> = limits
            .iter()
            .filter_map(|(role, limits)| Some((role, *limits.get("idle_session_timeout")?)))
            .filter(|(_, ms)| *ms > 0.0)
            .collect();
        let Some((_, shortest)) = limited.iter().min_by(|a, b| a.1.total_cmp(&b.1)) else {
            return Ok(judgement);
        };
        let names: Vec<String> = limited.iter().map(|(role, _)| flat(role)).collect();
        Ok(judgement.with([Finding {
            severity: Severity::Warning,
            observation: format!(
                "idle_session_timeout is {} for {}",
                limit(*shortest),
                some(&names, 5)
            ),
            numbers: vec![("shortest_ms", *shortest)],
            evidence: Vec::new(),
            conclusion: "connections that rest in a pool for longer are closed behind its back; their next query fails"
                .to_owned(),
            recommendation: "set it to 0 for roles of pools; let the pool close what it does not need (idle_timeout)"
                .to_owned(),
            commands: limited
                .iter()
                .take(5)
                .map(|(role, _)| format!("ALTER ROLE {} SET idle_session_timeout = 0;", identifier(role)))
                .collect(),
        }]))
    }

    fn mends(&self, sample: &Sample) -> Vec<Mend> {
        let Ok(rows) = sample.rows(&ROLE_LIMITS) else {
            return Vec::new();
        };
        let limited = limits(rows).into_iter();
        let limited = limited.filter(|(_, limits)| limits.get("idle_session_timeout") > Some(&0.0));
        limited
            .map(|(role, _)| {
                Mend::of_role("idle-session-timeout", &role, "idle_session_timeout", "0")
            })
            .collect()
    }
}
