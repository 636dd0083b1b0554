use std::time::Duration;

use proptest::prelude::*;

use super::{BUCKETS, Histogram, index, lower};

fn of(durations: &[u64]) -> Histogram {
    let mut histogram = Histogram::default();
    for &us in durations {
        histogram.record_us(us);
    }
    histogram
}

fn us(us: u64) -> Duration {
    Duration::from_micros(us)
}

#[test]
fn buckets_follow_each_other_without_a_gap() {
    for bucket in 0..BUCKETS {
        let (low, next) = (lower(bucket), lower(bucket + 1));
        assert!(low < next, "bucket {bucket} is not empty");
        assert_eq!(index(low), bucket);
        assert_eq!(index(next - 1), bucket);
        assert!((next - low) * 4 <= low.max(4), "bucket {bucket} is narrow");
    }
}

#[test]
fn an_empty_histogram_has_no_quantile() {
    let empty = Histogram::default();
    assert_eq!(empty.quantile(0.5), None);
    assert_eq!(empty.count_to(Duration::MAX), 0);
}

#[test]
fn the_longest_durations_count_at_the_end() {
    let histogram = of(&[u64::MAX, 1 << 40, 3]);
    assert_eq!(histogram.count(), 3);
    assert_eq!(histogram.count_to(us(3)), 1);
    assert_eq!(histogram.count_to(Duration::from_secs(3600)), 1);
    assert_eq!(histogram.count_to(Duration::MAX), 3);
}

#[test]
fn quantiles_of_a_known_spread() {
    let histogram = of(&(1..=1000).collect::<Vec<_>>());
    for (q, expected) in [(0.0, 1.0), (0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
        let got = histogram.quantile(q).unwrap().as_micros() as f64;
        assert!(
            (got - expected).abs() <= 1.0 + expected / 16.0,
            "{q}: {got}"
        );
    }
}

/// Durations of all magnitudes, as uniform ones would nearly all be huge.
fn duration() -> impl Strategy<Value = u64> {
    (0u32..34, any::<u64>()).prop_map(|(bits, random)| random & ((1 << bits) - 1))
}

proptest! {
    #[test]
    fn every_duration_lies_in_its_bucket(us in duration()) {
        let bucket = index(us);
        prop_assert!(lower(bucket) <= us);
        prop_assert!(us < lower(bucket + 1) || bucket == BUCKETS - 1);
    }

    #[test]
    fn merging_is_recording_both(
        a in prop::collection::vec(duration(), 0..50),
        b in prop::collection::vec(duration(), 0..50),
    ) {
        let mut merged = of(&a);
        merged.merge(&of(&b));
        prop_assert_eq!(merged, of(&[a, b].concat()));
    }

    #[test]
    fn counts_rise_with_the_bound_and_are_exact_between_buckets(
        durations in prop::collection::vec(duration(), 0..50),
        mut bounds in prop::collection::vec(duration(), 2..20),
    ) {
        let histogram = of(&durations);
        bounds.sort_unstable();
        let counts: Vec<u64> = bounds.iter().map(|&b| histogram.count_to(us(b))).collect();
        prop_assert!(counts.is_sorted());
        prop_assert!(counts.iter().all(|&c| c <= histogram.count()));
        for bucket in 1..BUCKETS {
            let last = lower(bucket) - 1;
            let exact = durations.iter().filter(|&&d| d <= last).count() as u64;
            prop_assert_eq!(histogram.count_to(us(last)), exact);
        }
    }

    #[test]
    fn a_quantile_is_in_the_bucket_of_the_exact_one(
        mut durations in prop::collection::vec(duration(), 1..50),
        q in 0.0f64..=1.0,
    ) {
        let histogram = of(&durations);
        durations.sort_unstable();
        let rank = (q * durations.len() as f64).ceil().max(1.0) as usize;
        let exact = durations[rank - 1];
        let got = histogram.quantile(q).unwrap().as_micros() as u64;
        prop_assert_eq!(index(got), index(exact));
    }
}

#[test]
fn what_came_later_is_the_difference_to_an_older_state() {
    let (earlier, later) = (of(&[3, 90, 90]), of(&[7, 90, 4_000_000]));
    let mut whole = earlier.clone();
    whole.merge(&later);
    assert_eq!(whole.since(&earlier), Some(later.clone()));
    assert_eq!(whole.since(&whole), Some(Histogram::default()));
    assert_eq!(later.since(&whole), None);
    assert_eq!(of(&[90]).since(&of(&[3])), None, "as many, but others");
}

#[test]
fn the_sum_to_a_bound_is_that_of_the_buckets_below_it() {
    let mut times = Histogram::default();
    times.record_many_us(3_000, 1_000);
    times.record_many_us(1_200_000, 10);
    let quick = times.sum_to_us(Duration::from_secs(1));
    assert!((2_600_000..3_400_000).contains(&quick), "{quick}");
    assert_eq!(times.sum_to_us(Duration::ZERO), 0);
    let all = times.sum_to_us(Duration::from_secs(10));
    assert!((13_000_000..17_000_000).contains(&all), "{all}");
    times.record_many_us(u64::MAX, 1);
    assert_eq!(times.sum_to_us(Duration::from_secs(10)), all);
}
