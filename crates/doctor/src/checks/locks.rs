//! Who waits for whose lock.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::{About, Check, Finding, Judgement, Privilege, Severity};
use crate::checks::sessions::{self, SESSIONS, Sessions};
use crate::mend::Mend;
use crate::question::{Missing, Question, Rows};
use crate::sample::{After, Sample};
use crate::words::{flat, plural, span};

/// Sessions that wait for a lock, and the sessions that they wait for: 0 is a prepared transaction.
/// Finding blockers stops the lock manager for a moment, so only the first hundred are asked about.
pub(crate) const LOCKS: Question = Question {
    name: "locks",
    sql: "\
SELECT w.pid, w.locktype AS kind, w.mode, \
       CASE WHEN w.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
            THEN w.relation::regclass::text END AS relation, \
       array_to_string(pg_blocking_pids(w.pid), ' ') AS blockers, \
       extract(epoch FROM clock_timestamp() \
         - coalesce((to_jsonb(w) ->> 'waitstart')::timestamptz, a.query_start)) AS waited_s \
FROM (SELECT DISTINCT ON (pid) * FROM pg_locks WHERE NOT granted AND pid IS NOT NULL ORDER BY pid LIMIT 100) w \
LEFT JOIN pg_stat_activity a ON a.pid = w.pid",
};

/// How many sessions wait for one, directly or behind others.
pub(crate) fn waiters_behind(locks: &Rows, pid: &str) -> usize {
    let mut behind: BTreeSet<&str> = BTreeSet::new();
    let mut from = vec![pid];
    // Each session is visited once, so a deadlock ends, too.
    while let Some(blocker) = from.pop() {
        for row in locks.iter() {
            let blocked = row.text("blockers").split(' ').any(|pid| pid == blocker);
            if blocked && row.text("pid") != pid && behind.insert(row.text("pid")) {
                from.push(row.text("pid"));
            }
        }
    }
    behind.len()
}

/// Sessions that block others.
pub(super) struct Blocking;

impl Check for Blocking {
    fn about(&self) -> About {
        About {
            id: "blocking",
            title: "nobody waits long for a lock",
            why: "each session that waits for a lock keeps its connection; one forgotten lock, or a DDL statement that \
                  queues in front of everybody, exhausts a pool in seconds",
            worst: Severity::Critical,
            source: "PostgreSQL: pg_blocking_pids, explicit locking",
            privilege: Privilege::Monitor,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[LOCKS, SESSIONS]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let locks = sample.rows(&LOCKS)?;
        let sessions = Sessions::of(sample)?;
        let after = sample.after(self.about().id, WAIT);
        let waiting: Vec<_> = locks
            .iter()
            .filter(|row| {
                row.number("waited_s") >= Some(after.warning) || row.get("waited_s").is_none()
            })
            .collect();
        let longest = waiting.iter().filter_map(|row| row.number("waited_s"));
        let longest = longest.fold(0.0, f64::max);
        let judgement = Judgement::seen(format!(
            "{} for a lock, {} of them for {} or longer",
            match locks.values.len() {
                1 => "1 session waits".to_owned(),
                more => format!("{more} sessions wait"),
            },
            waiting.len(),
            span(after.warning)
        ));
        if waiting.is_empty() {
            return Ok(judgement);
        }
        let roots = roots(locks);
        let severity = if longest >= after.critical || waiting.len() >= MANY {
            Severity::Critical
        } else {
            Severity::Warning
        };
        let commands = roots.iter().filter_map(|(pid, _)| {
            let row = sessions.of_process(pid)?;
            Some(match row.text("state") {
                "active" => sessions::cancel(&row, "state = 'active'"),
                state if state.starts_with("idle in transaction") => {
                    sessions::terminate(&row, "state LIKE 'idle in transaction%'")
                }
                _ => return None,
            })
        });
        let commands: Vec<String> = commands.take(3).collect();
        Ok(judgement.without(unseen(&roots, &sessions)).with([Finding {
            severity,
            observation: format!(
                "{} for a lock for {} or longer, the longest for {}, behind {}",
                match waiting.len() {
                    1 => "1 session has waited".to_owned(),
                    more => format!("{more} sessions have waited"),
                },
                span(after.warning),
                span(longest),
                plural(roots.len(), "blocker"),
            ),
            numbers: vec![
                ("waiting_sessions", waiting.len() as f64),
                ("longest_s", longest.round()),
                ("blockers", roots.len() as f64),
            ],
            evidence: tree(locks, &sessions, &roots),
            conclusion: "whoever waits keeps a connection of its pool; what the first of each tree does decides for all \
                         behind it"
                .to_owned(),
            recommendation: "let the first session of the tree finish, or cancel it, then look for the code; give DDL a \
                             lock_timeout, so that it does not queue in front of everybody"
                .to_owned(),
            commands,
        }]))
    }

    fn mends(&self, sample: &Sample) -> Vec<Mend> {
        let id = self.about().id;
        let (Ok(locks), Ok(sessions)) = (sample.rows(&LOCKS), Sessions::of(sample)) else {
            return Vec::new();
        };
        let roots = roots(locks).into_iter();
        let mends = roots.filter_map(|(pid, _)| {
            let row = sessions
                .of_process(&pid)
                .filter(|row| row.get("kind") == Some("client backend"))?;
            match row.text("state") {
                "active" => sessions::cancel_mend(id, &row),
                // As old as it is now: others wait for it already.
                state if state.starts_with("idle in transaction") => {
                    sessions::terminate_mend(id, &row, row.number("state_s").unwrap_or_default())
                }
                _ => None,
            }
        });
        mends.collect()
    }
}

fn unseen(roots: &[(String, usize)], sessions: &Sessions<'_>) -> Option<Missing> {
    let hidden = |pid: &str| sessions.of_process(pid).is_some_and(|row| row.is("hidden"));
    let any = roots.iter().any(|(pid, _)| hidden(pid));
    any.then(|| sessions.unseen()).flatten()
}

/// Those that block others and wait for nobody, with how many wait behind each, most first.
fn roots(locks: &Rows) -> Vec<(String, usize)> {
    let waiting: BTreeSet<&str> = locks.iter().map(|row| row.text("pid")).collect();
    let blockers: BTreeSet<&str> = locks
        .iter()
        .flat_map(|row| row.text("blockers").split(' '))
        .filter(|pid| !pid.is_empty())
        .collect();
    let mut roots: Vec<_> = blockers
        .difference(&waiting)
        .map(|pid| ((*pid).to_owned(), waiters_behind(locks, pid)))
        .collect();
    roots.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    roots
}

/// The trees below the blockers, indented.
fn tree(locks: &Rows, sessions: &Sessions<'_>, roots: &[(String, usize)]) -> Vec<String> {
    let mut behind: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in locks.iter() {
        for blocker in row.text("blockers").split(' ') {
            behind.entry(blocker).or_default().push(row.text("pid"));
        }
    }
    let mut lines = Vec::new();
    let mut shown = BTreeSet::new();
    let mut rest: Vec<(&str, usize)> = roots
        .iter()
        .rev()
        .map(|(pid, _)| (pid.as_str(), 0))
        .collect();
    while let Some((pid, depth)) = rest.pop() {
        if !shown.insert(pid) {
            continue;
        }
        if lines.len() == TREE_MAX {
            lines.push("…".to_owned());
            break;
        }
        lines.push(format!(
            "{}{}",
            "  ".repeat(depth),
            node(locks, sessions, pid)
        ));
        let below = behind.get(pid).into_iter().flatten().rev();
        rest.extend(below.map(|pid| (*pid, depth + 1)));
    }
    lines
}

fn node(locks: &Rows, sessions: &Sessions<'_>, pid: &str) -> String {
    let who = match sessions.of_process(pid) {
        Some(row) => sessions::line(&row),
        None if pid == "0" => "a prepared transaction (pg_prepared_xacts)".to_owned(),
        None => format!("pid {pid}"),
    };
    let Some(wait) = locks.iter().find(|row| row.text("pid") == pid) else {
        return who;
    };
    let relation = wait
        .get("relation")
        .map_or(String::new(), |name| format!(" on {}", flat(name)));
    let waited = wait
        .number("waited_s")
        .map_or(String::new(), |s| format!(" for {}", span(s)));
    format!(
        "{who}; wants {} ({}){relation}{waited}",
        wait.text("mode"),
        wait.text("kind")
    )
}

const WAIT: After = After {
    warning: 5.0,
    critical: 60.0,
};
/// As many waiting sessions as a small pool has connections.
const MANY: usize = 10;
const TREE_MAX: usize = 20;
