//! Slots for connections, and who takes them.

use crate::check::{About, Check, Finding, Judgement, Privilege, Severity};
use crate::checks::replication::STANDBYS;
use crate::checks::server::{SERVER, Slots};
use crate::checks::sessions::{self, SESSIONS, Sessions};
use crate::mend::{Mend, Place, Rung, Undo};
use crate::question::{Missing, Question};
use crate::sample::Sample;
use crate::words::{flat, identifier, percent, plural, some};

/// Connections against the slots that ordinary roles may use.
pub(super) struct Connections;

impl Check for Connections {
    fn about(&self) -> About {
        About {
            id: "connections",
            title: "connections leave room",
            why: "without a free slot every new connection is refused (53300): FATAL: sorry, too many clients \
                  already; ordinary roles never get the reserved ones",
            worst: Severity::Critical,
            source: "S1 problem 3, S2 issue 1; C6, C7",
            privilege: Privilege::Monitor,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[SERVER, SESSIONS, STANDBYS]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let slots = sample.slots()?;
        let sessions = Sessions::of(sample)?;
        let Slots {
            used,
            usable,
            max,
            reserved,
        } = slots;
        let counted = format!(
            "{used} of {usable} usable slots are taken, this session included (max_connections {max}, \
             {reserved} reserved)"
        );
        // Integers, so that 80 % is exact.
        let severity = if used * 100 >= usable * 90 {
            Severity::Critical
        } else if used * 100 >= usable * 80 {
            Severity::Warning
        } else {
            // How many there are is known, whoever they belong to.
            return Ok(Judgement::seen(counted));
        };
        let idle = sessions
            .visible()
            .filter(|row| row.get("state") == Some("idle"));
        let idle = idle.count();
        let by = ["state", "application", "role", "database", "address"];
        let evidence = by.map(|column| format!("by {column}: {}", top(&sessions.by(column))));
        let largest = sessions.by("application").into_iter().next();
        let (largest, held) = largest.unwrap_or_default();
        Ok(Judgement::seen(counted.clone()).with([Finding {
            severity,
            observation: format!("{counted}: {}", percent(used, usable)),
            numbers: vec![
                ("used_connections", used as f64),
                ("usable_connections", usable as f64),
                ("max_connections", max as f64),
                ("idle_connections", idle as f64),
            ],
            evidence: evidence.into(),
            conclusion: format!(
                "after {} more, clients are refused; {} at this moment",
                plural(usable.saturating_sub(used), "connection"),
                match idle {
                    1 => "1 session is idle".to_owned(),
                    idle => format!("{idle} sessions are idle"),
                },
            ),
            recommendation: format!(
                "lower the pool of \"{largest}\", which holds {held}, or put a pooler in transaction mode in \
                 front; do not end idle sessions, which are the warm connections of pools. Raising \
                 max_connections needs a restart and memory for each connection"
            ),
            commands: vec![
                "pgweir plan --from-database URL".to_owned(),
                format!(
                    "ALTER SYSTEM SET max_connections = {}; -- in effect after a restart, not after \
                     pg_reload_conf(); first on standbys, then on the primary",
                    needed(slots)
                ),
            ],
        }]))
    }

    /// The pools shrink to what they need: their idle servers close, and clients notice nothing.
    fn mends(&self, sample: &Sample) -> Vec<Mend> {
        let reconnects = sample
            .consoles
            .iter()
            .filter(|console| console.silent.is_none());
        let reconnects = reconnects.map(|console| Mend {
            check: "connections",
            rung: Rung::Pool,
            place: Place::Console(console.shown.clone()),
            what: format!("have {} close the servers that no client uses", console.shown),
            statements: vec!["RECONNECT".to_owned()],
            undo: Undo::Never,
            proof: None,
            caution: "the pools grow again with the load; lower their sizes where they are configured",
        });
        // Standbys refuse connections when they have fewer than their primary, so they come first.
        let standbys = sample.rows(&STANDBYS).map_or(1, |rows| rows.values.len());
        let more = sample.slots().ok().filter(|_| standbys == 0).map(|slots| {
            let value = needed(slots).to_string();
            Mend {
                rung: Rung::Restart,
                caution: "it takes a restart, and memory for each connection: shrink pools first",
                ..Mend::of_system("connections", "max_connections", &value, &value)
            }
        });
        reconnects.chain(more).collect()
    }
}

/// `max_connections` with which 80 % of the usable slots are enough for those that are taken now.
fn needed(slots: Slots) -> usize {
    let needed = (slots.used * 100).div_ceil(80) + slots.reserved;
    needed.max(slots.max + 1).next_multiple_of(50)
}

fn top(counts: &[(String, usize)]) -> String {
    let counts: Vec<String> = counts
        .iter()
        .map(|(name, many)| format!("{name} {many}"))
        .collect();
    some(&counts, 6)
}

/// Limits of single roles and databases.
pub(super) struct Limits;

impl Check for Limits {
    fn about(&self) -> About {
        About {
            id: "role-limits",
            title: "limits of roles and databases leave room",
            why: "CONNECTION LIMIT refuses with the same SQLSTATE (53300) while the server has free slots: \
                  too many connections for role, or for database",
            worst: Severity::Critical,
            source: "C6",
            privilege: Privilege::Any,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[LIMITS]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let rows = sample.rows(&LIMITS)?;
        let mut judgement = Judgement::seen(format!(
            "{} of roles and databases",
            plural(rows.values.len(), "connection limit")
        ));
        for row in rows.iter() {
            let (Some(used), Some(limit)) = (row.whole("used"), row.whole("max")) else {
                continue;
            };
            // A limit of 0 means that nobody may connect, which is meant.
            let severity = match (used, limit) {
                (_, 0) => continue,
                _ if used >= limit => Severity::Critical,
                _ if used * 100 >= limit * 80 => Severity::Warning,
                _ => continue,
            };
            let (kind, name) = (row.text("kind"), row.text("name"));
            judgement.findings.push(Finding {
                severity,
                observation: format!("{kind} {} has {used} of {limit} connections", flat(name)),
                numbers: vec![
                    ("used_connections", used as f64),
                    ("limit_connections", limit as f64),
                ],
                evidence: Vec::new(),
                conclusion:
                    "the next connections are refused although the server may have free slots"
                        .to_owned(),
                recommendation: "raise the limit, or lower the pools that connect there".to_owned(),
                commands: vec![format!(
                    "ALTER {} {} CONNECTION LIMIT {};",
                    kind.to_ascii_uppercase(),
                    identifier(name),
                    (used * 100 + 79) / 80 + 1
                )],
            });
        }
        Ok(judgement)
    }
}

const LIMITS: Question = Question {
    name: "limits",
    sql: "\
SELECT 'role' AS kind, rolname AS name, rolconnlimit AS max, \
       (SELECT count(*) FROM pg_stat_activity WHERE usesysid = pg_roles.oid \
         AND coalesce(backend_type, 'client backend') = 'client backend') AS used \
FROM pg_roles WHERE rolconnlimit >= 0 AND NOT rolsuper \
UNION ALL \
SELECT 'database', datname, datconnlimit, \
       (SELECT count(*) FROM pg_stat_activity WHERE datid = pg_database.oid \
         AND coalesce(backend_type, 'client backend') = 'client backend') \
FROM pg_database WHERE datconnlimit >= 0 ORDER BY 1, 2 LIMIT 1000",
};

/// Applications that connect as a superuser.
pub(super) struct Superusers;

impl Check for Superusers {
    fn about(&self) -> About {
        About {
            id: "superuser-sessions",
            title: "applications are no superusers",
            why: "sessions of superusers take the slots that are reserved for repair, no limit of a role or \
                  database holds them, and any injection owns the server",
            worst: Severity::Warning,
            source: "PostgreSQL: superuser_reserved_connections",
            privilege: Privilege::Any,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[SERVER, SESSIONS]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let reserved = sample.slots()?.reserved;
        let sessions = Sessions::of(sample)?;
        let supers: Vec<_> = sessions
            .clients()
            .filter(|row| row.is("superuser"))
            .collect();
        let many = supers.len();
        let seen = format!(
            "{}, {reserved} slots are reserved",
            plural(many, "superuser session")
        );
        if many <= reserved.max(1) {
            return Ok(Judgement::seen(seen));
        }
        let finding = Finding {
            severity: Severity::Warning,
            observation: format!(
                "superusers hold {}, more than the {reserved} slots that are reserved",
                plural(many, "session")
            ),
            numbers: vec![("superuser_sessions", many as f64)],
            evidence: supers.iter().take(5).map(sessions::who).collect(),
            conclusion: "when the server is full, nobody can log in to repair it".to_owned(),
            recommendation: "give the application a role of its own that owns what it needs"
                .to_owned(),
            commands: vec![
                "CREATE ROLE app LOGIN PASSWORD '…'; GRANT ALL ON DATABASE … TO app;".to_owned(),
            ],
        };
        Ok(Judgement::seen(seen).with([finding]))
    }
}
