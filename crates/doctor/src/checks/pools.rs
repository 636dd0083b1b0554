//! What pools do at this moment: clients that wait, clients that are refused, servers that nobody uses.

use crate::check::{About, Check, Finding, Judgement, Privilege, Severity};
use crate::checks::consoles::{LISTS, SERVERS, VERSION};
use crate::checks::sessions::{self, SESSIONS, Sessions};
use crate::question::{Missing, Question, Row};
use crate::sample::{After, Console, Sample};
use crate::words::{flat, percent, plural, span};

/// Consoles that do not answer.
pub(super) struct Reachable;

impl Check for Reachable {
    fn about(&self) -> About {
        About {
            id: "consoles",
            title: "consoles of poolers answer",
            why: "what cannot be asked cannot be examined, and clients may see the same",
            worst: Severity::Warning,
            source: "PgBouncer: admin console",
            privilege: Privilege::Console,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let consoles = sample.consoles()?;
        let silent = consoles.iter().filter_map(|console| {
            let why = console.silent.as_ref()?;
            Some(Finding {
                severity: Severity::Warning,
                observation: format!("console {} does not answer: {}", console.shown, flat(why)),
                numbers: Vec::new(),
                evidence: Vec::new(),
                conclusion: "nothing is known of its pools; it may be down, or the user is in neither admin_users nor \
                             stats_users"
                    .to_owned(),
                recommendation: "log in as its clients do, and look into its log".to_owned(),
                commands: vec![format!("psql postgres://USER@{} -c 'SHOW POOLS'", console.shown)],
            })
        });
        let mut judgement = Judgement::seen(plural(consoles.len(), "console")).with(silent);
        let answering = consoles.iter().filter(|console| console.silent.is_none());
        let unanswered = answering.filter_map(|console| console.rows(&VERSION).err());
        judgement.missing.extend(unanswered);
        Ok(judgement)
    }

    fn applies(&self, sample: &Sample) -> bool {
        !sample.consoles.is_empty()
    }
}

/// Clients that wait for a server.
pub(super) struct Waits;

impl Check for Waits {
    fn about(&self) -> About {
        About {
            id: "pool-waits",
            title: "clients do not wait for servers",
            why: "a client that waits is refused after query_wait_timeout; what its pool's servers do is the cause, not \
                  the length of the wait",
            worst: Severity::Critical,
            source: "S1 problems 1 and 2, S2 issue 2; C33, C49",
            privilege: Privilege::Console,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let after = sample.after(self.about().id, WAIT);
        let mut judgement = Judgement::default();
        let mut pools = 0;
        for console in sample.consoles()? {
            let limit = console.setting("query_wait_timeout").ok().flatten();
            match console.pools() {
                Err(missing) => judgement.missing.push(missing),
                Ok(rows) => {
                    let findings = rows.filter_map(|row| {
                        pools += 1;
                        waits(console, &row, after, limit)
                    });
                    judgement.findings.extend(findings);
                }
            }
        }
        judgement.seen = plural(pools, "pool");
        Ok(judgement)
    }

    fn applies(&self, sample: &Sample) -> bool {
        !sample.consoles.is_empty()
    }
}

fn waits(console: &Console, row: &Row<'_>, after: After, limit: Option<f64>) -> Option<Finding> {
    let of = |column| row.number(column).unwrap_or_default();
    let (waiting, waited) = (of("cl_waiting"), of("maxwait") + of("maxwait_us") / 1e6);
    if waiting < 1.0 || waited < after.warning {
        return None;
    }
    let refused_soon = limit.is_some_and(|limit| limit > 0.0 && waited >= limit / 2.0);
    let (active, login, idle) = (of("sv_active"), of("sv_login"), of("sv_idle"));
    let name = format!("{}/{}", flat(row.text("database")), flat(row.text("user")));
    let (conclusion, recommendation, command) = if active + idle < 1.0 {
        (
            "there is no server: PostgreSQL does not let the pooler in, or cannot be reached",
            "read the pooler's log for PostgreSQL's own words",
            "pgweir doctor explain \"…\"".to_owned(),
        )
    } else {
        (
            "every server of the pool is in use; the pool is as fast as what runs on them",
            "see what its servers do before you raise its size: slow or blocked statements, and transactions left open",
            "pgweir doctor --check idle-in-transaction,blocking,long-queries URL-OF-POSTGRESQL"
                .to_owned(),
        )
    };
    Some(Finding {
        severity: match refused_soon || waited >= after.critical {
            true => Severity::Critical,
            false => Severity::Warning,
        },
        observation: format!(
            "{} of pool {name} at {} for up to {}; of its servers {active} are in use, {idle} idle, {login} logging in",
            match waiting {
                1.0 => "1 client waits".to_owned(),
                more => format!("{more} clients wait"),
            },
            console.shown,
            span(waited),
        ),
        numbers: vec![
            ("waiting_clients", waiting),
            ("longest_s", waited),
            ("active_servers", active),
            ("idle_servers", idle),
            ("login_servers", login),
        ],
        evidence: Vec::new(),
        conclusion: conclusion.to_owned(),
        recommendation: recommendation.to_owned(),
        commands: vec![command],
    })
}

const WAIT: After = After {
    warning: 1.0,
    critical: 30.0,
};

/// Clients against `max_client_conn`.
pub(super) struct Clients;

impl Check for Clients {
    fn about(&self) -> About {
        About {
            id: "pooler-clients",
            title: "poolers have room for clients",
            why: "beyond max_client_conn the pooler refuses: no more connections allowed",
            worst: Severity::Critical,
            source: "C24; PgBouncer: max_client_conn",
            privilege: Privilege::Console,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let mut judgement = Judgement::default();
        let mut seen = Vec::new();
        for console in sample.consoles()? {
            match clients(console) {
                Err(missing) => judgement.missing.push(missing),
                Ok((used, max)) => {
                    seen.push(format!("{used} of {max} at {}", console.shown));
                    judgement.findings.extend(crowded(console, used, max));
                }
            }
        }
        judgement.seen = seen.join(", ");
        Ok(judgement)
    }

    fn applies(&self, sample: &Sample) -> bool {
        !sample.consoles.is_empty()
    }
}

fn clients(console: &Console) -> Result<(usize, usize), Missing> {
    let lists = console.rows(&LISTS)?;
    let used = lists
        .iter()
        .find(|row| row.get("list") == Some("used_clients"));
    let used = used.and_then(|row| row.whole("items"));
    let max = console.setting("max_client_conn")?;
    let of = |number: Option<usize>| {
        number.ok_or_else(|| Missing(format!("the number of clients at {}", console.shown)))
    };
    Ok((
        of(used.and_then(|used| usize::try_from(used).ok()))?,
        // `as` clamps to the range of usize.
        of(max.map(|max| max as usize))?,
    ))
}

fn crowded(console: &Console, used: usize, max: usize) -> Option<Finding> {
    let severity = match used * 100 {
        _ if max == 0 => return None,
        share if share >= max * 95 => Severity::Critical,
        share if share >= max * 80 => Severity::Warning,
        _ => return None,
    };
    Some(Finding {
        severity,
        observation: format!("{used} of {max} clients are connected to {}: {}", console.shown, percent(used, max)),
        numbers: vec![("used_clients", used as f64), ("max_client_conn", max as f64)],
        evidence: Vec::new(),
        conclusion: "a rollout, or another pooler that restarts, brings more than it takes".to_owned(),
        recommendation: "raise max_client_conn, and the limit on open files with it: a client costs little there".to_owned(),
        commands: vec![format!("SET max_client_conn = {}; -- on the console, and in the file", (max * 3 / 2).max(used * 2))],
    })
}

/// Servers that clients hold and do not use.
pub(super) struct Leases;

impl Check for Leases {
    fn about(&self) -> About {
        About {
            id: "held-servers",
            title: "clients use the servers that they hold",
            why: "a server that a client holds while PostgreSQL has nothing to do for it serves nobody: a session mode where \
                  transaction mode was meant, a transaction that was left open, or state that pins it",
            worst: Severity::Warning,
            source: "C11, C23",
            privilege: Privilege::Monitor,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[SESSIONS]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let consoles = sample.consoles()?;
        let sessions = Sessions::of(sample).map_err(|_| {
            Missing("PostgreSQL behind the pooler: its URL beside --console".to_owned())
        })?;
        let after = sample.after(self.about().id, HELD);
        let mut judgement = Judgement::default().without(sessions.unseen());
        let mut all = 0;
        for console in consoles {
            let servers = match console.rows(&SERVERS) {
                Ok(servers) => servers,
                Err(missing) => {
                    judgement.missing.push(missing);
                    continue;
                }
            };
            // Of the same name, so that a pooler in front of another PostgreSQL, whose processes have numbers of
            // their own, is not taken for one here.
            let here: Vec<_> = servers
                .iter()
                .filter(|server| server.get("state") == Some("active"))
                .filter_map(|server| {
                    let session = sessions.of_process(server.text("remote_pid"))?;
                    let same = session.get("role") == server.get("user") || session.is("hidden");
                    same.then_some(session)
                })
                .collect();
            all += here.len();
            let held: Vec<_> = here
                .iter()
                .filter(|session| {
                    let state = session.text("state");
                    state.starts_with("idle") && session.number("state_s") >= Some(after.warning)
                })
                .collect();
            judgement
                .findings
                .extend(idle(console, &held, here.len(), after));
        }
        judgement.seen = format!("{} in use by clients", plural(all, "server"));
        Ok(judgement)
    }

    fn applies(&self, sample: &Sample) -> bool {
        !sample.consoles.is_empty()
    }
}

fn idle(console: &Console, held: &[&Row<'_>], active: usize, after: After) -> Option<Finding> {
    if held.is_empty() {
        return None;
    }
    let modes = console.pools().ok()?;
    let session_mode = modes
        .into_iter()
        .any(|row| row.get("pool_mode") == Some("session"));
    Some(Finding {
        severity: Severity::Warning,
        observation: format!(
            "of {} that clients of {} hold, {} done nothing for {} or longer",
            plural(active, "server"),
            console.shown,
            match held.len() {
                1 => "1 has".to_owned(),
                more => format!("{more} have"),
            },
            span(after.warning),
        ),
        numbers: vec![("held_servers", active as f64), ("idle_servers", held.len() as f64)],
        evidence: held.iter().take(5).map(|row| sessions::line(row)).collect(),
        conclusion: match session_mode {
            true => "a pool has pool_mode = session: each client keeps a server until it disconnects, so that the pool saves \
                     nothing"
                .to_owned(),
            false => "clients left transactions open, or keep state that ties them to their server".to_owned(),
        },
        recommendation: match session_mode {
            true => "use transaction mode, and session mode only for what needs it (LISTEN, session advisory locks)".to_owned(),
            false => "commit before slow work; see SHOW LEASES and SHOW PINS of pgweir for who it is".to_owned(),
        },
        commands: match session_mode {
            true => vec!["pool_mode = transaction".to_owned()],
            false => Vec::new(),
        },
    })
}

const HELD: After = After {
    warning: 10.0,
    critical: f64::INFINITY,
};
