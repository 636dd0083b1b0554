//! The pools of the registry: found or made when a client comes, forgotten when nobody uses them.
//!
//! A pool whose database has a section of its own stays, unless `pool_idle_timeout` is set. Of the others clients choose the names, so
//! those go that are unused, and the sooner those whose names PostgreSQL does not know.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use pgweir_pool::budget::{Group, PoolId};
use pgweir_pool::id::ServerId;
use pgweir_pool::time::Time;
use pgweir_pool::work::Totals;
use pgweir_wire::sqlstate::SqlState;
use tracing::{info, warn};

use super::Registry;
use crate::pool_handle::{PoolHandle, Settings};
use crate::texts::ClientError;
use pgweir_config::{Config, Database, ServerAddress};

/// Pools at once. A pool is 5 KiB without servers; only clients that have logged in make one.
const POOLS_MAX: usize = 10_000;

/// Pools of one user into which PostgreSQL has let nobody yet, among those whose names clients chose:
/// a tenth of all, so that a user who makes names up leaves room for those who do not.
const UNCONFIRMED_MAX: usize = POOLS_MAX / 10;

/// References to a pool that nobody uses: by its name and by its number. Those of replication
/// connections have no name.
const OWN_REFERENCES: usize = 2;

#[derive(Default)]
pub(super) struct Pools {
    by_name: HashMap<(Arc<str>, Arc<str>), Arc<PoolHandle>>,
    /// By number. A forgotten pool stays until another takes its number, because its name may be in
    /// a message that is under way.
    by_id: Vec<Arc<PoolHandle>>,
    /// How many each user has.
    by_user: HashMap<Arc<str>, usize>,
    /// Numbers of forgotten pools.
    vacant: BTreeSet<PoolId>,
    /// What forgotten pools did.
    forgotten: Totals,
}

impl Pools {
    fn live(&self) -> impl Iterator<Item = &Arc<PoolHandle>> {
        let pools = self.by_id.iter();
        pools.filter(|pool| !self.vacant.contains(&pool.id))
    }

    fn len(&self) -> usize {
        self.by_id.len() - self.vacant.len()
    }

    /// A number for a new pool, and the name of its first server, which no other ever had.
    fn number(&mut self) -> (PoolId, ServerId) {
        match self.vacant.pop_first() {
            Some(id) => {
                let before = &self.by_id[id.0 as usize];
                (id, before.with(|stock| stock.core.next_server()))
            }
            None => {
                let id = PoolId(u32::try_from(self.by_id.len()).expect("bounded"));
                (id, PoolHandle::first_server(id))
            }
        }
    }

    fn insert(&mut self, pool: Arc<PoolHandle>) {
        let at = pool.id.0 as usize;
        if at < self.by_id.len() {
            self.by_id[at] = pool.clone();
        } else {
            self.by_id.push(pool.clone());
        }
        if pool.replication.is_some() {
            return;
        }
        *self.by_user.entry(pool.user.clone()).or_default() += 1;
        let name = (pool.database.clone(), pool.user.clone());
        let earlier = self.by_name.insert(name, pool);
        assert!(earlier.is_none(), "a pool is made once");
    }

    /// Takes out a pool that is not vacant.
    fn remove(&mut self, id: PoolId) {
        let pool = self.by_id[id.0 as usize].clone();
        self.vacant.insert(id);
        let totals = pool.figures().2;
        if let Some(replication) = &pool.replication {
            let base = replication.part().expect("a pool is forgotten once");
            base.with(|stock| stock.totals.add(&totals));
            return;
        }
        self.forgotten.add(&totals);
        self.by_name
            .remove(&(pool.database.clone(), pool.user.clone()))
            .expect("it was in use");
        let count = self.by_user.get_mut(&pool.user).expect("was counted");
        *count -= 1;
        if *count == 0 {
            self.by_user.remove(&pool.user);
        }
    }

    /// Pools of a user into which PostgreSQL has let nobody yet, of those that are not listed.
    fn unconfirmed(&self, config: &Config, user: &str) -> usize {
        if self.by_user.get(user).copied().unwrap_or(0) < UNCONFIRMED_MAX {
            // Not worth a look at all of them.
            return 0;
        }
        let is_listed = |name: &str| config.databases.contains_key(name);
        let pools = self.live();
        pools
            .filter(|p| &*p.user == user && p.replication.is_none())
            .filter(|p| !p.is_confirmed() && !is_listed(&p.database))
            .count()
    }
}

impl Registry {
    /// The pools there are.
    pub(crate) fn pools(&self) -> Vec<Arc<PoolHandle>> {
        let pools = self.pools.read().expect("no panic under the lock");
        pools.live().cloned().collect()
    }

    /// A PostgreSQL has let somebody in who came after `since`.
    pub(crate) fn postgres_is_back(&self, server: &ServerAddress, since: Time) {
        for pool in self.pools() {
            if pool.settings().database.server == *server {
                pool.postgres_is_back(since);
            }
        }
    }

    /// The pool with a number; one that was forgotten as long as no other has the number.
    pub(crate) fn pool_by_id(&self, id: PoolId) -> Arc<PoolHandle> {
        self.pools.read().expect("no panic under the lock").by_id[id.0 as usize].clone()
    }

    /// The pool with a number, unless it was forgotten.
    pub(crate) fn live_pool(&self, id: PoolId) -> Option<Arc<PoolHandle>> {
        let pools = self.pools.read().expect("no panic under the lock");
        let pool = pools.by_id.get(id.0 as usize)?;
        (!pools.vacant.contains(&id)).then(|| pool.clone())
    }

    /// What pools did that were forgotten.
    pub(crate) fn forgotten(&self) -> Totals {
        let pools = self.pools.read().expect("no panic under the lock");
        pools.forgotten.clone()
    }

    /// The pool of a database and a user, made when it is asked for first. A database whose servers log in as one
    /// user has one pool, whoever the clients are.
    ///
    /// # Errors
    /// There are too many pools.
    pub(crate) fn pool(
        &self,
        database: Arc<Database>,
        name: &str,
        client: &str,
    ) -> Result<Arc<PoolHandle>, ClientError> {
        let user = database.forced_user.clone();
        let user = user.as_deref().unwrap_or(client);
        let key: (Arc<str>, Arc<str>) = (name.into(), user.into());
        if let Some(pool) = self.known(&key) {
            return Ok(pool);
        }
        if self.pools.read().expect("no panic under the lock").len() >= POOLS_MAX {
            self.make_room();
        }
        let mut pools = self.pools.write().expect("no panic under the lock");
        if let Some(pool) = pools.by_name.get(&key) {
            return Ok(pool.clone());
        }
        let config = self.config();
        if pools.len() >= POOLS_MAX {
            return Err(too_many());
        }
        let is_listed = config.databases.contains_key(name);
        if !is_listed && pools.unconfirmed(&config, user) >= UNCONFIRMED_MAX {
            return Err(full(format!(
                "too many databases of user \"{user}\" that PostgreSQL has not let in yet \
                 ({UNCONFIRMED_MAX})"
            )));
        }
        let (id, first) = pools.number();
        let max_db_connections = database.max_db_connections.map(|max| max.get());
        let settings = Settings::new(database, user);
        let names = (key.0.clone(), key.1.clone());
        let pool = PoolHandle::new((id, first), names, settings, self.workers.len());
        let pool = Arc::new(pool);
        if self.halts().is_paused(&pool.database) {
            pool.begin_paused(self.clock.now());
        }
        let mut budget = self.lock_budget();
        budget.join(id, key.0.clone(), key.1.clone());
        budget.set_limit(Group::Database(key.0), max_db_connections);
        if !config.users.contains_key(user) {
            let max_user_connections = config.max_user_connections.map(|max| max.get());
            budget.set_limit(Group::User(key.1), max_user_connections);
        }
        if !is_listed && !pools.by_name.keys().any(|(known, _)| **known == *name) {
            info!("registered new auto-database: {name}");
        }
        pools.insert(pool.clone());
        Ok(pool)
    }

    /// Makes the pools that are to have servers before clients come: those of databases with one user. They open what
    /// they need themselves.
    pub(crate) fn make_ready(&self) {
        let config = self.config();
        for (name, database) in &config.databases {
            if database.forced_user.is_some()
                && database.pool.min_pool_size > 0
                && let Err(error) = self.pool(database.clone(), name, "")
            {
                warn!("{}", error.message);
            }
        }
    }

    /// A pool for one replication connection of the database and user of `base`.
    ///
    /// # Errors
    /// There are too many pools.
    pub(crate) fn pool_for_replication(
        &self,
        base: &Arc<PoolHandle>,
        parameters: Vec<(String, String)>,
    ) -> Result<Arc<PoolHandle>, ClientError> {
        let database = base.settings().database.clone();
        let settings = Settings::for_replication(database, &base.user);
        let mut pools = self.pools.write().expect("no panic under the lock");
        if pools.len() >= POOLS_MAX {
            return Err(too_many());
        }
        let number = pools.number();
        let workers = self.workers.len();
        let of = (base.clone(), parameters);
        let pool = PoolHandle::for_replication(number, settings, workers, of);
        let pool = Arc::new(pool);
        if self.halts().is_paused(&pool.database) {
            pool.begin_paused(self.clock.now());
        }
        let names = (pool.database.clone(), pool.user.clone());
        self.lock_budget().join(pool.id, names.0, names.1);
        pools.insert(pool.clone());
        Ok(pool)
    }

    fn known(&self, key: &(Arc<str>, Arc<str>)) -> Option<Arc<PoolHandle>> {
        let pools = self.pools.read().expect("no panic under the lock");
        pools.by_name.get(key).cloned()
    }

    /// Forgets the pools that were unused for long enough. To be called once per second or so.
    pub(crate) fn forget_unused(&self, now: Time) {
        let config = self.config();
        for pool in self.pools() {
            let Some(since) = pool.unused_since(now) else {
                continue;
            };
            if let Some(limit) = kept_for(&config, &pool)
                && now.since(since) >= limit
            {
                self.forget(pool);
            }
        }
    }

    /// Forgets a tenth of the pools, of those that are unused, whether for long or not.
    fn make_room(&self) {
        let config = self.config();
        let now = self.clock.now();
        let unused = self.pools().into_iter().filter_map(|pool| {
            kept_for(&config, &pool)?;
            Some((pool.unused_since(now)?, pool))
        });
        let mut unused: Vec<_> = unused.collect();
        unused.sort_by_key(|(since, pool)| (pool.is_confirmed(), *since));
        for (_, pool) in unused.into_iter().take(POOLS_MAX / 10) {
            self.forget(pool);
        }
    }

    /// Forgets a pool, unless somebody has come to use it; one with idle servers has them closed
    /// first, and is forgotten another time.
    fn forget(&self, pool: Arc<PoolHandle>) {
        if pool.has_servers() {
            self.tell(&pool, |stock, now| stock.core.retire(now));
            return;
        }
        let id = pool.id;
        drop(pool);
        let mut pools = self.pools.write().expect("no panic under the lock");
        let pool = &pools.by_id[id.0 as usize];
        // Nobody can get a reference while the table is locked, so whoever uses it has one already.
        if pools.vacant.contains(&id)
            || Arc::strong_count(pool) > own_references(pool)
            || pool.is_used()
            || !self.lock_budget().leave(id)
        {
            return;
        }
        info!(
            "cleaning up idle pool for user {} on db {}",
            pool.user, pool.database
        );
        pools.remove(id);
        self.insight.forget(id);
    }
}

/// References to a pool that nobody uses.
fn own_references(pool: &PoolHandle) -> usize {
    match pool.replication {
        Some(_) => 1,
        None => OWN_REFERENCES,
    }
}

/// How long a pool is kept without being used; `None` is for ever.
fn kept_for(config: &Config, pool: &PoolHandle) -> Option<Duration> {
    if pool.replication.is_some() {
        return Some(Duration::ZERO);
    }
    if config.databases.contains_key(&*pool.database) {
        // Servers kept for nobody in particular are never unused, not even while none can be opened.
        let settings = pool.settings();
        let keeps_some =
            settings.database.forced_user.is_some() && settings.config.min_pool_size > 0;
        return config.pool_idle_timeout.filter(|_| !keeps_some);
    }
    if pool.is_confirmed() {
        return config.autodb_idle_timeout;
    }
    // Its next client would have PostgreSQL asked again at once.
    Some(pool.settings().config.server_login_retry)
}

fn too_many() -> ClientError {
    full(format!(
        "too many pools of a database and a user ({POOLS_MAX})"
    ))
}

fn full(message: String) -> ClientError {
    ClientError::new(SqlState::TOO_MANY_CONNECTIONS, message)
        .hint("Connect to databases that exist, or list them in [databases] of the pooler.")
}

#[cfg(test)]
mod tests;
