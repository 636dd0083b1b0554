use std::time::Duration;

use crate::live::tests::sample;
use crate::live::{Alarm, HolderState, Live, LiveHolder};
use crate::refusals::RefusedLately;
use crate::terms::Severity;

fn queue(live: &mut Live, queued_ms: Option<f64>) {
    live.pools[0].stats.waiting = 6;
    live.pools[0].stats.oldest_wait_ms = Some(800.0);
    live.pools[0].queued_ms = queued_ms;
}

fn alarms(change: fn(&mut Live)) -> Vec<Alarm> {
    let mut live = sample();
    live.pools.truncate(1);
    change(&mut live);
    live.judge(&[]);
    live.alarms.unwrap()
}

#[test]
fn alarms_come_at_their_thresholds_with_a_line_each() {
    let lines = |change: fn(&mut Live)| {
        let alarms = alarms(change).into_iter();
        let lines: Vec<_> = alarms.map(|alarm| (alarm.severity, alarm.line)).collect();
        lines
    };
    let one = |severity, text: &str| vec![(severity, text.to_owned())];
    assert_eq!(lines(|_| {}), []);
    assert_eq!(lines(|live| queue(live, None)), []);
    assert_eq!(lines(|live| queue(live, Some(29_999.0))), []);
    assert_eq!(
        lines(|live| queue(live, Some(30_000.0))),
        one(
            Severity::Warning,
            "ledger/api: 6 clients wait, the first for 800 ms; more than 5 have for 30.0 s"
        )
    );
    assert_eq!(
        lines(|live| {
            live.pools[0].stats.waiting = 1;
            live.pools[0].stats.oldest_wait_ms = Some(10_000.0);
        }),
        one(
            Severity::Error,
            "ledger/api: 1 client waits, the first for 10.0 s; refused after 20.0 s"
        )
    );
    assert_eq!(
        lines(|live| live.pools[0].stats.login_failing = true),
        one(Severity::Error, "ledger/api: logins to PostgreSQL fail")
    );
    let of_login = alarms(|live| {
        live.pools[0].stats.login_failing = true;
        live.pools[0].login_failure = Some("no pg_hba.conf entry.".to_owned());
    });
    assert_eq!(of_login[0].next, "no pg_hba.conf entry.");
    assert_eq!(
        lines(|live| live.clients = 900),
        one(
            Severity::Warning,
            "900 of at most 1,000 clients are connected"
        )
    );
    assert_eq!(
        lines(|live| (live.draining, live.ready) = (true, false)),
        one(Severity::Warning, "pgweir is shutting down")
    );
    assert_eq!(
        lines(|live| (live.paused, live.ready) = (true, false)),
        one(Severity::Warning, "pgweir is paused; SIGUSR2 resumes")
    );
    assert_eq!(
        lines(|live| {
            live.paused = true;
            live.pools[0].stats.waiting = 3;
        }),
        one(
            Severity::Warning,
            "pgweir is paused: 3 clients wait; SIGUSR2 resumes"
        )
    );
    assert_eq!(
        lines(|live| live.ready = false),
        one(
            Severity::Error,
            "PostgreSQL cannot be reached: None of them answers at its address"
        )
    );
}

#[test]
fn an_alarm_says_what_to_do_and_where_to_look() {
    for (change, key, what, next, section) in [
        (
            (|live: &mut Live| queue(live, Some(30_000.0))) as fn(&mut Live),
            "waiting ledger/api",
            "ledger/api: 6 clients wait, the first for 800 ms",
            "More than 5 have for 30 s. All servers are in use.",
            Some("holders"),
        ),
        (
            |live| {
                live.pools[0].stats.waiting = 1;
                live.pools[0].stats.oldest_wait_ms = Some(10_000.0);
            },
            "waiting ledger/api",
            "ledger/api: 1 client waits, the first for 10.0 s",
            "They are refused after 20.0 s.",
            Some("holders"),
        ),
        (
            |live| live.pools[0].stats.login_failing = true,
            "login ledger/api",
            "ledger/api: logins to PostgreSQL fail",
            "Its reason is not known here: a password, a limit, or nobody at the address.",
            None,
        ),
        (
            |live| live.ready = false,
            "not ready",
            "PostgreSQL cannot be reached",
            "No server is open and the last login failed. None of them answers at its address.",
            None,
        ),
        (
            |live| live.draining = true,
            "draining",
            "pgweir is shutting down",
            "471 clients may finish their transactions; new ones are not accepted.",
            None,
        ),
        (
            |live| live.clients = 950,
            "clients",
            "950 of at most 1,000 clients are connected",
            "The next ones are refused at the limit. Find who opens so many, or raise max_client_conn.",
            None,
        ),
    ] {
        let alarms = alarms(change);
        let [alarm] = &alarms[..] else {
            panic!("{alarms:?}")
        };
        assert_eq!((&*alarm.key, &*alarm.what, &*alarm.next), (key, what, next));
        assert_eq!(alarm.section.as_deref(), section);
    }
}

#[test]
fn refusals_are_an_alarm_by_themselves_and_no_trouble_of_the_pool_now() {
    for (clients, ago, what, next) in [
        (
            1,
            1,
            "ledger/api: 1 client was refused",
            "They got no server in time and saw an error.",
        ),
        (
            3,
            12,
            "ledger/api: 3 clients were refused",
            "They got no server in time and saw an error; the last 12 s ago.",
        ),
    ] {
        let mut live = sample();
        live.pools.truncate(1);
        live.judge(&[RefusedLately {
            pool: "ledger/api".to_owned(),
            clients,
            ago: Duration::from_secs(ago),
        }]);
        let alarms = live.alarms.unwrap();
        assert_eq!((&*alarms[0].key, alarms.len()), ("refused ledger/api", 1));
        assert_eq!((&*alarms[0].what, &*alarms[0].next), (what, next));
        assert_eq!(live.pools[0].trouble, None);
    }
}

#[test]
fn the_worst_comes_first_and_marks_its_pool() {
    let mut live = sample();
    live.clients = 1_000;
    live.pools[2].stats.login_failing = true;
    live.judge(&[]);
    let alarms = live.alarms.unwrap();
    let headline = live.headline.unwrap();
    assert_eq!(
        (headline.is_well, headline.line),
        (false, alarms[0].line.clone())
    );
    let keys: Vec<_> = alarms.iter().map(|alarm| &*alarm.key).collect();
    assert_eq!(keys, ["login shop/jobs", "clients", "waiting shop/web"]);
    let troubles: Vec<_> = live.pools.iter().map(|pool| pool.trouble).collect();
    let expected = [None, Some(Severity::Warning), Some(Severity::Error)];
    assert_eq!(troubles, expected);
}

#[test]
fn who_idles_with_a_server_that_others_wait_for_is_told_of() {
    fn waiting(live: &mut Live, state: HolderState, since_ms: f64, pin_ms: Option<f64>) {
        let pool = &mut live.pools[0].stats;
        (pool.waiting, pool.oldest_wait_ms) = (3, Some(1_000.0));
        let holder = LiveHolder {
            database: pool.database.clone(),
            user: pool.user.clone(),
            application_name: "till".to_owned(),
            state,
            since_ms,
            pin_ms,
            ..LiveHolder::default()
        };
        live.holders = Some(vec![holder]);
    }
    let told = |change: fn(&mut Live)| {
        let alarms = alarms(change).into_iter();
        let told: Vec<_> = alarms.map(|alarm| (alarm.line, alarm.next)).collect();
        told
    };
    let what = "ledger/api: 3 clients wait, and 1 client with a server does nothing";
    for (change, next) in [
        (
            (|live| waiting(live, HolderState::IdleInTransaction, 1_500.0, None)) as fn(&mut Live),
            "idle in transaction for 1.5 s; idle_transaction_timeout bounds that.",
        ),
        (
            |live| waiting(live, HolderState::IdlePinned, 1_500.0, Some(2_000.0)),
            "idle, pinned for 1.5 s; pin_timeout bounds that.",
        ),
        (
            |live| waiting(live, HolderState::IdlePinned, 1_500.0, None),
            "idle, pinned for 1.5 s; in session mode a client keeps its server until it leaves.",
        ),
    ] {
        let next =
            format!("Who has done nothing with a server for longest is ledger/api till, {next}");
        assert_eq!(told(change), [(what.to_owned(), next)]);
    }
    let none: [(String, String); 0] = [];
    assert_eq!(
        told(|live| waiting(live, HolderState::IdlePinned, 999.0, None)),
        none
    );
    assert_eq!(
        told(|live| waiting(live, HolderState::Active, 9_000.0, None)),
        none
    );
}

#[test]
fn the_reason_of_a_failed_login_is_said_where_the_alarm_is() {
    let reason = "PostgreSQL cannot be reached. Connecting failed: refused.";
    let mut live = sample();
    live.pools.truncate(1);
    live.pools[0].stats.login_failing = true;
    live.pools[0].login_failure = Some(reason.to_owned());
    live.ready = false;
    live.judge(&[]);
    for alarm in live.alarms.unwrap() {
        assert!(alarm.next.ends_with(reason), "{alarm:?}");
        assert!(
            alarm.line.ends_with(reason.trim_end_matches('.')),
            "{alarm:?}"
        );
    }
}

#[test]
fn an_alarm_of_a_queue_says_what_to_do_about_its_cause() {
    let of_cause = |cause: &str| {
        let mut live = sample();
        live.pools[1].cause = Some(cause.to_owned());
        live.judge(&[]);
        live.alarms.unwrap().remove(0).next
    };
    let slow = "More than 5 have for 42 s. Most servers run slow statements: ";
    assert!(of_cause("slow_statements").starts_with(slow));
    let unknown = "More than 5 have for 42 s. All servers are in use.";
    assert!(of_cause("novel").starts_with(unknown));
}

#[test]
fn the_pool_whose_queue_is_oldest_comes_first_however_many_wait_elsewhere() {
    let mut live = sample();
    live.pools[0].stats.waiting = 9;
    for (many, queued_ms) in [(500, 41_000.0), (6, 41_500.0), (800, 30_001.0)] {
        live.pools[2].stats.waiting = many;
        live.pools[2].stats.oldest_wait_ms = Some(900.0);
        live.pools[2].queued_ms = Some(queued_ms);
        live.judge(&[]);
        let alarms = live.alarms.clone().unwrap();
        assert_eq!(alarms[0].key, "waiting shop/web", "{many}");
    }
    live.pools[2].stats.oldest_wait_ms = Some(10_000.0);
    live.judge(&[]);
    assert_eq!(
        live.alarms.unwrap()[0].key,
        "waiting shop/jobs",
        "refused soon"
    );
    assert_eq!(live.pools[2].trouble, Some(Severity::Error));
}
