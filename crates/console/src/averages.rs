//! What was done per second in the last whole period, as PgBouncer's averages are.

use std::collections::BTreeMap;
use std::time::Duration;

use pgweir_pool::work::Totals;
use pgweir_telemetry::Snapshot;

/// What is counted of a database. Times are in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counted {
    /// Servers given to clients.
    pub(crate) assignments: u64,
    /// Transactions.
    pub(crate) transactions: u64,
    /// Queries.
    pub(crate) queries: u64,
    /// Bytes from clients.
    pub(crate) received: u64,
    /// Bytes to clients.
    pub(crate) sent: u64,
    /// Time in transactions.
    pub(crate) transaction_time: u64,
    /// Time in queries.
    pub(crate) query_time: u64,
    /// Time that clients waited for servers.
    pub(crate) wait_time: u64,
    /// Parse messages of clients.
    pub(crate) client_parses: u64,
    /// Parse messages to servers.
    pub(crate) server_parses: u64,
    /// Bind messages.
    pub(crate) binds: u64,
    /// Clients that logged in.
    pub(crate) logins: u64,
}

/// How many figures there are.
pub(crate) const FIGURES: usize = 12;

impl Counted {
    /// What a pool did.
    pub(crate) fn of(totals: &Totals) -> Self {
        Self {
            assignments: totals.wait_times.count(),
            transactions: totals.transactions,
            queries: totals.queries,
            received: totals.received_bytes,
            sent: totals.sent_bytes,
            transaction_time: totals.transaction_times.sum_us(),
            query_time: totals.query_times.sum_us(),
            wait_time: totals.wait_times.sum_us(),
            client_parses: totals.parses,
            server_parses: totals.server_parses(),
            binds: totals.binds,
            logins: totals.client_logins,
        }
    }

    /// Its figures, in the order of the tables.
    pub(crate) fn figures(self) -> [u64; FIGURES] {
        [
            self.assignments,
            self.transactions,
            self.queries,
            self.received,
            self.sent,
            self.transaction_time,
            self.query_time,
            self.wait_time,
            self.client_parses,
            self.server_parses,
            self.binds,
            self.logins,
        ]
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.assignments += other.assignments;
        self.transactions += other.transactions;
        self.queries += other.queries;
        self.received += other.received;
        self.sent += other.sent;
        self.transaction_time += other.transaction_time;
        self.query_time += other.query_time;
        self.wait_time += other.wait_time;
        self.client_parses += other.client_parses;
        self.server_parses += other.server_parses;
        self.binds += other.binds;
        self.logins += other.logins;
    }
}

/// Looks at what was counted, one period apart.
#[derive(Debug, Clone, Default)]
pub struct Averages {
    before: Look,
    latest: Look,
}

#[derive(Debug, Clone, Default)]
struct Look {
    at: Duration,
    counted: BTreeMap<String, Counted>,
}

impl Averages {
    /// A period is over.
    pub fn look(&mut self, snapshot: &Snapshot, commands: u64) {
        let counted = by_database(snapshot, commands);
        let latest = Look {
            at: snapshot.uptime,
            counted,
        };
        self.before = std::mem::replace(&mut self.latest, latest);
    }

    /// What a database did per second in the last whole period; times are those of one transaction, query and
    /// wait.
    pub(crate) fn of(&self, database: &str) -> [u64; FIGURES] {
        let of = |look: &Look| look.counted.get(database).copied().unwrap_or_default();
        averages(
            of(&self.latest),
            of(&self.before),
            self.latest.at - self.before.at,
        )
    }

    /// That of all databases together.
    pub(crate) fn of_all(&self) -> [u64; FIGURES] {
        let of = |look: &Look| {
            let mut sum = Counted::default();
            look.counted.values().for_each(|one| sum.add(*one));
            sum
        };
        averages(
            of(&self.latest),
            of(&self.before),
            self.latest.at - self.before.at,
        )
    }
}

fn averages(latest: Counted, before: Counted, time: Duration) -> [u64; FIGURES] {
    let (latest, before) = (latest.figures(), before.figures());
    // A database that was forgotten and came back counts from the beginning.
    let grown: [u64; FIGURES] = std::array::from_fn(|at| latest[at].saturating_sub(before[at]));
    let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let per_second = |many: u64| {
        let product = u128::from(many) * 1_000_000;
        let average = product.checked_div(us.into()).unwrap_or(0);
        u64::try_from(average).unwrap_or(u64::MAX)
    };
    let each = |time: u64, many: u64| time.checked_div(many).unwrap_or(0);
    let [
        assignments,
        transactions,
        queries,
        received,
        sent,
        in_transactions,
        in_queries,
        waited,
        client_parses,
        server_parses,
        binds,
        logins,
    ] = grown;
    [
        per_second(assignments),
        per_second(transactions),
        per_second(queries),
        per_second(received),
        per_second(sent),
        each(in_transactions, transactions),
        each(in_queries, queries),
        // PgBouncer's is the time waited per second.
        per_second(waited),
        per_second(client_parses),
        per_second(server_parses),
        per_second(binds),
        per_second(logins),
    ]
}

/// What each database did, the console among them: its commands are transactions of one query each.
pub(crate) fn by_database(snapshot: &Snapshot, commands: u64) -> BTreeMap<String, Counted> {
    let mut counted = BTreeMap::<String, Counted>::new();
    for pool in &snapshot.pools {
        let of = counted.entry(pool.database.to_string()).or_default();
        of.add(Counted::of(&pool.totals));
    }
    let console = Counted {
        transactions: commands,
        queries: commands,
        ..Counted::default()
    };
    counted.insert(crate::DATABASE.to_owned(), console);
    counted
}
