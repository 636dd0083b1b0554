//! How it goes, in a sentence.

use crate::live::{BlockerKind, Headline, Live, LiveBlocker, LiveHolder};
use crate::words::{clients_wait, count, duration, plural, who};

pub(crate) fn of(live: &Live) -> Headline {
    let waiting = waiting(live);
    let waits = (waiting > 0).then(|| format!("{}; no alarm", clients_wait(waiting)));
    let locks = locks(live);
    // Who holds the locks is likely to be the leak, and a line has no room for two names.
    let leaks = leaks(live, locks.is_none());
    let parts: Vec<String> = [waits, locks, leaks].into_iter().flatten().collect();
    let line = match (live.pools.is_empty(), parts.is_empty()) {
        (_, false) => parts.join("; ") + ".",
        (true, true) => NO_POOL.to_owned(),
        (false, true) => "All is well: nobody waits.".to_owned(),
    };
    Headline {
        text: text(live, waiting),
        is_well: parts.len() == usize::from(waiting > 0),
        line,
    }
}

const NO_POOL: &str = "No client has come yet, so there is no pool.";

fn waiting(live: &Live) -> u64 {
    let waiting = live.pools.iter().map(|pool| u64::from(pool.stats.waiting));
    waiting.sum()
}

fn text(live: &Live, waiting: u64) -> String {
    let pools = &live.pools;
    let all = plural(pools.len() as u64, "pool");
    let mut failing = pools.iter().filter(|pool| pool.stats.login_failing);
    match (failing.next(), failing.count()) {
        (None, _) => {}
        (Some(one), 0) => return format!("{} cannot log in to PostgreSQL.", one.stats.name()),
        (Some(_), more) => {
            let failing = count(more as u64 + 1);
            return format!("{failing} of {all} cannot log in to PostgreSQL.");
        }
    }
    if pools.is_empty() {
        return NO_POOL.to_owned();
    }
    if waiting > 0 {
        let mut queued = pools.iter().filter(|pool| pool.stats.waiting > 0);
        let first = queued.next();
        let place = match (first, queued.count()) {
            _ if pools.len() == 1 => String::new(),
            (Some(one), 0) => format!(" in {}", one.stats.name()),
            (_, others) => format!(" in {} of {all}", count(others as u64 + 1)),
        };
        let waits = pools.iter().filter_map(|pool| pool.stats.oldest_wait_ms);
        let oldest = duration(Some(waits.fold(0.0, f64::max)));
        return format!("{}{place}, the first for {oldest}.", clients_wait(waiting));
    }
    let troubles: Vec<String> = [lock_trouble(live), leak_trouble(live)]
        .into_iter()
        .flatten()
        .collect();
    if !troubles.is_empty() {
        return troubles.join("; ") + ".";
    }
    let works =
        |pool: &crate::live::LivePool| pool.stats.active > 0 || pool.transactions_per_second > 0.0;
    if !pools.iter().any(works) {
        return format!("All is quiet. {all}, nobody waits.");
    }
    let serve = if pools.len() == 1 { "serves" } else { "serve" };
    let clients = plural(live.clients, "client");
    format!("All is well. {all} {serve} {clients}; nobody waits.")
}

/// Who waits for locks, although nobody waits for a server.
fn lock_trouble(live: &Live) -> Option<String> {
    Some(match worst_blocker(live)?.lock_waiters {
        1 => "1 session waits for a lock".to_owned(),
        more => format!("{} sessions wait for the locks of one", count(more)),
    })
}

/// Who has probably forgotten a server.
fn leak_trouble(live: &Live) -> Option<String> {
    let holders = live.holders.iter().flatten();
    match holders.filter(|holder| holder.leak).count() {
        0 => None,
        1 => Some("1 client has probably leaked a server".to_owned()),
        more => {
            let clients = count(more as u64);
            Some(format!("{clients} clients have probably leaked servers"))
        }
    }
}

fn worst_blocker(live: &Live) -> Option<&LiveBlocker> {
    let blockers = live.blockers.iter().flatten();
    let blockers = blockers.filter(|blocker| blocker.lock_waiters > 0);
    blockers.max_by_key(|blocker| blocker.lock_waiters)
}

/// Who holds the locks that most sessions wait for.
fn locks(live: &Live) -> Option<String> {
    let first = worst_blocker(live)?;
    let sessions = if first.lock_waiters == 1 {
        "1 session waits for a lock".to_owned()
    } else {
        format!("{} sessions wait for locks", count(first.lock_waiters))
    };
    let since = first
        .since_ms
        .filter(|_| !first.state.is_empty())
        .map(|ms| format!(", {} for {}", first.state, duration(Some(ms))));
    Some(format!(
        "{sessions} of {}{}",
        name(first),
        since.unwrap_or_default()
    ))
}

fn name(blocker: &LiveBlocker) -> String {
    let own = who(&blocker.database, &blocker.user, &blocker.application_name);
    match blocker.kind {
        BlockerKind::Prepared => format!("a prepared transaction ({own})"),
        BlockerKind::Elsewhere => format!("a session from elsewhere ({own})"),
        BlockerKind::Client | BlockerKind::Clients | BlockerKind::Server | BlockerKind::Unknown => {
            own
        }
    }
}

/// The probable leaks, the oldest by name where that is wanted.
fn leaks(live: &Live, by_name: bool) -> Option<String> {
    let holders = live.holders.iter().flatten();
    let leaks: Vec<&LiveHolder> = holders.filter(|holder| holder.leak).collect();
    let oldest = leaks
        .iter()
        .max_by(|a, b| a.since_ms.total_cmp(&b.since_ms))?;
    let name = who(&oldest.database, &oldest.user, &oldest.application_name);
    let since = duration(Some(oldest.since_ms));
    Some(match (leaks.len(), by_name) {
        (1, false) => "1 probable leak".to_owned(),
        (1, true) => format!("1 probable leak: {name} for {since}"),
        (more, false) => format!("{more} probable leaks"),
        (more, true) => format!("{more} probable leaks, the oldest {name} for {since}"),
    })
}

#[cfg(test)]
mod tests;
