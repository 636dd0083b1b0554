//! Many clients that work at the same time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::client::{Client, Target};
use super::mix::{Random, Transaction};
use super::outcome::{Outcome, Refusals, count};

/// Clients that are logged in. Needs a `LocalSet` around it: clients share what they count
/// without locks.
pub(crate) struct Fleet {
    clients: Vec<Client>,
    /// Clients that were not let in.
    pub(crate) refused: Refusals,
}

impl Fleet {
    /// Logs `count` clients in, each with one attempt. `progress` gets the number of those that
    /// are through, let in or not.
    pub(crate) async fn connect(
        target: &Rc<Target>,
        clients_count: usize,
        mut progress: impl FnMut(usize),
    ) -> Self {
        let mut fleet = Self {
            clients: Vec::with_capacity(clients_count),
            refused: Refusals::new(),
        };
        let logins = Rc::new(Semaphore::new(LOGINS_AT_ONCE_MAX));
        let mut tasks = JoinSet::new();
        for _ in 0..clients_count {
            let (target, logins) = (Rc::clone(target), Rc::clone(&logins));
            tasks.spawn_local(async move {
                let _turn = logins.acquire().await;
                Client::connect(&target).await
            });
        }
        let mut through = 0;
        while let Some(connected) = tasks.join_next().await {
            match connected.expect("a login task neither panics nor is aborted") {
                Ok(client) => fleet.clients.push(client),
                Err(error) => count(&mut fleet.refused, &error),
            }
            through += 1;
            progress(through);
        }
        fleet
    }

    /// Number of clients that are logged in.
    pub(crate) fn clients_count(&self) -> usize {
        self.clients.len()
    }

    /// Lets every client run one transaction after the other for `duration`. `progress` gets the
    /// time passed and the transactions done, some times per second.
    pub(crate) async fn drive(
        self,
        duration: Duration,
        mut progress: impl FnMut(Duration, u64),
    ) -> Outcome {
        let outcome = Rc::new(RefCell::new(Outcome::new()));
        let start = Instant::now();
        let deadline = start + duration;
        let mut tasks = JoinSet::new();
        for (seed, client) in (0..).zip(self.clients) {
            tasks.spawn_local(work(
                client,
                Random::new(seed),
                deadline,
                Rc::clone(&outcome),
            ));
        }
        let mut ticks = interval(PROGRESS_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = sleep(duration);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => break,
                _ = ticks.tick() => {
                    progress(start.elapsed().min(duration), outcome.borrow().transactions);
                }
            }
        }
        // Whoever is in a transaction ends it; one that never does is dropped with `tasks`.
        let _ = timeout(DRAIN_TIMEOUT, async {
            while tasks.join_next().await.is_some() {}
        })
        .await;
        let stuck = tasks.len() as u64;
        drop(tasks);
        let mut outcome = outcome.replace(Outcome::new());
        if stuck > 0 {
            *outcome.errors.entry("no answer".to_owned()).or_default() += stuck;
        }
        outcome.elapsed = duration;
        outcome
    }
}

/// One client's work, until the deadline or the end of its connection.
async fn work(
    mut client: Client,
    mut random: Random,
    deadline: Instant,
    outcome: Rc<RefCell<Outcome>>,
) {
    while Instant::now() < deadline {
        let start = Instant::now();
        let done = Transaction::draw(&mut random).run(&mut client).await;
        let end = Instant::now();
        outcome
            .borrow_mut()
            .add(done.as_ref(), end - start, end <= deadline);
        if done.is_err() {
            return;
        }
    }
    client.close().await;
}

/// Logins under way at once. A listen queue holds at least 128 on any system.
const LOGINS_AT_ONCE_MAX: usize = 64;
const PROGRESS_PERIOD: Duration = Duration::from_millis(100);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
