//! F2 to F5: what a fleet asks for, what PostgreSQL gives, and whether it fits.

use serde::Serialize;

use crate::units::Connections;

/// Instances added during a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surge {
    /// Share of the replicas in percent, rounded up to whole instances.
    Percent(u32),
    /// This many instances.
    Instances(u64),
}

impl std::fmt::Display for Surge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Instances(count) => count.fmt(f),
        }
    }
}

/// Whether a fleet fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// It fits with room to spare.
    Ok,
    /// It fits, but too tightly, or a rule is broken.
    Warn,
    /// It does not fit.
    Fail,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Ok => "OK",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        })
    }
}

/// F2: instances at the peak of a rollout, old and new ones together.
pub fn replicas_during_rollout(replicas: u64, surge: Surge) -> u64 {
    let extra = match surge {
        Surge::Percent(percent) => {
            let hundredths = u128::from(replicas) * u128::from(percent);
            u64::try_from(hundredths.div_ceil(100)).unwrap_or(u64::MAX)
        }
        // No instances, no rollout.
        Surge::Instances(count) => count.min(replicas.saturating_mul(count)),
    };
    replicas.saturating_add(extra)
}

/// F3: connections that a service opens at most.
pub fn demand(replicas: u64, processes: u64, pool: Connections, dsns: u64) -> Connections {
    pool.times(replicas).times(processes).times(dsns)
}

/// F4: connections that ordinary roles get.
pub fn usable(
    max_connections: Connections,
    superuser_reserved: Connections,
    reserved: Connections,
) -> Connections {
    max_connections.less(superuser_reserved).less(reserved)
}

/// F5: whether `demand` and the reserve of operations fit into `usable`. `target` is the highest
/// utilisation in percent that leaves enough room.
pub fn verdict(
    demand: Connections,
    reserve: Connections,
    usable: Connections,
    target: u32,
) -> Verdict {
    let asked = 100 * (u128::from(demand.0) + u128::from(reserve.0));
    if demand > usable {
        Verdict::Fail
    } else if asked > u128::from(target) * u128::from(usable.0) {
        Verdict::Warn
    } else {
        Verdict::Ok
    }
}

/// F5: the smallest `max_connections` whose verdict is OK.
pub fn need(
    demand: Connections,
    reserve: Connections,
    superuser_reserved: Connections,
    reserved: Connections,
    target: u32,
) -> Connections {
    let asked = 100 * (u128::from(demand.0) + u128::from(reserve.0));
    let usable = asked.div_ceil(u128::from(target.max(1)));
    Connections(u64::try_from(usable).unwrap_or(u64::MAX)) + superuser_reserved + reserved
}

/// F5: `need` rounded up to a multiple of 50, as an operator would set it. That is also above 25, the
/// least that Patroni accepts.
pub fn recommended_max_connections(need: Connections) -> Connections {
    Connections(need.0.div_ceil(STEP).saturating_mul(STEP).max(STEP))
}

/// F5 inverted: the largest pool of a service with `instances` pools beside `others` connections whose
/// verdict is OK. `None`: not even one connection fits.
pub fn pool_that_fits(
    usable: Connections,
    target: u32,
    reserve: Connections,
    others: Connections,
    instances: u64,
) -> Option<Connections> {
    let allowed = u128::from(target) * u128::from(usable.0) / 100;
    let taken = u128::from(reserve.0) + u128::from(others.0);
    let left = allowed.checked_sub(taken)?;
    let pool = left.checked_div(u128::from(instances))?;
    let pool = u64::try_from(pool).unwrap_or(u64::MAX);
    (pool > 0).then_some(Connections(pool))
}

const STEP: u64 = 50;
