//! The pooler as HTTP sees it: what it shows, and what an administrator does to clients.

use std::sync::Arc;

use pgweir_config::{Config, Http};
use pgweir_http::{
    Access, ActionOutcome, Administrator, ClientAction, Collector, HttpOptions, Pooler, Push,
};
use pgweir_pool::relay::Hold;
use pgweir_pool::trace::Slowness;
use pgweir_telemetry::Snapshot;
use pgweir_telemetry::findings::{FINDINGS_MAX, Findings};
use pgweir_telemetry::live::{
    BlockerKind, LiveBlocker, LiveHolder, LiveWaiter, NPlusOne, SlowLevel, SlowQuery, TopStatement,
};
use pgweir_telemetry::millis;
use pgweir_telemetry::snapshot::Readiness;
use pgweir_telemetry::timestamp::rfc3339;
use tokio::sync::oneshot;

use crate::access::access;
use crate::blocker::{Blocker, LockHolder};
use crate::insight::{Holder, RepeatedStatement, SlowStatement, Waiter};
use crate::latest::Latest;
use crate::registry::Registry;
use crate::snapshot::{self, Extent};
use crate::tls::{self, Expiries};

/// The registry, as HTTP sees it.
pub(crate) struct Shown {
    registry: Arc<Registry>,
    access: Latest<Config, Access>,
    expiries: Latest<Config, Expiries>,
}

impl Shown {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            access: Latest::default(),
            expiries: Latest::default(),
        }
    }
}

impl Pooler for Shown {
    fn snapshot(&self) -> Snapshot {
        let mut snapshot = snapshot::take(&self.registry, Extent::Page);
        let expiries = self.expiries.of(&self.registry.config(), tls::expiries);
        snapshot.certificates = tls::days_left(&expiries, snapshot.taken_at);
        snapshot
    }

    fn readiness(&self) -> Readiness {
        snapshot::readiness(&self.registry)
    }

    fn findings(&self) -> Findings {
        findings(&self.registry, FINDINGS_MAX)
    }

    fn access(&self) -> Access {
        self.access.of(&self.registry.config(), access)
    }

    fn administer(
        &self,
        client: u32,
        action: ClientAction,
        by: Administrator,
    ) -> Option<oneshot::Receiver<ActionOutcome>> {
        self.registry.administer(client, action, by)
    }
}

/// What stays as it is until a restart.
pub(crate) fn options(http: &Http, connections_max: u64) -> HttpOptions {
    let to = http.otlp.as_ref().map(|otlp| Collector {
        host: otlp.host.clone(),
        port: otlp.port,
        authority: otlp.authority(),
        path: otlp.path.clone(),
    });
    let push = to.zip(http.otlp_interval);
    HttpOptions {
        path_prefix: http.path_prefix.clone(),
        connections_max: usize::try_from(connections_max).expect("a few hundred"),
        push: push.map(|(to, interval)| Push { to, interval }),
    }
}

/// What was found out, at most so many of each kind.
pub(crate) fn findings(registry: &Registry, most: usize) -> Findings {
    let insight = &registry.insight;
    let statements = insight.top(most).into_iter();
    let statements = statements.filter_map(|((pool, id), statement)| {
        let pool = registry.live_pool(pool)?;
        Some(TopStatement::of(&pool.database, &pool.user, id, statement))
    });
    let blockers = registry.blockers();
    let holders = insight.holders().into_iter();
    Findings {
        statements: statements.collect(),
        slow: first(most, insight.slow(), slow),
        n_plus_one: first(most, insight.repeated(), n_plus_one),
        holders: holders
            .take(most)
            .map(|(one, text)| holder(registry, one, text))
            .collect(),
        waiters: first(most, insight.waiters(), waiter),
        blame: blockers.first().map(Blocker::sentence),
        blockers: first(most, blockers, blocker),
    }
}

fn first<T, U>(most: usize, all: Vec<T>, shown: fn(T) -> U) -> Vec<U> {
    all.into_iter().take(most).map(shown).collect()
}

fn slow(slow: SlowStatement) -> SlowQuery {
    SlowQuery {
        at: rfc3339(slow.at),
        level: match slow.slowness {
            Slowness::Slow => SlowLevel::Slow,
            Slowness::VerySlow => SlowLevel::VerySlow,
        },
        database: slow.author.database.to_string(),
        user: slow.author.user.to_string(),
        client: slow.author.client.to_string(),
        application_name: slow.author.application,
        text: slow.text,
        fingerprint: slow.statement.to_string(),
        wait_ms: millis(slow.waited),
        server_ms: millis(slow.took),
        times: slow.times,
        worst_ms: millis(slow.worst),
    }
}

fn n_plus_one(repeated: RepeatedStatement) -> NPlusOne {
    let tags = repeated.tags.into_iter();
    NPlusOne {
        at: rfc3339(repeated.at),
        database: repeated.author.database.to_string(),
        user: repeated.author.user.to_string(),
        client: repeated.author.client.to_string(),
        application_name: repeated.author.application,
        text: repeated.text,
        fingerprint: repeated.statement.to_string(),
        times: repeated.times,
        found: repeated.found,
        tags: tags.map(|tag| (tag.key, tag.value)).collect(),
    }
}

fn holder(registry: &Registry, holder: Holder, text: String) -> LiveHolder {
    let pin_text = holder.pinned.map(|pinned| {
        let insight = &registry.insight;
        insight.text(holder.pool.id, pinned.statement)
    });
    LiveHolder {
        state: holder.state(),
        address: holder.address.map(|address| address.to_string()),
        held_ms: millis(holder.held),
        since_ms: millis(match holder.hold {
            Hold::Busy => holder.running,
            Hold::InTransaction | Hold::Asking | Hold::Pinned(_) | Hold::Free => holder.quiet,
        }),
        pin: match (holder.hold, holder.pinned) {
            (Hold::Pinned(pin), _) => Some(pin.to_string()),
            (Hold::Busy | Hold::InTransaction | Hold::Asking | Hold::Free, pinned) => {
                pinned.map(|pinned| pinned.pin.to_string())
            }
        },
        pin_ms: holder.pinned_for().map(millis),
        pin_text: pin_text.filter(|text| !text.is_empty()),
        last_text: (!text.is_empty()).then_some(text),
        server_pid: holder.server_pid,
        waiters_behind: holder.pool.counts().waiting,
        lock_waiters: holder.locking.behind(),
        leak: holder.is_leak,
        database: holder.author.database.to_string(),
        user: holder.author.user.to_string(),
        client: holder.author.client.to_string(),
        application_name: holder.author.application,
    }
}

fn waiter(waiter: Waiter) -> LiveWaiter {
    LiveWaiter {
        database: waiter.pool.database.to_string(),
        user: waiter.pool.user.to_string(),
        client: waiter.author.client.to_string(),
        application_name: waiter.author.application,
        address: waiter.address.map(|address| address.to_string()),
        waited_ms: millis(waiter.waited),
        cause: None,
    }
}

fn blocker(blocker: Blocker) -> LiveBlocker {
    LiveBlocker {
        server: blocker.postgres.to_string(),
        kind: match blocker.kind {
            LockHolder::Client(_) => BlockerKind::Client,
            LockHolder::Clients => BlockerKind::Clients,
            LockHolder::Server => BlockerKind::Server,
            LockHolder::Elsewhere => BlockerKind::Elsewhere,
            LockHolder::Prepared => BlockerKind::Prepared,
        },
        client: blocker.client().map(|number| number.to_string()),
        database: blocker.database,
        user: blocker.user,
        application_name: blocker.application,
        state: blocker.state,
        since_ms: blocker.since.map(millis),
        last_text: (!blocker.text.is_empty()).then_some(blocker.text),
        server_pid: blocker.pid,
        lock_waiters: blocker.sessions,
    }
}

#[cfg(test)]
mod tests {
    use pgweir_http::Pooler;
    use pgweir_telemetry::Recorder;
    use pgweir_telemetry::window::Window;

    use super::{Shown, options};
    use crate::world::world;

    #[test]
    fn the_settings_of_http_are_passed_on() {
        let world = world(
            "http_jwt_secret_file = \"secret\"\nmetrics_compat = \"sqlx\"\n\
             http_admin_scope = \"ops\"\nhttp_path_prefix = \"/x\"\n\
             otlp_endpoint = \"http://[::1]:4318\"",
        );
        let access = Shown::new(world.registry.clone()).access();
        assert!(!access.keys.is_empty());
        assert_eq!(access.admin_scope.as_deref(), Some("ops"));
        assert_eq!((access.names.prisma, access.names.sqlx), (false, true));
        let options = options(&world.registry.config().http, 8);
        assert_eq!(options.connections_max, 8);
        assert_eq!(options.path_prefix, "/x");
        let to = options.push.unwrap().to;
        assert_eq!(to.to_string(), "http://[::1]:4318/v1/metrics");
        assert_eq!((&*to.host, to.port), ("::1", 4318));
    }

    #[test]
    fn a_pooler_that_has_done_nothing_has_a_document() {
        let shown = Shown::new(world("").registry);
        let live =
            Recorder::default().document(&shown.snapshot(), shown.findings(), Window::default());
        assert!(live.ready);
        assert_eq!(live.pools[0].stats.name(), "app/bob");
        assert_eq!(live.holders, Some(Vec::new()));
    }
}
