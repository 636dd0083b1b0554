//! Which pools refused clients lately, and how many: from one look to the next.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::snapshot::Snapshot;

/// A refusal is worth an alarm for this long.
const ALARMING: Duration = Duration::from_secs(30);

/// The refusals of each pool, at every look.
#[derive(Debug, Default)]
pub struct Refusals {
    /// By database and user; pools that are gone are forgotten.
    pools: BTreeMap<(Arc<str>, Arc<str>), Counted>,
}

/// How often a pool refused a client.
#[derive(Debug, Clone, Copy)]
struct Counted {
    total: u64,
    /// The series that goes on or has just ended: how many there were before it, and the look that
    /// saw its last.
    series: Option<(u64, Duration)>,
}

/// A pool that refused clients lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLately {
    /// Database and user, with a slash between.
    pub pool: String,
    /// In this series.
    pub clients: u64,
    /// Since the last of them.
    pub ago: Duration,
}

impl Refusals {
    /// Takes a look. To be called once per second or so.
    pub fn observe(&mut self, snapshot: &Snapshot) {
        let now = snapshot.uptime;
        let mut before = std::mem::take(&mut self.pools);
        for pool in &snapshot.pools {
            let name = (pool.database.clone(), pool.user.clone());
            let total = pool.refused();
            let mut counted = before.remove(&name).unwrap_or(Counted {
                total: 0,
                series: None,
            });
            if total < counted.total {
                // Another pool of that name, which began to count anew.
                counted = Counted {
                    total: 0,
                    series: None,
                };
            }
            let goes_on = |(_, last): &(u64, Duration)| now.saturating_sub(*last) < ALARMING;
            counted.series = counted.series.filter(goes_on);
            if total > counted.total {
                let start = counted.series.map_or(counted.total, |(start, _)| start);
                counted.series = Some((start, now));
            }
            counted.total = total;
            self.pools.insert(name, counted);
        }
    }

    /// The pools that refused clients lately, as of a snapshot.
    pub(crate) fn lately(&self, snapshot: &Snapshot) -> Vec<RefusedLately> {
        let pools = self.pools.iter();
        let lately = pools.filter_map(|((database, user), counted)| {
            let (start, last) = counted.series?;
            let ago = snapshot.uptime.saturating_sub(last);
            (ago < ALARMING).then(|| RefusedLately {
                pool: format!("{database}/{user}"),
                clients: counted.total - start,
                ago,
            })
        });
        lately.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Refusals;
    use crate::snapshot::tests::quiet;

    #[test]
    fn a_series_is_counted_from_its_start_and_forgotten_half_a_minute_after_its_end() {
        let (mut refusals, mut snapshot) = (Refusals::default(), quiet());
        let mut look = |seconds, more| {
            snapshot.uptime += Duration::from_secs(seconds);
            snapshot.pools[0].totals.refusals_timeout += more;
            refusals.observe(&snapshot);
            let lately = refusals.lately(&snapshot);
            lately.first().map(|one| (one.clients, one.ago.as_secs()))
        };
        assert_eq!(look(1, 0), None);
        assert_eq!(look(1, 2), Some((2, 0)));
        assert_eq!(look(10, 0), Some((2, 10)));
        assert_eq!(look(19, 1), Some((3, 0)), "the same series");
        assert_eq!(look(29, 0), Some((3, 29)));
        assert_eq!(look(1, 0), None);
        assert_eq!(look(1, 4), Some((4, 0)), "another one");
    }

    #[test]
    fn pools_that_are_gone_are_forgotten() {
        let (mut refusals, mut snapshot) = (Refusals::default(), quiet());
        snapshot.pools[0].totals.refusals_queue_full = 1;
        refusals.observe(&snapshot);
        assert_eq!(refusals.lately(&snapshot)[0].pool, "app/bob");
        snapshot.pools.clear();
        refusals.observe(&snapshot);
        assert!(refusals.pools.is_empty());
    }
}
