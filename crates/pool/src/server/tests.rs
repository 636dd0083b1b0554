use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use pgweir_wire::encode::{self, ErrorFields, Severity};
use pgweir_wire::sqlstate::SqlState;

use super::Server;
use crate::id::ServerId;
use crate::parameters::Parameters;
use crate::upstream::Upstream;

/// A stream whose peer has said this and is open.
struct Stream(io::Cursor<Vec<u8>>);

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }
}

impl crate::stream::Stream for Stream {}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_idle_server_that_nobody_can_be_granted_is_lost_at_once() {
    // What an idle server says, and whether it stays.
    for (severity, stays) in [
        (Severity::Notice, true),
        (Severity::Error, false),
        (Severity::Fatal, false),
    ] {
        let fields = ErrorFields {
            severity,
            sqlstate: SqlState::PROTOCOL_VIOLATION,
            message: "invalid message format",
            detail: None,
            hint: None,
        };
        let mut said = Vec::new();
        match severity {
            Severity::Notice => encode::notice(&mut said, &fields),
            Severity::Error | Severity::Fatal => encode::error(&mut said, &fields),
        }
        let upstream = Upstream::new(Arc::new(Parameters::default()));
        let stream = Stream(io::Cursor::new(said));
        let mut server = Server::new(ServerId(1), stream, upstream);
        server.ready(true, false);
        assert_eq!(server.drain(&mut [0; 4096]), stays, "{severity:?}");
        assert_eq!(server.is_grantable(), stays, "{severity:?}");
    }
}
