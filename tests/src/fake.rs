//! A server that answers what a test tells it to.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pgweir_wire::backend::TxStatus;
use pgweir_wire::frame::{self, HEADER_LEN};
use pgweir_wire::startup::FirstPacket;
use pgweir_wire::{encode, startup};

use crate::wait::PATIENCE;

/// Listens on a free port and serves each connection with the test's function on a thread of its
/// own.
#[derive(Debug)]
pub struct Fake {
    port: u16,
    stop: Arc<AtomicBool>,
    peers: Arc<AtomicUsize>,
    acceptor: Option<JoinHandle<()>>,
}

impl Fake {
    /// Serves connections with `serve`, told the how manieth it is, counted from 0.
    ///
    /// # Panics
    /// If no port is free.
    pub fn start(serve: impl Fn(&mut Peer, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let (stop, peers) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let (stopped, counted, serve) = (stop.clone(), peers.clone(), Arc::new(serve));
        let acceptor = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let number = counted.fetch_add(1, Ordering::SeqCst);
                let serve = serve.clone();
                thread::spawn(move || {
                    if let Some(mut peer) = Peer::new(stream) {
                        serve(&mut peer, number);
                    }
                });
            }
        });
        Self {
            port,
            stop,
            peers,
            acceptor: Some(acceptor),
        }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Connections so far.
    pub fn peers(&self) -> usize {
        self.peers.load(Ordering::SeqCst)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the acceptor; if that fails it has ended already.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(acceptor) = self.acceptor.take() {
            // Its panic would have been shown.
            let _ = acceptor.join();
        }
    }
}

/// One connection to a fake server. What cannot be read or written ends it quietly: the pooler may
/// close at any time.
#[derive(Debug)]
pub struct Peer {
    stream: TcpStream,
    inbox: Vec<u8>,
}

impl Peer {
    fn new(stream: TcpStream) -> Option<Self> {
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        Some(Self {
            stream,
            inbox: Vec::new(),
        })
    }

    /// Reads the startup packet, and says before that TLS is not spoken; false if it was a cancel request,
    /// or nothing came.
    pub fn startup(&mut self) -> bool {
        loop {
            match self.first_packet() {
                Some(FirstPacket::Ssl) if self.send(b"N") => {}
                packet => return matches!(packet, Some(FirstPacket::Startup(_))),
            }
        }
    }

    /// Reads what the connection begins with, behind a request for TLS, which there is none of.
    pub fn first_packet(&mut self) -> Option<FirstPacket> {
        loop {
            match startup::parse(&self.inbox) {
                Ok(Some((packet, len))) => {
                    self.inbox.drain(..len);
                    if packet != FirstPacket::Ssl {
                        return Some(packet);
                    }
                    self.send(b"N");
                }
                Ok(None) if self.fill() => {}
                _ => return None,
            }
        }
    }

    /// Reads the startup packet, and logs in whoever it is; false if that is no login.
    pub fn log_in(&mut self) -> bool {
        self.startup() && self.welcome(&[1, 2, 3, 4])
    }

    /// Lets the pooler in with this key for cancelling; false if it has closed.
    pub fn welcome(&mut self, key: &[u8]) -> bool {
        let mut out = Vec::new();
        encode::authentication_ok(&mut out);
        encode::parameter_status(&mut out, "server_version", "15.0");
        encode::parameter_status(&mut out, "client_encoding", "UTF8");
        encode::backend_key_data(&mut out, 1, key);
        encode::ready_for_query(&mut out, TxStatus::Idle);
        self.send(&out)
    }

    /// Sends bytes; false if the pooler has closed.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Reads one message: its type and body.
    pub fn receive(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Ok(Some(header)) = frame::header(&self.inbox)
                && self.inbox.len() >= header.message_len()
            {
                let body = self.inbox[HEADER_LEN..header.message_len()].to_vec();
                self.inbox.drain(..header.message_len());
                return Some((header.kind, body));
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// Answers every query with an empty result, until the pooler closes.
    pub fn answer_all(&mut self) {
        while let Some((kind, _)) = self.receive() {
            let mut out = Vec::new();
            if kind == b'Q' {
                out.extend(b"I\0\0\0\x04");
                encode::ready_for_query(&mut out, TxStatus::Idle);
            }
            if !self.send(&out) {
                return;
            }
        }
    }

    /// Holds the connection until the pooler closes it; reads and answers nothing.
    pub fn hold(&mut self) {
        while self.fill() {
            self.inbox.clear();
        }
    }

    /// Holds it for so long at most.
    pub fn hold_for(&mut self, limit: Duration) {
        // A stream that is closed already needs no timeout.
        let _ = self.stream.set_read_timeout(Some(limit));
        self.hold();
    }

    fn fill(&mut self) -> bool {
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk) {
            Ok(len) if len > 0 => {
                self.inbox.extend(&chunk[..len]);
                true
            }
            _ => false,
        }
    }
}
