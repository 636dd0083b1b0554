//! Opening a server connection: connect, log in, learn its settings.

mod error;
mod opening;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use pgweir_pool::budget::Permit;
use pgweir_pool::id::ServerId;
use pgweir_pool::upstream::Upstream;
use pgweir_wire::auth::scram;
use pgweir_wire::login::{
    Breach, Handshake, Identity, LoginError, MESSAGE_MAX, Method, Methods, Opened, Secrets, Turn,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::{debug, warn};

use crate::dial::{Dialled, Reached, Safety, Way};
use crate::link::{CancelTarget, Link, Server};
use crate::pool_handle::{Keys, PoolHandle, Welcome};
use crate::socket::Socket;
use crate::tls::servers::Connectors;
use crate::vault::{Place, Vault};
use crate::wire_io::{Inbound, send};
use pgweir_config::{Secret, ServerAuth, ServerPassword, Tcp};

pub(crate) use error::ConnectError;
pub(crate) use opening::Opening;

/// How the pooler logs in, for a pool or for its own eyes.
struct Login<'a> {
    user: String,
    database: String,
    secret: Option<&'a Secret>,
    /// The minor version of protocol 3 to ask for.
    minor: u16,
    keys: &'a mut Keys,
    parameters: &'a [(String, String)],
    connect_query: Option<&'a str>,
    /// What may be answered.
    auth: ServerAuth,
    /// What the connection protects.
    safety: Safety,
}

/// The methods that are answered. Who listens on the way reads the password itself, so it is sent only where
/// nobody can, or the operator says so.
pub(crate) fn answered(auth: ServerAuth, safety: &Safety) -> Methods {
    let is_local = |address: IpAddr| address.to_canonical().is_loopback();
    if safety.encrypted || safety.peer.is_none_or(is_local) || auth.allow_plaintext {
        return auth.accepted;
    }
    auth.accepted.without(Method::Cleartext)
}

/// What a login brought.
#[derive(Debug)]
pub(crate) struct LoggedIn {
    welcome: Welcome,
    key: Option<(u32, Vec<u8>)>,
}

impl LoggedIn {
    fn new(opened: Opened) -> Self {
        let mut welcome = Welcome {
            reported: Arc::default(),
            parameters: Arc::default(),
        };
        welcome.change(opened.reported);
        Self {
            welcome,
            key: opened.cancel_key,
        }
    }
}

/// Opens a server for `pool`. On failure the permit comes back.
///
/// # Errors
/// PostgreSQL cannot be reached, does not let us in, or breaks the protocol; or there is no password.
pub(crate) async fn open(
    pool: &PoolHandle,
    id: ServerId,
    permit: Permit,
    password: (&ServerPassword, &Vault),
    (tcp, connectors): (&Tcp, &Connectors),
) -> Result<(Box<Server>, Arc<Welcome>), (Permit, ConnectError)> {
    let settings = pool.settings();
    let database = &settings.database;
    let mut keys = pool.keys.lock().expect("no panic under the lock").clone();
    let place = |server| Place {
        server,
        database: database.dbname.as_deref().unwrap_or(&pool.database),
        user: database.forced_user.as_deref().unwrap_or(&pool.user),
        retry: settings.config.server_login_retry,
    };
    let mut parameters = database.startup_parameters.clone();
    if let Some(replication) = &pool.replication {
        parameters.extend_from_slice(&replication.parameters);
    }
    // It may be SQL that a WAL sender does not take.
    let connect_query = database.connect_query.as_deref();
    let connect_query = connect_query.filter(|_| pool.replication.is_none());
    let mut servers = pool.servers_in_turn(database).into_iter().peekable();
    let (socket, server, logged_in) = loop {
        let began = Instant::now();
        let server = servers.next().expect("a database has a server");
        let opening = Opening {
            way: Way {
                server,
                tls: &database.tls,
                tcp,
                connectors,
            },
            place: place(server),
            parameters: &parameters,
            connect_query,
            auth: database.server_auth,
            limit: settings.config.server_connect_timeout,
        };
        match opening.run(password, &mut keys).await {
            Ok(opened) => {
                pool.ailing.answers(server);
                break opened;
            }
            Err(error) if error.is_about_the_host() && servers.peek().is_some() => {
                if pool.ailing.fails(server) {
                    warn!(
                        database = &*pool.database,
                        user = &*pool.user,
                        server = %id,
                        address = %server,
                        %error,
                        "closing because: {} (age={}s)",
                        error.brief(),
                        began.elapsed().as_secs()
                    );
                }
            }
            Err(error) => return Err((permit, error)),
        }
    };
    {
        let mut known = pool.keys.lock().expect("no panic under the lock");
        known.derived = keys.derived;
        known.refuse_newer = keys.refuse_newer;
    }
    let welcome = Arc::new(logged_in.welcome);
    let mut upstream = Upstream::new(welcome.parameters.clone());
    upstream.pid = logged_in.key.as_ref().map(|(pid, _)| *pid);
    let link = Link {
        socket,
        permit,
        since: SystemTime::now(),
        cancel: logged_in
            .key
            .map(|(pid, key)| Arc::new(CancelTarget { server, pid, key })),
    };
    Ok((Box::new(Server::new(id, link, upstream)), welcome))
}

/// Connects and logs in; again with protocol 3.0 where the server may know no other.
async fn connect(
    way: Way<'_>,
    mut login: Login<'_>,
) -> Result<(Socket, Reached, LoggedIn), ConnectError> {
    let mut outcome = enter(way, &mut login).await;
    if let Err(error) = &outcome
        && login.minor > 0
        && error.is_about_version()
    {
        login.keys.refuse_newer = true;
        login.minor = 0;
        outcome = enter(way, &mut login).await;
    }
    let (stream, reached, logged_in) = outcome?;
    let (stream, connection) = stream.into_parts();
    let socket = Socket::new(stream.into_socket()?, connection);
    Ok((socket, reached, logged_in))
}

/// Connects and logs in, with TLS or without as the settings say. As libpq, what is only preferred is given up
/// where PostgreSQL does not let anybody in that way.
///
/// # Errors
/// PostgreSQL cannot be reached, does not let us in, or breaks the protocol.
async fn enter(
    way: Way<'_>,
    login: &mut Login<'_>,
) -> Result<(Dialled, Reached, LoggedIn), ConnectError> {
    let (&last, others) = way.attempts().split_last().expect("one way at least");
    for &encrypts in others {
        match enter_by(way, encrypts, login).await {
            Err(error) if error.is_about_encryption() => {
                debug!(%error, encrypts, "trying the other way")
            }
            outcome => return outcome,
        }
    }
    enter_by(way, last, login).await
}

async fn enter_by(
    way: Way<'_>,
    encrypts: bool,
    login: &mut Login<'_>,
) -> Result<(Dialled, Reached, LoggedIn), ConnectError> {
    let (mut stream, reached) = way.dial(encrypts).await?;
    login.safety = way.safety(&stream, &reached);
    let logged_in = log_in(&mut stream, login).await?;
    Ok((stream, reached, logged_in))
}

/// Logs in over a connected stream, up to where the first query may be sent.
///
/// # Errors
/// PostgreSQL does not let us in, or breaks the protocol.
async fn log_in(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    login: &mut Login<'_>,
) -> Result<LoggedIn, ConnectError> {
    let accepted = answered(login.auth, &login.safety);
    let mut identity = Identity {
        secrets: secrets(login.secret, login.keys),
        user: login.user.clone(),
        database: login.database.clone(),
        parameters: login.parameters.to_vec(),
        accepted,
        binding: login.safety.binding.clone(),
        requires_binding: login.safety.requires_binding,
        minor: login.minor,
    };
    let mut random = [0; 18];
    getrandom::fill(&mut random).expect("the system gives random numbers");
    let mut out = Vec::new();
    let mut inbound = Inbound::new(MESSAGE_MAX);
    let handshake = Handshake::start(&identity, scram::nonce(&random), &mut out);
    let opened = finish(stream, &mut inbound, handshake, &mut identity, out).await;
    let opened = opened.map_err(|error| match error {
        ConnectError::Login(LoginError::NotAccepted {
            asked: Some(asked), ..
        }) if login.auth.accepted.contains(asked) => ConnectError::Exposing,
        error => error,
    })?;
    let mut logged_in = LoggedIn::new(opened);
    if let Some(sql) = login.connect_query {
        let mut out = Vec::new();
        let handshake = Handshake::set_up(sql, &mut out);
        let opened = finish(stream, &mut inbound, handshake, &mut identity, out).await?;
        // What the query sets is what a fresh server has.
        logged_in.welcome.change(opened.reported);
    }
    let got = inbound.bytes().len();
    if got > 0 {
        return Err(LoginError::from(Breach::AfterReady { got }).into());
    }
    login.keys.derived = identity.secrets.cache;
    Ok(logged_in)
}

/// What there is to prove the user with: the configured secret, and keys of earlier logins.
fn secrets(secret: Option<&Secret>, keys: &Keys) -> Secrets {
    let mut secrets = Secrets {
        scram_keys: keys.passed.clone(),
        ..Secrets::default()
    };
    match secret {
        Some(Secret::Plain(password)) => {
            secrets.password = Some(password.clone());
            secrets.cache.clone_from(&keys.derived);
        }
        Some(Secret::Md5(verifier)) => secrets.md5_verifier = Some(verifier.clone()),
        // A verifier proves nothing; the keys that a client's login revealed do.
        Some(Secret::Scram(_)) | None => {}
    }
    secrets
}

/// Sends `out`, then whatever `handshake` answers, until PostgreSQL is ready.
async fn finish(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    inbound: &mut Inbound,
    mut handshake: Handshake,
    identity: &mut Identity,
    mut out: Vec<u8>,
) -> Result<Opened, ConnectError> {
    loop {
        if !out.is_empty() {
            send(stream, &out).await?;
            out.clear();
        }
        let (consumed, turn) = handshake.on_bytes(inbound.bytes(), identity, &mut out)?;
        inbound.consume(consumed);
        match turn {
            Turn::Ready(opened) => return Ok(opened),
            Turn::Wait(next) => handshake = next,
        }
        if out.is_empty() {
            inbound.more(stream).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ConnectError, LoggedIn, Login, Safety, ServerAuth, answered, log_in};
    use crate::pool_handle::Keys;
    use pgweir_wire::backend::TxStatus;
    use pgweir_wire::encode;
    use pgweir_wire::login::{Breach, LoginError, Method, Methods};

    /// A login with a connect query at a server that lets everyone in. It reports a setting, and
    /// another value of it for the query; this is its status after that.
    async fn connect(status: TxStatus) -> Result<LoggedIn, ConnectError> {
        let mut said = Vec::new();
        encode::authentication_ok(&mut said);
        encode::parameter_status(&mut said, "TimeZone", "UTC");
        encode::ready_for_query(&mut said, TxStatus::Idle);
        encode::parameter_status(&mut said, "TimeZone", "Asia/Tokyo");
        encode::ready_for_query(&mut said, status);
        let mut login = Login {
            user: "u".to_owned(),
            database: "d".to_owned(),
            secret: None,
            minor: 0,
            keys: &mut Keys::default(),
            parameters: &[],
            connect_query: Some("set timezone to 'Asia/Tokyo'"),
            auth: ServerAuth {
                accepted: Methods::ALL,
                allow_plaintext: false,
            },
            safety: Safety::default(),
        };
        log_in(&mut tokio::io::join(&said[..], Vec::new()), &mut login).await
    }

    #[tokio::test]
    async fn a_fresh_server_has_what_the_connect_query_set() {
        let welcome = connect(TxStatus::Idle).await.unwrap().welcome;
        let tokyo = ("TimeZone".to_owned(), "Asia/Tokyo".to_owned());
        assert_eq!(*welcome.reported, [tokyo]);
        assert_eq!(welcome.parameters.value("timezone"), Some("Asia/Tokyo"));
    }

    #[tokio::test]
    async fn a_connect_query_that_leaves_a_transaction_open_fails() {
        let outcome = connect(TxStatus::InTransaction).await;
        let status = TxStatus::InTransaction;
        assert!(matches!(
            outcome,
            Err(ConnectError::Login(LoginError::Protocol(Breach::OpenTransaction { status: got })))
                if got == status
        ));
    }

    #[test]
    fn the_password_itself_goes_only_where_nobody_can_read_it() {
        let auth = |allow_plaintext| ServerAuth {
            accepted: Methods::ALL,
            allow_plaintext,
        };
        let is_sent = |auth, peer: Option<&str>, encrypted| {
            let peer = peer.map(|address| address.parse().unwrap());
            let safety = Safety {
                peer,
                encrypted,
                ..Safety::default()
            };
            answered(auth, &safety).contains(Method::Cleartext)
        };
        for local in [
            None,
            Some("127.0.0.1"),
            Some("::1"),
            Some("::ffff:127.0.0.2"),
        ] {
            assert!(is_sent(auth(false), local, false), "{local:?}");
        }
        for remote in ["10.0.0.1", "fd00::1", "::ffff:10.0.0.1"] {
            assert!(!is_sent(auth(false), Some(remote), false), "{remote}");
            assert!(is_sent(auth(true), Some(remote), false), "{remote}");
            assert!(is_sent(auth(false), Some(remote), true), "{remote}");
        }
        // What is not listed is not sent anywhere.
        let scram = ServerAuth {
            accepted: Methods::parse("scram-sha-256").unwrap(),
            allow_plaintext: true,
        };
        assert!(!is_sent(scram, None, true));
    }
}
