use super::*;
use crate::PoolSettings;

fn shared() -> Arc<Shared> {
    let settings = PoolSettings::from_url("postgres://app@db/iss").unwrap();
    Arc::new(Shared::new(settings))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_lease_is_listed_while_it_lives_and_its_place_is_used_again() {
    let shared = shared();
    let now = Instant::now();
    let here = Location::caller();
    let first = Holders::hold(&shared, Place::Code(here), now);
    let second = Holders::hold(&shared, Place::Statement("SELECT 1".into()), now);
    assert_eq!(shared.holders.count(), 2);
    drop(first);
    let later = now + seconds(3);
    let all = shared.holders.all(later);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].to_string(), "statement SELECT 1 for 3.0 s");
    let third = Holders::hold(&shared, Place::Code(here), now);
    assert_eq!(shared.holders.list().entries.len(), 2);
    drop((second, third));
    assert_eq!(shared.holders.count(), 0);
    assert_eq!(shared.meter.held.count(), 3);
}

#[test]
fn a_leak_is_reported_once() {
    let shared = shared();
    let start = Instant::now();
    let place = Place::Code(Location::caller());
    let _young = Holders::hold(&shared, place.clone(), start + seconds(50));
    let _old = Holders::hold(&shared, place, start);
    assert_eq!(shared.holders.oldest(), Some(start));
    let bound = seconds(60);
    assert!(shared.holders.leaks(start + seconds(59), bound).is_empty());
    let leaks = shared.holders.leaks(start + seconds(60), bound);
    assert_eq!(leaks.len(), 1);
    assert_eq!(leaks[0].held_for, bound);
    assert!(shared.holders.leaks(start + seconds(61), bound).is_empty());
    assert_eq!(shared.holders.oldest(), Some(start + seconds(50)));
    let leaked: Vec<bool> = shared
        .holders
        .all(start + seconds(61))
        .iter()
        .map(|holder| holder.leaked)
        .collect();
    assert_eq!(leaked, [true, false]);
}

#[test]
fn holders_are_counted_by_place() {
    let shared = shared();
    let now = Instant::now();
    let mut leases = Vec::new();
    for number in 0..7 {
        let place = Place::Statement(format!("SELECT {number}").into());
        leases.push(Holders::hold(&shared, place.clone(), now));
        if number == 3 {
            leases.push(Holders::hold(&shared, place, now));
        }
    }
    let text = by_place(&shared.holders.all(now + seconds(2)));
    assert!(
        text.starts_with("2 x statement SELECT 3 (up to 2.0 s), 1 x "),
        "{text}"
    );
    assert!(text.ends_with(", 2 more places"), "{text}");
    assert_eq!(by_place(&[]), "nobody");
}

#[test]
fn an_excerpt_is_one_short_line() {
    assert_eq!(&*excerpt("  SELECT\n\t1 "), "SELECT 1");
    let long = excerpt(&"ä".repeat(200));
    assert!(
        long.len() <= EXCERPT_MAX + 4 && long.ends_with('…'),
        "{long}"
    );
}
