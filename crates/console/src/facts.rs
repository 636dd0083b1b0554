//! What the tables are rendered from: the snapshot that page and metrics are made of, and what is looked up for
//! the console alone, when somebody asks for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pgweir_telemetry::Snapshot;
use pgweir_telemetry::findings::Findings;

use crate::averages::Averages;
use crate::table::Table;

/// What a table needs to be rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// The snapshot.
    Snapshot,
    /// The snapshot, and what was found out.
    Findings,
    /// The settings.
    Settings,
    /// Clients.
    Clients,
    /// Servers.
    Servers,
    /// Both.
    Connections,
}

impl Table {
    /// What it needs.
    pub fn needs(self) -> Needs {
        match self {
            Self::Config => Needs::Settings,
            Self::Clients => Needs::Clients,
            Self::Servers => Needs::Servers,
            Self::Sockets | Self::ActiveSockets | Self::Fds => Needs::Connections,
            Self::Waits | Self::Pins | Self::Leases | Self::Statements | Self::Findings => {
                Needs::Findings
            }
            Self::Version
            | Self::State
            | Self::Databases
            | Self::Users
            | Self::Pools
            | Self::Peers
            | Self::PeerPools
            | Self::Lists
            | Self::Stats
            | Self::StatsTotals
            | Self::StatsAverages
            | Self::Totals
            | Self::Mem
            | Self::DnsHosts
            | Self::DnsZones => Needs::Snapshot,
        }
    }
}

/// What there is to see. What a table does not need is empty.
#[derive(Debug)]
pub struct Facts {
    /// The pooler.
    pub snapshot: Snapshot,
    /// What was found out.
    pub findings: Findings,
    /// Its settings.
    pub settings: Vec<Setting>,
    /// Clients and servers.
    pub connections: Vec<Connection>,
    /// The processes that share the address.
    pub peers: Vec<Peer>,
    /// What was done per second lately.
    pub averages: Averages,
    /// The console itself.
    pub console: Console,
}

/// The console as a database, as PgBouncer shows it.
#[derive(Debug, Clone, Default)]
pub struct Console {
    /// The port that it is reached by.
    pub port: u16,
    /// Sessions that are open.
    pub sessions: u32,
    /// So many may be, apart from administrators'; `None` is no bound but the pooler's own.
    pub sessions_max: Option<u32>,
    /// Commands that were done.
    pub commands: u64,
    /// Clients that log in.
    pub logins: u32,
    /// Buses of memory.
    pub memory: Memory,
}

/// Sizes of what is kept for each connection, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// A client's session.
    pub client: usize,
    /// A server's.
    pub server: usize,
    /// A pool.
    pub pool: usize,
    /// A buffer of a worker.
    pub buffer: usize,
}

/// A process that shares the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its number.
    pub id: u16,
    /// Its address, or the folder of its unix socket.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Cancel requests that may be on their way to it at once; `None` is no bound.
    pub pool_size: Option<u32>,
    /// Those that wait for a connection.
    pub waiting: u32,
    /// Those whose connection is being opened.
    pub connecting: u32,
    /// Those that it is seeing to.
    pub active: u32,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub value: String,
    /// What it is where nobody says.
    pub default: String,
    /// A reload changes it.
    pub changeable: bool,
}

/// A client or a server.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Which of them.
    pub side: Side,
    /// The user of its pool.
    pub user: Arc<str>,
    /// The database of its pool.
    pub database: Arc<str>,
    /// What it replicates.
    pub replication: &'static str,
    /// What it does.
    pub state: &'static str,
    /// The other end; `None` over a unix socket.
    pub address: Option<SocketAddr>,
    /// This end; `None` over a unix socket.
    pub local: Option<SocketAddr>,
    /// When it began.
    pub connected: SystemTime,
    /// When it began what it does, or did last.
    pub requested: SystemTime,
    /// How long it has waited for a server.
    pub waited: Option<Duration>,
    /// Its server is closed when it comes back.
    pub close_needed: bool,
    /// The number of a client; a server has none.
    pub id: u32,
    /// What it is told apart by from all others.
    pub pointer: u64,
    /// The other side that it is together with.
    pub link: Option<u64>,
    /// The process of PostgreSQL.
    pub process: u32,
    /// What TLS is spoken; empty in the clear.
    pub tls: String,
    /// What the client calls itself.
    pub application: String,
    /// Statements that were prepared.
    pub statements: u32,
    /// Bytes that it has not taken yet.
    pub unsent: usize,
}

/// A side of the pooler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A client.
    Client,
    /// A server.
    Server,
}
