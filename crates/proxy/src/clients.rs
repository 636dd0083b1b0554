//! Who is logged in: the limits on clients, and the keys by which they cancel.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use pgweir_pool::id::ClientId;
use pgweir_wire::encode;
use pgweir_wire::sqlstate::SqlState;
use pgweir_wire::startup::MINOR_LONG_KEYS;

use crate::files::Shares;
use crate::texts::ClientError;
use pgweir_config::{Config, Database};

/// A client's number and secret for cancel requests, as PostgreSQL's process number and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CancelKey {
    pub(crate) pid: u32,
    pub(crate) secret: CancelSecret,
}

impl CancelKey {
    /// Appends BackendKeyData.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        encode::backend_key_data(out, self.pid, self.secret.bytes());
    }
}

/// What a client has to know to cancel: as long as PostgreSQL's, 4 bytes or 32.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CancelSecret {
    /// Before protocol 3.2.
    Short([u8; 4]),
    /// Since.
    Long([u8; 32]),
}

impl CancelSecret {
    /// A random one, of the length that a client of protocol 3.`minor` can take.
    ///
    /// # Panics
    /// If the system has no random numbers: no key could be made that cannot be guessed.
    pub(crate) fn random(minor: u16) -> Self {
        let mut secret = if minor < MINOR_LONG_KEYS {
            Self::Short([0; 4])
        } else {
            Self::Long([0; 32])
        };
        let bytes = match &mut secret {
            Self::Short(bytes) => &mut bytes[..],
            Self::Long(bytes) => bytes,
        };
        getrandom::fill(bytes).expect("the system gives random numbers");
        secret
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Short(bytes) => bytes,
            Self::Long(bytes) => bytes,
        }
    }

    /// Whether `key` is this, in time that does not depend on where they differ.
    fn is(&self, key: &[u8]) -> bool {
        let own = self.bytes();
        let difference = own.iter().zip(key).fold(0, |acc, (a, b)| acc | (a ^ b));
        own.len() == key.len() && difference == 0
    }
}

impl fmt::Debug for CancelSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelSecret").finish_non_exhaustive()
    }
}

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
    /// The client is `None` between its login and its arrival at a worker.
    by_pid: HashMap<u32, (CancelSecret, Option<ClientId>)>,
}

impl Clients {
    /// Lets a client in, or says which limit is reached.
    ///
    /// # Errors
    /// One of the three limits is reached, or the one of the system.
    pub(crate) fn enter(
        &mut self,
        (config, shares): (&Config, &Shares),
        database: (&Arc<str>, &Database),
        user: (&Arc<str>, Option<NonZeroU32>),
        key: CancelKey,
    ) -> Result<(), ClientError> {
        let count = |map: &HashMap<Arc<str>, u32>, name| map.get(name).copied().unwrap_or(0);
        if self.total >= config.max_client_conn {
            return Err(full("max_client_conn", config.max_client_conn, "in total"));
        }
        if self.total + self.ungreeted >= shares.clients_max() {
            return Err(no_files(shares));
        }
        if let Some(max) = database.1.max_db_client_connections
            && count(&self.by_database, database.0) >= max.get()
        {
            let whose = format!("for database \"{}\"", database.0);
            return Err(full("max_db_client_connections", max.get(), &whose));
        }
        if let Some(max) = user.1
            && count(&self.by_user, user.0) >= max.get()
        {
            let whose = format!("for user \"{}\"", user.0);
            return Err(full("max_user_client_connections", max.get(), &whose));
        }
        self.total += 1;
        *self.by_database.entry(database.0.clone()).or_default() += 1;
        *self.by_user.entry(user.0.clone()).or_default() += 1;
        let earlier = self.by_pid.insert(key.pid, (key.secret, None));
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
    pub(crate) fn leave(&mut self, database: &str, user: &str, pid: u32) {
        assert!(self.total > 0, "a client that leaves has come");
        self.total -= 1;
        decrement(&mut self.by_database, database);
        decrement(&mut self.by_user, user);
        self.by_pid.remove(&pid);
    }

    /// The client lives at a worker, under this name.
    pub(crate) fn moved(&mut self, pid: u32, client: ClientId) {
        if let Some(entry) = self.by_pid.get_mut(&pid) {
            entry.1 = Some(client);
        }
    }

    /// The client of a cancel request, if number and secret are right.
    pub(crate) fn find(&self, pid: u32, key: &[u8]) -> Option<ClientId> {
        let (secret, client) = self.by_pid.get(&pid)?;
        secret.is(key).then_some(*client)?
    }

    /// The client with this number, wherever it is; `None` also before it has come to a worker.
    pub(crate) fn by_pid(&self, pid: u32) -> Option<ClientId> {
        self.by_pid.get(&pid)?.1
    }

    pub(crate) fn has_pid(&self, pid: u32) -> bool {
        self.by_pid.contains_key(&pid)
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
    use std::sync::Arc;

    use super::{CancelKey, CancelSecret, Clients};
    use crate::files::Shares;
    use crate::world::world;
    use pgweir_pool::id::ClientId;
    use pgweir_wire::backend;
    use pgweir_wire::frame::HEADER_LEN;

    #[test]
    fn a_cancel_request_needs_the_whole_secret() {
        let mut clients = Clients::default();
        let secret = CancelSecret::Short([1, 2, 3, 4]);
        clients.by_pid.insert(7, (secret, None));
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
        let mut clients = Clients::default();
        for (minor, len) in [(0, 4), (1, 4), (2, 32)] {
            let secret = CancelSecret::random(minor);
            assert_ne!(secret, CancelSecret::random(minor));
            let pid = u32::from(minor) + 1;
            clients.by_pid.insert(pid, (secret, Some(ClientId(9))));
            let mut out = Vec::new();
            CancelKey { pid, secret }.encode(&mut out);
            let (got, key) = backend::key_data(&out[HEADER_LEN..]).unwrap();
            assert_eq!((got, key.len()), (pid, len));
            assert_eq!(clients.find(pid, key), Some(ClientId(9)));
            for at in 0..len {
                let mut wrong = key.to_vec();
                wrong[at] ^= 0x80;
                assert_eq!(clients.find(pid, &wrong), None, "byte {at}");
                assert_eq!(clients.find(pid, &key[..at]), None, "{at} bytes");
            }
            assert_eq!(clients.find(pid, &[key, &[0]].concat()), None);
        }
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
                .enter((&config, &shares), of, (&user, None), key)
                .is_ok()
        };
        assert!(enter(1));
        assert!(!enter(2));
    }
}
