//! How poolers are set up: sums, modes, time limits, what they lead to.

use crate::check::{About, Check, Finding, Judgement, Privilege, Severity};
use crate::checks::consoles::VERSION;
use crate::checks::server::SERVER;
use crate::mend::{Mend, Place, Proof, Rung, Undo};
use crate::question::{Missing, Question};
use crate::sample::{Console, Sample};
use crate::words::{flat, identifier, limit, percent, plural};

/// What all poolers may open together, against the slots of PostgreSQL.
pub(super) struct Sum;

impl Check for Sum {
    fn about(&self) -> About {
        About {
            id: "pool-sum",
            title: "PostgreSQL has slots for all pools together",
            why: "pool_size counts for each user and database, and for each pooler: when all are full at once, PostgreSQL \
                  refuses servers, and the administrator too",
            worst: Severity::Critical,
            source: "S1 problem 3, S2 don't 1; C17, C24",
            privilege: Privilege::Console,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[SERVER]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let consoles = sample.consoles()?;
        let slots = sample.slots().map_err(|_| {
            Missing("PostgreSQL behind the poolers: its URL beside --console".to_owned())
        })?;
        let mut judgement = Judgement::default();
        let mut sum = 0;
        let mut evidence = Vec::new();
        for console in consoles {
            match console.servers_max() {
                Err(missing) => judgement.missing.push(missing),
                Ok(servers) => {
                    sum += servers;
                    evidence.push(format!(
                        "{}: up to {}",
                        console.shown,
                        plural(servers, "server")
                    ));
                }
            }
        }
        judgement.seen = format!(
            "poolers may open {sum} of {} usable slots: {}",
            slots.usable,
            percent(sum, slots.usable)
        );
        let severity = match sum {
            _ if sum > slots.usable => Severity::Critical,
            _ if sum * 100 > slots.usable * 80 => Severity::Warning,
            _ => return Ok(judgement),
        };
        let finding = Finding {
            severity,
            observation: judgement.seen.clone(),
            numbers: vec![
                ("pool_servers", sum as f64),
                ("usable_connections", slots.usable as f64),
            ],
            evidence,
            conclusion: "with all pools full, PostgreSQL refuses what comes on top: other services, migrations, and ordinary \
                         roles that want to look"
                .to_owned(),
            recommendation: "bound each pooler with max_db_connections; a pooler is there to open fewer connections, not more"
                .to_owned(),
            commands: vec![format!(
                "SET max_db_connections = {}; -- on each console, and in the file",
                (slots.usable * 8 / 10 / consoles.len().max(1)).max(1)
            )],
        };
        Ok(judgement.with([finding]))
    }

    fn applies(&self, sample: &Sample) -> bool {
        !sample.consoles.is_empty()
    }
}

/// Runs a rule on each console.
fn each(
    sample: &Sample,
    rule: impl Fn(&Console) -> Result<Vec<Finding>, Missing>,
) -> Result<Judgement, Missing> {
    let consoles = sample.consoles()?;
    let mut judgement = Judgement::seen(plural(consoles.len(), "console"));
    for console in consoles {
        match rule(console) {
            Ok(findings) => judgement.findings.extend(findings),
            Err(missing) => judgement.missing.push(missing),
        }
    }
    Ok(judgement)
}

/// Databases that are paused or disabled.
pub(super) struct Paused;

impl Check for Paused {
    fn about(&self) -> About {
        About {
            id: "paused-databases",
            title: "no database is paused",
            why: "clients of a paused database wait until somebody resumes it, or query_wait_timeout is over; a forgotten \
                  PAUSE looks like a slow PostgreSQL",
            worst: Severity::Critical,
            source: "PgBouncer: PAUSE, DISABLE",
            privilege: Privilege::Console,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        each(sample, |console| {
            let stopped = console.databases()?.filter_map(|row| {
                let (word, command) = match (row.whole("paused"), row.whole("disabled")) {
                    (Some(1..), _) => ("paused", "RESUME"),
                    (_, Some(1..)) => ("disabled", "ENABLE"),
                    _ => return None,
                };
                let name = flat(row.text("name"));
                Some(Finding {
                    severity: Severity::Critical,
                    observation: format!("database {name} at {} is {word}", console.shown),
                    numbers: Vec::new(),
                    evidence: Vec::new(),
                    conclusion: "its clients are not served".to_owned(),
                    recommendation: "let it go on, unless somebody is at work there".to_owned(),
                    commands: vec![format!("{command} {name}; -- on the console")],
                })
            });
            Ok(stopped.collect())
        })
    }

    fn mends(&self, sample: &Sample) -> Vec<Mend> {
        let of = |console: &Console| -> Vec<Mend> {
            let Ok(databases) = console.databases() else {
                return Vec::new();
            };
            let stopped = databases.filter_map(|row| {
                let (word, act, back) = match (row.whole("paused"), row.whole("disabled")) {
                    (Some(1..), _) => ("paused", "RESUME", "PAUSE"),
                    (_, Some(1..)) => ("disabled", "ENABLE", "DISABLE"),
                    _ => return None,
                };
                let name = row.text("name");
                let quoted = identifier(name);
                Some(Mend {
                    check: "paused-databases",
                    rung: Rung::Pool,
                    place: Place::Console(console.shown.clone()),
                    what: format!("let database {} at {} go on", flat(name), console.shown),
                    statements: vec![format!("{act} {quoted}")],
                    undo: Undo::Statements(vec![format!("{back} {quoted}")]),
                    proof: Some(Proof {
                        sql: "SHOW DATABASES".to_owned(),
                        row: Some(("name", name.to_owned())),
                        column: word,
                        expected: "0".to_owned(),
                    }),
                    caution: "somebody may have stopped it for work at PostgreSQL",
                })
            });
            stopped.collect()
        };
        sample.consoles.iter().flat_map(of).collect()
    }

    fn applies(&self, sample: &Sample) -> bool {
        !sample.consoles.is_empty()
    }
}

/// Time limits of a pooler against those of clients and PostgreSQL.
pub(super) struct Timeouts;

impl Check for Timeouts {
    fn about(&self) -> About {
        About {
            id: "pooler-timeouts",
            title: "poolers give up when clients do",
            why: "a client that has given up leaves a ghost in the queue, whose query runs all the same; a server's limit that \
                  acts before the pooler's costs a server and hides the cause",
            worst: Severity::Warning,
            source: "planning.md, Set the timeouts",
            privilege: Privilege::Console,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        each(sample, |console| {
            let wait = console.setting("query_wait_timeout")?.unwrap_or(0.0);
            if wait > 0.0 && wait <= QUERY_WAIT_MAX_S {
                return Ok(Vec::new());
            }
            Ok(vec![Finding {
                severity: Severity::Warning,
                observation: format!("query_wait_timeout is {} at {}", limit(wait * 1e3), console.shown),
                numbers: vec![("query_wait_timeout_s", wait)],
                evidence: Vec::new(),
                conclusion: "clients give up after seconds (SQLx 5 s, Prisma 10 s), and wait on in the pooler's queue as ghosts"
                    .to_owned(),
                recommendation: "as long as clients wait for a connection, and a little longer".to_owned(),
                commands: vec!["SET query_wait_timeout = 10; -- on the console, and in the file".to_owned()],
            }])
        })
    }

    fn mends(&self, sample: &Sample) -> Vec<Mend> {
        let long = sample.consoles.iter().filter_map(|console| {
            let wait = console.setting("query_wait_timeout").ok()?;
            let is_long = wait.is_none_or(|wait| wait <= 0.0 || wait > QUERY_WAIT_MAX_S);
            is_long.then(|| {
                Mend::of_console(
                    "pooler-timeouts",
                    &console.shown,
                    "query_wait_timeout",
                    (wait, 10),
                )
            })
        });
        long.collect()
    }

    fn applies(&self, sample: &Sample) -> bool {
        !sample.consoles.is_empty()
    }
}

/// Longer than any client waits that serves a person.
const QUERY_WAIT_MAX_S: f64 = 60.0;

/// Prepared statements in transaction mode.
pub(super) struct PreparedStatements;

impl Check for PreparedStatements {
    fn about(&self) -> About {
        About {
            id: "pooler-prepared-statements",
            title: "poolers keep prepared statements",
            why: "without max_prepared_statements a client in transaction mode meets servers that do not know its statements \
                  (26000), or know another's (42P05)",
            worst: Severity::Warning,
            source: "C23; PgBouncer: max_prepared_statements",
            privilege: Privilege::Console,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        each(sample, |console| {
            let sharing = console
                .pools()?
                .any(|row| matches!(row.get("pool_mode"), Some("transaction" | "statement")));
            let kept = console.setting("max_prepared_statements")?;
            if !sharing || kept > Some(0.0) {
                return Ok(Vec::new());
            }
            let version = console.rows(&VERSION)?.first();
            let version = version.map_or("", |row| row.text("version"));
            Ok(vec![Finding {
                severity: Severity::Warning,
                observation: format!(
                    "{} at {} keeps no prepared statements, and its pools share servers",
                    flat(version),
                    console.shown
                ),
                numbers: vec![("max_prepared_statements", kept.unwrap_or(0.0))],
                evidence: Vec::new(),
                conclusion: "drivers that prepare (asyncpg, pgjdbc, SQLx, PDO, Prisma) fail now and then".to_owned(),
                recommendation: match kept {
                    None => "PgBouncer keeps them from 1.21 on: upgrade, or switch the drivers' caches off".to_owned(),
                    Some(_) => "switch it on, or the drivers' caches off".to_owned(),
                },
                commands: vec!["SET max_prepared_statements = 200; -- on the console, and in the file".to_owned()],
            }])
        })
    }

    fn applies(&self, sample: &Sample) -> bool {
        !sample.consoles.is_empty()
    }
}

/// A pooler that leads to another.
pub(super) struct Chains;

impl Check for Chains {
    fn about(&self) -> About {
        About {
            id: "pooler-chains",
            title: "no pooler stands behind another",
            why: "two poolers in a row add their queues, hide who waits for whom, and the outer one's warm connections fill the \
                  inner one's limits",
            worst: Severity::Warning,
            source: "PgBouncer: databases section",
            privilege: Privilege::Console,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let consoles = sample.consoles()?;
        let addresses: Vec<&str> = consoles
            .iter()
            .map(|console| address(&console.shown))
            .collect();
        each(sample, |console| {
            let chained = console.databases()?.filter_map(|row| {
                let port = row.text("port");
                let behind = format!("{}:{port}", row.get("host").unwrap_or_default());
                let is_known = addresses.contains(&behind.as_str()) && behind != address(&console.shown);
                // 6432 is the port of poolers.
                (is_known || port == "6432").then(|| Finding {
                    severity: Severity::Warning,
                    observation: format!(
                        "database {} at {} leads to {behind}, which {} a pooler",
                        flat(row.text("name")),
                        console.shown,
                        if is_known { "is" } else { "looks like" }
                    ),
                    numbers: Vec::new(),
                    evidence: Vec::new(),
                    conclusion: "clients wait in two queues, and the limits of both count".to_owned(),
                    recommendation: "lead both to PostgreSQL, or do without one; where both must be, give the inner one the \
                                     larger limits and the shorter waits"
                        .to_owned(),
                    commands: Vec::new(),
                })
            });
            Ok(chained.collect())
        })
    }

    fn applies(&self, sample: &Sample) -> bool {
        !sample.consoles.is_empty()
    }
}

/// Host and port of what is shown, without the database.
fn address(shown: &str) -> &str {
    shown.rsplit_once('/').map_or(shown, |(address, _)| address)
}
