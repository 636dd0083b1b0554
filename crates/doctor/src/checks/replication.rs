//! Replication: slots that keep WAL, standbys that lag.

use crate::check::{About, Check, Finding, Judgement, Privilege, Severity};
use crate::checks::server::SERVER;
use crate::question::{Missing, Question, Row};
use crate::sample::{After, Sample};
use crate::words::{bytes, flat, literal, plural, span};

/// Replication slots that keep WAL.
pub(super) struct Slots;

impl Check for Slots {
    fn about(&self) -> About {
        About {
            id: "replication-slots",
            title: "no replication slot fills the disk",
            why: "a slot keeps all WAL since its consumer was last seen; when the disk is full, PostgreSQL stops, and \
                  every connection with it",
            worst: Severity::Critical,
            source: "PostgreSQL: replication slots, max_slot_wal_keep_size",
            privilege: Privilege::Any,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[SLOTS]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let rows = sample.rows(&SLOTS)?;
        let mut judgement = Judgement::seen(plural(rows.values.len(), "replication slot"));
        judgement
            .findings
            .extend(rows.iter().filter_map(|row| slot(&row)));
        Ok(judgement)
    }
}

fn slot(row: &Row<'_>) -> Option<Finding> {
    let kept = row.number("kept_bytes").unwrap_or_default();
    let active = row.is("active");
    let status = row.text("wal_status");
    let bounded = row.number("keep_mb").is_some_and(|mb| mb >= 0.0);
    let severity = match status {
        "lost" | "unreserved" => Severity::Critical,
        _ if kept >= KEPT_CRITICAL && !bounded => Severity::Critical,
        _ if kept >= KEPT_WARNING => Severity::Warning,
        // An inactive one without a bound only grows.
        _ if !active && !bounded && !row.is("temporary") => Severity::Warning,
        _ => return None,
    };
    let name = row.text("name");
    let state = if active { "in use" } else { "not in use" };
    let mut commands = Vec::new();
    if !bounded {
        commands.push(
            "ALTER SYSTEM SET max_slot_wal_keep_size = '20GB'; -- what the disk can spare"
                .to_owned(),
        );
        commands.push("SELECT pg_reload_conf();".to_owned());
    }
    if !active {
        commands.push(format!(
            "SELECT pg_drop_replication_slot({}); -- only if its consumer will not come back",
            literal(name)
        ));
    }
    Some(Finding {
        severity,
        observation: format!(
            "slot {} ({}) is {state} and keeps {} of WAL, wal_status {status}",
            flat(name),
            row.text("type"),
            bytes(kept)
        ),
        numbers: vec![("kept_bytes", kept)],
        evidence: Vec::new(),
        conclusion: match (status, bounded) {
            ("lost", _) => {
                "the WAL that its consumer needs is gone; it must be made anew".to_owned()
            }
            (_, true) => {
                "its consumer is behind; when max_slot_wal_keep_size is reached, the slot is lost"
                    .to_owned()
            }
            (_, false) => "WAL grows until the consumer comes back or the disk is full".to_owned(),
        },
        recommendation: "bring its consumer back, or drop the slot; bound what slots may keep"
            .to_owned(),
        commands,
    })
}

const SLOTS: Question = Question {
    name: "slots",
    sql: "\
SELECT slot_name AS name, slot_type AS type, active, temporary, wal_status, \
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, \
                       restart_lsn) AS kept_bytes, \
       (SELECT setting FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS keep_mb \
FROM pg_replication_slots ORDER BY slot_name LIMIT 1000",
};

/// 1 GB: 64 files of WAL.
const KEPT_WARNING: f64 = 1_073_741_824.0;
const KEPT_CRITICAL: f64 = 16.0 * KEPT_WARNING;

/// Standbys that are behind, as their primary sees them.
pub(super) struct Standbys;

impl Check for Standbys {
    fn about(&self) -> About {
        About {
            id: "replication-lag",
            title: "standbys keep up",
            why: "readers of a standby see old rows; a synchronous one that lags holds up every commit, and with it \
                  every connection",
            worst: Severity::Critical,
            source: "PostgreSQL: pg_stat_replication",
            privilege: Privilege::Monitor,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[STANDBYS]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let rows = sample.rows(&STANDBYS)?;
        let after = sample.after(self.about().id, LAG);
        let hidden = rows.iter().filter(|row| row.get("state").is_none()).count();
        let mut judgement = Judgement::seen(plural(rows.values.len(), "receiver")).without(
            (hidden > 0).then(|| {
                Missing(format!(
                    "membership in pg_monitor, to see {} (GRANT pg_monitor TO …)",
                    plural(hidden, "hidden receiver")
                ))
            }),
        );
        judgement
            .findings
            .extend(rows.iter().filter_map(|row| standby(&row, after)));
        Ok(judgement)
    }
}

fn standby(row: &Row<'_>, after: After) -> Option<Finding> {
    let seconds = row.number("replay_s").unwrap_or_default();
    let behind = row.number("behind_bytes").unwrap_or_default();
    let state = row.get("state")?;
    // A base backup is one that takes long, and is meant to.
    if state == "backup" || (seconds < after.warning && behind < KEPT_WARNING) {
        return None;
    }
    let critical = seconds >= after.critical || behind >= KEPT_CRITICAL;
    Some(Finding {
        severity: if critical {
            Severity::Critical
        } else {
            Severity::Warning
        },
        observation: format!(
            "{} from {} is {} and {} behind (state {state}, {})",
            flat(row.text("name")),
            row.get("address").unwrap_or("a unix socket"),
            span(seconds),
            bytes(behind),
            row.text("sync"),
        ),
        numbers: vec![("replay_s", seconds.round()), ("behind_bytes", behind)],
        evidence: Vec::new(),
        conclusion: "readers there see the past, and a failover would lose it or wait for it"
            .to_owned(),
        recommendation:
            "look at the standby: a long query that holds replay up, its disk, or the network"
                .to_owned(),
        commands: vec!["pgweir doctor URL-OF-THE-STANDBY".to_owned()],
    })
}

pub(crate) const STANDBYS: Question = Question {
    name: "standbys",
    sql: "\
SELECT application_name AS name, host(client_addr) AS address, state, sync_state AS sync, \
       extract(epoch FROM replay_lag) AS replay_s, \
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END, \
                       coalesce(replay_lsn, sent_lsn)) AS behind_bytes \
FROM pg_stat_replication ORDER BY 1, 2 LIMIT 1000",
};

const LAG: After = After {
    warning: 60.0,
    critical: 900.0,
};

/// A standby that does not replay, as it sees itself.
pub(super) struct Replay;

impl Check for Replay {
    fn about(&self) -> About {
        About {
            id: "replay",
            title: "this standby replays",
            why: "a standby whose replay is paused or held up answers with old rows, and its slot on the primary grows",
            worst: Severity::Critical,
            source: "PostgreSQL: hot standby",
            privilege: Privilege::Any,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[SERVER, REPLAY]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        if !sample.row(&SERVER)?.is("standby") {
            return Ok(Judgement::seen("not a standby"));
        }
        let row = sample.row(&REPLAY)?;
        let after = sample.after(self.about().id, LAG);
        let paused = row.is("paused");
        let waiting = row.number("waiting_bytes").unwrap_or_default();
        let age = row.number("age_s").unwrap_or_default();
        let seen = format!(
            "{} of received WAL wait for replay; the last replayed transaction is {} old",
            bytes(waiting),
            span(age)
        );
        // An old transaction alone is no lag: the primary may have nothing to do.
        if !paused && (waiting <= 0.0 || age < after.warning) {
            return Ok(Judgement::seen(seen));
        }
        let critical = paused || age >= after.critical;
        Ok(Judgement::seen(seen.clone()).with([Finding {
            severity: if critical {
                Severity::Critical
            } else {
                Severity::Warning
            },
            observation: match paused {
                true => format!("replay is paused; {seen}"),
                false => seen,
            },
            numbers: vec![("waiting_bytes", waiting), ("age_s", age.round())],
            evidence: Vec::new(),
            conclusion: "readers see the past, and a promotion would have to replay the rest first"
                .to_owned(),
            recommendation: match paused {
                true => "resume it".to_owned(),
                false => {
                    "look for a long query here that holds replay up (max_standby_streaming_delay)"
                        .to_owned()
                }
            },
            commands: match paused {
                true => vec!["SELECT pg_wal_replay_resume();".to_owned()],
                false => Vec::new(),
            },
        }]))
    }
}

const REPLAY: Question = Question {
    name: "replay",
    sql: "\
SELECT CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END AS paused, \
       pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) AS waiting_bytes, \
       extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) AS age_s",
};
