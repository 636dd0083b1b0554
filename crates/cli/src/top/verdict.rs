//! How it goes, in one line, where there is no alarm.

use super::alarms::clients_wait;
use super::document::{Blocker, Holder, Live};
use super::format::{count, duration, flat};
use super::tables::who;

/// What there is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Nobody waits, for a server or for a lock, and nobody has forgotten one.
    pub(crate) is_well: bool,
    pub(crate) text: String,
}

/// Of a document without alarms.
pub(crate) fn verdict(live: &Live) -> Verdict {
    let waiting: u64 = live.pools.iter().map(|pool| pool.waiting).sum();
    let waits = (waiting > 0).then(|| format!("{}; no alarm", clients_wait(waiting)));
    let locks = locks(live);
    // Who holds the locks is likely to be the leak, and a line has no room for two names.
    let leaks = leaks(live, locks.is_none());
    let parts: Vec<String> = [waits, locks, leaks].into_iter().flatten().collect();
    let text = match (live.pools.is_empty(), parts.is_empty()) {
        (_, false) => parts.join("; ") + ".",
        (true, true) => "No client has come yet, so there is no pool.".to_owned(),
        (false, true) => "All is well: nobody waits.".to_owned(),
    };
    Verdict {
        // A short queue is what a pooler is for.
        is_well: parts.len() == usize::from(waiting > 0),
        text,
    }
}

/// Who holds the locks that most sessions wait for.
fn locks(live: &Live) -> Option<String> {
    let blockers = live.blockers.iter().flatten();
    let first = blockers
        .filter(|blocker| blocker.lock_waiters > 0)
        .max_by_key(|blocker| blocker.lock_waiters)?;
    let sessions = if first.lock_waiters == 1 {
        "1 session waits for a lock".to_owned()
    } else {
        format!("{} sessions wait for locks", count(first.lock_waiters))
    };
    let since = first
        .since_ms
        .filter(|_| !first.state.is_empty())
        .map(|ms| format!(", {} for {}", flat(&first.state), duration(Some(ms))));
    Some(format!(
        "{sessions} of {}{}",
        name(first),
        since.unwrap_or_default()
    ))
}

fn name(blocker: &Blocker) -> String {
    let application = Some(blocker.application_name.as_str()).filter(|name| !name.is_empty());
    let own = who(&blocker.database, &blocker.user, application);
    match blocker.kind.as_str() {
        "prepared" => format!("a prepared transaction ({own})"),
        "elsewhere" => format!("a session from elsewhere ({own})"),
        _ => own,
    }
}

/// The probable leaks, the oldest by name where that is wanted.
fn leaks(live: &Live, by_name: bool) -> Option<String> {
    let leaks: Vec<&Holder> = live
        .holders
        .iter()
        .flatten()
        .filter(|holder| holder.leak)
        .collect();
    let oldest = leaks
        .iter()
        .max_by(|a, b| a.since_ms.total_cmp(&b.since_ms))?;
    let name = who(
        &oldest.database,
        &oldest.user,
        oldest.application_name.as_deref(),
    );
    let since = duration(Some(oldest.since_ms));
    Some(match (leaks.len(), by_name) {
        (1, false) => "1 probable leak".to_owned(),
        (1, true) => format!("1 probable leak: {name} for {since}"),
        (more, false) => format!("{more} probable leaks"),
        (more, true) => format!("{more} probable leaks, the oldest {name} for {since}"),
    })
}
