use pgweir_config::ServerAddress;
use pgweir_pool::time::Time;
use pgweir_telemetry::pools::OTHER;
use pgweir_telemetry::postgres::Sight;
use pgweir_telemetry::snapshot::SHOWN_MAX;
use pgweir_wire::sqlstate::SqlState;

use super::{Extent, readiness, take};
use crate::texts::ClientError;
use crate::world::world;

#[test]
fn what_a_pool_counted_is_taken_with_its_settings() {
    let world = world("reserve_pool_size = 3\nmax_user_connections = 7");
    world.registry.errors.count(SqlState::TOO_MANY_CONNECTIONS);
    world.pool.with(|shared| {
        shared.totals.queries = 4;
    });
    let snapshot = take(&world.registry, Extent::Page);
    assert_eq!(snapshot.errors, [("53300".to_owned(), 1)]);
    assert_eq!(snapshot.user_servers_max, Some(7));
    let connect = "psql -h 127.0.0.1 -p 6432 -U bob app";
    assert_eq!(snapshot.connect.as_deref(), Some(connect));
    let pool = &snapshot.pools[0];
    assert_eq!((&*pool.database, &*pool.user), ("app", "bob"));
    assert_eq!((pool.size_max, pool.reserve_max), (Some(50), 3));
    assert_eq!(pool.totals.queries, 4);
    let database = &snapshot.databases[0];
    assert_eq!((&*database.host, &*database.port), ("127.0.0.1", "5432"));
    let limits = "Limit: 50, Pool Timeout: 20s, Connect Timeout: 10s";
    assert_eq!(database.limits, limits);
}

#[test]
fn beyond_the_bound_pools_are_summed_up() {
    let world = world("");
    let database = world.registry.config().databases["app"].clone();
    for user in 0..SHOWN_MAX + 5 {
        let user = format!("user{user}");
        world.registry.pool(database.clone(), "app", &user).unwrap();
    }
    let snapshot = take(&world.registry, Extent::Page);
    assert_eq!(snapshot.pools_count, SHOWN_MAX + 6);
    assert_eq!(snapshot.pools.len(), SHOWN_MAX + 1);
    assert_eq!(&*snapshot.pools[SHOWN_MAX].database, OTHER);
}

#[test]
fn a_look_at_readiness_is_that_of_a_snapshot_and_opens_no_server() {
    let mut world = world("");
    assert!(readiness(&world.registry).is_ready());
    let error = ClientError::new(SqlState::CANNOT_CONNECT_NOW, "no");
    world
        .pool
        .logged_in(Err((error, world.registry.clock.now())));
    let seen = readiness(&world.registry);
    assert!(seen.is_cut_off());
    assert_eq!(seen, take(&world.registry, Extent::Page).readiness);
    assert_eq!(world.opened(), 0);
}

#[test]
fn a_failed_login_is_told_of_until_postgresql_is_back_or_nobody_tries_any_more() {
    let world = world("server_login_retry = 20");
    let (pool, registry) = (&world.pool, &world.registry);
    let told = |seconds: u64| pool.login_failure(Time(seconds * 1_000_000)).is_some();
    let fail = |sqlstate, seconds: u64| {
        let error = ClientError::new(sqlstate, "no");
        pool.logged_in(Err((error, Time(seconds * 1_000_000))));
    };
    let elsewhere = ServerAddress::Unix("/tmp".into());
    let here = pool.settings().database.server.clone();
    fail(SqlState::CANNOT_CONNECT_NOW, 100);
    assert!(told(139) && !told(140), "twice server_login_retry");
    registry.postgres_is_back(&elsewhere, Time(u64::MAX));
    registry.postgres_is_back(&here, Time(99_000_000));
    assert!(told(100), "who was let in had come before");
    registry.postgres_is_back(&here, Time(100_000_000));
    assert!(!told(100));
    fail(SqlState::INVALID_PASSWORD, 100);
    registry.postgres_is_back(&here, Time(u64::MAX));
    assert!(
        told(100),
        "another user's login says nothing of this password"
    );
    assert!(pool.logged_in(Ok(())), "it had failed before");
    assert!(!told(100));
}

#[test]
fn every_postgres_of_the_configuration_is_there_from_the_start() {
    let off = take(&world("http_listen = \"off\"").registry, Extent::Page).postgres;
    let [postgres] = &off[..] else {
        panic!("{off:?}")
    };
    assert_eq!(&*postgres.server, "127.0.0.1:5432");
    assert_eq!(postgres.sight, Sight::Off, "nothing shows it: HTTP is off");
    let settings = "http_listen = \"127.0.0.1:1\"";
    let on = take(&world(settings).registry, Extent::Page).postgres;
    assert_eq!(on[0].sight, Sight::Away);
    let settings = format!("{settings}\nprobe_interval = 0");
    let off = take(&world(&settings).registry, Extent::Page).postgres;
    assert_eq!(off[0].sight, Sight::Off);
}
