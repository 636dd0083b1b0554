//! Over a pair of sockets: what a successor gets.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::{Listening, Place, SERVING, hands};
use crate::neighbour::is_own;

/// A process and its successor, which gets these places and then says `answer`: what was handed over, and whether the
/// process heard that the other one serves.
fn handed(places: &[Place], cancels: &[PathBuf], answer: &[u8]) -> (hands::Hands, bool) {
    let sockets: Vec<Listening> = places
        .iter()
        .map(|place| Listening {
            place: place.clone(),
            socket: TcpListener::bind("127.0.0.1:0").unwrap().into(),
        })
        .collect();
    let (own, mut other) = UnixStream::pair().unwrap();
    own.set_nonblocking(true).unwrap();
    let answer = answer.to_vec();
    let successor = std::thread::spawn(move || {
        let hands = hands::receive(&other).unwrap();
        other.write_all(&answer).unwrap();
        hands
    });
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();
    let serves = runtime.block_on(async {
        let stream = tokio::net::UnixStream::from_std(own).unwrap();
        assert!(is_own(&stream).unwrap());
        hands::give(&stream, &sockets, cancels).await.unwrap()
    });
    (successor.join().unwrap(), serves)
}

#[test]
fn each_socket_comes_with_its_place() {
    let places = [
        Place::Tcp("127.0.0.1:6432".parse().unwrap()),
        Place::Tcp("[::1]:6432".parse().unwrap()),
        Place::Unix("/run/a b/.s.PGSQL.6432".into()),
        Place::Http("127.0.0.1:6433".parse().unwrap()),
        Place::Successor("/run/x".into()),
    ];
    let cancels = [PathBuf::from("/run/y"), PathBuf::from("/run/z")];
    let ((sockets, known), serves) = handed(&places, &cancels, SERVING);
    assert!(serves);
    assert_eq!(known, cancels);
    let got: Vec<&Place> = sockets.iter().map(|it| &it.place).collect();
    assert_eq!(got, places.iter().collect::<Vec<_>>());
    for it in sockets {
        // It is the listening socket itself.
        let listener = TcpListener::from(it.socket);
        let address = listener.local_addr().unwrap();
        let _client = std::net::TcpStream::connect(address).unwrap();
        listener.accept().unwrap();
    }
}

#[test]
fn who_leaves_before_it_serves_has_taken_nothing() {
    for answer in [&b""[..], b"serv", b"nonsense"] {
        let places = [Place::Successor(Path::new("/run/x").to_owned())];
        assert!(!handed(&places, &[], answer).1);
    }
}
