use std::time::Duration;

use serde_json::{Value, json};

use super::{History, MARKS_MAX, MINUTES_MAX, POINTS_MAX};
use crate::snapshot::Snapshot;
use crate::snapshot::tests::quiet;
use crate::window::Window;

/// A snapshot of one pool that has done nothing yet, `seconds` after the start.
fn at(seconds: u64) -> Snapshot {
    let mut snapshot = quiet();
    snapshot.uptime = Duration::from_secs(seconds);
    snapshot.taken_at = std::time::UNIX_EPOCH + Duration::from_secs(1_000 + seconds);
    snapshot
}

/// Lets the pool do `count` transactions of two queries each, of `us`.
fn work(snapshot: &mut Snapshot, count: u64, us: u64) {
    let totals = &mut snapshot.pools[0].totals;
    totals.transactions += count;
    totals.queries += 2 * count;
    totals.query_times.record_many_us(us, 2 * count);
    totals.wait_times.record_many_us(0, count);
}

/// Goes on, a look per second, with what `each` does to the pool in every second.
fn go_on(
    history: &mut History,
    snapshot: &mut Snapshot,
    seconds: u64,
    each: impl Fn(&mut Snapshot),
) {
    for _ in 0..seconds {
        snapshot.uptime += Duration::from_secs(1);
        snapshot.taken_at += Duration::from_secs(1);
        each(snapshot);
        history.observe(snapshot);
    }
}

fn columns(history: &History, snapshot: &Snapshot) -> Value {
    serde_json::to_value(history.columns(snapshot)).unwrap()
}

#[test]
fn a_point_is_what_happened_in_five_seconds() {
    let (mut history, mut snapshot) = (History::default(), at(0));
    history.observe(&snapshot);
    assert_eq!(columns(&history, &snapshot)["seconds"], json!([]));
    go_on(&mut history, &mut snapshot, 5, |now| work(now, 100, 900));
    go_on(&mut history, &mut snapshot, 5, |_| {});
    let got = columns(&history, &snapshot);
    assert_eq!(got["seconds"], json!([1_005, 1_010]));
    assert_eq!(got["transactionsPerSecond"], json!([100.0, 0.0]));
    assert_eq!(got["queriesPerSecond"], json!([200.0, 0.0]));
    assert_eq!(got["waitP99Ms"], json!([0.0, null]));
    let p99 = got["queryP99Ms"][0].as_f64().unwrap();
    assert!(
        (0.72..=1.13).contains(&p99),
        "{p99} is in the bucket of 0.9"
    );
    assert_eq!(got["queryP99Ms"][1], Value::Null, "nothing was measured");
}

#[test]
fn a_point_has_the_peak_of_its_seconds_and_not_that_of_others() {
    let (mut history, mut snapshot) = (History::default(), at(0));
    history.observe(&snapshot);
    for (waiting, active) in [(0, 1), (7, 50), (2, 3), (0, 0), (0, 0), (1, 2)] {
        snapshot.pools[0].counts.waiting = waiting;
        snapshot.pools[0].counts.active = active;
        go_on(&mut history, &mut snapshot, 1, |_| {});
    }
    go_on(&mut history, &mut snapshot, 4, |_| {});
    let got = columns(&history, &snapshot);
    assert_eq!(got["waiting"], json!([7, 1]));
    assert_eq!(got["active"], json!([50, 2]));
}

#[test]
fn no_more_than_a_quarter_of_an_hour_is_kept() {
    let (mut history, mut snapshot) = (History::default(), at(0));
    go_on(&mut history, &mut snapshot, 1_800, |now| work(now, 1, 1));
    let got = columns(&history, &snapshot);
    let seconds = got["seconds"].as_array().unwrap();
    assert_eq!(seconds.len(), POINTS_MAX);
    let first = seconds[0].as_u64().unwrap();
    let last = seconds[POINTS_MAX - 1].as_u64().unwrap();
    assert_eq!(last - first, 895);
    assert_eq!(history.marks.len(), MARKS_MAX);
}

#[test]
fn figures_are_those_of_their_window() {
    let (mut history, mut snapshot) = (History::default(), at(0));
    go_on(&mut history, &mut snapshot, 30, |now| {
        work(now, 10, 1_000_000)
    });
    go_on(&mut history, &mut snapshot, 70, |now| work(now, 20, 100));
    let of = |window| {
        let recent = history.recent(&snapshot, &snapshot.pools[0], window);
        let all = history.sum(&snapshot, window);
        assert_eq!(all.counts.transactions, recent.counts.transactions);
        let span = history.span(&snapshot, window).as_secs();
        let query = serde_json::to_value(&recent.times[2]).unwrap();
        let mean = query["mean"].as_f64().unwrap();
        (
            recent.transactions_per_second,
            recent.queries_per_second,
            mean,
            span,
        )
    };
    let (transactions, queries, mean, span) = of(Window::Minute);
    assert_eq!((transactions, queries), (20.0, 40.0));
    assert_eq!(mean, 0.1, "the slow ones are forgotten");
    assert!((55..=60).contains(&span), "{span}");
    let (transactions, _, _, span) = of(Window::Seconds);
    assert_eq!(transactions, 20.0);
    assert!((3..=7).contains(&span), "{span}");
    for window in [Window::Quarter, Window::Start] {
        let (transactions, _, mean, span) = of(window);
        assert_eq!((transactions, span), (17.0, 100), "{window:?}");
        assert!(mean > 100.0, "{window:?} has the slow ones: {mean}");
    }
}

#[test]
fn a_quarter_of_an_hour_is_told_from_a_mark_per_minute() {
    let (mut history, mut snapshot) = (History::default(), at(0));
    go_on(&mut history, &mut snapshot, 4_000, |now| work(now, 10, 10));
    go_on(&mut history, &mut snapshot, 450, |now| work(now, 30, 10));
    assert_eq!(history.minutes.len(), MINUTES_MAX);
    let span = history.span(&snapshot, Window::Quarter).as_secs();
    assert!((870..=930).contains(&span), "{span}");
    let recent = history.recent(&snapshot, &snapshot.pools[0], Window::Quarter);
    let rate = recent.transactions_per_second;
    assert!((19.0..=21.0).contains(&rate), "{rate}");
}

#[test]
fn before_the_first_look_rates_are_those_since_the_start() {
    let mut snapshot = at(4);
    work(&mut snapshot, 40, 5);
    for window in Window::ALL {
        let recent = History::default().recent(&snapshot, &snapshot.pools[0], window);
        assert_eq!(recent.transactions_per_second, 10.0);
        let none = History::default().recent(&at(0), &at(0).pools[0], window);
        assert_eq!(none.transactions_per_second, 0.0);
    }
}

#[test]
fn a_pool_at_rest_is_kept_once() {
    let (mut history, mut snapshot) = (History::default(), at(0));
    work(&mut snapshot, 3, 5);
    go_on(&mut history, &mut snapshot, 20, |_| {});
    let first = history.marks[0].pools.values().next().unwrap();
    let last = history.marks.back().unwrap().pools.values().next().unwrap();
    assert!(std::sync::Arc::ptr_eq(first, last));
}

#[test]
fn a_clock_that_is_set_back_does_not_tear_the_line() {
    let (mut history, mut snapshot) = (History::default(), at(0));
    history.observe(&snapshot);
    go_on(&mut history, &mut snapshot, 10, |_| {});
    snapshot.taken_at -= Duration::from_secs(500);
    go_on(&mut history, &mut snapshot, 5, |_| {});
    let got = columns(&history, &snapshot);
    assert_eq!(got["seconds"], json!([505, 510, 515]));
}
