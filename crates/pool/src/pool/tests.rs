//! Scripts: what happens on the left of each line, one input per `;`, and all actions at the end.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Action, Bounds, Checkout, CloseReason, Condition, Failure, Grant, Place, Pool};
use crate::id::{ClientId, ServerId, WorkerId};
use crate::time::Time;

fn bounds(size_max: u32) -> Bounds {
    Bounds {
        size_max,
        size_min: 0,
        keeps_min_unused: false,
        reserve_max: 0,
        reserve_after: Duration::from_millis(50),
        waiters_max: 3,
        wait_max: Duration::from_millis(100),
        idle_max: Duration::from_millis(1000),
        lifetime: Duration::from_millis(5000),
        login_retry: Duration::from_millis(200),
        round_robin: false,
    }
}

/// Runs `script` and compares the actions, in order. A client or server may name its worker:
/// `c1@1`. `+20` lets 20 ms pass and sweeps.
fn check_on(mut pool: Pool, script: &str, expected: &str) {
    let mut now = Time(0);
    let mut places: BTreeMap<u64, (Place, WorkerId)> = BTreeMap::new();
    let mut log = Vec::new();
    for input in script.split(';').map(str::trim) {
        let words: Vec<_> = input.split_whitespace().collect();
        let (name, home) = words[0].split_once('@').unwrap_or((words[0], "0"));
        let home = WorkerId(home.parse().unwrap());
        let number: u64 = name[1..].parse().unwrap_or(0);
        let server = ServerId(number);
        let mut checkout = None;
        match (words[0], words.get(1).copied()) {
            (delay, None) if delay.starts_with('+') => {
                now = now + Duration::from_millis(number);
                pool.tick(now);
            }
            (_, Some("checkout")) => {
                let answer = pool.checkout(now, ClientId(number), home);
                if let Checkout::Waits(place) | Checkout::Granted(Grant { place, .. }) = answer {
                    places.insert(number, (place, home));
                }
                checkout = Some(answer);
            }
            (_, Some("requeue")) => {
                let (place, home) = places[&number];
                checkout = Some(pool.requeue(now, ClientId(number), home, place));
            }
            (_, Some("leave")) => {
                let (place, home) = places[&number];
                pool.leave(now, home, place);
            }
            (_, Some("opened")) => pool.opened(now, server, home, 0),
            (_, Some("failed")) => pool.failed(now, server, Failure::Final),
            (_, Some("unreached")) => pool.failed(now, server, Failure::Passing),
            (_, Some("denied")) => pool.denied(now, server),
            (_, Some("checkin")) => pool.checkin(now, server, home, Condition::Clean),
            (_, Some("dirty")) => pool.checkin(now, server, home, Condition::Dirty),
            (_, Some("lost")) => pool.lost(now, server),
            ("client", Some("in")) => pool.client_in(now),
            ("client", Some("out")) => pool.client_out(now),
            ("budget", Some("freed")) => pool.budget_freed(now),
            ("retire", None) => pool.retire(now),
            ("vacate", None) => pool.vacate(now),
            ("pause", None) => pool.pause(now),
            ("resume", None) => pool.resume(now),
            ("warm", None) => {
                pool.warm(now);
            }
            ("forgive", None) => pool.forgive(),
            ("surrender", None) => {
                pool.surrender(now);
            }
            _ => panic!("unknown input {input:?}"),
        }
        match checkout {
            Some(Checkout::Granted(Grant { client, server, .. })) => {
                log.push(format!("grant {client} {server}"));
            }
            Some(Checkout::Refused(refusal)) => log.push(format!("refuse c{number} {refusal:?}")),
            Some(Checkout::Waits(_)) | None => {}
        }
        while let Some(action) = pool.poll_action() {
            log.push(match action {
                Action::Open(server) => format!("open {server}"),
                Action::Close(server, reason) => format!("close {server} {reason:?}"),
                Action::Grant(Grant { client, server, .. }) => format!("grant {client} {server}"),
                Action::Refuse(client, _, refusal) => format!("refuse {client} {refusal:?}"),
            });
        }
    }
    assert_eq!(log.join("; "), expected, "script: {script}");
}

fn check(bounds: Bounds, script: &str, expected: &str) {
    check_on(Pool::new(bounds, 2, ServerId(0)), script, expected);
}

#[test]
fn a_first_checkout_opens_and_is_granted_when_the_login_is_done() {
    check(bounds(2), "c1 checkout; s0 opened", "open s0; grant c1 s0");
}

#[test]
fn a_returned_server_goes_to_the_oldest_waiter() {
    check(
        bounds(1),
        "c1 checkout; s0 opened; c2 checkout; c3 checkout; s0 checkin; s0 checkin",
        "open s0; grant c1 s0; grant c2 s0; grant c3 s0",
    );
}

#[test]
fn a_waiter_that_leaves_is_passed_over() {
    check(
        bounds(1),
        "c1 checkout; s0 opened; c2 checkout; c3 checkout; c2 leave; s0 checkin",
        "open s0; grant c1 s0; grant c3 s0",
    );
}

#[test]
fn a_requeued_client_keeps_its_place() {
    check(
        bounds(1),
        "c1 checkout; s0 opened; c2 checkout; s0 lost; c1 requeue; s1 opened",
        "open s0; grant c1 s0; open s1; grant c1 s1",
    );
}

#[test]
fn servers_take_turns_wherever_they_live() {
    let script = "c1@0 checkout; s0 opened; c2@0 checkout; s1 opened; c3@1 checkout; s2 opened; \
                  s0@0 checkin; +1; s2@1 checkin; +1; s1@0 checkin; c1@0 checkout; c1@0 checkout";
    let opened = "open s0; grant c1 s0; open s1; grant c2 s1; open s2; grant c3 s2; ";
    for (round_robin, granted) in [
        (true, "grant c1 s0; grant c1 s2"),
        (false, "grant c1 s1; grant c1 s0"),
    ] {
        let bounds = Bounds {
            round_robin,
            ..bounds(3)
        };
        check(bounds, script, &format!("{opened}{granted}"));
    }
}

#[test]
fn a_full_queue_refuses_the_next() {
    check(
        bounds(1),
        "c1 checkout; s0 opened; c2 checkout; c3 checkout; c4 checkout; c5 checkout",
        "open s0; grant c1 s0; refuse c5 QueueFull",
    );
}

#[test]
fn a_wait_ends_after_wait_max() {
    check(
        bounds(1),
        "c1 checkout; s0 opened; c2 checkout; +99; +1",
        "open s0; grant c1 s0; refuse c2 Timeout",
    );
}

#[test]
fn the_reserve_opens_after_its_wait_and_closes_when_not_needed() {
    let bounds = Bounds {
        reserve_max: 1,
        ..bounds(1)
    };
    check(
        bounds,
        "c1 checkout; s0 opened; c2 checkout; +49; +1; s1 opened; s1 checkin",
        "open s0; grant c1 s0; open s1; grant c2 s1; close s1 OverLimit",
    );
}

#[test]
fn a_dirty_server_is_closed_and_replaced_for_a_waiter() {
    check(
        bounds(1),
        "c1 checkout; s0 opened; c2 checkout; s0 dirty; s1 opened",
        "open s0; grant c1 s0; close s0 Dirty; open s1; grant c2 s1",
    );
}

#[test]
fn an_idle_server_is_closed_after_idle_max() {
    check(
        bounds(1),
        "c1 checkout; s0 opened; s0 checkin; +999; +1",
        "open s0; grant c1 s0; close s0 Idle",
    );
}

#[test]
fn the_minimum_is_kept_while_there_are_clients() {
    let bounds = Bounds {
        size_min: 1,
        ..bounds(2)
    };
    check(
        bounds,
        "client in; s0 opened; +1000; client out; +1000",
        "open s0; close s0 Idle",
    );
}

#[test]
fn a_server_past_its_lifetime_is_not_granted() {
    let bounds = Bounds {
        idle_max: Duration::MAX,
        ..bounds(1)
    };
    check(
        bounds,
        "c1 checkout; s0 opened; s0 checkin; +4999; c1 checkout; s0 checkin; +1",
        "open s0; grant c1 s0; grant c1 s0; close s0 Lifetime",
    );
}

#[test]
fn a_lifetime_of_zero_is_a_single_use() {
    let bounds = Bounds {
        lifetime: Duration::ZERO,
        ..bounds(1)
    };
    check(
        bounds,
        "c1 checkout; s0 opened; s0 checkin; c2 checkout; s1 opened",
        "open s0; grant c1 s0; close s0 Lifetime; open s1; grant c2 s1",
    );
}

#[test]
fn a_failed_login_refuses_everyone_when_nothing_is_open() {
    check(
        bounds(1),
        "c1 checkout; c2 checkout; s0 failed; c3 checkout; +200; c4 checkout; s1 opened",
        "open s0; refuse c1 LoginFailing; refuse c2 LoginFailing; refuse c3 LoginFailing; \
         open s1; grant c4 s1",
    );
}

#[test]
fn clients_wait_for_a_postgres_that_cannot_be_reached() {
    let patient = || Bounds {
        wait_max: Duration::from_millis(1000),
        ..bounds(2)
    };
    check(
        patient(),
        "c1 checkout; s0 unreached; c2 checkout; +200; s1 opened; s1 checkin",
        "open s0; open s1; open s2; grant c1 s1; grant c2 s1",
    );
    // For as long as they may wait at all, and who waits for a greeting too.
    check(
        bounds(1),
        "c1 checkout; s0 unreached; +100",
        "open s0; refuse c1 Timeout",
    );
    check(
        bounds(2),
        "warm; s0 unreached; warm; +200; s1 unreached; +200",
        "open s0; open s1",
    );
    // Once it answers and refuses, they are told.
    check(
        patient(),
        "c1 checkout; s0 unreached; +200; s1 failed; c2 checkout",
        "open s0; open s1; refuse c1 LoginFailing; refuse c2 LoginFailing",
    );
}

/// A server that is not given out again is nothing to wait for.
#[test]
fn a_failed_login_beside_retired_servers_refuses_everyone() {
    check(
        bounds(2),
        "c1 checkout; s0 opened; retire; c2 checkout; s1 failed; c3 checkout; s0 checkin",
        "open s0; grant c1 s0; open s1; refuse c2 LoginFailing; refuse c3 LoginFailing; \
         close s0 Retired",
    );
}

#[test]
fn a_failed_login_beside_a_working_server_lets_clients_wait() {
    check(
        bounds(2),
        "c1 checkout; s0 opened; c2 checkout; s1 failed; s0 checkin",
        "open s0; grant c1 s0; open s1; grant c2 s0",
    );
}

#[test]
fn a_denied_pool_opens_again_only_when_the_budget_is_freed() {
    check(
        bounds(2),
        "c1 checkout; s0 denied; +50; budget freed; s1 opened",
        "open s0; open s1; grant c1 s1",
    );
}

#[test]
fn a_surrendered_connection_is_the_longest_idle_or_the_next_returned() {
    check(
        bounds(2),
        "c1 checkout; c2 checkout; s0 opened; s1 opened; s0 checkin; surrender; surrender; s1 checkin",
        "open s0; open s1; grant c1 s0; grant c2 s1; close s0 Evicted; close s1 Evicted",
    );
}

#[test]
fn retired_servers_are_closed_when_unused() {
    check(
        bounds(2),
        "c1 checkout; c2 checkout; s0 opened; s1 opened; s0 checkin; retire; s1 checkin",
        "open s0; open s1; grant c1 s0; grant c2 s1; close s0 Retired; close s1 Retired",
    );
}

#[test]
fn a_vacated_pool_gives_up_what_is_unused_and_opens_only_for_who_waits() {
    let kept = Bounds {
        size_min: 1,
        ..bounds(3)
    };
    check(
        kept.clone(),
        "client in; s0 opened; c1 checkout; c2 checkout; s1 opened; s1 checkin; vacate; \
         s0 checkin; +4999; c3 checkout; s2 opened; s2 checkin; +2",
        "open s0; grant c1 s0; open s1; grant c2 s1; close s1 Retired; \
         close s0 Retired; open s2; grant c3 s2",
    );
    check(
        kept,
        "client in; s0 opened; vacate; +4999; +1",
        "open s0; close s0 Retired; open s1",
    );
}

#[test]
fn a_pool_is_vacated_again_after_a_pause() {
    check(
        bounds(1),
        "vacate; c1 checkout; s0 opened; s0 checkin; vacate; c1 checkout; s0 checkin; +999; vacate; +1",
        "open s0; grant c1 s0; grant c1 s0; close s0 Retired",
    );
}

#[test]
fn a_server_that_logs_in_during_a_retirement_is_closed_and_replaced() {
    check(
        bounds(2),
        "c1 checkout; retire; s0 opened; s1 opened",
        "open s0; close s0 Retired; open s1; grant c1 s1",
    );
}

#[test]
fn a_login_begun_before_a_retirement_may_fail_unheeded() {
    check(
        bounds(2),
        "c1 checkout; retire; s0 failed; s1 opened",
        "open s0; open s1; grant c1 s1",
    );
}

#[test]
fn a_promised_connection_is_given_up_once_however_it_ends() {
    check(
        bounds(2),
        "c1 checkout; c2 checkout; s0 opened; s1 opened; surrender; s0 dirty; s1 checkin",
        "open s0; open s1; grant c1 s0; grant c2 s1; close s0 Dirty",
    );
}

#[test]
fn a_warm_pool_opens_one_server_for_nobody() {
    check(bounds(2), "warm; warm; s0 opened; warm", "open s0");
    check(bounds(2), "warm; s0 opened; warm; s0 lost", "open s0");
}

#[test]
fn a_login_that_failed_for_nobody_keeps_nobody_waiting() {
    let refused = "open s0; refuse c1 LoginFailing";
    check(bounds(2), "warm; s0 failed; c1 checkout", refused);
    check(
        bounds(2),
        "warm; s0 failed; forgive; c1 checkout",
        "open s0; open s1",
    );
}

#[test]
fn lowered_limits_count_for_servers_in_use_too() {
    let mut pool = Pool::new(bounds(2), 1, ServerId(0));
    let home = WorkerId(0);
    for client in 1..=3 {
        pool.checkout(Time(0), ClientId(client), home);
    }
    pool.opened(Time(0), ServerId(0), home, 0);
    pool.opened(Time(0), ServerId(1), home, 0);
    pool.set_bounds(Time(0), bounds(1));
    while pool.poll_action().is_some() {}
    pool.checkin(Time(0), ServerId(0), home, Condition::Clean);
    let close = Action::Close(ServerId(0), CloseReason::OverLimit);
    assert_eq!(pool.poll_action(), Some(close), "although a client waits");
    assert_eq!(pool.poll_action(), None);

    let lifetime = Duration::from_micros(1);
    pool.set_bounds(
        Time(0),
        Bounds {
            lifetime,
            ..bounds(1)
        },
    );
    pool.checkin(Time(1), ServerId(1), home, Condition::Clean);
    let close = Action::Close(ServerId(1), CloseReason::Lifetime);
    assert_eq!(pool.poll_action(), Some(close));
}

#[test]
fn an_idle_server_at_home_is_preferred() {
    check(
        bounds(2),
        "c1 checkout; c2@1 checkout; s0 opened; s1 opened; s1@1 checkin; s0 checkin; c3@1 checkout",
        "open s0; open s1; grant c1 s0; grant c2 s1; grant c3 s1",
    );
}

#[test]
fn a_waiter_at_home_goes_first_only_within_the_stated_bound() {
    let two_ms_apart = "c1 checkout; s0 opened; c2@1 checkout; +2; c3 checkout; s0 checkin";
    check(bounds(1), two_ms_apart, "open s0; grant c1 s0; grant c3 s0");
    let three_ms_apart = "c1 checkout; s0 opened; c2@1 checkout; +3; c3 checkout; s0 checkin";
    check(
        bounds(1),
        three_ms_apart,
        "open s0; grant c1 s0; grant c2 s0",
    );
}

#[test]
fn a_pause_closes_what_is_free_and_lets_leases_end() {
    check(
        bounds(2),
        "c1 checkout; c2 checkout; s0 opened; s1 opened; s1 checkin; pause; c3 checkout; s0 checkin; +10; resume; \
         s2 opened",
        "open s0; open s1; grant c1 s0; grant c2 s1; close s1 Paused; close s0 Paused; open s2; grant c3 s2",
    );
}

#[test]
fn a_login_under_way_does_not_outlive_a_pause() {
    check(
        bounds(1),
        "c1 checkout; pause; s0 opened; resume; s1 opened",
        "open s0; close s0 Paused; open s1; grant c1 s1",
    );
}

#[test]
fn nobody_is_refused_for_a_login_that_fails_in_a_pause() {
    check(
        bounds(1),
        "c1 checkout; pause; s0 failed; c2 checkout; resume; s1 opened; s1 checkin",
        "open s0; open s1; grant c1 s1; grant c2 s1",
    );
    // Nor for one that failed before.
    check(
        bounds(1),
        "c1 checkout; s0 failed; pause; c2 checkout; +10; resume",
        "open s0; refuse c1 LoginFailing; open s1",
    );
}

#[test]
fn a_wait_in_a_pause_ends_by_its_limit() {
    check(
        bounds(1),
        "pause; c1 checkout; +99; +1; resume",
        "refuse c1 Timeout",
    );
}

#[test]
fn a_login_that_waits_for_the_first_server_has_it_after_the_pause() {
    check(
        bounds(1),
        "warm; pause; s0 failed; +10; resume",
        "open s0; open s1",
    );
}

#[test]
fn a_pool_that_was_denied_asks_again_after_a_pause_in_which_it_was_told() {
    check(
        bounds(1),
        "c1 checkout; s0 denied; pause; budget freed; resume",
        "open s0; open s1",
    );
}

#[test]
fn a_paused_pool_wants_nothing_of_its_rivals() {
    let mut pool = Pool::new(bounds(1), 1, ServerId(0));
    pool.checkout(Time(0), ClientId(1), WorkerId(0));
    assert!(pool.standing().wanted_since.is_some());
    pool.pause(Time(1));
    assert_eq!(pool.standing().wanted_since, None);
    assert_eq!(pool.shortage(Time(1)), crate::waits::Shortage::Paused);
    pool.resume(Time(2));
    assert!(pool.standing().wanted_since.is_some());
    assert!(pool.was_paused_after(Time(0)) && !pool.was_paused_after(Time(2)));
}

#[test]
fn servers_from_before_a_retirement_are_counted_until_they_are_closed() {
    let mut pool = Pool::new(bounds(2), 1, ServerId(0));
    pool.checkout(Time(0), ClientId(1), WorkerId(0));
    pool.opened(Time(0), ServerId(0), WorkerId(0), 0);
    pool.retire(Time(0));
    pool.checkout(Time(0), ClientId(2), WorkerId(0));
    assert_eq!(pool.retired(), 1);
    pool.checkin(Time(0), ServerId(0), WorkerId(0), Condition::Clean);
    assert_eq!(pool.retired(), 0);
}
