//! Failed logins by address, and the delays that they cost the next ones from there.
//!
//! The delay comes before the login is looked at, and is the same whoever logs in with whatever password,
//! so that it tells nothing. A delayed login keeps one of the places of its address
//! ([`slots`](crate::slots)); so places by delay is what one address can try.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use pgweir_config::LoginLimits;
use pgweir_telemetry::snapshot::LoginCounts;
use tokio::time::Instant;
use tracing::warn;

use crate::slots::network;

/// Addresses whose failures are remembered, for some 64 bytes each. The one whose last is longest ago
/// makes room.
const ADDRESSES_MAX: usize = 16 * 1024;

/// The first delay; each further failure doubles it.
const DELAY_MIN: Duration = Duration::from_millis(250);

/// Failures beyond those that are free. More are not counted, so an address that stops is soon forgiven.
const EXCESS_MAX: u64 = 8;

/// Pause between lines of the log about addresses.
const LINES_PERIOD: Duration = Duration::from_secs(10);

/// All addresses, and how often what happened.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    failures: Mutex<Failures>,
    delays: Lines,
    queues: Lines,
    failed: AtomicU64,
    delayed: AtomicU64,
    queued: AtomicU64,
    ejected: AtomicU64,
}

impl Attempts {
    /// How long a login from there has to wait before it is looked at.
    pub(crate) fn delay(&self, limits: &LoginLimits, address: Option<IpAddr>) -> Duration {
        let Some(network) = limited(limits, address) else {
            return Duration::ZERO;
        };
        let now = Instant::now();
        let delay = self.failures().delay(limits, network, now);
        if !delay.is_zero() {
            self.delayed.fetch_add(1, Ordering::Relaxed);
            if let Some(untold) = self.delays.line(now) {
                warn!(
                    address = %network,
                    untold,
                    "logins are delayed by {} ms, as many from there failed \
                     (login_failures_per_minute)",
                    delay.as_millis()
                );
            }
        }
        delay
    }

    /// A login from there failed.
    pub(crate) fn failed(&self, limits: &LoginLimits, address: Option<IpAddr>) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        if let (Some(network), Some(free)) = (limited(limits, address), limits.failures_per_minute)
        {
            let free = u64::from(free.get());
            self.failures().fail(free, network, Instant::now());
        }
    }

    /// A login has to wait until another one from there has ended.
    pub(crate) fn queued(&self, address: Option<IpAddr>) {
        self.queued.fetch_add(1, Ordering::Relaxed);
        if let Some(network) = address.map(network)
            && let Some(untold) = self.queues.line(Instant::now())
        {
            warn!(
                address = %network,
                untold,
                "logins wait, as max_logins_per_address from there are under way"
            );
        }
    }

    /// A login had to make room for another one.
    pub(crate) fn ejected(&self) {
        self.ejected.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> LoginCounts {
        LoginCounts {
            failed: self.failed.load(Ordering::Relaxed),
            delayed: self.delayed.load(Ordering::Relaxed),
            queued: self.queued.load(Ordering::Relaxed),
            ejected: self.ejected.load(Ordering::Relaxed),
        }
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().expect("no panic under the lock")
    }
}

/// The network that an address counts for, unless it is exempt; a unix socket has none.
fn limited(limits: &LoginLimits, address: Option<IpAddr>) -> Option<IpAddr> {
    if limits.exempt.contains(address) {
        return None;
    }
    address.map(network)
}

/// Failures of each network: a bucket that leaks what is free in a minute.
#[derive(Debug, Default)]
struct Failures {
    by_network: HashMap<IpAddr, Level>,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    /// Thousandths of failures.
    milli: u64,
    at: Instant,
}

impl Level {
    /// What is left of it now, where `free` failures leak in a minute.
    fn left(self, free: u64, now: Instant) -> u64 {
        let millis = u64::try_from((now - self.at).as_millis()).unwrap_or(u64::MAX);
        self.milli.saturating_sub(millis.saturating_mul(free) / 60)
    }
}

impl Failures {
    fn fail(&mut self, free: u64, network: IpAddr, now: Instant) {
        let known = self.by_network.get(&network);
        if known.is_none() && self.by_network.len() >= ADDRESSES_MAX {
            self.make_room(free, now);
        }
        let left = known_or_none(self.by_network.get(&network), free, now);
        let milli = (left + 1000).min((free + EXCESS_MAX) * 1000);
        self.by_network.insert(network, Level { milli, at: now });
    }

    fn delay(&self, limits: &LoginLimits, network: IpAddr, now: Instant) -> Duration {
        let Some(free) = limits.failures_per_minute else {
            return Duration::ZERO;
        };
        let free = u64::from(free.get());
        let left = known_or_none(self.by_network.get(&network), free, now);
        // As the last of the free ones has been used, the first has begun to leak.
        let Some(excess) = left.checked_sub((free - 1) * 1000 + 1) else {
            return Duration::ZERO;
        };
        let doublings = u32::try_from(excess / 1000).expect("at most EXCESS_MAX");
        (DELAY_MIN * 2_u32.pow(doublings)).min(limits.delay_max)
    }

    /// Forgets who is forgiven; if that is nobody, the tenth whose last failure is longest ago.
    fn make_room(&mut self, free: u64, now: Instant) {
        self.by_network.retain(|_, level| level.left(free, now) > 0);
        if self.by_network.len() < ADDRESSES_MAX {
            return;
        }
        let mut times: Vec<Instant> = self.by_network.values().map(|level| level.at).collect();
        let (_, border, _) = times.select_nth_unstable(ADDRESSES_MAX / 10);
        let border = *border;
        self.by_network.retain(|_, level| level.at > border);
    }
}

fn known_or_none(level: Option<&Level>, free: u64, now: Instant) -> u64 {
    level.map_or(0, |level| level.left(free, now))
}

/// Which events of one kind have a line in the log.
#[derive(Debug, Default)]
struct Lines(Mutex<(Option<Instant>, u64)>);

impl Lines {
    /// Whether what happens `now` has a line, and how many before it had none.
    fn line(&self, now: Instant) -> Option<u64> {
        let mut lines = self.0.lock().expect("no panic under the lock");
        let (last, untold) = &mut *lines;
        if last.is_some_and(|last| now - last < LINES_PERIOD) {
            *untold += 1;
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(untold))
    }
}

#[cfg(test)]
mod tests;
