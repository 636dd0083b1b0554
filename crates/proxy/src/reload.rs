//! Taking over a changed configuration while serving.

use std::sync::Arc;

use pgweir_pool::budget::Group;
use pgweir_pool::driver::Message;
use tracing::{Level, enabled, error, info, warn};

use crate::platform::PoolRef;
use crate::pool_handle::{Settings, bounds};
use crate::registry::{Registry, user_limits};
use crate::tls;
use crate::watched::Watched;
use pgweir_config::raw::{Dialect, Raw};
use pgweir_config::{self, Config, Log, Problem, Resolved, Source};

/// Has the log do what the settings say, and open its file anew.
pub type SetLog = Box<dyn Fn(&Log)>;

/// What a configuration was made of, to make it again.
pub(crate) struct Reloading {
    pub(crate) source: Source,
    pub(crate) raw: Arc<Raw>,
    pub(crate) set_log: SetLog,
    auth_file: Watched,
    /// Settings of TLS that were set and cannot be used as long as others are not set, too: each once.
    drafted: Vec<(String, String)>,
}

impl Reloading {
    /// Of what runs, which was read a moment ago.
    pub(crate) fn new(source: Source, resolved: &Resolved, set_log: SetLog) -> Self {
        Self {
            source,
            raw: resolved.raw.clone(),
            set_log,
            auth_file: Watched::new(resolved.config.auth_file.clone()),
            drafted: Vec::new(),
        }
    }

    /// Reads the configuration again. With any mistake in it, all of it stays as it was.
    /// What was set since the last time is forgotten.
    ///
    /// # Errors
    /// The first problem. The log has all of them.
    pub(crate) fn reload(&mut self, registry: &Registry) -> Result<(), String> {
        self.auth_file = Watched::new(registry.config().auth_file.clone());
        let loaded = crate::outside::load(&self.source);
        self.raw = run_with(loaded, registry, &self.set_log)?;
        self.drafted.clear();
        self.watch_auth_file(registry);
        Ok(())
    }

    /// Changes a setting of the whole pooler until the next reload. A certificate and its key are set one after
    /// the other, so settings of TLS that do not fit each other yet are kept until they do, and TLS stays as it
    /// was; this is the notice then.
    ///
    /// # Errors
    /// There is none of this name, it needs a restart, or this value does not do.
    pub(crate) fn set(
        &mut self,
        registry: &Registry,
        name: &str,
        value: &str,
    ) -> Result<Option<String>, String> {
        let is_tls = pgweir_config::reload::may_be_drafted(name, value);
        let drafted = self.drafted.iter().filter(|_| is_tls);
        let drafted = drafted.map(|(name, value)| (name.as_str(), value.as_str()));
        let mut raw = (*self.raw).clone();
        for (name, value) in drafted.chain([(name, value)]) {
            let changed = pgweir_config::reload::set(&raw, name, value);
            raw = changed.map_err(|it| it.to_string())?;
        }
        let loaded = crate::outside::resolve(&raw);
        match run_with(loaded, registry, &self.set_log) {
            Ok(raw) => {
                self.raw = raw;
                if is_tls {
                    self.drafted.clear();
                }
                self.watch_auth_file(registry);
                Ok(None)
            }
            Err(problem) if is_tls => {
                self.drafted.retain(|(drafted, _)| drafted != name);
                self.drafted.push((name.to_owned(), value.to_owned()));
                Ok(Some(format!(
                    "TLS settings could not be applied, still using old configuration: {problem}"
                )))
            }
            Err(problem) => Err(problem),
        }
    }

    /// It may be another file than before.
    fn watch_auth_file(&mut self, registry: &Registry) {
        let path = registry.config().auth_file.clone();
        if !self.auth_file.is(path.as_deref()) {
            self.auth_file = Watched::new(path);
        }
    }

    /// Reads `auth_file` again if it has changed, and the other files that the configuration names, but
    /// not the configuration itself. To be called once a second or so.
    pub(crate) fn look(&mut self, registry: &Registry) {
        if self.auth_file.has_changed() {
            info!("auth_file has changed; it is read again");
            // What became of it is in the log.
            let _ = run_with(crate::outside::resolve(&self.raw), registry, &self.set_log);
        }
    }
}

/// Takes a configuration over, and gives back what it was made of.
///
/// # Errors
/// It has mistakes: the first one.
fn run_with(
    loaded: Result<Resolved, Vec<Problem>>,
    registry: &Registry,
    set_log: &SetLog,
) -> Result<Arc<Raw>, String> {
    match loaded {
        Ok(resolved) => {
            tell_warnings(&resolved);
            let raw = resolved.raw;
            let (config, reload) =
                pgweir_config::reload::merge(&registry.config(), resolved.config);
            for setting in reload.needs_restart {
                warn!("{setting} changed; it takes effect after a restart");
            }
            let log = config.log.clone();
            take_over(registry, Arc::new(config));
            // Told under whichever level lets it through, the old or the new one.
            let is_told = enabled!(Level::INFO);
            let tell = || {
                info!("configuration reloaded");
                tls::tell(&registry.config());
            };
            if is_told {
                tell();
            }
            set_log(&log);
            if !is_told {
                tell();
            }
            Ok(raw)
        }
        Err(problems) => {
            for problem in &problems {
                // In PgBouncer's words, which logs are searched for.
                match problem.key.contains("_tls_") {
                    true => error!("TLS setup failed: {problem}"),
                    false => error!("{problem}"),
                }
            }
            error!(
                "reload failed, problems: {}; the configuration stays as it was",
                problems.len()
            );
            // Whoever moves the file away need not know of that.
            set_log(&registry.config().log);
            Err(problems
                .first()
                .map_or_else(|| "no reason".to_owned(), ToString::to_string))
        }
    }
}

/// Tells what of a `pgbouncer.ini` does not do what it does in PgBouncer: its operator may never run
/// `pgweir check`.
pub(crate) fn tell_warnings(resolved: &Resolved) {
    if resolved.raw.dialect == Dialect::PgBouncer {
        for problem in &resolved.warnings {
            warn!("{problem}");
        }
    }
}

/// Tells pools, budget and workers.
fn take_over(registry: &Registry, config: Arc<Config>) {
    registry.set_config(config.clone());
    registry.vault.clear();
    registry.probes.reconfigured();
    registry.lookups.clear();
    registry.make_ready();
    registry.run_errand(|outbox, now| {
        for (group, limit) in user_limits(&config) {
            registry.lock_budget().set_limit(group, limit);
        }
        for pool in registry.pools() {
            if !config.users.contains_key(&*pool.user) {
                let max = config.max_user_connections.map(|max| max.get());
                let group = Group::User(pool.user.clone());
                registry.lock_budget().set_limit(group, max);
            }
            let database = config.databases.get(&*pool.database);
            let Some(database) = database.or(config.fallback_database.as_ref()) else {
                info!(
                    database = &*pool.database,
                    "database removed; its clients stay until they leave"
                );
                continue;
            };
            let group = Group::Database(pool.database.clone());
            let max = database.max_db_connections.map(|max| max.get());
            registry.lock_budget().set_limit(group, max);
            let settings = match pool.replication {
                Some(_) => Settings::for_replication(database.clone(), &pool.user),
                None => Settings::new(database.clone(), &pool.user),
            };
            let policy = settings.policy.clone();
            let core = bounds((&settings.config, &settings.database));
            let retire = pool.reconfigure(settings);
            if retire {
                let (database, user) = (&pool.database, &pool.user);
                info!(
                    "{database}/{user}: database configuration changed; servers opened so far are not used again"
                );
            }
            outbox.reconfigure(registry, &PoolRef(pool), now, (core, &policy, retire));
        }
        // A limit may have been raised, or removed.
        outbox.feed(registry, now);
        for worker in &registry.workers {
            outbox.send(worker.id, Message::Reloaded);
        }
    });
}
