//! What goes on while the demo stays up: a light load, and each minute a client that forgets its server
//! and one that asks in a loop, so that a newcomer sees what pgweir sees.

use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::server::DemoServer;
use crate::load::client::{Client, ClientError, Target};
use crate::load::mix::{Random, Transaction};

/// Clients of the light load, each with a transaction at a time.
const CLIENTS: u64 = 10;

/// Between two transactions of one of them: 50 transactions per second together.
const PAUSE: Duration = Duration::from_millis(200);

/// After a connection broke.
const AFTER_AN_ERROR: Duration = Duration::from_secs(1);

/// Between two leaks, and two loops.
const MINUTE: Duration = Duration::from_secs(60);

/// The loop comes half way between two leaks.
const LOOP_AFTER: Duration = Duration::from_secs(30);

/// How long the leak goes on: long enough for `leak_time`, and to be looked at.
pub(crate) const LEAK: Duration = Duration::from_secs(25);

/// How often the loop asks.
const LOOP: u32 = 25;

/// What goes on. It ends when this is dropped.
pub(crate) struct Scene(JoinSet<()>);

impl Scene {
    /// Begins at once, at the pooler on this port. Needs a `LocalSet` around it.
    pub(crate) fn begin(server: &DemoServer, port: u16) -> Self {
        let mut tasks = JoinSet::new();
        let named = |name| Rc::new(server.target(port).named(name));
        let web = named("demo web");
        for seed in 0..CLIENTS {
            tasks.spawn_local(load(Rc::clone(&web), Random::new(seed)));
        }
        tasks.spawn_local(each_minute(Duration::ZERO, named("demo leak"), leak));
        tasks.spawn_local(each_minute(LOOP_AFTER, named("demo n+1"), n_plus_one));
        Self(tasks)
    }

    /// Ends, and says goodbye to nobody.
    pub(crate) async fn end(mut self) {
        self.0.shutdown().await;
    }
}

/// Transactions with pauses; through a restart of either side, too.
async fn load(target: Rc<Target>, mut random: Random) {
    loop {
        // What broke is shown by the pooler, which is what this is for.
        let _ = transactions(&target, &mut random).await;
        sleep(AFTER_AN_ERROR).await;
    }
}

async fn transactions(target: &Target, random: &mut Random) -> Result<(), ClientError> {
    let mut client = Client::connect(target).await?;
    loop {
        Transaction::draw(random).run(&mut client).await?;
        sleep(PAUSE).await;
    }
}

async fn each_minute(
    first: Duration,
    target: Rc<Target>,
    act: impl AsyncFn(&mut Client) -> Result<(), ClientError>,
) {
    sleep(first).await;
    let mut minutes = interval(MINUTE);
    minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        minutes.tick().await;
        let Ok(mut client) = Client::connect(&target).await else {
            continue;
        };
        if act(&mut client).await.is_ok() {
            client.close().await;
        }
    }
}

/// Begins a transaction and forgets it for a while.
async fn leak(client: &mut Client) -> Result<(), ClientError> {
    client.value("BEGIN").await?;
    client.value("SELECT count(*) FROM history").await?;
    sleep(LEAK).await;
    client.value("ROLLBACK").await?;
    Ok(())
}

/// Asks for each account by itself, where one question would do.
async fn n_plus_one(client: &mut Client) -> Result<(), ClientError> {
    client.value("BEGIN").await?;
    for account in 1..=LOOP {
        let sql = format!("SELECT balance FROM accounts WHERE id = {account}");
        client.extended(&sql).await?;
    }
    client.value("COMMIT").await?;
    Ok(())
}
