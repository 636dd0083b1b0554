use std::pin::pin;
use std::task::{Context, Poll, Waker};

use pgweir_console::{Done, Order, Refusal};
use pgweir_pool::id::{ClientId, WorkerId};

use super::Orders;
use crate::admin::Administrator;
use crate::world::{World, world};

/// Begins to carry an order out; `None` while it waits for something.
fn order(orders: &Orders, order: Order) -> Option<Result<Done, Refusal>> {
    let by = Administrator::new(Some("root"));
    let mut carried_out = pin!(orders.administer(order, &by));
    let mut context = Context::from_waker(Waker::noop());
    match carried_out.as_mut().poll(&mut context) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}

fn words(outcome: Option<Result<Done, Refusal>>) -> String {
    match outcome {
        None => "waits".to_owned(),
        Some(Ok(_)) => "done".to_owned(),
        Some(Err(refusal)) => refusal.message(),
    }
}

/// Carries orders out, one after the other.
fn check(settings: &str, script: &[(Order, &str)]) -> World {
    // Some orders wait for a bounded time, and nothing here lets it pass.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().expect("a runtime");
    let _entered = runtime.enter();
    let world = world(settings);
    let orders = Orders::new(world.registry.clone());
    for (what, expected) in script {
        assert_eq!(words(order(&orders, what.clone())), *expected, "{what:?}");
    }
    world
}

fn some(name: &str) -> Option<String> {
    Some(name.to_owned())
}

#[test]
fn everything_is_paused_once_and_resumed_once() {
    let world = check(
        "",
        &[
            (Order::Resume(None), "pooler is not paused/suspended"),
            (Order::Pause(None), "done"),
            (Order::Pause(None), "already suspended/paused"),
            (Order::Pause(some("app")), "already suspended/paused"),
            (Order::Kill(None), "already suspended/paused"),
            (Order::Suspend, "already suspended/paused"),
        ],
    );
    assert!(world.pool.is_paused());
    let orders = Orders::new(world.registry.clone());
    assert_eq!(words(order(&orders, Order::Resume(None))), "done");
    assert!(!world.pool.is_paused());
}

#[test]
fn a_database_is_paused_by_its_name() {
    let world = check(
        "",
        &[
            (Order::Pause(some("nope")), "no such database: nope"),
            (
                Order::Pause(some("pgbouncer")),
                "cannot pause admin db: pgbouncer",
            ),
            (Order::Resume(some("app")), "database app is not paused"),
            (Order::Pause(some("app")), "done"),
            (Order::Resume(None), "pooler is not paused/suspended"),
            (Order::Suspend, "cannot suspend with paused databases"),
        ],
    );
    assert!(world.pool.is_paused());
    let config = world.registry.config();
    let ann = world
        .registry
        .pool(config.databases["app"].clone(), "app", "ann");
    assert!(
        ann.unwrap().is_paused(),
        "a pool made in a pause begins in it"
    );
    let orders = Orders::new(world.registry.clone());
    assert_eq!(words(order(&orders, Order::Resume(some("app")))), "done");
    assert!(!world.pool.is_paused());
}

#[test]
fn a_pause_is_done_when_the_last_server_is_closed_and_taken_back_when_nobody_waits_for_it() {
    let world = world("");
    let orders = Orders::new(world.registry.clone());
    world.registry.tell(&world.pool, |stock, now| {
        stock.core.checkout(now, ClientId(1), WorkerId(0));
    });
    // One logs in.
    assert_eq!(words(order(&orders, Order::Pause(None))), "waits");
    assert!(!world.pool.is_paused(), "the wait was given up");
    assert!(world.registry.halts().everything().is_none());
}

#[test]
fn a_reload_leaves_a_pause_as_it_is() {
    let world = check("", &[(Order::Pause(None), "done")]);
    let bounds = {
        let settings = world.pool.settings();
        crate::pool_handle::bounds((&settings.config, &settings.database))
    };
    world.registry.tell(&world.pool, |stock, now| {
        stock.core.set_bounds(now, bounds);
        stock.core.checkout(now, ClientId(1), WorkerId(0));
    });
    let mut world = world;
    assert_eq!(world.opened(), 0);
    assert!(world.pool.is_paused());
}

#[test]
fn a_disabled_database_is_known_and_enabled_again() {
    let world = check(
        "",
        &[
            (Order::Disable("nope".to_owned()), "no such database: nope"),
            (Order::Disable("app".to_owned()), "done"),
        ],
    );
    assert!(world.registry.halts().is_disabled("app"));
    let orders = Orders::new(world.registry.clone());
    let enabled = order(&orders, Order::Enable("app".to_owned()));
    assert_eq!(words(enabled), "done");
    assert!(!world.registry.halts().is_disabled("app"));
}

#[test]
fn who_is_not_there_cannot_be_ended() {
    check(
        "",
        &[
            (Order::KillClient(7), "client not found"),
            (Order::Kill(some("app")), "done"),
            (Order::WaitClose(None), "done"),
            (Order::Reconnect(some("app")), "done"),
        ],
    );
}
