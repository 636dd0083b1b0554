use std::time::{Duration, UNIX_EPOCH};

use super::{DatabaseSnapshot, Readiness, SHOWN_MAX, Snapshot, WorkerSnapshot};
use crate::pools::{OTHER, PoolSnapshot};
use crate::terms::LiveMode;

/// A pooler with one pool that has done nothing yet.
pub(crate) fn quiet() -> Snapshot {
    let mut snapshot = Snapshot::new("0.1.0", UNIX_EPOCH + Duration::from_secs(1_000));
    snapshot.clients_max = 1_000;
    snapshot.users = 1;
    snapshot.workers = vec![WorkerSnapshot {
        busy_permille: 0,
        clients: 0,
    }];
    snapshot.databases = vec![DatabaseSnapshot {
        name: "app".to_owned(),
        load_balance: None,
        dbname: "app".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: "5432".to_owned(),
        forced_user: String::new(),
        mode: LiveMode::Session,
        pool_size: Some(50),
        pool_size_min: 0,
        lifetime: Duration::ZERO,
        clients_max: None,
        clients: 0,
        disabled: false,
        reserve: 0,
        servers_max: None,
        servers: 0,
        paused: false,
        limits: "Limit: 50, Pool Timeout: 20s, Connect Timeout: 10s".to_owned(),
    }];
    snapshot.add_pool(pool("app", "bob"));
    snapshot
}

/// A pool that has done nothing yet.
pub(crate) fn pool(database: &str, user: &str) -> PoolSnapshot {
    PoolSnapshot {
        mode: Some(LiveMode::Session),
        size_max: Some(50),
        wait_max: Some(Duration::from_secs(20)),
        ..PoolSnapshot::new(database, user)
    }
}

#[test]
fn beyond_the_bound_pools_are_summed_up() {
    let mut snapshot = quiet();
    for user in 0..SHOWN_MAX + 5 {
        let mut pool = pool("app", &format!("user{user}"));
        pool.totals.queries = 1;
        snapshot.add_pool(pool);
    }
    assert_eq!(snapshot.pools_count, SHOWN_MAX + 6);
    assert_eq!(snapshot.pools.len(), SHOWN_MAX + 1);
    let others = snapshot.pools.last().unwrap();
    assert_eq!((&*others.database, others.totals.queries), (OTHER, 6));
    assert_eq!(snapshot.sum().totals.queries, SHOWN_MAX as u64 + 5);
}

#[test]
fn a_pooler_is_ready_while_one_server_is_open_or_nothing_has_failed() {
    for (draining, reachable, failing, probes_fail, ready) in [
        (false, 0, 0, false, true),
        (false, 0, 1, false, false),
        (false, 0, 0, true, false),
        (false, 1, 3, true, true),
        (true, 1, 0, false, false),
    ] {
        let readiness = Readiness {
            draining,
            reachable,
            failing,
            probes_fail,
        };
        assert_eq!(readiness.is_ready(), ready, "{readiness:?}");
    }
}
