//! When somebody has to look.

use std::cmp::Reverse;
use std::time::Duration;

use pgweir_pool::waits::Cause;

use crate::headline;
use crate::live::{Alarm, HolderState, Live, LiveHolder, LivePool};
use crate::pools;
use crate::refusals::RefusedLately;
use crate::remedies::remedy;
use crate::terms::Severity;
use crate::words::{clients_wait, count, duration, flat, plural, span, who};

/// How long a queue has been long before it is worth a warning: shorter ones are what a pooler is
/// for.
const QUEUED_MS: f64 = 30_000.0;

/// How long others have waited, and a client that holds a server has done nothing, when that is worth a
/// warning.
const IDLE_MS: f64 = 1_000.0;

/// Share of the time a client may wait at which the first in the queue will soon be refused.
const WAIT_SHARE: f64 = 0.5;

/// Share of the limit of clients at which the next will soon be refused.
const CLIENTS_SHARE: f64 = 0.9;

/// The last refusal of a series is told the age of from this on.
const JUST_NOW: Duration = Duration::from_secs(2);

impl Alarm {
    fn new(severity: Severity, key: String, what: String, next: &str) -> Self {
        Self {
            key,
            severity,
            line: what.clone(),
            what,
            next: next.to_owned(),
            section: None,
        }
    }
}

impl Live {
    /// Finds out what is to be looked at, and how it goes. `refused` are pools that refused clients
    /// lately, which no single document shows.
    pub fn judge(&mut self, refused: &[RefusedLately]) {
        let mut alarms = of_pooler(self);
        let holders = self.holders.as_deref().unwrap_or_default();
        for pool in &mut self.pools {
            pool.trouble = None;
        }
        for pool in in_order_of_trouble(&mut self.pools) {
            let found = of_pool(pool, holders);
            pool.trouble = found.iter().map(|alarm| alarm.severity).min();
            alarms.extend(found);
            let name = pool.stats.name();
            let refused = refused.iter().filter(|refused| refused.pool == name);
            alarms.extend(refused.map(of_refusals));
        }
        let is_listed = |name: &str| self.pools.iter().any(|pool| pool.stats.name() == *name);
        let others = refused.iter().filter(|refused| !is_listed(&refused.pool));
        alarms.extend(others.map(of_refusals));
        alarms.sort_by_key(|alarm| alarm.severity);
        let mut headline = headline::of(self);
        if let Some(worst) = alarms.first() {
            headline.line.clone_from(&worst.line);
            headline.is_well = false;
        }
        self.headline = Some(headline);
        self.alarms = Some(alarms);
    }

    /// Adds what an older pooler leaves to those who look: which figures to list, what to be alarmed
    /// of, and the headline.
    #[must_use]
    pub fn completed(mut self) -> Self {
        if self.columns.is_empty() {
            self.columns = pools::columns();
        }
        if self.alarms.is_none() || self.headline.is_none() {
            self.judge(&[]);
        }
        self
    }
}

/// The pools, that first in which clients have waited longest. Not by how many wait, which would put
/// another first at each look.
fn in_order_of_trouble(pools: &mut [LivePool]) -> Vec<&mut LivePool> {
    let mut pools: Vec<_> = pools.iter_mut().collect();
    pools.sort_by_key(|pool| {
        let queued = pool.queued_ms.unwrap_or(0.0);
        Reverse((pool.stats.login_failing, queued as u64))
    });
    pools
}

fn of_pooler(live: &Live) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    if live.draining {
        let next = format!(
            "{} clients may finish their transactions; new ones are not accepted.",
            count(live.clients)
        );
        let what = "pgweir is shutting down".to_owned();
        alarms.push(Alarm::new(
            Severity::Warning,
            "draining".to_owned(),
            what,
            &next,
        ));
    } else if live.paused {
        let waiting: u32 = live.pools.iter().map(|pool| pool.stats.waiting).sum();
        let what = match waiting {
            0 => "pgweir is paused".to_owned(),
            waiting => format!("pgweir is paused: {}", clients_wait(waiting)),
        };
        let next = "Servers are closed as they come back, and clients wait for query_wait_timeout. Its operator \
                    resumes it (SIGUSR2).";
        alarms.push(Alarm {
            line: format!("{what}; SIGUSR2 resumes"),
            ..Alarm::new(Severity::Warning, "paused".to_owned(), what, next)
        });
    } else if live.suspended {
        let next = "Nothing is read from clients or written to them. Its operator resumes it (SIGUSR2, or RESUME on \
                    the console).";
        let what = "pgweir is suspended".to_owned();
        alarms.push(Alarm {
            line: format!("{what}; SIGUSR2 resumes"),
            ..Alarm::new(Severity::Warning, "suspended".to_owned(), what, next)
        });
    } else if !live.ready {
        let mut pools = live.pools.iter();
        let reason = pools.find_map(|pool| pool.login_failure.as_deref());
        let reason = reason.unwrap_or("None of them answers at its address.");
        let next = format!("No server is open and the last login failed. {reason}");
        let what = "PostgreSQL cannot be reached".to_owned();
        alarms.push(Alarm {
            line: format!("{what}: {}", reason.trim_end_matches('.')),
            ..Alarm::new(Severity::Error, "not ready".to_owned(), what, &next)
        });
    }
    let databases = [
        (
            &live.paused_databases,
            "paused",
            "Their clients wait",
            "RESUME",
        ),
        (
            &live.disabled_databases,
            "disabled",
            "New clients are refused",
            "ENABLE",
        ),
    ];
    for (names, how, effect, command) in databases {
        if let [first, others @ ..] = &names[..] {
            let what = match others.len() {
                0 => format!("database {first} is {how}"),
                others => format!("database {first} and {others} more are {how}"),
            };
            let next =
                format!("{effect} until an administrator ends it on the console ({command}).");
            let id = format!("{how} databases");
            alarms.push(Alarm::new(Severity::Warning, id, what, &next));
        }
    }
    if f64::from(live.clients) >= CLIENTS_SHARE * f64::from(live.clients_limit) {
        let (clients, limit) = (count(live.clients), count(live.clients_limit));
        let what = format!("{clients} of at most {limit} clients are connected");
        let next = "The next ones are refused at the limit. Find who opens so many, or raise \
                    max_client_conn.";
        alarms.push(Alarm::new(
            Severity::Warning,
            "clients".to_owned(),
            what,
            next,
        ));
    }
    alarms
}

fn of_pool(pool: &LivePool, holders: &[LiveHolder]) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    let name = pool.stats.name();
    if pool.stats.login_failing {
        let what = format!("{name}: logins to PostgreSQL fail");
        let why = pool.login_failure.as_deref();
        let next = why.unwrap_or(
            "Its reason is not known here: a password, a limit, or nobody at the address.",
        );
        let line = why.map(|why| format!("{what}: {}", flat(why.trim_end_matches('.'))));
        let alarm = Alarm::new(Severity::Error, format!("login {name}"), what, next);
        alarms.push(Alarm {
            line: line.unwrap_or_else(|| alarm.line.clone()),
            ..alarm
        });
    }
    let idle = of_idle_holders(pool, holders, &name);
    let queue = of_queue(pool, &name).map(|mut queue| {
        if let Some(idle) = &idle {
            queue.next = format!("{} {}", queue.next, idle.next);
        }
        queue
    });
    alarms.extend(queue.or(idle));
    alarms
}

/// Clients that do nothing and hold what others wait for.
fn of_idle_holders(pool: &LivePool, holders: &[LiveHolder], name: &str) -> Option<Alarm> {
    let is_long = |ms: f64| ms >= IDLE_MS;
    pool.stats.oldest_wait_ms.filter(|wait| is_long(*wait))?;
    let idle = holders.iter().filter(|holder| {
        let is_here = holder.database == pool.stats.database && holder.user == pool.stats.user;
        is_here && holder.state.is_idle() && is_long(holder.since_ms)
    });
    let longest = idle
        .clone()
        .max_by(|a, b| a.since_ms.total_cmp(&b.since_ms))?;
    let what = format!(
        "{name}: {}, and {} with a server {} nothing",
        clients_wait(pool.stats.waiting),
        plural(idle.clone().count() as u64, "client"),
        if idle.count() == 1 { "does" } else { "do" },
    );
    let who = who(&longest.database, &longest.user, &longest.application_name);
    let (state, since) = (longest.state.words(), duration(Some(longest.since_ms)));
    let setting = match (longest.state, longest.pin_ms) {
        (HolderState::IdleInTransaction, _) => "idle_transaction_timeout bounds that",
        (_, Some(_)) => "pin_timeout bounds that",
        (_, None) => "in session mode a client keeps its server until it leaves",
    };
    let next = format!(
        "Who has done nothing with a server for longest is {who}, {state} for {since}; {setting}."
    );
    Some(Alarm {
        section: Some("holders".to_owned()),
        ..Alarm::new(
            Severity::Warning,
            format!("idle holders {name}"),
            what,
            &next,
        )
    })
}

fn of_queue(pool: &LivePool, name: &str) -> Option<Alarm> {
    let oldest = pool.stats.oldest_wait_ms;
    let limit = pool.wait_limit_ms.filter(|_| pool.stats.waiting > 0);
    let near = limit
        .zip(oldest)
        .filter(|(limit, wait)| *wait >= WAIT_SHARE * limit);
    let first = oldest.map(|wait| format!(", the first for {}", duration(Some(wait))));
    let waits = clients_wait(pool.stats.waiting);
    let what = format!("{name}: {waits}{}", first.unwrap_or_default());
    let key = format!("waiting {name}");
    let (severity, next, more) = if let Some((limit, _)) = near {
        let limit = duration(Some(limit));
        let why = (pool.cause.as_deref()).and_then(known).map(remedy);
        let next = match why {
            Some(why) => format!("They are refused after {limit}. {why}"),
            None => format!("They are refused after {limit}."),
        };
        (Severity::Error, next, format!("refused after {limit}"))
    } else {
        let queued = pool.queued_ms.filter(|queued| *queued >= QUEUED_MS)?;
        let age = span((queued / 1e3).round() as u64);
        let why = (pool.cause.as_deref()).and_then(known).map(remedy);
        let why = why.unwrap_or("All servers are in use.");
        let next = format!("More than 5 have for {age}. {why}");
        let more = format!("more than 5 have for {}", duration(Some(queued)));
        (Severity::Warning, next, more)
    };
    Some(Alarm {
        line: format!("{what}; {more}"),
        section: Some("holders".to_owned()),
        ..Alarm::new(severity, key, what, &next)
    })
}

/// The cause of this name.
fn known(name: &str) -> Option<Cause> {
    Cause::ALL.into_iter().find(|cause| cause.name() == name)
}

fn of_refusals(refused: &RefusedLately) -> Alarm {
    let RefusedLately { pool, clients, ago } = refused;
    let were = match clients {
        1 => "1 client was".to_owned(),
        more => format!("{} clients were", count(*more)),
    };
    let what = format!("{pool}: {were} refused");
    let mut next = "They got no server in time and saw an error".to_owned();
    if *ago >= JUST_NOW {
        next += &format!("; the last {} ago", span(ago.as_secs()));
    }
    Alarm::new(
        Severity::Error,
        format!("refused {pool}"),
        what,
        &(next + "."),
    )
}

#[cfg(test)]
mod tests;
