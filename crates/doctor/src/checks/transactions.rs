//! Transactions that last: idle, long, prepared; and long statements.

use crate::check::{About, Check, Finding, Judgement, Privilege, Severity};
use crate::checks::locks::{LOCKS, waiters_behind};
use crate::checks::sessions::{self, SESSIONS, Sessions};
use crate::mend::Mend;
use crate::question::{Missing, Question, Row};
use crate::sample::{After, Sample};
use crate::words::{flat, identifier, literal, plural, span};

/// Sessions that are idle in a transaction.
pub(super) struct IdleInTransaction;

impl Check for IdleInTransaction {
    fn about(&self) -> About {
        About {
            id: "idle-in-transaction",
            title: "no transaction is left open",
            why: "a session that is idle in a transaction keeps its locks, holds back vacuum, and takes a slot \
                  that no pool can use; it is often a leaked or forgotten checkout",
            worst: Severity::Critical,
            source: "S2 issue 4, settings; C11, C13",
            privilege: Privilege::Monitor,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[SESSIONS, LOCKS]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let sessions = Sessions::of(sample)?;
        let after = sample.after(self.about().id, IDLE);
        let all: Vec<_> = sessions.visible().filter(is_idle_in_transaction).collect();
        let mut long: Vec<_> = all
            .iter()
            .filter(|row| state_s(row) >= after.warning)
            .collect();
        long.sort_by(|a, b| f64::total_cmp(&state_s(b), &state_s(a)));
        let judgement = Judgement::seen(format!(
            "{} idle in a transaction, {} of them for {} or longer",
            plural(all.len(), "session"),
            long.len(),
            span(after.warning)
        ))
        .without(sessions.unseen());
        let Some(oldest) = long.first() else {
            return Ok(judgement);
        };
        let waiters: usize = match sample.rows(&LOCKS) {
            Ok(locks) => long
                .iter()
                .map(|row| waiters_behind(locks, row.text("pid")))
                .sum(),
            Err(_) => 0,
        };
        let severity = if waiters > 0 || state_s(oldest) >= after.critical {
            Severity::Critical
        } else {
            Severity::Warning
        };
        let mut commands = vec![format!(
            "ALTER ROLE {} SET idle_in_transaction_session_timeout = '60s'; -- for its next sessions",
            identifier(oldest.text("role"))
        )];
        commands.extend(long.iter().take(3).map(|row| {
            sessions::terminate(
                row,
                &format!(
                    "state LIKE 'idle in transaction%' AND state_change < now() - interval '{} s'",
                    after.warning
                ),
            )
        }));
        Ok(judgement.with([Finding {
            severity,
            observation: format!(
                "{} idle in a transaction for {} or longer, the longest for {}; {}",
                are(long.len()),
                span(after.warning),
                span(state_s(oldest)),
                match waiters {
                    0 => "nobody waits for their locks".to_owned(),
                    1 => "1 session waits for their locks".to_owned(),
                    more => format!("{more} sessions wait for their locks"),
                }
            ),
            numbers: vec![
                ("sessions", long.len() as f64),
                ("longest_s", state_s(oldest).round()),
                ("waiting_sessions", waiters as f64),
            ],
            evidence: long.iter().take(5).map(|row| sessions::line(row)).collect(),
            conclusion: "the application began a transaction and went on with something else, or lost it; its locks \
                         and the slot stay taken, and vacuum cannot remove what changed since"
                .to_owned(),
            recommendation: "find the code that left it open by its last statement; bound it with \
                             idle_in_transaction_session_timeout; end the session only if nobody can"
                .to_owned(),
            commands,
        }]))
    }

    fn mends(&self, sample: &Sample) -> Vec<Mend> {
        let id = self.about().id;
        let after = sample.after(id, IDLE).warning;
        let Ok(sessions) = Sessions::of(sample) else {
            return Vec::new();
        };
        let idle = sessions.visible().filter(is_idle_in_transaction);
        let long = idle.filter(|row| state_s(row) >= after);
        long.filter_map(|row| sessions::terminate_mend(id, &row, after))
            .take(MENDS_MAX)
            .collect()
    }
}

fn is_idle_in_transaction(row: &Row<'_>) -> bool {
    row.text("state").starts_with("idle in transaction")
}

fn state_s(row: &Row<'_>) -> f64 {
    row.number("state_s").unwrap_or_default()
}

fn are(many: usize) -> String {
    match many {
        1 => "1 session is".to_owned(),
        more => format!("{more} sessions are"),
    }
}

/// How many sessions one run acts on: whoever looks at each can still follow.
const MENDS_MAX: usize = 20;

/// A minute, as the documents say; in a quarter of an hour vacuum has been due on any table in use.
const IDLE: After = After {
    warning: 60.0,
    critical: 900.0,
};

/// Transactions that are open for long and do something.
pub(super) struct LongTransactions;

impl Check for LongTransactions {
    fn about(&self) -> About {
        About {
            id: "long-transactions",
            title: "transactions are short",
            why: "vacuum removes nothing that the oldest transaction may still see: tables and indexes grow, and \
                  locks are held until it ends",
            worst: Severity::Critical,
            source: "PostgreSQL: routine vacuuming",
            privilege: Privilege::Monitor,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[SESSIONS]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let sessions = Sessions::of(sample)?;
        let after = sample.after(self.about().id, LONG);
        let age = |row: &Row<'_>| row.number("transaction_s").unwrap_or_default();
        // Those that are idle have a check of their own.
        let mut open: Vec<_> = sessions
            .visible()
            .filter(|row| age(row) > 0.0 && !is_idle_in_transaction(row))
            .collect();
        open.sort_by(|a, b| f64::total_cmp(&age(b), &age(a)));
        let long: Vec<_> = open
            .iter()
            .filter(|row| age(row) >= after.warning)
            .collect();
        let judgement = Judgement::seen(format!(
            "{}{}",
            plural(open.len(), "working transaction"),
            open.first().map_or(String::new(), |row| format!(
                ", the longest open for {}",
                span(age(row))
            )),
        ))
        .without(sessions.unseen());
        let Some(oldest) = long.first() else {
            return Ok(judgement);
        };
        let horizon = long.iter().filter_map(|row| row.whole("horizon")).max();
        let horizon = horizon.unwrap_or_default();
        Ok(judgement.with([Finding {
            severity: match age(oldest) >= after.critical {
                true => Severity::Critical,
                false => Severity::Warning,
            },
            observation: format!(
                "{} open for {} or longer, the longest for {}; {horizon} transactions have begun since the oldest \
                 snapshot",
                match long.len() {
                    1 => "1 transaction is".to_owned(),
                    more => format!("{more} transactions are"),
                },
                span(after.warning),
                span(age(oldest)),
            ),
            numbers: vec![
                ("transactions", long.len() as f64),
                ("longest_s", age(oldest).round()),
                ("horizon_transactions", horizon as f64),
            ],
            evidence: long.iter().take(5).map(|row| sessions::line(row)).collect(),
            conclusion: "until they end, vacuum removes no row that changed since they began, in any table".to_owned(),
            recommendation: "a backup may take this long; anything else should work in smaller transactions. Since \
                             PostgreSQL 17 transaction_timeout bounds them. Cancel before you terminate"
                .to_owned(),
            commands: long
                .iter()
                .take(3)
                .map(|row| sessions::cancel(row, "state = 'active'"))
                .collect(),
        }]))
    }

    fn mends(&self, sample: &Sample) -> Vec<Mend> {
        let after = sample.after(self.about().id, LONG).warning;
        active_since(sample, self.about().id, "transaction_s", after)
    }
}

const LONG: After = After {
    warning: 900.0,
    critical: 4.0 * 3600.0,
};

/// Statements that run for long.
pub(super) struct LongQueries;

impl Check for LongQueries {
    fn about(&self) -> About {
        About {
            id: "long-queries",
            title: "statements end",
            why: "a connection that runs a long statement serves nobody else; a few of them exhaust a pool",
            worst: Severity::Warning,
            source: "S1 problem 2, S2 monitoring and issue 2; C10",
            privilege: Privilege::Monitor,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[SESSIONS]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let sessions = Sessions::of(sample)?;
        let after = sample.after(self.about().id, QUERY);
        let age = |row: &Row<'_>| row.number("query_s").unwrap_or_default();
        let mut active: Vec<_> = sessions
            .visible()
            .filter(|row| row.get("state") == Some("active") && !is_blocked(row))
            .collect();
        active.sort_by(|a, b| f64::total_cmp(&age(b), &age(a)));
        let long: Vec<_> = active
            .iter()
            .filter(|row| age(row) >= after.warning)
            .collect();
        let judgement = Judgement::seen(format!(
            "{}{}",
            plural(active.len(), "running statement"),
            active.first().map_or(String::new(), |row| format!(
                ", the longest for {}",
                span(age(row))
            )),
        ))
        .without(sessions.unseen());
        let Some(oldest) = long.first() else {
            return Ok(judgement);
        };
        Ok(judgement.with([Finding {
            severity: Severity::Warning,
            observation: format!(
                "{} for {} or longer, the longest for {}",
                match long.len() {
                    1 => "1 statement has run".to_owned(),
                    more => format!("{more} statements have run"),
                },
                span(after.warning),
                span(age(oldest))
            ),
            numbers: vec![
                ("statements", long.len() as f64),
                ("longest_s", age(oldest).round()),
            ],
            evidence: long.iter().take(5).map(|row| sessions::line(row)).collect(),
            conclusion: "each keeps a connection of its pool; the client may have given up long ago, which a running \
                         statement does not notice"
                .to_owned(),
            recommendation: "look at its plan (EXPLAIN) for a missing index; cancel it if nobody waits for it; bound \
                             the statements of applications, not of migrations, with statement_timeout"
                .to_owned(),
            commands: std::iter::once(format!(
                "ALTER ROLE {} SET statement_timeout = '30s'; -- for its next sessions",
                identifier(oldest.text("role"))
            ))
            .chain(long.iter().take(3).map(|row| sessions::cancel(row, "state = 'active'")))
            .collect(),
        }]))
    }

    fn mends(&self, sample: &Sample) -> Vec<Mend> {
        let after = sample.after(self.about().id, QUERY).warning;
        active_since(sample, self.about().id, "query_s", after)
    }
}

/// Cancels of what has been active, or has had its transaction open, for so long.
fn active_since(sample: &Sample, check: &'static str, column: &str, after_s: f64) -> Vec<Mend> {
    let Ok(sessions) = Sessions::of(sample) else {
        return Vec::new();
    };
    let active = sessions
        .visible()
        .filter(|row| row.get("state") == Some("active"));
    let long = active.filter(|row| row.number(column) >= Some(after_s) && !is_blocked(row));
    long.filter_map(|row| sessions::cancel_mend(check, &row))
        .take(MENDS_MAX)
        .collect()
}

/// Whether it waits for a lock, which another check looks at.
fn is_blocked(row: &Row<'_>) -> bool {
    row.get("wait_type") == Some("Lock")
}

/// Only a warning: somebody may wait for it.
const QUERY: After = After {
    warning: 60.0,
    critical: f64::INFINITY,
};

/// Prepared transactions (two-phase commit).
pub(super) struct Prepared;

impl Check for Prepared {
    fn about(&self) -> About {
        About {
            id: "prepared-transactions",
            title: "no prepared transaction is forgotten",
            why: "a prepared transaction keeps its locks and holds back vacuum without any session, also over \
                  restarts, until somebody commits it or rolls it back",
            worst: Severity::Critical,
            source: "PostgreSQL: PREPARE TRANSACTION",
            privilege: Privilege::Any,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[PREPARED]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let rows = sample.rows(&PREPARED)?;
        let after = sample.after(self.about().id, FORGOTTEN);
        let judgement = Judgement::seen(plural(rows.values.len(), "prepared transaction"));
        let age = |row: &Row<'_>| row.number("age_s").unwrap_or_default();
        let old: Vec<_> = rows
            .iter()
            .filter(|row| age(row) >= after.warning)
            .collect();
        let Some(oldest) = old.first() else {
            return Ok(judgement);
        };
        Ok(judgement.with([Finding {
            severity: match age(oldest) >= after.critical {
                true => Severity::Critical,
                false => Severity::Warning,
            },
            observation: format!(
                "{} for {} or longer, the oldest for {}",
                match old.len() {
                    1 => "1 transaction has been prepared".to_owned(),
                    more => format!("{more} transactions have been prepared"),
                },
                span(after.warning),
                span(age(oldest))
            ),
            numbers: vec![
                ("transactions", old.len() as f64),
                ("oldest_s", age(oldest).round()),
            ],
            evidence: old
                .iter()
                .take(5)
                .map(|row| {
                    format!(
                        "{} of {}@{}, prepared {} ago",
                        flat(row.text("gid")),
                        flat(row.text("owner")),
                        flat(row.text("database")),
                        span(age(row))
                    )
                })
                .collect(),
            conclusion: "their transaction manager has lost them or is slow; their locks stay".to_owned(),
            recommendation: "ask the transaction manager what became of each; then commit it or roll it back, in its \
                             own database"
                .to_owned(),
            commands: old
                .iter()
                .take(3)
                .map(|row| {
                    format!(
                        "ROLLBACK PREPARED {}; -- or COMMIT PREPARED, in database {}",
                        literal(row.text("gid")),
                        flat(row.text("database"))
                    )
                })
                .collect(),
        }]))
    }
}

const PREPARED: Question = Question {
    name: "prepared",
    sql: "\
SELECT gid, owner, database, extract(epoch FROM clock_timestamp() - prepared) AS age_s \
FROM pg_prepared_xacts ORDER BY prepared LIMIT 1000",
};

const FORGOTTEN: After = After {
    warning: 60.0,
    critical: 900.0,
};
