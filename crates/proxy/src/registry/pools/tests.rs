use std::sync::Arc;

use pgweir_pool::parameters::Parameters;
use pgweir_pool::time::Time;
use pgweir_telemetry::Snapshot;
use pgweir_telemetry::pools::PoolSnapshot;
use pgweir_wire::sqlstate::SqlState;

use super::{POOLS_MAX, UNCONFIRMED_MAX};
use crate::pool_handle::{Greeting, PoolHandle, Welcome};
use crate::registry::Registry;
use crate::snapshot::{Extent, readiness, take};
use crate::texts::ClientError;
use crate::world::{World, world};

const WILDCARD: &str = "server_login_retry = 0\nautodb_idle_timeout = \"1s\"\n[databases.\"*\"]";

fn make(registry: &Registry, name: &str, user: &str) -> Result<Arc<PoolHandle>, ClientError> {
    let database = registry.config().fallback_database.clone().unwrap();
    registry.pool(database, name, user)
}

/// PostgreSQL let somebody in.
fn confirm(pool: &PoolHandle) {
    pool.greeting
        .send_replace(Greeting::Known(Arc::new(Welcome {
            reported: Arc::default(),
            parameters: Arc::new(Parameters::default()),
        })));
}

fn names(world: &World) -> Vec<String> {
    let pools = world.registry.pools();
    pools.iter().map(|pool| pool.database.to_string()).collect()
}

/// As two seconds of sweeps: the first sees what is unused.
fn sweep(world: &World) {
    for second in 0..2 {
        world.registry.forget_unused(Time(second * 1_000_000));
    }
}

#[test]
fn unused_pools_with_names_of_clients_go_and_listed_ones_stay() {
    let world = world(WILDCARD);
    confirm(&make(&world.registry, "known", "bob").unwrap());
    make(&world.registry, "unknown", "bob").unwrap();
    assert_eq!(names(&world), ["app", "known", "unknown"]);
    sweep(&world);
    assert_eq!(names(&world), ["app"]);
}

#[test]
fn a_pool_that_somebody_uses_stays() {
    let world = world(WILDCARD);
    let held = make(&world.registry, "held", "bob").unwrap();
    let clients = make(&world.registry, "clients", "bob").unwrap();
    world
        .registry
        .tell(&clients, |stock, now| stock.core.client_in(now));
    drop(clients);
    sweep(&world);
    assert_eq!(names(&world), ["app", "held", "clients"]);
    drop(held);
    sweep(&world);
    assert_eq!(names(&world), ["app", "clients"]);
}

#[test]
fn a_replication_connection_is_counted_with_the_pool_of_its_names_and_keeps_it() {
    let world = world(WILDCARD);
    let base = make(&world.registry, "auto", "bob").unwrap();
    let parameters = vec![("replication".to_owned(), "true".to_owned())];
    let pool = world.registry.pool_for_replication(&base, parameters);
    let pool = pool.unwrap();
    assert!(Arc::ptr_eq(&pool.keys, &base.keys));
    drop(base);
    let of = |snapshot: &Snapshot| {
        let pools = snapshot
            .pools
            .iter()
            .filter(|pool| &*pool.database == "auto");
        let figures = |pool: &PoolSnapshot| (pool.clients, pool.size_max, pool.totals.queries);
        pools.map(figures).collect::<Vec<_>>()
    };
    pool.with(|stock| {
        stock.totals.queries = 3;
        stock.core.client_in(Time(0));
    });
    assert_eq!(of(&take(&world.registry, Extent::Page)), [(1, Some(50), 3)]);
    drop(pool);
    sweep(&world);
    assert_eq!(names(&world), ["app", "auto", "auto"]);
    let pools = world.registry.pools();
    pools[2].with(|stock| stock.core.client_out(Time(0)));
    drop(pools);
    // It goes at once, and what it did is its base's, which has not been unused for long.
    world.registry.forget_unused(Time(2_000_000));
    assert_eq!(names(&world), ["app", "auto"]);
    assert_eq!(of(&take(&world.registry, Extent::Page)), [(0, Some(50), 3)]);
    world.registry.forget_unused(Time(2_000_000));
    assert_eq!(names(&world), ["app"]);
}

#[test]
fn a_replication_connection_that_is_refused_makes_nobody_unready() {
    let world = world("");
    let refused = world.registry.pool_for_replication(&world.pool, Vec::new());
    let error = ClientError::new(SqlState::CANNOT_CONNECT_NOW, "no");
    let now = world.registry.clock.now();
    refused.unwrap().logged_in(Err((error, now)));
    assert!(readiness(&world.registry).is_ready());
    assert!(take(&world.registry, Extent::Page).readiness.is_ready());
}

#[test]
fn confirmed_pools_stay_without_a_timeout() {
    let world = world("server_login_retry = 0\nautodb_idle_timeout = 0\n[databases.\"*\"]");
    confirm(&make(&world.registry, "known", "bob").unwrap());
    make(&world.registry, "unknown", "bob").unwrap();
    sweep(&world);
    assert_eq!(names(&world), ["app", "known"]);
}

#[test]
fn a_pool_that_takes_a_number_has_servers_of_its_own() {
    let mut world = world(WILDCARD);
    let pool = make(&world.registry, "a", "bob").unwrap();
    let (id, first) = (pool.id, pool.with(|stock| stock.core.next_server()));
    world
        .registry
        .tell(&pool, |stock, now| stock.core.warm(now));
    assert_eq!(world.opened(), 1);
    assert!(pool.with(|stock| stock.core.next_server()) > first);
    drop(pool);
    sweep(&world);
    assert_eq!(names(&world), ["app", "a"], "it has a server that logs in");
    let b = make(&world.registry, "b", "bob").unwrap();
    assert_ne!(b.id, id);
    drop(b);
    sweep(&world);
    let c = make(&world.registry, "c", "bob").unwrap();
    assert_eq!(c.id.0, 2, "the number of b");
    assert!(world.registry.live_pool(c.id).is_some());
}

#[test]
fn who_makes_names_up_leaves_room_for_others() {
    let world = world("[databases.\"*\"]");
    for number in 0..UNCONFIRMED_MAX {
        make(&world.registry, &format!("n{number}"), "bob").unwrap();
    }
    assert!(make(&world.registry, "more", "bob").is_err());
    assert!(make(&world.registry, "more", "ann").is_ok());
}

#[test]
fn a_full_table_makes_room_of_what_is_unused() {
    let world = world("[databases.\"*\"]");
    for number in 1..POOLS_MAX {
        // A user's pools are looked through for each new one.
        let user = format!("user {}", number % 100);
        confirm(&make(&world.registry, &format!("n{number}"), &user).unwrap());
    }
    assert_eq!(world.registry.pools().len(), POOLS_MAX);
    make(&world.registry, "more", "bob").unwrap();
    assert_eq!(world.registry.pools().len(), POOLS_MAX - POOLS_MAX / 10 + 1);
    assert_eq!(names(&world)[0], "app", "a listed one stays");
}
