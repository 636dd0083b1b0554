//! systemd: what it is told (sd_notify(3)), and the sockets that it hands over (sd_listen_fds(3)).

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::time::Duration;

use listenfd::ListenFd;
use pgweir_proxy::{Handed, Notice};
use rustix::time::{ClockId, clock_gettime};

/// The service manager that started the process.
#[derive(Debug)]
pub(crate) struct ServiceManager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// How often it wants to hear of the process.
    pub(crate) watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one that the environment names, if any.
    pub(crate) fn find() -> Self {
        let variable = |name: &str| env::var(name).ok();
        let socket = variable("NOTIFY_SOCKET").and_then(|name| reach(&name).ok());
        Self {
            socket,
            watchdog: watchdog(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID")),
        }
    }

    /// Tells it. It may be gone.
    pub(crate) fn tell(&self, notice: Notice<'_>) {
        let Some((socket, address)) = &self.socket else {
            return;
        };
        let text = text(notice, monotonic());
        let _ = socket.send_to_addr(text.as_bytes(), address);
    }
}

fn reach(name: &str) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    // The pooler waits for nobody.
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

/// Half of the time after which it takes the process for dead.
fn watchdog(usec: Option<String>, pid: Option<String>) -> Option<Duration> {
    let is_ours = pid.is_none_or(|pid| pid.parse() == Ok(process::id()));
    let usec: u64 = usec?.parse().ok()?;
    (is_ours && usec > 0).then(|| Duration::from_micros(usec / 2).max(Duration::from_millis(1)))
}

/// The moment, as systemd compares it.
fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default())
}

fn text(notice: Notice<'_>, now: Duration) -> String {
    match notice {
        Notice::Ready => "READY=1\nSTATUS=serving".to_owned(),
        Notice::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}", now.as_micros()),
        Notice::Stopping => "STOPPING=1\nSTATUS=shutting down".to_owned(),
        Notice::Alive => "WATCHDOG=1".to_owned(),
        Notice::Status(line) => format!("STATUS={line}"),
    }
}

/// The sockets that it hands over. Nobody else can take them after this.
///
/// # Errors
/// One of them is not for clients.
pub(crate) fn handed() -> io::Result<Vec<Handed>> {
    let mut descriptors = ListenFd::from_env();
    let mut sockets = Vec::new();
    for at in 0..descriptors.len() {
        // One kind after the other: what is not of the kind stays.
        if let Ok(Some(listener)) = descriptors.take_tcp_listener(at) {
            sockets.push(Handed::Tcp(listener));
        } else if let Ok(Some(listener)) = descriptors.take_unix_listener(at) {
            sockets.push(Handed::Unix(listener));
        } else {
            let message = format!(
                "descriptor {} of the service manager is no stream socket that listens; use ListenStream",
                at + 3
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
    }
    Ok(sockets)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pgweir_proxy::Notice;

    use super::{text, watchdog};

    #[test]
    fn a_reload_has_its_moment() {
        let now = Duration::new(3, 5_000);
        assert_eq!(
            text(Notice::Reloading, now),
            "RELOADING=1\nMONOTONIC_USEC=3000005"
        );
        assert_eq!(text(Notice::Status("x"), now), "STATUS=x");
        assert_eq!(text(Notice::Alive, now), "WATCHDOG=1");
    }

    #[test]
    fn it_hears_of_us_twice_as_often_as_it_asks() {
        let some = |text: &str| Some(text.to_owned());
        let own = std::process::id().to_string();
        assert_eq!(
            watchdog(some("2000000"), None),
            Some(Duration::from_secs(1))
        );
        assert_eq!(
            watchdog(some("2000000"), Some(own)),
            Some(Duration::from_secs(1))
        );
        for (usec, pid) in [
            (None, None),
            (some("0"), None),
            (some("x"), None),
            (some("1"), some("1")),
        ] {
            assert_eq!(watchdog(usec, pid), None);
        }
    }
}
