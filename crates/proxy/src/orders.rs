//! What administrators order on the console, carried out.
//!
//! Everything here runs in the task of the session that gave the order, on the control plane. An order that is
//! taken back while it waits, because its session ends or asks for that, leaves nothing stopped behind.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pgweir_console::{DATABASES, Done, Order, Refusal};
use pgweir_pool::budget::PoolId;
use pgweir_pool::halts::Unfit;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tracing::info;

use crate::admin::{Action, Administrator, Task};
use crate::halt::{self, pools_of};
use crate::pool_handle::PoolHandle;
use crate::registry::{Errand, Registry};

/// Pause before a client that is between workers is looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Time for ending clients, and for what their servers need before they can be closed: 5 s at most.
const KILL_MAX: Duration = Duration::from_secs(6);

/// Carries orders out.
pub(crate) struct Orders {
    registry: Arc<Registry>,
}

impl Orders {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self { registry }
    }

    /// Carries an order out.
    ///
    /// # Errors
    /// It cannot be carried out.
    ///
    /// # Cancel safety
    /// Dropped early, what it has stopped goes on again; everything else is done or not done.
    pub(crate) async fn administer(
        &self,
        order: Order,
        by: &Administrator,
    ) -> Result<Done, Refusal> {
        if let Some(name) = order.database() {
            self.must_know(name, &order)?;
        }
        info!(%by, "{} command issued", order.word());
        match order {
            Order::Pause(database) => self.pause(database.as_deref()).await,
            Order::Resume(database) => self.resume(database.as_deref()),
            Order::Disable(name) => self.registry.halts().disable(&name).map_err(told(&name)),
            Order::Enable(name) => {
                self.registry.halts().enable(&name);
                Ok(())
            }
            Order::Reconnect(database) => {
                self.reconnect(database.as_deref(), by).await;
                Ok(())
            }
            Order::Kill(database) => self.kill(database.as_deref(), by).await,
            Order::KillClient(client) => match self.end_client(client, by).await {
                true => Ok(()),
                false => Err(Refusal::ClientNotFound(client)),
            },
            Order::Suspend => self.suspend().await,
            Order::WaitClose(database) => {
                self.wait_close(database.as_deref()).await;
                Ok(())
            }
            Order::Reload => {
                let outcome = self.task(Task::Reload).await;
                outcome.map_err(Refusal::ReloadFailed)
            }
            Order::Set { name, value } => {
                let outcome = self.task(|answer| Task::Set(name, value, answer)).await;
                let notice = outcome.map_err(Refusal::SetFailed)?;
                return Ok(Done { notice });
            }
            Order::Shutdown(mode) => {
                self.task(|answer| Task::Shutdown(mode, answer)).await;
                Ok(())
            }
        }
        .map(|()| Done::default())
    }

    /// # Errors
    /// Nothing leads to a database of this name, or it is the console.
    fn must_know(&self, name: &str, order: &Order) -> Result<(), Refusal> {
        if DATABASES.contains(&name) {
            let verb = order.word().to_lowercase();
            return Err(Refusal::ConsoleDatabase(verb, name.to_owned()));
        }
        let config = self.registry.config();
        let is_known = config.databases.contains_key(name)
            || config.fallback_database.is_some()
            || self.registry.halts().knows(name)
            || !pools_of(&self.registry, Some(name)).is_empty();
        if is_known {
            Ok(())
        } else {
            Err(Refusal::NoSuchDatabase(name.to_owned()))
        }
    }

    async fn pause(&self, database: Option<&str>) -> Result<(), Refusal> {
        let registry = &*self.registry;
        halt::pause(registry, database).map_err(told(database.unwrap_or_default()))?;
        let taken_back = TakeBack::new(registry, database);
        let mut is_paused = true;
        halt::until(registry, || {
            let pools = pools_of(registry, database);
            is_paused = match database {
                Some(name) => registry.halts().is_paused(name),
                None => registry.halts().everything().is_some(),
            };
            !is_paused || pools.iter().all(|pool| !pool.has_servers())
        })
        .await;
        taken_back.not();
        if is_paused {
            Ok(())
        } else {
            let why = "RESUME came before all servers were closed";
            Err(Refusal::Canceled(why.to_owned()))
        }
    }

    fn resume(&self, database: Option<&str>) -> Result<(), Refusal> {
        if self.registry.draining.load(Ordering::Acquire) {
            return Err(Refusal::ShuttingDown);
        }
        halt::resume(&self.registry, database).map_err(told(database.unwrap_or_default()))
    }

    async fn suspend(&self) -> Result<(), Refusal> {
        if self.registry.draining.load(Ordering::Acquire) {
            return Err(Refusal::ShuttingDown);
        }
        // Before it begins, for it is the beginning that is taken back.
        if let Some(_stop) = self.registry.halts().everything() {
            return Err(Refusal::AlreadyPaused);
        }
        let taken_back = TakeBack::new(&self.registry, None);
        let outcome = halt::suspend(&self.registry).await;
        taken_back.not();
        outcome.map_err(told(""))
    }

    /// Has servers opened anew. Those of replication connections stay for as long as their clients do, so these are
    /// ended.
    async fn reconnect(&self, database: Option<&str>, by: &Administrator) {
        let pools = pools_of(&self.registry, database);
        for pool in &pools {
            self.registry
                .tell(pool, |stock, now| stock.core.retire(now));
        }
        let replicating = |pool: &&Arc<PoolHandle>| pool.replication.is_some();
        let ids: Vec<PoolId> = pools
            .iter()
            .filter(replicating)
            .map(|pool| pool.id)
            .collect();
        self.end_clients(&ids, by).await;
    }

    /// Pauses, and ends all clients. The answer comes when their servers are closed.
    async fn kill(&self, database: Option<&str>, by: &Administrator) -> Result<(), Refusal> {
        let registry = &*self.registry;
        let pools = pools_of(registry, database);
        // As in PgBouncer, each database is paused by its name, and resumed by it.
        let mut names: Vec<&str> = pools.iter().map(|pool| &*pool.database).collect();
        names.extend(database);
        names.sort_unstable();
        names.dedup();
        for name in names {
            halt::pause(registry, Some(name)).map_err(told(name))?;
        }
        let ids: Vec<PoolId> = pools.iter().map(|pool| pool.id).collect();
        self.end_clients(&ids, by).await;
        let closed = halt::until(registry, || pools.iter().all(|pool| !pool.has_servers()));
        // What is left then is closed as soon as it is clean, or PostgreSQL has let it in.
        let _ = timeout(KILL_MAX, closed).await;
        Ok(())
    }

    /// Waits until no server is left that was to be opened anew before.
    async fn wait_close(&self, database: Option<&str>) {
        let registry = &*self.registry;
        halt::until(registry, || {
            let pools = pools_of(registry, database);
            let are_gone = |pool: &Arc<PoolHandle>| pool.with(|stock| stock.core.retired() == 0);
            pools.iter().all(are_gone)
        })
        .await;
    }

    async fn end_clients(&self, pools: &[PoolId], by: &Administrator) {
        let clients = self.registry.clients_of(pools);
        // All are told before the first is waited for.
        let asked: Vec<_> = clients
            .into_iter()
            .map(|client| {
                (
                    client,
                    self.registry.administer(client, Action::End, by.clone()),
                )
            })
            .collect();
        let all = async {
            for (client, answered) in asked {
                if let Some(answered) = answered
                    && answered.await.is_err()
                {
                    self.end_client(client, by).await;
                }
            }
        };
        // Who is not told in that time has a worker that does nothing at all.
        let _ = timeout(KILL_MAX, all).await;
    }

    /// Ends a client; false if there is none of this number.
    async fn end_client(&self, client: u32, by: &Administrator) -> bool {
        let mut was_there = false;
        loop {
            let answered = self.registry.administer(client, Action::End, by.clone());
            let Some(answered) = answered else {
                return was_there;
            };
            was_there = true;
            if answered.await.is_ok() {
                return true;
            }
            // It is on its way to a worker, or has just left.
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Has the loop of the control plane do something.
    async fn task<T>(&self, task: impl FnOnce(oneshot::Sender<T>) -> Task) -> T {
        let (answer, answered) = oneshot::channel();
        self.registry.leave_errand(Errand::Task(task(answer)));
        match answered.await {
            Ok(outcome) => outcome,
            // The pooler ends, and so does the session.
            Err(_) => std::future::pending().await,
        }
    }
}

/// Lets go on what was stopped, unless it is told not to.
struct TakeBack<'a> {
    registry: &'a Registry,
    database: Option<&'a str>,
    is_due: bool,
}

impl<'a> TakeBack<'a> {
    fn new(registry: &'a Registry, database: Option<&'a str>) -> Self {
        Self {
            registry,
            database,
            is_due: true,
        }
    }

    fn not(mut self) {
        self.is_due = false;
    }
}

impl Drop for TakeBack<'_> {
    fn drop(&mut self) {
        let is_ending = self.registry.draining.load(Ordering::Acquire);
        if self.is_due && !is_ending && halt::resume(self.registry, self.database).is_ok() {
            info!("resumed: who stopped it did not wait for the end");
        }
    }
}

/// Why an order about a database, or everything, has no effect.
fn told(name: &str) -> impl Fn(Unfit) -> Refusal {
    let name = name.to_owned();
    move |unfit| match unfit {
        Unfit::StoppedAlready => Refusal::AlreadyPaused,
        Unfit::NotStopped => Refusal::NotPaused,
        Unfit::NotPaused => Refusal::DatabaseNotPaused(name.clone()),
        Unfit::DatabasesPaused => Refusal::DatabasesPaused,
        Unfit::TooMany => Refusal::NotAllowed("too many databases are stopped by name".to_owned()),
    }
}

#[cfg(test)]
mod tests;
