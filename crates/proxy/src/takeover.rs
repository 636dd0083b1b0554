//! Taking over from a process that runs (`--takeover`, `-R`): the sockets that it listens on, so that nobody is refused in between.
//!
//! Each process that has a unix socket listens beside it (`.s.PGSQL.PORT.takeover`) for its successor, which has to be
//! of the same user of the system. It is sent what the process listens on, as descriptors (SCM_RIGHTS), says
//! when it serves, and only then does the process stop to accept. Both have the same sockets, with one queue of
//! connections, so none is lost, and if the successor does not come so far nothing has happened.
//!
//! The clients that a process has stay with it until they leave. Their cancel requests come to the successor, which
//! passes on what fits none of its own to a socket that the process has for that alone.

mod cancels;
mod hands;

use std::fmt;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pgweir_config::Listen;
use tokio::net::UnixListener;
use tracing::{info, warn};

use crate::neighbour::{is_nobody, is_own};
use crate::registry::Registry;
pub(crate) use cancels::Cancels;

/// Time for each step of it.
const STEP_MAX: Duration = Duration::from_secs(10);

/// Time for the successor to say that it serves.
const SERVING_MAX: Duration = Duration::from_secs(60);

/// What it says then.
const SERVING: &[u8] = b"serving\n";

/// What a process listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// For clients over TCP.
    Tcp(SocketAddr),
    /// For clients over a unix socket.
    Unix(PathBuf),
    /// For a successor.
    Successor(PathBuf),
    /// For HTTP.
    Http(SocketAddr),
}

/// A socket that listens there.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) place: Place,
    pub(crate) socket: OwnedFd,
}

/// What was handed over by the process before.
#[derive(Default)]
pub(crate) struct Inherited {
    sockets: Vec<Listening>,
    /// Where the processes before that still have clients take their cancel requests.
    pub(crate) cancels: Vec<PathBuf>,
    /// The process waits there to hear that this one serves.
    before: Option<UnixStream>,
}

/// Why nothing is handed over.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no folder to find the other process in.
    NoFolder,
    /// At this path is somebody else's.
    Stranger(PathBuf),
    /// It does not answer as it should.
    Broken(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFolder => f.write_str(
                "the process that runs is found by its unix socket, and unix_socket_dir is not set; set it for both",
            ),
            Self::Stranger(path) => write!(
                f,
                "what listens at {} is of another user; start this one as the user that the other runs as",
                path.display()
            ),
            Self::Broken(error) => write!(
                f,
                "the process that runs does not hand over: {error}; stop it, then start this one"
            ),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// Where a process listens for its successor, and for the cancel requests of its clients once it has one.
fn path(listen: &Listen, end: &str) -> Option<PathBuf> {
    let folder = listen.unix_socket_dir.as_ref()?;
    Some(folder.join(format!(".s.PGSQL.{}.{end}", listen.port)))
}

impl Inherited {
    /// Asks the process that runs for what it listens on; it goes on until [`Inherited::serves`]. Without one there is
    /// nothing.
    ///
    /// # Errors
    /// There is one, and it does not hand over.
    pub(crate) fn ask(listen: &Listen) -> Result<Self, Failure> {
        let path = path(listen, SUCCESSOR).ok_or(Failure::NoFolder)?;
        let stream = match UnixStream::connect(&path) {
            Ok(stream) => stream,
            Err(error) if is_nobody(&error) => {
                info!("nobody to take over from; starting as ever");
                return Ok(Self::default());
            }
            Err(error) => return Err(error.into()),
        };
        // Whoever may write to the folder could hand sockets of its own over.
        if !is_own(&stream)? {
            return Err(Failure::Stranger(path));
        }
        stream.set_read_timeout(Some(STEP_MAX))?;
        let (sockets, cancels) = hands::receive(&stream)?;
        Ok(Self {
            sockets,
            cancels,
            before: Some(stream),
        })
    }

    /// Whether a process hands over.
    pub(crate) fn is_any(&self) -> bool {
        self.before.is_some()
    }

    /// The socket that listens there, if it was handed over.
    pub(crate) fn take(&mut self, place: &Place) -> Option<OwnedFd> {
        let mut sockets = self.sockets.iter();
        let at = sockets.position(|listening| listening.place == *place)?;
        Some(self.sockets.swap_remove(at).socket)
    }

    /// Says that this process serves. What it has not taken is closed.
    pub(crate) fn serves(mut self) {
        for left in &self.sockets {
            if let Place::Unix(path) | Place::Successor(path) = &left.place {
                let _ = std::fs::remove_file(path);
            }
        }
        let Some(mut before) = self.before.take() else {
            return;
        };
        let pid = rustix::net::sockopt::socket_peercred(&before).map(|peer| peer.pid);
        let pid = pid
            .map(|pid| pid.as_raw_nonzero().get())
            .unwrap_or_default();
        match before.write_all(SERVING).and_then(|()| before.flush()) {
            Ok(()) => info!(
                pid,
                "took over from process {pid}, which keeps the clients that it has"
            ),
            Err(error) => warn!(pid, %error, "process {pid} ended while it handed over"),
        }
        // It closes the connection when it accepts no more.
        let _ = before.read(&mut [0]);
    }
}

/// What this process listens on, for a process that takes over.
pub(crate) struct Succession {
    sockets: Vec<Listening>,
    /// The paths of unix sockets are another process's.
    is_handed_over: Arc<AtomicBool>,
}

/// A process that has taken over.
pub(crate) struct Successor {
    /// Where it sends the cancel requests of clients of this one.
    pub(crate) cancels: Option<Cancels>,
    /// It waits for the end of this, which says that this process accepts no more.
    pub(crate) waits: tokio::net::UnixStream,
}

impl Drop for Succession {
    fn drop(&mut self) {
        if self.is_handed_over.load(Ordering::Relaxed) {
            return;
        }
        for it in &self.sockets {
            if let Place::Successor(path) = &it.place {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

impl Succession {
    /// Listens for a successor, where there is a folder for that. `is_handed_over` will say that there is one.
    pub(crate) fn prepare(
        listen: &Listen,
        (listeners, http): (
            impl Iterator<Item = io::Result<Listening>>,
            Option<&pgweir_http::Bound>,
        ),
        inherited: &mut Inherited,
        is_handed_over: &Arc<AtomicBool>,
    ) -> Self {
        let mut sockets = Vec::new();
        let own = listen_for_successor(listen, inherited);
        let http = http.map(|bound| {
            let (socket, address) = bound.handle()?;
            let place = Place::Http(address);
            let socket = socket.into();
            Ok(Listening { place, socket })
        });
        let others = listeners.chain(http);
        // Without a place to ask for them no other handles are needed, for who holds one listens.
        if let Some(own) = own {
            match others.collect::<io::Result<Vec<_>>>() {
                Ok(others) => sockets = others,
                Err(error) => {
                    warn!(%error, "no other process can take over from this one: {error}")
                }
            }
            sockets.push(own);
        }
        Self {
            sockets,
            is_handed_over: is_handed_over.clone(),
        }
    }

    /// Waits for a successor that serves. From then on the sockets are its own. Dropped early, this process alone has
    /// them.
    pub(crate) async fn wait(self, registry: &Arc<Registry>) -> Successor {
        let Some(listener) = self.listener() else {
            return std::future::pending().await;
        };
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(%error, "a successor cannot be accepted: {error}");
                    tokio::time::sleep(STEP_MAX).await;
                    continue;
                }
            };
            if !is_own(&stream).unwrap_or(false) {
                warn!("somebody of another user asked for the sockets of this process");
                continue;
            }
            let cancels = Cancels::take(&registry.config().listen, registry);
            let mut places = registry.peers.before();
            places.extend(cancels.as_ref().map(|own| own.path().to_owned()));
            match hands::give(&stream, &self.sockets, &places).await {
                Ok(true) => {
                    self.is_handed_over.store(true, Ordering::Relaxed);
                    return Successor {
                        cancels,
                        waits: stream,
                    };
                }
                Ok(false) => {
                    warn!("a successor came and did not begin to serve; this process goes on");
                }
                Err(error) => {
                    warn!(%error, "a successor was not handed the sockets: {error}");
                }
            }
        }
    }

    fn listener(&self) -> Option<UnixListener> {
        let mut sockets = self.sockets.iter();
        let own = sockets.find(|it| matches!(it.place, Place::Successor(_)))?;
        let listener = || {
            let listener = std::os::unix::net::UnixListener::from(own.socket.try_clone()?);
            listener.set_nonblocking(true)?;
            UnixListener::from_std(listener)
        };
        listener()
            .inspect_err(|error| warn!(%error, "no other process can take over: {error}"))
            .ok()
    }
}

/// The socket where this process hears of its successor; `None` if there is no folder for one, or it cannot be had.
fn listen_for_successor(listen: &Listen, inherited: &mut Inherited) -> Option<Listening> {
    let path = path(listen, SUCCESSOR)?;
    let place = Place::Successor(path.clone());
    let socket = match inherited.take(&place) {
        Some(socket) => Ok(socket),
        None => bind_privately(&path),
    };
    match socket {
        Ok(socket) => Some(Listening { place, socket }),
        Err(error) => {
            warn!(%error, "no other process can take over from this one: {error}");
            None
        }
    }
}

/// A unix socket for this user alone, in place of what a process left there.
fn bind_privately(path: &Path) -> io::Result<OwnedFd> {
    use std::os::unix::fs::PermissionsExt;
    if UnixStream::connect(path).is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = std::os::unix::net::UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener.into())
}

/// How the paths end.
const SUCCESSOR: &str = "takeover";

#[cfg(test)]
mod tests;
