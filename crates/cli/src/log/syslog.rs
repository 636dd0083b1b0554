//! The system's log as a place for lines: datagrams to `/dev/log`, as RFC 3164 has them.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process;
use std::time::SystemTime;

use pgweir_config::Syslog;
use pgweir_telemetry::timestamp::rfc3339;
use tracing::Level;

/// The system's log, connected when there is something to say: it may be restarted at any time.
#[derive(Debug)]
pub(crate) struct SystemLog {
    settings: Syslog,
    path: PathBuf,
    socket: Option<UnixDatagram>,
}

impl SystemLog {
    pub(crate) fn new(settings: Syslog) -> Self {
        Self::at(settings, Path::new("/dev/log"))
    }

    fn at(settings: Syslog, path: &Path) -> Self {
        Self {
            settings,
            path: path.to_owned(),
            socket: None,
        }
    }

    /// Says one line, again over a new connection if the old one has ended. It waits for nobody.
    ///
    /// # Errors
    /// Nobody takes it.
    pub(crate) fn say(&mut self, level: Level, text: &str) -> io::Result<()> {
        let datagram = datagram(&self.settings, SystemTime::now(), level, text);
        if let Some(socket) = &self.socket {
            match socket.send(&datagram) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(_) => self.socket = None,
            }
        }
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect(&self.path)?;
        socket.send(&datagram)?;
        self.socket = Some(socket);
        Ok(())
    }
}

/// What is sent for a line.
fn datagram(settings: &Syslog, moment: SystemTime, level: Level, text: &str) -> Vec<u8> {
    let severity = match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    };
    let priority = settings.facility * 8 + severity;
    let moment = rfc3339(moment);
    let month: usize = moment[5..7].parse().expect("a month");
    let (month, day) = (MONTHS[month - 1], moment[8..10].trim_start_matches('0'));
    let time = &moment[11..19];
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let (ident, pid, text) = (&settings.ident, process::id(), &text[..end]);
    format!("<{priority}>{month} {day:>2} {time} {ident}[{pid}]: {text}").into_bytes()
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// What the usual programs take of one line.
const TEXT_MAX: usize = 8000;

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::time::{Duration, UNIX_EPOCH};

    use pgweir_config::Syslog;
    use tracing::Level;

    use super::{SystemLog, TEXT_MAX, datagram};

    fn settings() -> Syslog {
        Syslog {
            ident: "pgbouncer".to_owned(),
            facility: 16,
        }
    }

    #[test]
    fn a_line_is_as_rfc_3164_has_it() {
        let moment = UNIX_EPOCH + Duration::from_secs(1_761_825_600 - 24 * 86_400);
        let own = std::process::id();
        let said = datagram(&settings(), moment, Level::WARN, "a b");
        let expected = format!("<132>Oct  6 12:00:00 pgbouncer[{own}]: a b");
        assert_eq!(String::from_utf8(said).unwrap(), expected);
        let long = "ä".repeat(TEXT_MAX);
        let said = datagram(&settings(), moment, Level::INFO, &long);
        assert!(String::from_utf8(said).unwrap().len() < TEXT_MAX + 60);
    }

    #[test]
    fn it_is_found_again_when_it_was_restarted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = SystemLog::at(settings(), &path);
        assert!(log.say(Level::INFO, "nobody listens").is_err());
        for _ in 0..2 {
            let receiver = UnixDatagram::bind(&path).unwrap();
            log.say(Level::INFO, "hello").unwrap();
            let mut got = [0; 100];
            let len = receiver.recv(&mut got).unwrap();
            assert!(got[..len].ends_with(b"]: hello"));
            drop(receiver);
            std::fs::remove_file(&path).unwrap();
        }
    }
}
