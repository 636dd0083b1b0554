//! Against real sockets: what becomes of a request for a client of a peer.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use super::{Counts, Fate};
use crate::slots::Slots;
use crate::world::{World, world};

/// A pooler with number 1, a client of whose peer 2 has the number [`PID`].
fn with_peer(listener: &TcpListener, settings: &str) -> World {
    let port = listener.local_addr().unwrap().port();
    world(&format!(
        "peer_id = 1\n{settings}\n[peers.2]\nhost = \"127.0.0.1\"\nport = {port}\npool_size = 1\n\
         [peers.1]\nhost = \"127.0.0.1\"\nport = {port}\n"
    ))
}

/// The bytes of a number: peer 2, peer 3, and this process.
const PID: u32 = 0x1102_0011;
const OF_NOBODY: u32 = 0x1103_0011;
const OWN: u32 = 0x1101_0011;

const REQUEST_LEN: usize = 16;

/// What becomes of this request if there is a place for it to wait.
async fn fate(world: &World, pid: u32, key: &[u8]) -> Fate {
    let slots = Arc::new(Slots::new(8));
    let stranger = slots.enter(None).await;
    let (peers, config) = (&world.registry.peers, world.registry.config());
    peers.pass_on(&config, (pid, key), stranger.cancels()).await
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(future)
}

fn heard(stream: &mut TcpStream) -> [u8; REQUEST_LEN] {
    let mut request = [0; REQUEST_LEN];
    stream.read_exact(&mut request).unwrap();
    request
}

#[test]
fn a_request_goes_to_whose_client_it_is_with_one_hop_less() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let world = with_peer(&listener, "");
    let peer = std::thread::spawn(move || heard(&mut listener.accept().unwrap().0));
    let key = [1, 2, 3, 0xf3];
    assert_eq!(block_on(fate(&world, PID, &key)), Fate::Taken);
    let request = peer.join().unwrap();
    assert_eq!(request[8..12], PID.to_be_bytes());
    assert_eq!(request[12..], [1, 2, 3, 0xf2]);
}

#[test]
fn what_is_not_for_a_peer_or_was_passed_on_too_often_goes_nowhere() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let world = with_peer(&listener, "");
    block_on(async {
        for (pid, key, expected) in [
            (OF_NOBODY, &[0, 0, 0, 3][..], Fate::Unknown),
            (OWN, &[0, 0, 0, 3], Fate::Unknown),
            (PID, &[0, 0, 0, 0xfc], Fate::Exhausted),
            (PID, &[0, 0, 0], Fate::Exhausted),
        ] {
            assert_eq!(fate(&world, pid, key).await, expected, "{pid:x}");
        }
        let (peers, config) = (&world.registry.peers, world.registry.config());
        let crowded = peers.pass_on(&config, (PID, &[0, 0, 0, 3]), None).await;
        assert_eq!(crowded, Fate::Crowded);
    });
    assert!(listener.accept().is_err(), "nobody came");
}

#[test]
fn a_peer_that_does_not_take_it_has_not_taken_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let world = with_peer(&listener, "cancel_wait_timeout = \"50ms\"");
    let key = [0, 0, 0, 3];
    // It takes the connection and the bytes, and does not say that it is done.
    block_on(async {
        assert_eq!(fate(&world, PID, &key).await, Fate::Failed);
        assert_eq!(world.registry.peers.counts(2), Counts::default());
    });
    drop(listener);
    assert_eq!(block_on(fate(&world, PID, &key)), Fate::Failed, "refused");
}

#[test]
fn as_many_requests_as_its_pool_has_places_are_with_a_peer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let world = with_peer(&listener, "");
    let key = [0, 0, 0, 3];
    let (look, told_to_look) = std::sync::mpsc::channel();
    let peer = std::thread::spawn(move || {
        let (mut first, _) = listener.accept().unwrap();
        heard(&mut first);
        told_to_look.recv().unwrap();
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "there is one place");
        listener.set_nonblocking(false).unwrap();
        drop(first);
        heard(&mut listener.accept().unwrap().0);
    });
    block_on(async {
        let both = Counts {
            waiting: 1,
            connecting: 0,
            active: 1,
        };
        let counted = async {
            while world.registry.peers.counts(2) != both {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            look.send(()).unwrap();
        };
        let (one, other, ()) =
            tokio::join!(fate(&world, PID, &key), fate(&world, PID, &key), counted);
        assert_eq!((one, other), (Fate::Taken, Fate::Taken));
    });
    peer.join().unwrap();
}
