//! Active sessions on average: of how many at once PostgreSQL did, or waited for, the same.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use pgweir_pool::time::Time;
use pgweir_telemetry::pools::OTHER;
use pgweir_telemetry::postgres::Wait;

/// Time over which is averaged.
const SPAN: Duration = Duration::from_secs(60);

/// Samples at most: one a second, and one at each end.
const SAMPLES_MAX: usize = 61;

/// Waits that are shown one by one; PostgreSQL knows more than two hundred.
pub(super) const SHOWN_MAX: usize = 20;

/// Samples of the last minute.
#[derive(Debug, Default)]
pub(super) struct Averages {
    samples: VecDeque<(Time, BTreeMap<Wait, u32>)>,
}

impl Averages {
    /// Adds what was seen at `now`.
    pub(super) fn add(&mut self, now: Time, waits: BTreeMap<Wait, u32>) {
        self.samples.push_back((now, waits));
        let is_old = |(at, _): &(Time, _)| now.since(*at) > SPAN;
        while self.samples.len() > SAMPLES_MAX || self.samples.front().is_some_and(is_old) {
            self.samples.pop_front();
        }
    }

    /// The averages, the greatest first, and what is beyond [`SHOWN_MAX`] as one.
    pub(super) fn shown(&self) -> Vec<(Wait, f64)> {
        let mut sums: BTreeMap<&Wait, u64> = BTreeMap::new();
        for (wait, count) in self.samples.iter().flat_map(|(_, waits)| waits) {
            *sums.entry(wait).or_default() += u64::from(*count);
        }
        let mut sums: Vec<(&Wait, u64)> = sums.into_iter().collect();
        // Ties in the order of the names, as the sort is stable.
        sums.sort_by_key(|(_, sum)| std::cmp::Reverse(*sum));
        let rest = sums.split_off(sums.len().min(SHOWN_MAX));
        let average = |sum: u64| sum as f64 / self.samples.len() as f64;
        let mut shown: Vec<(Wait, f64)> = sums
            .into_iter()
            .map(|(wait, sum)| (wait.clone(), average(sum)))
            .collect();
        if !rest.is_empty() {
            let other = Wait {
                kind: OTHER.to_owned(),
                event: OTHER.to_owned(),
            };
            shown.push((other, average(rest.iter().map(|(_, sum)| sum).sum())));
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::{Averages, SHOWN_MAX, Wait};
    use pgweir_pool::time::Time;
    use std::collections::BTreeMap;

    fn wait(event: &str) -> Wait {
        Wait {
            kind: "Lock".to_owned(),
            event: event.to_owned(),
        }
    }

    fn at(seconds: u64) -> Time {
        Time(seconds * 1_000_000)
    }

    #[test]
    fn what_is_older_than_a_minute_counts_no_more() {
        let mut averages = Averages::default();
        assert_eq!(averages.shown(), []);
        averages.add(at(0), BTreeMap::from([(wait("tuple"), 4)]));
        averages.add(at(30), BTreeMap::new());
        assert_eq!(averages.shown(), [(wait("tuple"), 2.0)]);
        averages.add(
            at(60),
            BTreeMap::from([(wait("tuple"), 2), (Wait::cpu(), 9)]),
        );
        assert_eq!(averages.shown(), [(Wait::cpu(), 3.0), (wait("tuple"), 2.0)]);
        averages.add(at(61), BTreeMap::new());
        assert_eq!(
            averages.shown(),
            [(Wait::cpu(), 3.0), (wait("tuple"), 2.0 / 3.0)]
        );
        averages.add(at(500), BTreeMap::new());
        assert_eq!(averages.shown(), []);
    }

    #[test]
    fn samples_and_what_is_shown_are_bounded() {
        let mut averages = Averages::default();
        let waits: BTreeMap<Wait, u32> = (0..SHOWN_MAX as u32 + 5)
            .map(|number| (wait(&format!("event {number:02}")), 100 - number))
            .collect();
        for tenth in 0..1000 {
            averages.add(Time(tenth * 100_000), waits.clone());
        }
        assert_eq!(averages.samples.len(), super::SAMPLES_MAX);
        let shown = averages.shown();
        assert_eq!(shown.len(), SHOWN_MAX + 1);
        assert_eq!(shown[0], (wait("event 00"), 100.0));
        assert_eq!(shown[SHOWN_MAX].1, f64::from(80 + 79 + 78 + 77 + 76));
    }
}
