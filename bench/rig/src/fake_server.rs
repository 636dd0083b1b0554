//! A PostgreSQL that answers at once: what is measured in front of it is the pooler alone.
//!
//! One thread, one epoll. All messages of one read are answered in one write.

use std::io;
use std::net::SocketAddr;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Registry, Token};

use crate::connection::{Connection, SCRATCH_LEN};
use crate::message::Stop;
use crate::session::Session;
use crate::slab::Slab;

const LISTENER: Token = Token(usize::MAX);

/// Serves until the process is killed; prints the address once it listens.
pub(crate) fn run(listen: SocketAddr) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(listen)?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("listening on {}", listener.local_addr()?);

    let mut sessions = Slab::new();
    let mut scratch = vec![0; SCRATCH_LEN];
    let mut events = Events::with_capacity(1024);
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, poll.registry(), &mut sessions)?;
                continue;
            }
            let Some((connection, session)) = sessions.get_mut(event.token().0) else {
                continue;
            };
            if !serve(connection, session, &mut scratch, event.is_read_closed()) {
                // The descriptor leaves the epoll set when it is closed by the drop.
                sessions.remove(event.token().0);
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    registry: &Registry,
    sessions: &mut Slab<(Connection, Session)>,
) -> io::Result<()> {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                let id = sessions.next_id();
                let connection = Connection::new(stream, registry, Token(id))?;
                connection.set_nodelay()?;
                sessions.insert((connection, Session::new(id as u32 + 1)));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            // The client went away before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Reads and answers; `false` when the connection is over.
fn serve(
    connection: &mut Connection,
    session: &mut Session,
    scratch: &mut [u8],
    half_closed: bool,
) -> bool {
    let mut stopped = false;
    let received = connection.receive(scratch, half_closed, |bytes, out| {
        session.on_bytes(bytes, out).unwrap_or_else(|Stop| {
            stopped = true;
            bytes.len()
        })
    });
    let sent = connection.flush();
    !stopped && sent.is_ok() && received.unwrap_or(false)
}
