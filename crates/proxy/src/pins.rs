//! Servers that state of a session keeps with its client, in the log: when others wait for them, and when their time
//! is over.

use std::time::Duration;

use pgweir_pool::pin::Pin;
use pgweir_pool::session::Pinned;
use pgweir_pool::time::Time;
use tracing::warn;

use crate::insight::{Author, NOTED_AFTER};
use crate::platform::Client;
use crate::registry::Registry;
use crate::texts::{seconds, way_out};

/// How often the log tells of one client and one reason while others wait.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Whether the log is to be told of this reason at `now`; then it is `told`, and no more for a minute.
fn is_due(told: &mut Option<(Pin, Time)>, pin: Pin, now: Time) -> bool {
    let is_told = told.is_some_and(|(before, at)| before == pin && now - at < TOLD_EVERY);
    if !is_told {
        *told = Some((pin, now));
    }
    !is_told
}

/// Tells of a client whose server stays with it, if others have waited for one for longer than a moment.
pub(crate) fn look(registry: &Registry, client: &mut Client, pinned: Pinned, now: Time) {
    let counts = client.pool.counts();
    let waits = counts.waiting_since.map(|since| now - since);
    if waits.is_none_or(|waits| waits < NOTED_AFTER)
        || !is_due(&mut client.account.pin_told, pinned.pin, now)
    {
        return;
    }
    let owner = Owner::of(registry, client, pinned);
    warn!(
        database = &*client.pool.database,
        user = &*client.account.user,
        client = client.account.pid,
        address = owner.address,
        application_name = owner.application,
        statement = owner.statement,
        reason = pinned.pin.name(),
        waiting = counts.waiting,
        "clients wait while a session keeps its server, pinned for {}: {}. {}",
        seconds(now - pinned.since),
        pinned.pin,
        way_out(pinned.pin),
    );
}

/// Tells of a client whose session ends, for its server has stayed with it for `pin_timeout`.
pub(crate) fn ends(registry: &Registry, client: &Client, now: Time) {
    let holding = client.session.holding(now);
    let Some(pinned) = holding.and_then(|holding| holding.pinned) else {
        return;
    };
    let owner = Owner::of(registry, client, pinned);
    warn!(
        database = &*client.pool.database,
        user = &*client.account.user,
        client = client.account.pid,
        address = owner.address,
        application_name = owner.application,
        statement = owner.statement,
        reason = pinned.pin.name(),
        "pin_timeout ends a session that kept its server, pinned for {}: {}. {}",
        seconds(now - pinned.since),
        pinned.pin,
        way_out(pinned.pin),
    );
}

/// Who keeps a server, and by which statement.
struct Owner {
    address: Option<String>,
    application: String,
    /// Without literals; empty where it was not kept.
    statement: String,
}

impl Owner {
    fn of(registry: &Registry, client: &Client, pinned: Pinned) -> Self {
        Self {
            address: client.account.address.map(|address| address.to_string()),
            application: {
                let parameters = &client.session.relay.client.parameters;
                let name = parameters.value("application_name");
                Author::new(&client.pool, client.account.pid, name).application
            },
            statement: registry.insight.text(client.pool.id, pinned.statement),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{TOLD_EVERY, is_due};
    use pgweir_pool::pin::Pin;
    use pgweir_pool::time::Time;

    #[test]
    fn the_log_is_told_once_a_minute_of_each_reason() {
        let start = Time(5_000_000);
        let mut told = None;
        for (pin, after, expected) in [
            (Pin::Listen, 0, true),
            (Pin::Listen, 1, false),
            (Pin::Listen, 59, false),
            (Pin::AdvisoryLock, 59, true),
            (Pin::AdvisoryLock, 60, false),
            (Pin::AdvisoryLock, 119, true),
        ] {
            let now = start + TOLD_EVERY * after / 60;
            assert_eq!(is_due(&mut told, pin, now), expected, "{after}");
        }
    }
}
