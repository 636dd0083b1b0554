//! A client that speaks the protocol byte by byte.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use pgweir_cluster::random_hex;
use pgweir_wire::backend;
use pgweir_wire::frame::{self, HEADER_LEN};
use pgweir_wire::login::{Handshake, Identity, LoginError, Methods, Secrets, Turn};
use pgweir_wire::startup;

use crate::batch::Batch;
use crate::stream::Stream;
use crate::transcript::{Message, Transcript};

/// Where to log in, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// An address, or the folder of a unix socket.
    pub host: String,
    /// The port, also in the name of a unix socket.
    pub port: u16,
    /// The user.
    pub user: String,
    /// The user's password.
    pub password: String,
    /// The database.
    pub database: String,
}

impl Target {
    /// As `user`.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.user);
        self
    }

    /// With `password`.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        password.clone_into(&mut self.password);
        self
    }

    /// To `database`.
    #[must_use]
    pub fn database(mut self, database: &str) -> Self {
        database.clone_into(&mut self.database);
        self
    }

    /// At another host.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// For a login with startup parameters.
    pub fn identity(&self, parameters: &[(&str, &str)]) -> Identity {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Identity {
            user: self.user.clone(),
            database: self.database.clone(),
            parameters: parameters.iter().map(owned).collect(),
            secrets: Secrets {
                password: Some(self.password.clone()),
                ..Secrets::default()
            },
            accepted: Methods::ALL,
            binding: None,
            requires_binding: false,
            minor: 0,
        }
    }

    /// For drivers that take key and value pairs.
    pub fn pairs(&self) -> String {
        format!(
            "host={} port={} user={} password={} dbname={}",
            self.host, self.port, self.user, self.password, self.database
        )
    }

    /// For drivers that take a URL.
    pub fn url(&self) -> String {
        let Self {
            host,
            port,
            user,
            password,
            database,
        } = self;
        format!("postgres://{user}:{password}@{host}:{port}/{database}")
    }
}

/// A client. Dropping it closes its socket without a goodbye.
#[derive(Debug)]
pub struct Client {
    /// The socket, for tests that care about single bytes.
    pub stream: Stream,
    /// Its number for cancel requests.
    pub pid: u32,
    /// Its secret for cancel requests.
    pub key: Vec<u8>,
    /// Settings as reported, the last value of each.
    pub parameters: BTreeMap<String, String>,
    target: Target,
    inbox: Vec<u8>,
}

impl Client {
    /// Connects, and says nothing.
    ///
    /// # Errors
    /// The system's.
    pub fn connect(target: &Target) -> io::Result<Self> {
        Ok(Self {
            stream: Stream::connect(&target.host, target.port)?,
            pid: 0,
            key: Vec::new(),
            parameters: BTreeMap::new(),
            target: target.clone(),
            inbox: Vec::new(),
        })
    }

    /// Logs in.
    ///
    /// # Panics
    /// If that fails.
    #[track_caller]
    pub fn log_in(target: &Target) -> Self {
        Self::log_in_with(target, &[])
    }

    /// Logs in with startup parameters.
    ///
    /// # Panics
    /// If that fails.
    #[track_caller]
    pub fn log_in_with(target: &Target, parameters: &[(&str, &str)]) -> Self {
        match Self::try_log_in(target, parameters) {
            Ok(client) => client,
            Err(refused) => panic!("login refused: {refused:?}"),
        }
    }

    /// Logs in, or gives what the server sent in place of that.
    ///
    /// # Errors
    /// The login was refused.
    #[track_caller]
    pub fn try_log_in(target: &Target, parameters: &[(&str, &str)]) -> Result<Self, Transcript> {
        Self::try_log_in_as(target, target.identity(parameters)).map(|(client, _)| client)
    }

    /// Logs in with a newer minor version of the protocol, and gives what the server sent.
    ///
    /// # Panics
    /// If that fails.
    #[track_caller]
    pub fn log_in_asking(
        target: &Target,
        minor: u16,
        parameters: &[(&str, &str)],
    ) -> (Self, Transcript) {
        let mut identity = target.identity(parameters);
        identity.minor = minor;
        match Self::try_log_in_as(target, identity) {
            Ok(logged_in) => logged_in,
            Err(refused) => panic!("login refused: {refused:?}"),
        }
    }

    #[track_caller]
    fn try_log_in_as(
        target: &Target,
        mut identity: Identity,
    ) -> Result<(Self, Transcript), Transcript> {
        let mut client = Self::connect(target).expect("the server listens");
        let nonce = random_hex(12).expect("random bytes");
        let mut out = Vec::new();
        let mut login = Handshake::start(&identity, nonce, &mut out);
        let mut transcript = Transcript::default();
        loop {
            client.send(&out);
            out.clear();
            let Some(message) = client.receive() else {
                transcript.ended = true;
                return Err(transcript);
            };
            transcript.messages.push(message.clone());
            match login.on_message(message.kind, &message.body, &mut identity, &mut out) {
                Ok(Turn::Wait(next)) => login = next,
                Ok(Turn::Ready(_)) => return Ok((client, transcript)),
                Err(LoginError::Refused { .. }) => {
                    let rest = client.until_end();
                    transcript.messages.extend(rest.messages);
                    transcript.ended = rest.ended;
                    return Err(transcript);
                }
                Err(error) => panic!("the server breaks the login: {error}"),
            }
        }
    }

    /// Sends bytes.
    ///
    /// # Panics
    /// If they are not taken. A peer that has closed takes them: what it said is still read.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        match self.stream.write_all(bytes) {
            Err(error) if !is_gone(&error) => panic!("cannot send: {error}"),
            _ => {}
        }
    }

    /// The next message; `None` at the end of the stream.
    ///
    /// # Panics
    /// If nothing comes.
    #[track_caller]
    pub fn receive(&mut self) -> Option<Message> {
        loop {
            if let Some(header) = frame::header(&self.inbox).expect("a message of a server")
                && self.inbox.len() >= header.message_len()
            {
                let body = self.inbox[HEADER_LEN..header.message_len()].to_vec();
                self.inbox.drain(..header.message_len());
                let message = Message {
                    kind: header.kind,
                    body,
                };
                self.note(&message);
                return Some(message);
            }
            if !self.fill() {
                // Half a message is of no use to anybody.
                self.inbox.clear();
                return None;
            }
        }
    }

    /// Reads once; false at the end of the stream.
    #[track_caller]
    fn fill(&mut self) -> bool {
        let mut chunk = vec![0; 256 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(len) => {
                self.inbox.extend(&chunk[..len]);
                true
            }
            Err(error) if is_gone(&error) => false,
            Err(error) => panic!("nothing came: {error}"),
        }
    }

    fn note(&mut self, message: &Message) {
        match message.kind {
            backend::PARAMETER_STATUS => {
                let (name, value) = backend::parameter_status(&message.body).expect("a setting");
                let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                self.parameters.insert(text(name), text(value));
            }
            backend::BACKEND_KEY_DATA => {
                let (pid, key) = backend::key_data(&message.body).expect("a key");
                (self.pid, self.key) = (pid, key.to_vec());
            }
            _ => {}
        }
    }

    /// Everything up to the next ReadyForQuery or the end of the stream.
    #[track_caller]
    pub fn until_ready(&mut self) -> Transcript {
        self.until(backend::READY_FOR_QUERY)
    }

    /// Everything up to the next message of type `kind` or the end of the stream.
    #[track_caller]
    pub fn until(&mut self, kind: u8) -> Transcript {
        let mut transcript = Transcript::default();
        while let Some(message) = self.receive() {
            let last = message.kind == kind;
            transcript.messages.push(message);
            if last {
                return transcript;
            }
        }
        transcript.ended = true;
        transcript
    }

    /// Everything up to the end of the stream.
    #[track_caller]
    pub fn until_end(&mut self) -> Transcript {
        self.until(0)
    }

    /// Sends a batch that is answered with one ReadyForQuery.
    #[track_caller]
    pub fn ask(&mut self, batch: &Batch) -> Transcript {
        self.send(batch.bytes());
        self.until_ready()
    }

    /// Sends a batch that is answered with `count` ReadyForQuery.
    #[track_caller]
    pub fn ask_many(&mut self, batch: &Batch, count: usize) -> Transcript {
        self.send(batch.bytes());
        let mut all = Transcript::default();
        for _ in 0..count {
            let part = self.until_ready();
            all.messages.extend(part.messages);
            all.ended = part.ended;
            if all.ended {
                break;
            }
        }
        all
    }

    /// Runs a simple query.
    #[track_caller]
    pub fn query(&mut self, sql: &str) -> Transcript {
        self.ask(&Batch::new().query(sql))
    }

    /// Runs a simple query and gives its only value.
    #[track_caller]
    pub fn value(&mut self, sql: &str) -> String {
        self.query(sql).success().value()
    }

    /// Asks, over a connection of its own, to cancel what this client does. Returns when the
    /// server has closed that connection.
    #[track_caller]
    pub fn cancel(&self) {
        self.cancel_at(&self.target);
    }

    /// As [`Client::cancel`], at another address than its own.
    #[track_caller]
    pub fn cancel_at(&self, target: &Target) {
        let mut out = Vec::new();
        startup::encode_cancel(&mut out, self.pid, &self.key);
        let mut other = Self::connect(target).expect("the server listens");
        other.send(&out);
        assert_eq!(other.until_end().to_string(), "end");
    }
}

/// The peer closed the connection, politely or not.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted
    )
}
