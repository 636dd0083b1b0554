//! Against real sockets: what is known of a request when its connection ends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use pgweir_pool::server::Delivery;

use crate::dial::{Peer, Reached};
use crate::link::CancelTarget;

const REQUEST_LEN: usize = 16;

fn deliver(peer: SocketAddr, within: Duration) -> Delivery {
    let target = CancelTarget {
        server: Reached::clear(Peer::Tcp(peer)),
        pid: 42,
        key: vec![1, 2, 3, 4],
    };
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();
    runtime.block_on(super::deliver(&target, Some(within)))
}

/// What comes of a request to a server that does `what` with its connection.
fn delivered(within: Duration, what: fn(TcpStream)) -> Delivery {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || what(listener.accept().unwrap().0));
    let delivery = deliver(peer, within);
    server.join().unwrap();
    delivery
}

#[test]
fn a_request_is_over_when_the_server_has_closed_the_connection() {
    let within = Duration::from_secs(30);
    let delivery = delivered(within, |mut stream| {
        stream.read_exact(&mut [0; REQUEST_LEN]).unwrap();
    });
    assert_eq!(delivery, Delivery::Over);
}

#[test]
fn a_request_that_could_not_be_sent_will_not_arrive() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(deliver(nobody, Duration::from_secs(30)), Delivery::Over);
}

#[test]
fn a_request_that_is_not_confirmed_is_in_doubt() {
    let delivery = delivered(Duration::from_millis(50), |mut stream| {
        stream.read_exact(&mut [0; REQUEST_LEN]).unwrap();
        // Until the other side has given up.
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    });
    assert_eq!(delivery, Delivery::InDoubt, "not closed in time");
    let delivery = delivered(Duration::from_secs(30), |mut stream| {
        stream.write_all(b"unread by nobody").unwrap();
        // With the request unread, closing resets the connection.
        stream.peek(&mut [0]).unwrap();
    });
    assert_eq!(delivery, Delivery::InDoubt, "the connection was reset");
}
