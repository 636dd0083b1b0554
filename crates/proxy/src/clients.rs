//! Who is logged in: the limits on clients, and the keys by which they cancel.

use std::collections::HashMap;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;

use pgweir_pool::budget::PoolId;
use pgweir_pool::id::ClientId;
use pgweir_wire::sqlstate::SqlState;

use crate::cancel_key::{CancelKey, CancelSecret, PEERED_NUMBERS, peered, random_pid};
use crate::files::Shares;
use crate::texts::ClientError;
use pgweir_config::{Config, Database};

/// Clients in total, by database and by user, and where each of them is.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    total: u32,
    by_database: HashMap<Arc<str>, u32>,
    by_user: HashMap<Arc<str>, u32>,
    /// Those that have proven themselves and wait for the first server of their pool, which PostgreSQL
    /// may not give for long. They take no place of clients that are served.
    ungreeted: u32,
    ungreeted_by_database: HashMap<Arc<str>, u32>,
    by_pid: HashMap<u32, Entry>,
    /// Own numbers of clients that were told the number of their server's process, by that. Several
    /// PostgreSQLs may have processes of the same number, and a process may have the number of a client.
    by_process: HashMap<u32, Vec<u32>>,
}

/// A client that was let in.
#[derive(Debug)]
struct Entry {
    secret: CancelSecret,
    /// `None` between its login and its arrival at a worker.
    client: Option<ClientId>,
    /// The number of its server's process, if it was told that.
    process: Option<u32>,
    database: Arc<str>,
    user: Arc<str>,
    pool: PoolId,
}

/// Whether one more client of a database and a user may come in: each with its name, how many it may have, and how many it
/// has.
///
/// # Errors
/// There are as many as may be.
pub(crate) fn check_limits(
    (database, database_max, of_database): (&str, Option<NonZeroU32>, u32),
    (user, user_max, of_user): (&str, Option<NonZeroU32>, u32),
) -> Result<(), ClientError> {
    if let Some(max) = database_max.filter(|max| of_database >= max.get()) {
        let whose = format!("for database \"{database}\"");
        return Err(full("max_db_client_connections", max.get(), &whose));
    }
    if let Some(max) = user_max.filter(|max| of_user >= max.get()) {
        let whose = format!("for user \"{user}\"");
        return Err(full("max_user_client_connections", max.get(), &whose));
    }
    Ok(())
}

impl Clients {
    /// How many there are of each user.
    pub(crate) fn by_user(&self) -> &HashMap<Arc<str>, u32> {
        &self.by_user
    }

    /// Lets a client in, or says which limit is reached.
    ///
    /// # Errors
    /// One of the three limits is reached, or the one of the system.
    pub(crate) fn enter(
        &mut self,
        (config, shares): (&Config, &Shares),
        database: (&Arc<str>, &Database),
        user: (&Arc<str>, Option<NonZeroU32>),
        (key, pool): (CancelKey, PoolId),
    ) -> Result<(), ClientError> {
        let count = |map: &HashMap<Arc<str>, u32>, name| map.get(name).copied().unwrap_or(0);
        if self.total >= config.max_client_conn {
            return Err(full("max_client_conn", config.max_client_conn, "in total"));
        }
        if self.total + self.ungreeted >= shares.clients_max() {
            return Err(no_files(shares));
        }
        let of_database = count(&self.by_database, database.0);
        let database_max = database.1.max_db_client_connections;
        let of_user = count(&self.by_user, user.0);
        check_limits(
            (database.0, database_max, of_database),
            (user.0, user.1, of_user),
        )?;
        self.total += 1;
        *self.by_database.entry(database.0.clone()).or_default() += 1;
        *self.by_user.entry(user.0.clone()).or_default() += 1;
        let entry = Entry {
            secret: key.secret,
            client: None,
            process: None,
            database: database.0.clone(),
            user: user.0.clone(),
            pool,
        };
        let earlier = self.by_pid.insert(key.pid, entry);
        assert!(earlier.is_none(), "a client's number is its own");
        Ok(())
    }

    /// Lets a client wait for the first server of its pool, or says that too many do.
    ///
    /// As many may as may be logged in, and of each database, so that a dead one does not take all
    /// places of others, a sixteenth of that beyond it.
    ///
    /// # Errors
    /// There is no place.
    pub(crate) fn wait_for_greeting(
        &mut self,
        (config, shares): (&Config, &Shares),
        (name, database): (&Arc<str>, &Database),
    ) -> Result<(), ClientError> {
        let of_database = self.ungreeted_by_database.get(name).copied();
        let of_database = of_database.unwrap_or(0);
        // Both halves together are half of what the open files allow for clients.
        let most = config.max_client_conn.min(shares.clients_max() / 4).max(1);
        let is_small = of_database < (most / SMALL_SHARE).max(1);
        let bound = if is_small { 2 * most } else { most };
        if self.total + self.ungreeted >= shares.clients_max() {
            return Err(no_files(shares));
        }
        if let Some(max) = database.max_db_client_connections
            && of_database >= max.get()
        {
            let whose = format!("for database \"{name}\"");
            return Err(full("max_db_client_connections", max.get(), &whose));
        }
        if self.ungreeted >= bound {
            return Err(ClientError::new(
                SqlState::TOO_MANY_CONNECTIONS,
                format!("too many clients wait for PostgreSQL to let the pooler in ({bound})"),
            )
            .detail(format!(
                "{of_database} of them wait for database \"{name}\"."
            ))
            .hint("See the pooler's log for the databases that do not answer."));
        }
        self.ungreeted += 1;
        *self.ungreeted_by_database.entry(name.clone()).or_default() += 1;
        Ok(())
    }

    /// A client waits for the first server no more.
    pub(crate) fn wait_is_over(&mut self, database: &str) {
        assert!(self.ungreeted > 0, "a wait that is over has begun");
        self.ungreeted -= 1;
        decrement(&mut self.ungreeted_by_database, database);
    }

    /// The client is gone.
    pub(crate) fn leave(&mut self, pid: u32) {
        let entry = self.by_pid.remove(&pid);
        let entry = entry.expect("a client that leaves has come");
        self.total -= 1;
        decrement(&mut self.by_database, &entry.database);
        decrement(&mut self.by_user, &entry.user);
        if let Some(process) = entry.process {
            let told = self.by_process.get_mut(&process);
            let told = told.expect("entered when it was told");
            told.retain(|other| *other != pid);
            if told.is_empty() {
                self.by_process.remove(&process);
            }
        }
    }

    /// The client lives at a worker, under this name.
    pub(crate) fn moved(&mut self, pid: u32, client: ClientId) {
        if let Some(entry) = self.by_pid.get_mut(&pid) {
            entry.client = Some(client);
        }
    }

    /// The client with the number `pid` is told that of its server's process. It has no other server
    /// as long as it is connected.
    pub(crate) fn told(&mut self, pid: u32, process: u32) {
        let entry = self.by_pid.get_mut(&pid).expect("it is connected");
        let earlier = entry.process.replace(process);
        assert!(earlier.is_none(), "a client is greeted once");
        self.by_process.entry(process).or_default().push(pid);
    }

    /// The client of a cancel request, if number and secret are right. The number is the client's own,
    /// or that of its server's process.
    pub(crate) fn find(&self, pid: u32, key: &[u8]) -> Option<ClientId> {
        let told = self.by_process.get(&pid).into_iter().flatten();
        let mut entries = [&pid].into_iter().chain(told);
        let entry = entries.find_map(|own| {
            let entry = self.by_pid.get(own)?;
            entry.secret.is(key).then_some(entry)
        });
        entry?.client
    }

    /// The client with this number, wherever it is; `None` also before it has come to a worker.
    pub(crate) fn by_pid(&self, pid: u32) -> Option<ClientId> {
        self.by_pid.get(&pid)?.client
    }

    /// The numbers of the clients of these pools.
    pub(crate) fn of(&self, pools: &[PoolId]) -> Vec<u32> {
        let all = self.by_pid.iter();
        all.filter(|(_, entry)| pools.contains(&entry.pool))
            .map(|(pid, _)| *pid)
            .collect()
    }

    /// A number that no client has, and that says whose clients it is of where there are peers.
    ///
    /// # Errors
    /// All are taken that leave room for the peer's.
    pub(crate) fn unused_pid(
        &self,
        peer: Option<NonZeroU16>,
        wanted: u32,
    ) -> Result<u32, ClientError> {
        let Some(peer) = peer else {
            let mut numbers = std::iter::once(wanted).chain(std::iter::repeat_with(random_pid));
            let unused = numbers.find(|pid| !self.has_pid(*pid));
            return Ok(unused.expect("there are more numbers than clients"));
        };
        let first = random_pid();
        let mut numbers = (0..PEERED_NUMBERS).map(|more| peered(first.wrapping_add(more), peer));
        let unused = numbers.find(|pid| !self.has_pid(*pid));
        unused.ok_or_else(|| full("peer_id leaves", PEERED_NUMBERS, "in total"))
    }

    pub(crate) fn has_pid(&self, pid: u32) -> bool {
        self.by_pid.contains_key(&pid)
    }

    /// Whether nobody is logged in, or waits for the first server of its pool.
    pub(crate) fn is_empty(&self) -> bool {
        self.total == 0 && self.ungreeted == 0
    }

    pub(crate) fn total(&self) -> u32 {
        self.total
    }
}

fn decrement(map: &mut HashMap<Arc<str>, u32>, name: &str) {
    let count = map.get_mut(name).expect("counted when it came");
    *count -= 1;
    if *count == 0 {
        map.remove(name);
    }
}

/// Of the clients that may wait to be greeted, what a database may have beyond the others' bound.
const SMALL_SHARE: u32 = 16;

fn no_files(shares: &Shares) -> ClientError {
    let message = format!("no more connections allowed (open files {})", shares.limit);
    let detail = format!(
        "The system lets the pooler open {} files, {} of them for clients.",
        shares.limit, shares.clients
    );
    ClientError::new(SqlState::TOO_MANY_CONNECTIONS, message)
        .detail(detail)
        .hint("Raise the pooler's limit of open files (ulimit -n, LimitNOFILE).")
}

fn full(setting: &str, limit: u32, whose: &str) -> ClientError {
    ClientError::new(
        SqlState::TOO_MANY_CONNECTIONS,
        format!("no more connections allowed ({setting} {limit})"),
    )
    .detail(format!("{limit} clients are connected {whose}."))
    .hint(format!(
        "Close connections that are not needed, or raise {setting}."
    ))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;
    use std::sync::Arc;

    use super::{Clients, Entry};
    use crate::cancel_key::{CancelKey, CancelSecret, PEERED_NUMBERS, peer_of};
    use crate::files::Shares;
    use crate::world::world;
    use pgweir_pool::budget::PoolId;
    use pgweir_pool::id::ClientId;

    #[test]
    fn a_cancel_request_needs_the_whole_secret() {
        let mut clients = with_clients(&[(7, CancelSecret::Short([1, 2, 3, 4]))]);
        assert_eq!(clients.find(7, &[1, 2, 3, 4]), None, "not at a worker yet");
        clients.moved(7, ClientId(9));
        assert_eq!(clients.find(7, &[1, 2, 3, 4]), Some(ClientId(9)));
        for wrong in [&[1, 2, 3, 5][..], &[1, 2, 3], &[1, 2, 3, 4, 0], &[]] {
            assert_eq!(clients.find(7, wrong), None, "{wrong:?}");
        }
        assert_eq!(clients.find(8, &[1, 2, 3, 4]), None);
        assert!(clients.has_pid(7));
    }

    #[test]
    fn a_secret_is_as_long_as_the_protocol_allows() {
        for (minor, len) in [(0, 4), (1, 4), (2, 32)] {
            let secret = CancelSecret::random(minor, None);
            assert_ne!(secret, CancelSecret::random(minor, None));
            let mut clients = with_clients(&[(7, secret)]);
            clients.moved(7, ClientId(9));
            let key = secret.bytes();
            assert_eq!(key.len(), len);
            assert_eq!(clients.find(7, key), Some(ClientId(9)));
            for at in 0..len {
                let mut wrong = key.to_vec();
                wrong[at] ^= 0x80;
                assert_eq!(clients.find(7, &wrong), None, "byte {at}");
                assert_eq!(clients.find(7, &key[..at]), None, "{at} bytes");
            }
            assert_eq!(clients.find(7, &[key, &[0]].concat()), None);
        }
    }

    #[test]
    fn who_was_told_its_servers_process_cancels_by_that() {
        let long = CancelSecret::Long([3; 32]);
        let short = |byte| CancelSecret::Short([byte; 4]);
        // The second's process has the number of the first client, and two have the same process.
        let mut clients = with_clients(&[(7, short(1)), (8, short(2)), (9, long)]);
        for (pid, process) in [(7, 50), (8, 7), (9, 50)] {
            clients.moved(pid, ClientId(u64::from(pid)));
            clients.told(pid, process);
        }
        let find = |clients: &Clients, pid, secret: CancelSecret| {
            let found = clients.find(pid, secret.bytes());
            found.map(|client| client.0)
        };
        for (pid, secret, found) in [
            (50, short(1), Some(7)),
            (7, short(1), Some(7)),
            (7, short(2), Some(8)),
            (50, long, Some(9)),
            (50, short(2), None),
            (51, short(1), None),
        ] {
            assert_eq!(find(&clients, pid, secret), found, "{pid} {secret:?}");
        }
        clients.leave(7);
        assert_eq!(find(&clients, 50, short(1)), None);
        assert_eq!(find(&clients, 50, long), Some(9));
        clients.leave(9);
        clients.leave(8);
        assert!(clients.by_process.is_empty());
    }

    /// Clients with these numbers and secrets.
    fn with_clients(keys: &[(u32, CancelSecret)]) -> Clients {
        let world = world("");
        let config = world.registry.config();
        let shares = Shares::new(20_000, 100, 1);
        let (name, user) = (Arc::from("app"), Arc::from("bob"));
        let of = (&name, &*config.databases["app"]);
        let mut clients = Clients::default();
        for &(pid, secret) in keys {
            let key = CancelKey { pid, secret };
            let let_in = clients.enter((&config, &shares), of, (&user, None), (key, PoolId(0)));
            assert!(let_in.is_ok());
        }
        clients
    }

    #[test]
    fn with_peers_every_number_names_the_process_and_all_of_them_are_used() {
        let peer = NonZeroU16::new(0x3a5c);
        let mut clients = Clients::default();
        for _ in 0..PEERED_NUMBERS {
            let pid = clients.unused_pid(peer, 7).unwrap();
            assert_eq!((peer_of(pid), pid >> 31), (0x3a5c, 0));
            let entry = Entry {
                secret: CancelSecret::Short([0; 4]),
                client: None,
                process: None,
                pool: PoolId(0),
                database: "app".into(),
                user: "bob".into(),
            };
            assert!(clients.by_pid.insert(pid, entry).is_none());
        }
        assert!(clients.unused_pid(peer, 7).is_err());
    }

    #[test]
    fn a_dead_database_leaves_others_places_to_wait() {
        let world = world("max_client_conn = 32\n[databases.other]");
        let config = world.registry.config();
        let shares = Shares::new(20_000, 100, 1);
        let mut clients = Clients::default();
        let mut wait = |name: &str| {
            let of = (&Arc::from(name), &*config.databases["app"]);
            clients.wait_for_greeting((&config, &shares), of).is_ok()
        };
        let dead = (0..40).filter(|_| wait("dead")).count();
        assert_eq!(dead, 32);
        assert_eq!((0..40).filter(|_| wait("other")).count(), 2, "a sixteenth");
        let invented = (0..90).filter(|number| wait(&format!("n{number}")));
        assert_eq!(invented.count(), 30, "both halves are taken");
        clients.wait_is_over("dead");
        assert_eq!(clients.ungreeted, 63);
    }

    #[test]
    fn who_waits_to_be_greeted_takes_no_place_of_those_that_are_served() {
        let world = world("max_client_conn = 1");
        let config = world.registry.config();
        let shares = Shares::new(20_000, 100, 1);
        let (name, database) = (Arc::from("app"), &*config.databases["app"]);
        let mut clients = Clients::default();
        let waits = clients.wait_for_greeting((&config, &shares), (&name, database));
        assert!(waits.is_ok());
        let user: Arc<str> = Arc::from("bob");
        let mut enter = |pid| {
            let secret = CancelSecret::Short([0, 0, 0, 1]);
            let key = CancelKey { pid, secret };
            let of = (&name, database);
            clients
                .enter((&config, &shares), of, (&user, None), (key, PoolId(0)))
                .is_ok()
        };
        assert!(enter(1));
        assert!(!enter(2));
    }
}
