//! A pooler that does nothing, for the tests of what is shown of one.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use pgweir_telemetry::Snapshot;
use pgweir_telemetry::findings::Findings;
use pgweir_telemetry::live::LiveMode;
use pgweir_telemetry::pools::PoolSnapshot;
use pgweir_telemetry::snapshot::{DatabaseSnapshot, Readiness, WorkerSnapshot};
use tokio::sync::oneshot;

use crate::feed::Feed;
use crate::jwt::Keys;
use crate::pooler::{Access, ActionOutcome, Administrator, ClientAction, Pooler};
use crate::view::View;

/// What tokens of tests are signed with.
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Shows what it is told to.
pub(crate) struct FakePooler {
    snapshot: Mutex<Snapshot>,
    access: Access,
}

/// Keys for tokens signed with [`SECRET`].
pub(crate) fn keys(audience: Option<&str>) -> Arc<Keys> {
    let mut keys = Keys::new(audience.map(str::to_owned));
    keys.add_secret(SECRET.as_bytes()).unwrap();
    Arc::new(keys)
}

impl FakePooler {
    /// With one pool that has done nothing, and no key.
    pub(crate) fn quiet() -> Arc<Self> {
        Self::with(|_| {})
    }

    /// The same, shown to others.
    pub(crate) fn with(change: impl FnOnce(&mut Access)) -> Arc<Self> {
        let mut snapshot = Snapshot::new("0.1.0", SystemTime::now());
        snapshot.workers = vec![WorkerSnapshot {
            busy_permille: 0,
            clients: 0,
        }];
        snapshot.databases = vec![DatabaseSnapshot {
            name: "app".to_owned(),
            load_balance: None,
            dbname: "app".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: "5432".to_owned(),
            forced_user: String::new(),
            mode: LiveMode::Session,
            pool_size: Some(50),
            pool_size_min: 0,
            lifetime: std::time::Duration::ZERO,
            clients_max: None,
            clients: 0,
            disabled: false,
            reserve: 0,
            servers_max: None,
            servers: 0,
            paused: false,
            limits: "Limit: 50, Pool Timeout: 20s, Connect Timeout: 10s".to_owned(),
        }];
        snapshot.add_pool(PoolSnapshot {
            size_max: Some(50),
            ..PoolSnapshot::new("app", "bob")
        });
        let mut access = Access::default();
        change(&mut access);
        Arc::new(Self {
            snapshot: Mutex::new(snapshot),
            access,
        })
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.snapshot.lock().unwrap());
    }

    /// What paths under `prefix` look at.
    pub(crate) fn view(self: &Arc<Self>, prefix: &str, is_local: bool) -> View {
        View {
            pooler: self.clone(),
            feed: Arc::new(Feed::new(self.clone())),
            prefix: prefix.into(),
            is_local,
        }
    }
}

impl Pooler for FakePooler {
    fn snapshot(&self) -> Snapshot {
        self.snapshot.lock().unwrap().clone()
    }

    fn readiness(&self) -> Readiness {
        self.snapshot.lock().unwrap().readiness
    }

    fn findings(&self) -> Findings {
        Findings::default()
    }

    fn access(&self) -> Access {
        self.access.clone()
    }

    fn administer(
        &self,
        _: u32,
        _: ClientAction,
        _: Administrator,
    ) -> Option<oneshot::Receiver<ActionOutcome>> {
        None
    }
}
