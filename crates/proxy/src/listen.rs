//! Accepting clients.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pgweir_pool::relay::Relay;
use pgweir_pool::session::Session;
use pgweir_wire::encode;
use pgweir_wire::sqlstate::SqlState;
use socket2::{Domain, SockRef, Type};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::accounts;
use crate::caller::{self, Caller};
use crate::console::{self, Behind};
use crate::host::Handed;
use crate::login::{Door, Entry, LoggedIn};
use crate::login_end::LoginEnd;
use crate::platform::{Account, Client, PoolRef};
use crate::proxied;
use crate::slots::Stranger;
use crate::socket::{self, Plain, Socket};
use crate::takeover::{Inherited, Listening, Place};
use crate::texts::{self, ClientError, seconds};
use crate::tls::stream::MaybeTls;
use pgweir_config::access::{Channel, Peer};
use pgweir_config::{Config, ErrorCodes, Listen};

/// Pause after the system refused a connection, for want of file descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A socket that clients connect to.
pub(crate) enum Listener {
    Tcp(TcpListener, SocketAddr),
    /// With its file, if that is ours.
    Unix(UnixListener, Option<OwnPath>),
}

/// The file of a unix socket.
pub(crate) struct OwnPath {
    pub(crate) path: PathBuf,
    /// Whether another process has the socket as well, whose path it is from then on.
    is_handed_over: Arc<AtomicBool>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(
            _,
            Some(OwnPath {
                path,
                is_handed_over,
            }),
        ) = self
            && !is_handed_over.load(Ordering::Relaxed)
        {
            // It may have been removed by hand.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Listener {
    /// Another handle of the socket, for a successor.
    ///
    /// # Errors
    /// The system refuses it.
    pub(crate) fn handle(&self) -> io::Result<Listening> {
        Ok(match self {
            Self::Tcp(listener, address) => Listening {
                place: Place::Tcp(*address),
                socket: listener.as_fd().try_clone_to_owned()?,
            },
            Self::Unix(listener, Some(own)) => Listening {
                place: Place::Unix(own.path.clone()),
                socket: listener.as_fd().try_clone_to_owned()?,
            },
            Self::Unix(_, None) => {
                let message = "its unix socket is the service manager's";
                return Err(io::Error::other(message));
            }
        })
    }
}

/// Binds all sockets of the configuration, but for those that the process before has handed over. What becomes of
/// unix sockets that are handed over in turn is said by `is_handed_over`.
///
/// # Errors
/// The first that cannot be bound, and why.
pub(crate) fn bind(
    listen: &Listen,
    inherited: &mut Inherited,
    is_handed_over: &Arc<AtomicBool>,
) -> Result<Vec<Listener>, (String, io::Error)> {
    let mut listeners = Vec::new();
    for &address in &listen.addresses {
        let address = SocketAddr::new(address, listen.port);
        let listener = match inherited.take(&Place::Tcp(address)) {
            Some(socket) => tcp(std::net::TcpListener::from(socket)),
            None => bind_tcp(address, listen),
        };
        let listener = listener.map_err(|error| (address.to_string(), error))?;
        listeners.push(Listener::Tcp(listener, address));
    }
    if let Some(directory) = &listen.unix_socket_dir {
        let path = directory.join(format!(".s.PGSQL.{}", listen.port));
        let listener = match inherited.take(&Place::Unix(path.clone())) {
            Some(socket) => unix(socket.into(), &path, listen),
            None => bind_unix(&path, listen),
        };
        let listener = listener.map_err(|error| (path.display().to_string(), error))?;
        let is_handed_over = is_handed_over.clone();
        let own = OwnPath {
            path,
            is_handed_over,
        };
        listeners.push(Listener::Unix(listener, Some(own)));
    }
    Ok(listeners)
}

/// Takes sockets that somebody else has bound.
///
/// # Errors
/// The system's.
pub(crate) fn take(sockets: Vec<Handed>) -> io::Result<Vec<Listener>> {
    let taken = sockets.into_iter().map(|socket| match socket {
        Handed::Tcp(listener) => {
            let address = listener.local_addr()?;
            Ok(Listener::Tcp(tcp(listener)?, address))
        }
        Handed::Unix(listener) => {
            listener.set_nonblocking(true)?;
            Ok(Listener::Unix(UnixListener::from_std(listener)?, None))
        }
    });
    taken.collect()
}

fn bind_tcp(address: SocketAddr, listen: &Listen) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    // What belongs to one path alone, a unix socket, is shared with nobody.
    socket.set_reuse_port(listen.reuses_port)?;
    if address.is_ipv6() {
        // `*` means one socket per family; a dual-stack one would collide with the other.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(listen.backlog).unwrap_or(i32::MAX))?;
    tcp(socket.into())
}

fn tcp(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

fn bind_unix(path: &Path, listen: &Listen) -> io::Result<UnixListener> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    // What a process left that did not end well.
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    unix(std::os::unix::net::UnixListener::bind(path)?, path, listen)
}

fn unix(
    listener: std::os::unix::net::UnixListener,
    path: &Path,
    listen: &Listen,
) -> io::Result<UnixListener> {
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    if let Some(group) = &listen.unix_socket_group {
        let number = accounts::group_number(group).ok_or_else(|| {
            let message = format!("there is no group {group:?} (unix_socket_group)");
            io::Error::new(io::ErrorKind::NotFound, message)
        })?;
        std::os::unix::fs::chown(path, None, Some(number))?;
    }
    let mode = std::fs::Permissions::from_mode(listen.unix_socket_mode);
    std::fs::set_permissions(path, mode)?;
    Ok(listener)
}

/// Accepts clients until `handed_over` says that another process does, or the task is aborted. Whoever was accepted
/// by then is served.
pub(crate) async fn accept(
    listener: Listener,
    door: Arc<Door>,
    mut handed_over: watch::Receiver<bool>,
) {
    // What a listening socket is set to, the sockets of its clients are born with, which spares
    // each login two system calls.
    let mut tuned = door.registry.config();
    if let Listener::Tcp(listener, _) = &listener {
        tune(SockRef::from(listener), &tuned);
    }
    loop {
        let accepted = match &listener {
            Listener::Tcp(listener, _) => match unless(&mut handed_over, listener.accept()).await {
                None => return,
                Some(Ok((stream, peer))) => {
                    let config = door.registry.config();
                    if !Arc::ptr_eq(&config, &tuned) {
                        tune(SockRef::from(listener), &config);
                        tune(SockRef::from(&stream), &config);
                        tuned = config;
                    }
                    let channel = Channel::in_the_clear(Peer::Tcp(peer.ip().to_canonical()));
                    admit(stream, (Some(peer), channel), &door, |s| {
                        s.into_std().map(Plain::from)
                    })
                    .await;
                    Ok(())
                }
                Some(Err(error)) => Err(error),
            },
            Listener::Unix(listener, ..) => {
                match unless(&mut handed_over, listener.accept()).await {
                    None => return,
                    Some(Ok((stream, _))) => {
                        // Of a peer that has gone again nothing is known, which lets nobody in.
                        let uid = stream.peer_cred().ok().map(|peer| peer.uid());
                        let channel = Channel::in_the_clear(Peer::Unix(uid));
                        admit(stream, (None, channel), &door, |s| {
                            s.into_std().map(Plain::from)
                        })
                        .await;
                        Ok(())
                    }
                    Some(Err(error)) => Err(error),
                }
            }
        };
        if let Err(error) = accepted {
            warn!(%error, "a client cannot be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

/// Accepts, unless another process does from now on. Nobody who was accepted is dropped for that.
async fn unless<T>(
    handed_over: &mut watch::Receiver<bool>,
    accepting: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        Ok(_) = handed_over.wait_for(|is_so| *is_so) => None,
        accepted = accepting => Some(accepted),
    }
}

/// Serves one peer as soon as there is a place for it; further ones wait in the kernel's queue.
async fn admit<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    (address, channel): (Option<SocketAddr>, Channel),
    door: &Arc<Door>,
    into_socket: impl FnOnce(S) -> io::Result<Plain> + Send + 'static,
) {
    // While everything is suspended, whoever comes waits in the kernel's queue.
    door.registry.may_come_in().await;
    let stranger = door.slots.enter(address.map(|address| address.ip())).await;
    let door = door.clone();
    tokio::spawn(
        async move { serve(stream, (address, channel), stranger, &door, into_socket).await },
    );
}

fn tune(socket: SockRef<'_>, config: &Config) {
    if let Err(error) = socket::tune(socket, &config.tcp) {
        warn!(%error, "the TCP settings cannot be applied to clients");
    }
}

/// Logs a client in and hands it to a worker.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    (peer, mut channel): (Option<SocketAddr>, Channel),
    mut stranger: Stranger,
    door: &Door,
    into_socket: impl FnOnce(S) -> io::Result<Plain>,
) {
    let config = door.registry.config();
    let mut stream = MaybeTls::Clear(stream);
    let ejected = stranger.ejected();
    let mut caller = Caller::new();
    // Where the client is, which may come through a load balancer.
    let mut address = peer;
    let login = async {
        let trusted = &config.proxy_protocol_networks;
        address = proxied::source(&mut stream, peer, trusted).await?;
        let peer_address = address;
        let address = address.map(|address| address.ip());
        if trusted.contains(peer.map(|peer| peer.ip())) {
            // The user at the other end of a unix socket is the load balancer's, not the client.
            channel.peer = address.map_or(Peer::Unix(None), |ip| Peer::Tcp(ip.to_canonical()));
        }
        let limits = &config.login_limits;
        let max = limits
            .max_per_address
            .filter(|_| !limits.exempt.contains(address));
        let queued = || door.registry.attempts.queued(address);
        stranger.comes_from(address, max, queued).await;
        let from = (channel, peer_address);
        door.log_in(&mut stream, (&stranger, &mut caller), from)
            .await
    };
    let outcome = tokio::select! {
        // What a login waits for may have the same bound, and the client is told of the login's.
        biased;
        error = too_late(config.client_login_timeout) => Err(explained(error, &stranger).into()),
        error = ejected => {
            door.registry.attempts.ejected();
            Err(error.into())
        }
        outcome = Box::pin(login) => outcome,
    };
    let peer = || caller::place(address);
    match outcome {
        Ok(Entry::Console(entry)) => {
            stranger.leave();
            if config.log.connections {
                info!(
                    database = pgweir_console::DATABASE,
                    user = entry.user(),
                    client = caller.number,
                    peer = peer(),
                    "console opened"
                );
            }
            let whose = (entry, address);
            let behind = Behind {
                registry: &door.registry,
                orders: &door.orders,
                slots: &door.slots,
            };
            Box::pin(console::run(stream, whose, &behind)).await;
        }
        Ok(Entry::Client(logged_in)) => {
            hand_over(stream, address, logged_in, door, into_socket);
        }
        Err(LoginEnd::Cancelled) => {}
        Err(LoginEnd::Gone(error)) if error.kind() == io::ErrorKind::InvalidData => {
            if config.log.pooler_errors {
                warn!(peer = peer(), %error, "TLS with a client failed: {error}");
            }
        }
        Err(LoginEnd::Gone(error)) => {
            debug!(client = caller.number, peer = peer(), %error, "client left during login");
            caller.left(address, &config.log);
        }
        Err(LoginEnd::Refused(error)) => {
            door.registry.errors.count(error.sqlstate);
            caller.refused(address, &error, &config.log);
            say_goodbye(&mut stream, &error).await;
        }
        Err(LoginEnd::Discovered(error)) => {
            debug!(peer = peer(), "client was told where tokens are issued");
            say_goodbye(&mut stream, &error).await;
        }
    }
}

/// Ends a stream with an error. A peer that does not take it goes without.
async fn say_goodbye(stream: &mut (impl AsyncWrite + Unpin), error: &ClientError) {
    let mut out = Vec::new();
    encode::error(&mut out, &error.fields());
    let farewell = async {
        stream.write_all(&out).await?;
        stream.shutdown().await
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), farewell).await;
}

/// With what the login waited for, if that is known.
fn explained(error: ClientError, stranger: &Stranger) -> ClientError {
    match stranger.trouble() {
        Some(trouble) => {
            let more = trouble.detail.as_deref().unwrap_or_default();
            let error = error.detail(format!("{}. {more}", trouble.message));
            match &trouble.hint {
                Some(hint) => error.hint(hint.clone()),
                None => error,
            }
        }
        None => error,
    }
}

/// Ends when a login has taken too long.
async fn too_late(limit: Option<Duration>) -> ClientError {
    let Some(limit) = limit else {
        return std::future::pending().await;
    };
    tokio::time::sleep(limit).await;
    let message = format!(
        "login took longer than client_login_timeout ({})",
        seconds(limit)
    );
    ClientError::new(SqlState::PROTOCOL_VIOLATION, message)
}

fn hand_over<S>(
    stream: MaybeTls<S>,
    address: Option<SocketAddr>,
    logged_in: LoggedIn,
    door: &Door,
    into_socket: impl FnOnce(S) -> io::Result<Plain>,
) {
    let registry = &door.registry;
    let LoggedIn {
        admission,
        parameters,
        first_words,
        mut rest,
    } = logged_in;
    let (stream, mut connection) = stream.into_parts();
    if let Some(connection) = &mut connection {
        // What was decrypted already brings no event. It ends with an error that says that there is no more.
        let _ = connection.reader().read_to_end(&mut rest);
    }
    let socket = match into_socket(stream) {
        Ok(socket) => Socket::new(socket, connection),
        Err(error) => {
            warn!(%error, "client socket cannot be handed over");
            return;
        }
    };
    let (pool, user, key) = admission.hand_over();
    let settings = pool.settings();
    let mut relay = Relay::new(settings.mode, parameters);
    relay.told = Some(key.pid);
    let wording = match registry.config().error_codes {
        ErrorCodes::PostgreSql => texts::fault,
        ErrorCodes::PgBouncer => texts::fault_as_pgbouncer,
    };
    let session = Session::new(socket, relay, wording, registry.clock.now());
    let mut session = session.with_input(rest);
    if let Some(words) = first_words {
        session = session.greeted_later(words);
    }
    let client = Client {
        session,
        policy: settings.policy.clone(),
        pool: PoolRef(pool),
        account: Account {
            pid: key.pid,
            user,
            address,
            since: registry.clock.now(),
            leak_since: None,
            pin_told: None,
            parting: OnceLock::new(),
        },
    };
    registry.adopt(registry.place(), Box::new(client));
}
