use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use pgweir_config::{Config, LoginLimits, Source};
use tokio::time::Instant;

use super::{ADDRESSES_MAX, Attempts, Failures, Lines};
use crate::outside::load;

fn limits(settings: &str) -> LoginLimits {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pgweir.toml");
    let text = format!("[pgweir]\nauth_type = \"trust\"\n{settings}\n[databases.a]\n[users.a]\n");
    std::fs::write(&path, text).unwrap();
    let config: Config = load(&Source::File(path)).unwrap().config;
    config.login_limits
}

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

/// The delays of logins that fail one after the other, each at once after its delay, in milliseconds.
fn delays(settings: &str, count: usize, pause: Duration) -> Vec<u128> {
    let limits = limits(settings);
    let mut failures = Failures::default();
    let mut now = Instant::now();
    let network = ip("192.0.2.1").unwrap();
    let free = u64::from(limits.failures_per_minute.unwrap().get());
    let mut delays = Vec::new();
    for _ in 0..count {
        let delay = failures.delay(&limits, network, now);
        now += delay + pause;
        failures.fail(free, network, now);
        delays.push(delay.as_millis());
    }
    delays
}

#[test]
fn delays_begin_behind_the_free_failures_and_double() {
    let at_once = Duration::from_millis(1);
    assert_eq!(
        delays(
            "login_failures_per_minute = 3\nlogin_failure_delay_max = 3",
            8,
            at_once
        ),
        [0, 0, 0, 250, 500, 1000, 2000, 3000]
    );
    assert_eq!(
        delays("login_failures_per_minute = 1", 3, at_once),
        [0, 250, 500]
    );
}

#[test]
fn failures_that_are_far_between_cost_nothing() {
    let pause = Duration::from_secs(6);
    assert_eq!(delays("", 100, pause), [0; 100]);
}

#[test]
fn however_many_fail_an_address_is_forgiven_within_a_minute_or_two() {
    let limits = limits("");
    let mut failures = Failures::default();
    let start = Instant::now();
    let network = ip("192.0.2.1").unwrap();
    for _ in 0..10_000 {
        failures.fail(10, network, start);
    }
    let delay = |secs| failures.delay(&limits, network, start + Duration::from_secs(secs));
    assert_eq!(delay(0), Duration::from_secs(3));
    assert!(delay(40) > Duration::ZERO);
    assert_eq!(delay(60), Duration::ZERO);
}

#[test]
fn addresses_are_told_apart_and_networks_of_ipv6_are_not() {
    let limits = limits("login_failures_per_minute = 1");
    let attempts = Attempts::default();
    attempts.failed(&limits, ip("192.0.2.1"));
    attempts.failed(&limits, ip("2001:db8::1"));
    let is_delayed = |address| !attempts.delay(&limits, ip(address)).is_zero();
    assert!(is_delayed("192.0.2.1") && is_delayed("::ffff:192.0.2.1"));
    assert!(is_delayed("2001:db8::2:1"));
    assert!(!is_delayed("192.0.2.2") && !is_delayed("2001:db8:0:1::1"));
    assert_eq!(
        (attempts.counts().failed, attempts.counts().delayed),
        (2, 3)
    );
}

#[test]
fn who_is_exempt_is_not_delayed_and_still_counted() {
    let usual = limits("login_failures_per_minute = 1");
    let none = limits("login_failures_per_minute = 0");
    let all = limits("login_failures_per_minute = 1\nlogin_limits_exempt = \"\"");
    let attempts = Attempts::default();
    for (limits, address) in [
        (&usual, ip("127.0.0.1")),
        (&usual, None),
        (&none, ip("192.0.2.1")),
    ] {
        attempts.failed(limits, address);
        assert_eq!(
            attempts.delay(limits, address),
            Duration::ZERO,
            "{address:?}"
        );
    }
    assert_eq!(attempts.counts().failed, 3);
    attempts.failed(&all, ip("127.0.0.1"));
    assert!(!attempts.delay(&all, ip("127.0.0.1")).is_zero());
    // Of a unix socket there is no address to delay.
    attempts.failed(&all, None);
    assert!(attempts.delay(&all, None).is_zero());
}

#[test]
fn addresses_are_bounded_and_the_latest_stay() {
    let mut failures = Failures::default();
    let start = Instant::now();
    let number = |n: usize| IpAddr::from(Ipv4Addr::from(u32::try_from(n).unwrap()));
    for n in 0..3 * ADDRESSES_MAX {
        let now = start + Duration::from_micros(u64::try_from(n).unwrap());
        failures.fail(10, number(n), now);
        assert!(failures.by_network.len() <= ADDRESSES_MAX);
        assert!(failures.by_network.contains_key(&number(n)));
    }
    assert!(
        failures
            .by_network
            .contains_key(&number(3 * ADDRESSES_MAX - ADDRESSES_MAX / 2))
    );
}

#[test]
fn the_log_has_a_line_now_and_then() {
    let lines = Lines::default();
    let start = Instant::now();
    let at = |secs| lines.line(start + Duration::from_secs(secs));
    assert_eq!(
        [at(0), at(1), at(9), at(10)],
        [Some(0), None, None, Some(2)]
    );
}
