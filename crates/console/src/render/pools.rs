//! Pools, databases, users, and how many there are of what.

use pgweir_telemetry::pools::PoolSnapshot;
use pgweir_telemetry::snapshot::{DatabaseSnapshot, UserSnapshot};
use pgweir_telemetry::terms::LiveMode;

use crate::DATABASE;
use crate::facts::{Facts, Peer};
use crate::rows::{Cell, Row};

pub(super) fn pools(facts: &Facts) -> Vec<Row> {
    let mut rows: Vec<Row> = facts.snapshot.pools.iter().map(pool).collect();
    rows.push(console_pool(facts));
    rows
}

fn pool(pool: &PoolSnapshot) -> Row {
    let counts = &pool.counts;
    let waited = pool.oldest_wait.unwrap_or_default();
    vec![
        pool.database.clone().into(),
        pool.user.clone().into(),
        pool.clients.saturating_sub(counts.waiting).into(),
        counts.waiting.into(),
        // A request for cancelling is passed on as soon as it has come, over a connection of its own.
        pool.cancels.into(),
        0.into(),
        counts.active.into(),
        pool.cancels.into(),
        0.into(),
        counts.idle.into(),
        // Those that were idle for long count as idle, and those that are cleaned as active.
        0.into(),
        0.into(),
        counts.opening.into(),
        Cell::number(waited.as_secs()),
        waited.subsec_micros().into(),
        pool.mode.map_or(Cell::Null, |mode| mode.word().into()),
        Cell::Null,
    ]
}

/// The console's own pool: it has clients only, and the one who asks is among them.
fn console_pool(facts: &Facts) -> Row {
    let console = PoolSnapshot {
        clients: facts.console.sessions,
        mode: Some(LiveMode::Statement),
        ..PoolSnapshot::new(DATABASE, DATABASE)
    };
    pool(&console)
}

pub(super) fn databases(facts: &Facts) -> Vec<Row> {
    let mut rows: Vec<Row> = facts.snapshot.databases.iter().map(database).collect();
    rows.push(vec![
        DATABASE.into(),
        Cell::Null,
        Cell::from(u32::from(facts.console.port)),
        DATABASE.into(),
        DATABASE.into(),
        2.into(),
        0.into(),
        0.into(),
        0.into(),
        "statement".into(),
        Cell::Null,
        0.into(),
        0.into(),
        facts.console.sessions_max.unwrap_or(0).into(),
        facts.console.sessions.into(),
        0.into(),
        0.into(),
    ]);
    rows
}

fn database(of: &DatabaseSnapshot) -> Row {
    let limit = |limit: Option<u32>| Cell::from(limit.unwrap_or(0));
    vec![
        of.name.clone().into(),
        of.host.clone().into(),
        Cell::maybe_number(of.port.parse::<u16>().ok()),
        of.dbname.clone().into(),
        Cell::maybe(Some(of.forced_user.clone()).filter(|user| !user.is_empty())),
        limit(of.pool_size),
        of.pool_size_min.into(),
        of.reserve.into(),
        Cell::number(of.lifetime.as_secs()),
        of.mode.word().into(),
        Cell::maybe(of.load_balance.map(str::to_owned)),
        limit(of.servers_max),
        of.servers.into(),
        limit(of.clients_max),
        of.clients.into(),
        of.paused.into(),
        of.disabled.into(),
    ]
}

pub(super) fn users(facts: &Facts) -> Vec<Row> {
    facts.snapshot.user_list.iter().map(user).collect()
}

fn user(of: &UserSnapshot) -> Row {
    // PgBouncer has an empty text where a user has no number of its own.
    let own = |number: Option<u32>| -> Cell {
        let text = number.map(|number| number.to_string());
        text.unwrap_or_default().into()
    };
    let limit = |limit: Option<u32>| Cell::from(limit.unwrap_or(0));
    vec![
        of.name.clone().into(),
        own(of.pool_size),
        own(of.reserve),
        of.mode.map_or(Cell::Null, |mode| mode.word().into()),
        limit(of.servers_max),
        of.servers.into(),
        limit(of.clients_max),
        of.clients.into(),
    ]
}

pub(super) fn peers(facts: &Facts) -> Vec<Row> {
    let row = |peer: &Peer| {
        vec![
            u32::from(peer.id).into(),
            peer.host.clone().into(),
            u32::from(peer.port).into(),
            peer.pool_size.unwrap_or(0).into(),
        ]
    };
    facts.peers.iter().map(row).collect()
}

/// Requests for cancelling that are passed on. Each has a connection of its own, on which it is with the peer.
pub(super) fn peer_pools(facts: &Facts) -> Vec<Row> {
    let row = |peer: &Peer| {
        vec![
            u32::from(peer.id).into(),
            peer.active.into(),
            (peer.waiting + peer.connecting).into(),
            peer.active.into(),
            peer.connecting.into(),
        ]
    };
    facts.peers.iter().map(row).collect()
}

pub(super) fn lists(facts: &Facts) -> Vec<Row> {
    let snapshot = &facts.snapshot;
    let sum = snapshot.sum();
    let console = &facts.console;
    let servers = sum.counts.active + sum.counts.idle + sum.counts.opening;
    let used = snapshot.clients + console.sessions;
    let lists: [(&'static str, u64); 14] = [
        // The console is one.
        ("databases", snapshot.databases_count as u64 + 1),
        ("users", snapshot.users as u64),
        ("peers", facts.peers.len() as u64),
        ("pools", snapshot.pools_count as u64 + 1),
        ("peer_pools", facts.peers.len() as u64),
        (
            "free_clients",
            snapshot.clients_max.saturating_sub(snapshot.clients).into(),
        ),
        ("used_clients", used.into()),
        ("login_clients", console.logins.into()),
        ("free_servers", 0),
        ("used_servers", servers.into()),
        ("dns_names", 0),
        ("dns_zones", 0),
        ("dns_queries", 0),
        ("dns_pending", 0),
    ];
    let row = |(list, items): (&'static str, u64)| vec![list.into(), Cell::number(items)];
    lists.into_iter().map(row).collect()
}

/// What connections and pools take, by the sizes of what is kept for them.
pub(super) fn memory(facts: &Facts) -> Vec<Row> {
    let snapshot = &facts.snapshot;
    let memory = facts.console.memory;
    let sum = snapshot.sum();
    let servers = sum.counts.active + sum.counts.idle;
    let caches: [(&'static str, usize, usize); 4] = [
        ("pool_cache", memory.pool, snapshot.pools_count),
        ("server_cache", memory.server, servers as usize),
        ("client_cache", memory.client, snapshot.clients as usize),
        ("iobuf_cache", memory.buffer, snapshot.workers.len()),
    ];
    let number = |number: usize| Cell::number(u64::try_from(number).unwrap_or(u64::MAX));
    let row = |(name, size, used): (&'static str, usize, usize)| {
        let total = size * used;
        vec![
            name.into(),
            number(size),
            number(used),
            number(0),
            number(total),
        ]
    };
    caches.into_iter().map(row).collect()
}
