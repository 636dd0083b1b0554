use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;

use pgweir_pool::stream::Stream;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection,
};

use super::Secured;

/// A socket whose peer has sent `input`, gets `output`, and takes `room` bytes more.
#[derive(Default)]
struct Wire {
    input: VecDeque<u8>,
    output: Vec<u8>,
    room: usize,
    reads: usize,
    closed: bool,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        match self.input.read(buffer)? {
            0 if !self.closed => Err(ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(self.room);
        if len == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.room -= len;
        self.output.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Both ends of a connection whose handshake is over.
fn ends() -> (Secured<Wire>, Secured<Wire>) {
    let wire = || Wire {
        room: usize::MAX,
        ..Wire::default()
    };
    let (client, server) = keys();
    (Secured::new(wire(), client), Secured::new(wire(), server))
}

/// The keys of both.
fn keys() -> (Connection, Connection) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(ring::default_provider());
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client: Connection = ClientConnection::new(Arc::new(client), name)
        .unwrap()
        .into();
    let mut server: Connection = ServerConnection::new(Arc::new(server)).unwrap().into();
    while client.is_handshaking() || server.is_handshaking() || server.wants_write() {
        for (from, to) in [(0, 1), (1, 0)] {
            let both = [&mut client, &mut server];
            let mut bytes = Vec::new();
            while both[from].wants_write() {
                both[from].write_tls(&mut bytes).unwrap();
            }
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                both[to].read_tls(&mut rest).unwrap();
                both[to].process_new_packets().unwrap();
            }
        }
    }
    (client, server)
}

/// Bytes that differ from one place to the next.
fn text(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

/// What one end wrote is on the wire of the other: so many bytes of it.
fn deliver(from: &mut Secured<Wire>, to: &mut Secured<Wire>, most: usize) -> usize {
    let len = from.socket.output.len().min(most);
    to.socket.input.extend(from.socket.output.drain(..len));
    len
}

/// Reads until the stream says that an event will come.
fn read(end: &mut Secured<Wire>, buffer: &mut [u8]) -> io::Result<Vec<u8>> {
    let mut got = Vec::new();
    loop {
        match end.read(buffer) {
            Ok(0) => return Ok(got),
            Ok(len) => {
                got.extend_from_slice(&buffer[..len]);
                if len < buffer.len() && !end.has_more() {
                    assert!(end.socket.input.is_empty(), "what is left brings no event");
                    return Ok(got);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(got),
            Err(error) => return Err(error),
        }
    }
}

#[test]
fn what_is_written_is_read_whatever_the_pieces() {
    let sent = text(300_000);
    for (piece, buffer) in [
        (1 << 20, 128 * 1024),
        (1 << 20, 40_000),
        (1 << 20, 5_000),
        (1 << 20, 100),
        (20_000, 128 * 1024),
        (16_500, 20_000),
        (777, 128 * 1024),
        (777, 4_096),
        (61, 64),
    ] {
        let (mut client, mut server) = ends();
        let (mut got, mut done) = (Vec::new(), 0);
        let mut buffer = vec![0; buffer];
        while got.len() < sent.len() {
            if done < sent.len() {
                done += server.write(&sent[done..]).unwrap();
            }
            deliver(&mut server, &mut client, piece);
            got.extend(read(&mut client, &mut buffer).unwrap());
        }
        assert_eq!(got, sent, "pieces of {piece} into {} bytes", buffer.len());
    }
}

#[test]
fn a_small_message_costs_one_read() {
    let (mut client, mut server) = ends();
    assert_eq!(client.write(b"select 1").unwrap(), 8);
    deliver(&mut client, &mut server, usize::MAX);
    let mut buffer = vec![0; 128 * 1024];
    assert_eq!(server.read(&mut buffer).unwrap(), 8);
    assert_eq!((&buffer[..8], server.has_more()), (&b"select 1"[..], false));
    assert_eq!(server.socket.reads, 1);
}

#[test]
fn what_a_full_socket_does_not_take_is_not_written_yet() {
    let sent = text(200_000);
    for room in [1, 7, 100, 5_000, 70_000] {
        let (mut client, mut server) = ends();
        client.socket.room = 0;
        let (mut got, mut done) = (Vec::new(), 0);
        let mut buffer = vec![0; 128 * 1024];
        while got.len() < sent.len() {
            client.socket.room += room.max(sent.len() / 100);
            loop {
                // A window that moves: what was not taken comes first the next time.
                let rest = &sent[done..sent.len().min(done + 90_000)];
                let (first, second) = rest.split_at(rest.len() / 3);
                if rest.is_empty() {
                    let _ = client.flush();
                    break;
                }
                match client.write_vectored(&[IoSlice::new(first), IoSlice::new(second)]) {
                    Ok(len) => {
                        done += len;
                        if len < rest.len() {
                            break;
                        }
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::WouldBlock);
                        break;
                    }
                }
            }
            deliver(&mut client, &mut server, usize::MAX);
            got.extend(read(&mut server, &mut buffer).unwrap());
            assert!(got.len() + 70_000 >= done, "what is held is bounded");
        }
        assert_eq!(got, sent, "room {room}");
        assert_eq!(done, sent.len());
    }
}

#[test]
fn an_end_that_was_said_and_one_that_was_cut_are_both_ends_behind_what_came() {
    for says in [true, false] {
        let (mut client, mut server) = ends();
        server.write_all(b"goodbye").unwrap();
        if says {
            server.connection.send_close_notify();
            server.flush().unwrap();
        }
        deliver(&mut server, &mut client, usize::MAX);
        client.socket.closed = true;
        let mut buffer = vec![0; 128 * 1024];
        assert_eq!(client.read(&mut buffer).unwrap(), 7, "{says}");
        if says {
            assert!(client.has_more(), "no event tells of an end that was said");
        }
        assert_eq!(client.read(&mut buffer).unwrap(), 0, "{says}");
    }
}

#[test]
fn bytes_that_are_no_records_break_the_stream() {
    for garbage in [
        &b"Q\0\0\0\x0dselect 1\0"[..],
        &[23, 3, 3, 0, 5, 1, 2, 3, 4, 5],
    ] {
        let (mut client, _server) = ends();
        client.socket.input.extend(garbage);
        let outcome = client.read(&mut [0; 4096]);
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

#[test]
fn a_change_of_keys_is_answered_and_nothing_is_lost() {
    let (mut client, mut server) = ends();
    let mut buffer = vec![0; 128 * 1024];
    for round in 0..3 {
        client.connection.refresh_traffic_keys().unwrap();
        client.write_all(b"select 1").unwrap();
        deliver(&mut client, &mut server, usize::MAX);
        assert_eq!(
            read(&mut server, &mut buffer).unwrap(),
            b"select 1",
            "{round}"
        );
        server.write_all(b"1").unwrap();
        deliver(&mut server, &mut client, usize::MAX);
        assert_eq!(read(&mut client, &mut buffer).unwrap(), b"1", "{round}");
    }
}

#[test]
fn a_stream_that_is_dropped_says_so() {
    let (client, server) = keys();
    let mut wire = Wire {
        room: usize::MAX,
        ..Wire::default()
    };
    drop(Secured::new(&mut wire, server));
    let mut client = Secured::new(Wire::default(), client);
    client.socket.input.extend(wire.output);
    assert_eq!(client.read(&mut [0; 4096]).unwrap(), 0);
}
