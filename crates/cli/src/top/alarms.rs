//! When somebody has to look: as the dashboard has it.

use super::document::{Live, Pool};
use super::format::{count, duration};

/// How long a queue has been long before it is worth a warning: shorter ones are what a pooler is
/// for. What is long the pooler says.
const QUEUED_MS: f64 = 30_000.0;

/// Share of the time a client may wait at which the first in the queue will soon be refused.
const WAIT_SHARE: f64 = 0.5;

/// Share of the limit of clients at which the next will soon be refused.
const CLIENTS_SHARE: f64 = 0.9;

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alarm {
    /// Clients see errors, or will.
    pub(crate) is_error: bool,
    pub(crate) text: String,
}

impl Alarm {
    fn error(text: String) -> Self {
        let is_error = true;
        Self { is_error, text }
    }

    fn warning(text: String) -> Self {
        let is_error = false;
        Self { is_error, text }
    }
}

/// The alarms of a document, the worst first.
pub(crate) fn alarms(live: &Live) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    if live.draining {
        alarms.push(Alarm::warning("pgweir is shutting down".to_owned()));
    } else if !live.ready {
        let text = "PostgreSQL cannot be reached; the log of pgweir has the reason";
        alarms.push(Alarm::error(text.to_owned()));
    }
    if live.clients as f64 >= CLIENTS_SHARE * live.clients_limit as f64 {
        let (clients, limit) = (count(live.clients), count(live.clients_limit));
        alarms.push(Alarm::warning(format!(
            "{clients} of at most {limit} clients are connected"
        )));
    }
    alarms.extend(live.pools.iter().flat_map(of_pool));
    alarms.sort_by_key(|alarm| !alarm.is_error);
    alarms
}

fn of_pool(pool: &Pool) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    let name = pool.name();
    if pool.login_failing {
        alarms.push(Alarm::error(format!("{name}: logins to PostgreSQL fail")));
    }
    let limit = pool.wait_limit_ms.filter(|_| pool.waiting > 0);
    let near = limit
        .zip(pool.oldest_wait_ms)
        .filter(|(limit, wait)| *wait >= WAIT_SHARE * limit);
    let wait = duration(pool.oldest_wait_ms);
    let waits = clients_wait(pool.waiting);
    if let Some((limit, _)) = near {
        let limit = duration(Some(limit));
        alarms.push(Alarm::error(format!(
            "{name}: {waits}, the first for {wait}; refused after {limit}"
        )));
    } else if let Some(queued) = pool.queued_ms.filter(|queued| *queued >= QUEUED_MS) {
        let queued = duration(Some(queued));
        alarms.push(Alarm::warning(format!(
            "{name}: {waits}, the first for {wait}; more than 5 have for {queued}"
        )));
    }
    alarms
}

/// `1 client waits`, `2 clients wait`.
pub(crate) fn clients_wait(waiting: u64) -> String {
    if waiting == 1 {
        "1 client waits".to_owned()
    } else {
        format!("{} clients wait", count(waiting))
    }
}
