//! Users that have no secret in the configuration: PostgreSQL is asked for them (`auth_query`).
//!
//! One connection for each place that is asked, opened when it is needed, closed soon after, with nothing
//! of any client. Questions about the same user are asked once; answers are remembered for
//! `auth_cache_ttl`.

mod cache;
mod session;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pgweir_config::{AuthSource, Config, Secret, ServerAddress, Tcp};
use pgweir_pool::halts::Halts;
use pgweir_wire::sqlstate::SqlState;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tracing::warn;

use crate::pool_handle::Keys;
use crate::slots::Stranger;
use crate::texts::ClientError;
use crate::tls::servers::Connectors;
use crate::vault::Vault;
pub(crate) use cache::Found;
use cache::{Cache, Key};
use session::{Failure, Session};

/// Time for one question with the login before it.
const LOOKUP_MAX: Duration = Duration::from_secs(5);

/// Time for which nobody tries again where the last attempt failed.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Time for which a connection is kept unused. `DROP DATABASE` waits longer than that for others to leave.
const IDLE_MAX: Duration = Duration::from_secs(2);

/// Places that are asked, each over one connection. Clients choose the names of databases that have no section.
const PLACES_MAX: usize = 64;

/// Age from which on an answer may be an old one, when a client proves another password than it says.
const DOUBTFUL_AGE: Duration = Duration::from_secs(1);

/// Longest name of a user in PostgreSQL; it would take a longer one for that of another.
pub(crate) const NAME_MAX: usize = 63;

/// Whether the role `$1` has the rights of the role `$2`, whether they are inherited or not; that one is a
/// superuser does not count, as in PostgreSQL's own rules. Everybody may read this.
const MEMBERSHIP: &str = "WITH RECURSIVE held(id) AS (\
SELECT oid FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) $1 UNION \
SELECT roleid FROM pg_catalog.pg_auth_members JOIN held ON member OPERATOR(pg_catalog.=) id) \
SELECT $1, NULL FROM pg_catalog.pg_roles JOIN held ON oid OPERATOR(pg_catalog.=) id \
WHERE rolname OPERATOR(pg_catalog.=) $2";

/// Where a user is looked up, and how.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    server: ServerAddress,
    database: String,
    user: String,
    query: String,
}

impl Place {
    /// Where users of a database are looked up, by the name that clients give it.
    fn new(source: &AuthSource, database: &str) -> Self {
        Self {
            server: source.server.clone(),
            database: source.dbname.as_deref().unwrap_or(database).to_owned(),
            user: source.user.clone(),
            query: source.query.clone(),
        }
    }
}

/// The connection of a place.
#[derive(Default)]
struct Line {
    state: tokio::sync::Mutex<State>,
}

#[derive(Default)]
struct State {
    session: Option<Session>,
    used: Option<Instant>,
    failed: Option<Instant>,
    keys: Keys,
}

/// All that is known of users that are looked up.
pub(crate) struct Lookups {
    cache: Mutex<Cache>,
    lines: Mutex<HashMap<Arc<Place>, Arc<Line>>>,
    /// How these places are spoken to in TLS.
    connectors: Arc<Connectors>,
    /// Where the password of who asks is fetched, if it does not stand in the configuration.
    vault: Vault,
    /// Whether everything is paused: then nobody is asked.
    pausing: watch::Receiver<bool>,
    /// What administrators have stopped.
    halts: Arc<Mutex<Halts>>,
}

impl Lookups {
    /// Nothing is known yet. The vault is of these alone: here, a failure holds for a shorter time than
    /// for pools.
    pub(crate) fn new(
        connectors: Arc<Connectors>,
        vault: Vault,
        (pausing, halts): (watch::Receiver<bool>, Arc<Mutex<Halts>>),
    ) -> Self {
        Self {
            cache: Mutex::default(),
            lines: Mutex::default(),
            connectors,
            vault,
            pausing,
            halts,
        }
    }

    /// What PostgreSQL says of a user, now or not long ago. The question is asked to its end even if the
    /// client leaves meanwhile: its answer serves others, and a half-read one would cost the connection.
    ///
    /// # Errors
    /// PostgreSQL cannot be asked.
    pub(crate) async fn find(
        self: &Arc<Self>,
        config: &Arc<Config>,
        (source, database): (&AuthSource, &str),
        user: &str,
        stranger: &Stranger,
    ) -> Result<Found, ClientError> {
        self.look_up(config, (source, database), (user, None), stranger)
            .await
    }

    /// Whether PostgreSQL says that a user is a member of a role, directly or not, or is the role itself.
    ///
    /// # Errors
    /// PostgreSQL cannot be asked.
    pub(crate) async fn is_member(
        self: &Arc<Self>,
        config: &Arc<Config>,
        place: (&AuthSource, &str),
        (user, role): (&str, &str),
        stranger: &Stranger,
    ) -> Result<bool, ClientError> {
        let found = self.look_up(config, place, (user, Some(role)), stranger);
        Ok(found.await? == Found::Member)
    }

    async fn look_up(
        self: &Arc<Self>,
        config: &Arc<Config>,
        (source, database): (&AuthSource, &str),
        (user, role): (&str, Option<&str>),
        stranger: &Stranger,
    ) -> Result<Found, ClientError> {
        if [user, database, role.unwrap_or_default()]
            .iter()
            .any(|name| name.len() > NAME_MAX)
        {
            return Ok(Found::Nobody);
        }
        if let Some(section) = &source.section {
            let halts = self.halts.lock().expect("no panic under the lock");
            if halts.is_disabled(section) {
                return Err(disabled(section));
            }
        }
        let place = Arc::new(Place::new(source, database));
        let key = (place, Arc::from(user), role.map(Arc::from));
        if let Some(found) = self.known(config, &key) {
            return Ok(found);
        }
        let line = self.line(&key.0).ok_or_else(too_many)?;
        // What a dead PostgreSQL keeps waiting takes no place of others who log in.
        let server = source.server.to_string();
        let aside = stranger.step_aside(server.into()).ok_or_else(too_many)?;
        // Without its sender the pooler is gone as well.
        let _ = self.pausing.clone().wait_for(|is_paused| !is_paused).await;
        let (lookups, config, source) = (self.clone(), config.clone(), source.clone());
        let asked = tokio::spawn(async move {
            let _aside = aside;
            lookups.ask_in_turn(&config, &source, &line, key).await
        });
        let asked = asked.await.expect("asking does not panic");
        stranger.step_back();
        asked.map_err(|failure| unanswered(&failure))
    }

    /// A client has proven another password than the one that was found, which may be an old one then.
    pub(crate) fn doubt(
        &self,
        config: &Config,
        (source, database): (&AuthSource, &str),
        user: &str,
    ) {
        let place = Arc::new(Place::new(source, database));
        let mut cache = self.cache.lock().expect("no panic under the lock");
        let now = (Instant::now(), config.auth_cache_ttl);
        let known = cache.get(&(place, Arc::from(user), None), now);
        if known.is_some_and(|(_, age)| age >= DOUBTFUL_AGE) {
            cache.forget(user);
        }
    }

    /// PostgreSQL did not let the user in: what is known of it is wrong.
    pub(crate) fn forget(&self, user: &str) {
        let mut cache = self.cache.lock().expect("no panic under the lock");
        cache.forget(user);
    }

    /// Forgets everything, and closes what is not just used: the configuration was read again.
    pub(crate) fn clear(&self) {
        *self.cache.lock().expect("no panic under the lock") = Cache::default();
        self.vault.clear();
        self.part();
    }

    /// Closes what is not just used, as a pause does with servers.
    pub(crate) fn part(&self) {
        self.lines.lock().expect("no panic under the lock").clear();
    }

    /// Closes connections that are not used. To be called once a second or so.
    pub(crate) fn close_unused(&self) {
        let now = Instant::now();
        let mut lines = self.lines.lock().expect("no panic under the lock");
        lines.retain(|_, line| {
            // Somebody asks, or is about to.
            if Arc::strong_count(line) > 1 {
                return true;
            }
            let Ok(state) = line.state.try_lock() else {
                return true;
            };
            let last = state.used.max(state.failed);
            last.is_some_and(|last| now - last < IDLE_MAX)
        });
    }

    fn known(&self, config: &Config, key: &Key) -> Option<Found> {
        let cache = self.cache.lock().expect("no panic under the lock");
        let known = cache.get(key, (Instant::now(), config.auth_cache_ttl));
        known.map(|(found, _)| found)
    }

    /// The line of a place; `None` if there are too many.
    fn line(&self, place: &Arc<Place>) -> Option<Arc<Line>> {
        let mut lines = self.lines.lock().expect("no panic under the lock");
        if let Some(line) = lines.get(place) {
            return Some(line.clone());
        }
        if lines.len() >= PLACES_MAX {
            // Any that nobody uses; opening another costs a login.
            let unused = lines.iter().find(|(_, line)| Arc::strong_count(line) == 1);
            let unused = unused?.0.clone();
            lines.remove(&unused);
        }
        let line = Arc::new(Line::default());
        lines.insert(place.clone(), line.clone());
        Some(line)
    }

    async fn ask_in_turn(
        &self,
        config: &Arc<Config>,
        source: &AuthSource,
        line: &Line,
        key: Key,
    ) -> Result<Found, Failure> {
        let Ok(mut state) = timeout(LOOKUP_MAX, line.state.lock()).await else {
            return Err(Failure::Again);
        };
        let place = key.0.clone();
        let is_about_role = key.2.is_some();
        let asking = Box::pin(self.ask(config, source, &mut state, key));
        let outcome = timeout(LOOKUP_MAX, asking).await;
        outcome
            .unwrap_or(Err(Failure::Timeout))
            .inspect_err(|failure| {
                if !matches!(failure, Failure::Again) {
                    let Place { database, user, .. } = &*place;
                    if is_about_role {
                        warn!(
                            database,
                            user, "the question for members of a role failed: {failure}"
                        );
                    } else {
                        warn!(database, user, "auth_query failed: {failure}");
                    }
                }
            })
    }

    async fn ask(
        &self,
        config: &Arc<Config>,
        source: &AuthSource,
        state: &mut State,
        key: Key,
    ) -> Result<Found, Failure> {
        // Somebody else may have asked the same meanwhile.
        if let Some(found) = self.known(config, &key) {
            return Ok(found);
        }
        let now = Instant::now();
        if state
            .failed
            .is_some_and(|failed| now - failed < RETRY_PAUSE)
        {
            return Err(Failure::Again);
        }
        // Until there is an answer, for this may be dropped by its timeout.
        state.failed = Some(now);
        let way = (&config.tcp, &*self.connectors, &self.vault);
        let outcome = match state.session.take() {
            Some(session) => match put(state, session, &key).await {
                // It was closed while it was idle, by a restart of PostgreSQL for one.
                Err(failure) if failure.is_broken() => open_and_put(state, way, source, &key).await,
                outcome => outcome,
            },
            None => open_and_put(state, way, source, &key).await,
        };
        let now = Instant::now();
        match &outcome {
            Err(failure) if failure.ends_session() => state.failed = Some(now),
            _ => (state.failed, state.used) = (None, Some(now)),
        }
        let found = outcome?;
        let mut cache = self.cache.lock().expect("no panic under the lock");
        cache.put(key, now, found.clone());
        Ok(found)
    }
}

async fn open_and_put(
    state: &mut State,
    way: (&Tcp, &Connectors, &Vault),
    source: &AuthSource,
    key: &Key,
) -> Result<Found, Failure> {
    let session = Session::open(&key.0, source, &mut state.keys, way).await?;
    put(state, session, key).await
}

/// Puts the question, and keeps the session if it is good for another one.
async fn put(
    state: &mut State,
    mut session: Session,
    (place, user, role): &Key,
) -> Result<Found, Failure> {
    let outcome = match role {
        None => session.ask(&place.query, &[user.as_bytes()]).await,
        Some(role) => {
            let values = [user.as_bytes(), role.as_bytes()];
            session.ask(MEMBERSHIP, &values).await
        }
    };
    if !matches!(&outcome, Err(failure) if failure.ends_session()) {
        state.session = Some(session);
    }
    let rows = outcome?;
    let (name, secret) = match &rows[..] {
        [] => return Ok(Found::Nobody),
        [row] => row,
        [_, _, ..] => return Err(Failure::Unreadable("more than one row for one user")),
    };
    // Whoever is found must be whom was asked for, and nobody else.
    if name.as_deref() != Some(user) {
        return Err(Failure::Unreadable("the row is about another user"));
    }
    if role.is_some() {
        return Ok(Found::Member);
    }
    match Secret::read(secret.as_deref().unwrap_or_default()) {
        Ok(secret) => Ok(Found::User(secret)),
        Err(_) => Err(Failure::Unreadable(
            "the secret starts like a SCRAM verifier but is none",
        )),
    }
}

/// What a client is told whose user cannot be looked up. PostgreSQL's own words are for the log: this client has
/// proven nothing.
fn unanswered(failure: &Failure) -> ClientError {
    let message = match failure {
        Failure::Login(_) | Failure::Timeout | Failure::Broken(_) | Failure::Again => {
            "PostgreSQL cannot be asked for this user"
        }
        // PgBouncer's words, and ours.
        Failure::Refused(_) | Failure::Unreadable(_) => {
            "bouncer config error: auth_query has no answer for this user"
        }
    };
    ClientError::new(SqlState::CANNOT_CONNECT_NOW, message)
        .hint("Retry later; if it lasts, see the pooler's log.")
}

fn disabled(section: &str) -> ClientError {
    ClientError::new(
        SqlState::CANNOT_CONNECT_NOW,
        format!("authentication database \"{section}\" is disabled"),
    )
    .hint("An administrator enables it again (ENABLE).")
}

fn too_many() -> ClientError {
    let message = "too many users are being looked up (auth_query)";
    ClientError::new(SqlState::TOO_MANY_CONNECTIONS, message).hint("Connect again.")
}

/// The secret, where it is one that opens servers as well.
pub(crate) fn for_servers(secret: Option<&Secret>) -> Option<Secret> {
    match secret? {
        secret @ (Secret::Plain(_) | Secret::Md5(_)) => Some(secret.clone()),
        // The client's proof opens them.
        Secret::Scram(_) => None,
    }
}
