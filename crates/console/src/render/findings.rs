//! Who waits, who holds what others wait for, and what was found out about statements.

use pgweir_pool::waits::Cause;
use pgweir_telemetry::live::{HolderState, LiveBlocker, LiveHolder, LiveWaiter};
use pgweir_telemetry::remedies::remedy;

use super::{before, micros};
use crate::facts::Facts;
use crate::rows::{Cell, Row};

/// Clients that wait for a server, the longest wait first, then those that wait for a lock in PostgreSQL.
pub(super) fn waits(facts: &Facts) -> Vec<Row> {
    let findings = &facts.findings;
    let waiters = findings.waiters.iter().map(|one| for_server(facts, one));
    let locked = findings.holders.iter();
    let locked = locked.filter(|one| one.state == HolderState::WaitingForLock);
    waiters
        .chain(locked.map(|one| for_lock(facts, one)))
        .collect()
}

fn for_server(facts: &Facts, waiter: &LiveWaiter) -> Row {
    let mut pools = facts.snapshot.pools.iter();
    let pool = pools.find(|pool| *pool.database == waiter.database && *pool.user == waiter.user);
    let cause = pool.and_then(|pool| pool.cause);
    // Who has kept a server of that pool for longest; of locks, who holds those.
    let holders = facts.findings.holders.iter();
    let of_pool = |one: &&LiveHolder| one.database == waiter.database && one.user == waiter.user;
    let longest = holders
        .filter(of_pool)
        .max_by(|a, b| a.held_ms.total_cmp(&b.held_ms));
    let holder = match (cause, facts.findings.blockers.first()) {
        (Some(Cause::Locks), Some(blocker)) => by_blocker(facts, blocker),
        _ => longest.map_or_else(nobody, |holder| by_holder(facts, holder)),
    };
    let own = [
        client(&waiter.client),
        waiter.database.clone().into(),
        waiter.user.clone().into(),
        waiter.application_name.clone().into(),
        waiter.address.clone().map_or("unix".into(), Cell::from),
        "server".into(),
        before(facts, waiter.waited_ms).into(),
        micros(waiter.waited_ms),
        cause.map_or(Cell::Null, |cause| cause.name().into()),
    ];
    let remedy = cause.map_or(Cell::Null, |cause| remedy(cause).into());
    own.into_iter().chain(holder).chain([remedy]).collect()
}

fn for_lock(facts: &Facts, holder: &LiveHolder) -> Row {
    let blocker = facts.findings.blockers.first();
    let own = [
        client(&holder.client),
        holder.database.clone().into(),
        holder.user.clone().into(),
        holder.application_name.clone().into(),
        holder.address.clone().map_or("unix".into(), Cell::from),
        "lock".into(),
        before(facts, holder.since_ms).into(),
        micros(holder.since_ms),
        Cause::Locks.name().into(),
    ];
    let by = blocker.map_or_else(nobody, |blocker| by_blocker(facts, blocker));
    let remedy = Cell::from(remedy(Cause::Locks));
    own.into_iter().chain(by).chain([remedy]).collect()
}

/// The columns that say who holds something.
type By = [Cell; 4];

fn nobody() -> By {
    [Cell::Null, Cell::Null, Cell::Null, Cell::Null]
}

fn by_holder(facts: &Facts, holder: &LiveHolder) -> By {
    let mut what = format!(
        "{} ({}/{}), {}",
        name(&holder.application_name),
        holder.database,
        holder.user,
        holder.state.words()
    );
    if let Some(pin) = &holder.pin {
        what.push_str(": ");
        what.push_str(pin);
    }
    [
        what.into(),
        client(&holder.client),
        Cell::maybe_number(holder.server_pid),
        before(facts, holder.held_ms).into(),
    ]
}

fn by_blocker(facts: &Facts, blocker: &LiveBlocker) -> By {
    let state = match &*blocker.state {
        "" => String::new(),
        state => format!(", {state}"),
    };
    let what = format!(
        "{} ({}/{}){state}",
        name(&blocker.application_name),
        blocker.database,
        blocker.user
    );
    [
        what.into(),
        blocker.client.as_deref().map_or(Cell::Null, client),
        Cell::maybe_number(blocker.server_pid),
        Cell::maybe(blocker.since_ms.map(|ms| before(facts, ms))),
    ]
}

fn name(application: &str) -> &str {
    if application.is_empty() {
        "a client without application_name"
    } else {
        application
    }
}

/// A client's number, which is a text in JSON.
fn client(number: &str) -> Cell {
    Cell::maybe_number(number.parse::<u32>().ok())
}

/// Clients whose session's state keeps a server, the longest first.
pub(super) fn pins(facts: &Facts) -> Vec<Row> {
    let holders = facts.findings.holders.iter();
    let mut pinned: Vec<&LiveHolder> = holders.filter(|one| one.pin.is_some()).collect();
    pinned.sort_by(|a, b| {
        b.pin_ms
            .unwrap_or(b.held_ms)
            .total_cmp(&a.pin_ms.unwrap_or(a.held_ms))
    });
    let row = |one: &LiveHolder| {
        let since = one.pin_ms.unwrap_or(one.held_ms);
        vec![
            client(&one.client),
            one.database.clone().into(),
            one.user.clone().into(),
            one.application_name.clone().into(),
            one.address.clone().map_or("unix".into(), Cell::from),
            Cell::maybe(one.pin.clone()),
            before(facts, since).into(),
            micros(since),
            one.state.words().into(),
            Cell::maybe_number(one.server_pid),
            one.waiters_behind.into(),
            Cell::maybe(one.pin_text.clone()),
        ]
    };
    pinned.into_iter().map(row).collect()
}

/// Clients that have held a server for longer than a moment.
pub(super) fn leases(facts: &Facts) -> Vec<Row> {
    let row = |one: &LiveHolder| {
        vec![
            client(&one.client),
            one.database.clone().into(),
            one.user.clone().into(),
            one.application_name.clone().into(),
            one.address.clone().map_or("unix".into(), Cell::from),
            one.state.words().into(),
            before(facts, one.held_ms).into(),
            micros(one.held_ms),
            micros(one.since_ms),
            Cell::maybe(one.pin.clone()),
            if one.leak { "yes" } else { "no" }.into(),
            Cell::maybe_number(one.server_pid),
            one.waiters_behind.into(),
            one.lock_waiters.into(),
            Cell::maybe(one.last_text.clone()),
        ]
    };
    facts.findings.holders.iter().map(row).collect()
}

/// The statements that took the most time together.
pub(super) fn statements(facts: &Facts) -> Vec<Row> {
    let statements = facts.findings.statements.iter().map(|one| {
        vec![
            one.database.clone().into(),
            one.user.clone().into(),
            one.fingerprint.clone().into(),
            Cell::number(one.calls),
            Cell::number(one.errors),
            Cell::number(one.rows),
            Cell::number(one.bytes),
            micros(one.total_ms),
            micros(one.mean_ms),
            one.p99_ms.map_or(Cell::Null, micros),
            micros(one.max_ms),
            one.text.clone().into(),
        ]
    });
    statements.collect()
}

/// Slow statements, those repeated in vain, leaks and those whose locks others wait for.
pub(super) fn findings(facts: &Facts) -> Vec<Row> {
    let findings = &facts.findings;
    let slow = findings.slow.iter().map(|one| {
        vec![
            one.level.words().into(),
            one.at.clone().into(),
            one.database.clone().into(),
            one.user.clone().into(),
            client(&one.client),
            one.application_name.clone().into(),
            Cell::Number(1),
            micros(one.wait_ms),
            micros(one.server_ms),
            one.fingerprint.clone().into(),
            one.text.clone().into(),
            Cell::Null,
        ]
    });
    let repeated = findings.n_plus_one.iter().map(|one| {
        let tags = one.tags.iter().map(|(key, value)| format!("{key}={value}"));
        let tags: Vec<_> = tags.collect();
        vec![
            "n+1".into(),
            one.at.clone().into(),
            one.database.clone().into(),
            one.user.clone().into(),
            client(&one.client),
            one.application_name.clone().into(),
            one.times.into(),
            Cell::Null,
            Cell::Null,
            one.fingerprint.clone().into(),
            one.text.clone().into(),
            Cell::maybe((!tags.is_empty()).then(|| tags.join(","))),
        ]
    });
    let leaks = findings.holders.iter().filter(|one| one.leak).map(|one| {
        vec![
            "leak".into(),
            before(facts, one.since_ms).into(),
            one.database.clone().into(),
            one.user.clone().into(),
            client(&one.client),
            one.application_name.clone().into(),
            Cell::Number(1),
            Cell::Null,
            micros(one.held_ms),
            Cell::Null,
            Cell::maybe(one.last_text.clone()),
            format!("{} clients wait behind it", one.waiters_behind).into(),
        ]
    });
    let blockers = findings.blockers.iter().map(|one| {
        vec![
            "blocks".into(),
            Cell::maybe(one.since_ms.map(|ms| before(facts, ms))),
            one.database.clone().into(),
            one.user.clone().into(),
            one.client.as_deref().map_or(Cell::Null, client),
            one.application_name.clone().into(),
            one.lock_waiters.into(),
            Cell::Null,
            one.since_ms.map_or(Cell::Null, micros),
            Cell::Null,
            Cell::maybe(one.last_text.clone()),
            format!("{} sessions wait for its locks", one.lock_waiters).into(),
        ]
    });
    blockers.chain(leaks).chain(slow).chain(repeated).collect()
}
