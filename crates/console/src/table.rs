//! The tables that `SHOW` has: their names, their columns and the types of these.
//!
//! Names, order and types are PgBouncer's for the tables it has. Programs read them by place as well as by name.

/// What `SHOW` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// The version.
    Version,
    /// Whether it serves, is paused or suspended.
    State,
    /// Settings.
    Config,
    /// Databases.
    Databases,
    /// Users.
    Users,
    /// Pools.
    Pools,
    /// Other poolers; there are none.
    Peers,
    /// Connections to other poolers; there are none.
    PeerPools,
    /// Clients.
    Clients,
    /// Servers.
    Servers,
    /// Clients and servers with their buffers.
    Sockets,
    /// Those of them that do something.
    ActiveSockets,
    /// How many there are of what.
    Lists,
    /// What was counted, by database: totals and averages.
    Stats,
    /// Totals alone.
    StatsTotals,
    /// Averages alone.
    StatsAverages,
    /// Totals and averages over all databases.
    Totals,
    /// Memory.
    Mem,
    /// Names that were looked up.
    DnsHosts,
    /// Zones of names.
    DnsZones,
    /// Descriptors.
    Fds,
    /// Who waits, for what, and who has it.
    Waits,
    /// Sessions whose state keeps a server.
    Pins,
    /// Who holds a server.
    Leases,
    /// The statements that took the most time.
    Statements,
    /// What was found out about statements and clients.
    Findings,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: ColumnType,
}

/// The type of a column, as PostgreSQL knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// `text`.
    Text,
    /// `int4`.
    Int4,
    /// `int8`.
    Int8,
    /// `numeric`, of which there are whole ones only.
    Numeric,
    /// `bool`.
    Bool,
    /// `bytea`.
    Bytes,
}

impl ColumnType {
    /// The number that PostgreSQL has for the type.
    pub fn oid(self) -> u32 {
        match self {
            Self::Text => 25,
            Self::Int4 => 23,
            Self::Int8 => 20,
            Self::Numeric => 1700,
            Self::Bool => 16,
            Self::Bytes => 17,
        }
    }

    /// Bytes of a value; -1 where that varies.
    pub fn width(self) -> i16 {
        match self {
            Self::Int4 => 4,
            Self::Int8 => 8,
            Self::Bool => 1,
            Self::Text | Self::Numeric | Self::Bytes => -1,
        }
    }
}

impl Table {
    /// All there are.
    pub const ALL: [Self; 26] = [
        Self::Version,
        Self::State,
        Self::Config,
        Self::Databases,
        Self::Users,
        Self::Pools,
        Self::Peers,
        Self::PeerPools,
        Self::Clients,
        Self::Servers,
        Self::Sockets,
        Self::ActiveSockets,
        Self::Lists,
        Self::Stats,
        Self::StatsTotals,
        Self::StatsAverages,
        Self::Totals,
        Self::Mem,
        Self::DnsHosts,
        Self::DnsZones,
        Self::Fds,
        Self::Waits,
        Self::Pins,
        Self::Leases,
        Self::Statements,
        Self::Findings,
    ];

    /// The word behind `SHOW`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Version => "VERSION",
            Self::State => "STATE",
            Self::Config => "CONFIG",
            Self::Databases => "DATABASES",
            Self::Users => "USERS",
            Self::Pools => "POOLS",
            Self::Peers => "PEERS",
            Self::PeerPools => "PEER_POOLS",
            Self::Clients => "CLIENTS",
            Self::Servers => "SERVERS",
            Self::Sockets => "SOCKETS",
            Self::ActiveSockets => "ACTIVE_SOCKETS",
            Self::Lists => "LISTS",
            Self::Stats => "STATS",
            Self::StatsTotals => "STATS_TOTALS",
            Self::StatsAverages => "STATS_AVERAGES",
            Self::Totals => "TOTALS",
            Self::Mem => "MEM",
            Self::DnsHosts => "DNS_HOSTS",
            Self::DnsZones => "DNS_ZONES",
            Self::Fds => "FDS",
            Self::Waits => "WAITS",
            Self::Pins => "PINS",
            Self::Leases => "LEASES",
            Self::Statements => "STATEMENTS",
            Self::Findings => "FINDINGS",
        }
    }

    /// The table of this word, in whichever case.
    pub fn find(word: &str) -> Option<Self> {
        let is_its = |table: &Self| table.word().eq_ignore_ascii_case(word);
        Self::ALL.into_iter().find(is_its)
    }

    /// Its columns.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::Version => VERSION,
            Self::State => STATE,
            Self::Config => CONFIG,
            Self::Databases => DATABASES,
            Self::Users => USERS,
            Self::Pools => POOLS,
            Self::Peers => PEERS,
            Self::PeerPools => PEER_POOLS,
            Self::Clients | Self::Servers => SOCKETS.split_at(CONNECTION_COLUMNS).0,
            Self::Sockets | Self::ActiveSockets => SOCKETS,
            Self::Lists => LISTS,
            Self::Stats => STATS,
            Self::StatsTotals => STATS_TOTALS,
            Self::StatsAverages => STATS_AVERAGES,
            Self::Totals => TOTALS,
            Self::Mem => MEM,
            Self::DnsHosts => DNS_HOSTS,
            Self::DnsZones => DNS_ZONES,
            Self::Fds => FDS,
            Self::Waits => WAITS,
            Self::Pins => PINS,
            Self::Leases => LEASES,
            Self::Statements => STATEMENTS,
            Self::Findings => FINDINGS,
        }
    }

    /// The place of a column, whose name is given in whichever case.
    pub fn column(self, name: &str) -> Option<usize> {
        let columns = &mut self.columns().iter();
        columns.position(|column| column.name.eq_ignore_ascii_case(name))
    }
}

const fn text(name: &'static str) -> Column {
    let kind = ColumnType::Text;
    Column { name, kind }
}

const fn int4(name: &'static str) -> Column {
    let kind = ColumnType::Int4;
    Column { name, kind }
}

const fn int8(name: &'static str) -> Column {
    let kind = ColumnType::Int8;
    Column { name, kind }
}

const fn numeric(name: &'static str) -> Column {
    let kind = ColumnType::Numeric;
    Column { name, kind }
}

const fn bytes(name: &'static str) -> Column {
    let kind = ColumnType::Bytes;
    Column { name, kind }
}

const VERSION: &[Column] = &[text("version")];
const STATE: &[Column] = &[text("key"), text("value")];
const CONFIG: &[Column] = &[
    text("key"),
    text("value"),
    text("default"),
    text("changeable"),
];
const DATABASES: &[Column] = &[
    text("name"),
    text("host"),
    int4("port"),
    text("database"),
    text("force_user"),
    int4("pool_size"),
    int4("min_pool_size"),
    int4("reserve_pool_size"),
    int4("server_lifetime"),
    text("pool_mode"),
    text("load_balance_hosts"),
    int4("max_connections"),
    int4("current_connections"),
    int4("max_client_connections"),
    int4("current_client_connections"),
    int4("paused"),
    int4("disabled"),
];
const USERS: &[Column] = &[
    text("name"),
    text("pool_size"),
    text("reserve_pool_size"),
    text("pool_mode"),
    int4("max_user_connections"),
    int4("current_connections"),
    int4("max_user_client_connections"),
    int4("current_client_connections"),
];
const POOLS: &[Column] = &[
    text("database"),
    text("user"),
    int4("cl_active"),
    int4("cl_waiting"),
    int4("cl_active_cancel_req"),
    int4("cl_waiting_cancel_req"),
    int4("sv_active"),
    int4("sv_active_cancel"),
    int4("sv_being_canceled"),
    int4("sv_idle"),
    int4("sv_used"),
    int4("sv_tested"),
    int4("sv_login"),
    int4("maxwait"),
    int4("maxwait_us"),
    text("pool_mode"),
    text("load_balance_hosts"),
];
const PEERS: &[Column] = &[
    int4("peer_id"),
    text("host"),
    int4("port"),
    int4("pool_size"),
];
const PEER_POOLS: &[Column] = &[
    int4("peer_id"),
    int4("cl_active_cancel_req"),
    int4("cl_waiting_cancel_req"),
    int4("sv_active_cancel"),
    int4("sv_login"),
];
/// How many of [`SOCKETS`] the tables of clients and servers have.
const CONNECTION_COLUMNS: usize = 21;
const SOCKETS: &[Column] = &[
    text("type"),
    text("user"),
    text("database"),
    text("replication"),
    text("state"),
    text("addr"),
    int4("port"),
    text("local_addr"),
    int4("local_port"),
    text("connect_time"),
    text("request_time"),
    int4("wait"),
    int4("wait_us"),
    int4("close_needed"),
    text("ptr"),
    text("link"),
    int4("remote_pid"),
    text("tls"),
    text("application_name"),
    int4("prepared_statements"),
    int4("id"),
    int4("recv_pos"),
    int4("pkt_pos"),
    int4("pkt_remain"),
    int4("send_pos"),
    int4("send_remain"),
    int4("pkt_avail"),
    int4("send_avail"),
];
const LISTS: &[Column] = &[text("list"), int4("items")];
const STATS: &[Column] = &[
    text("database"),
    numeric("total_server_assignment_count"),
    numeric("total_xact_count"),
    numeric("total_query_count"),
    numeric("total_received"),
    numeric("total_sent"),
    numeric("total_xact_time"),
    numeric("total_query_time"),
    numeric("total_wait_time"),
    numeric("total_client_parse_count"),
    numeric("total_server_parse_count"),
    numeric("total_bind_count"),
    numeric("total_client_login_count"),
    numeric("avg_server_assignment_count"),
    numeric("avg_xact_count"),
    numeric("avg_query_count"),
    numeric("avg_recv"),
    numeric("avg_sent"),
    numeric("avg_xact_time"),
    numeric("avg_query_time"),
    numeric("avg_wait_time"),
    numeric("avg_client_parse_count"),
    numeric("avg_server_parse_count"),
    numeric("avg_bind_count"),
    numeric("avg_client_login_count"),
];
const STATS_TOTALS: &[Column] = &[
    text("database"),
    numeric("server_assignment_count"),
    numeric("xact_count"),
    numeric("query_count"),
    numeric("bytes_received"),
    numeric("bytes_sent"),
    numeric("xact_time"),
    numeric("query_time"),
    numeric("wait_time"),
    numeric("client_parse_count"),
    numeric("server_parse_count"),
    numeric("bind_count"),
    numeric("client_login_count"),
];
const STATS_AVERAGES: &[Column] = &[
    text("database"),
    numeric("server_assignment_count"),
    numeric("xact_count"),
    numeric("query_count"),
    numeric("bytes_received"),
    numeric("bytes_sent"),
    numeric("xact_time"),
    numeric("query_time"),
    numeric("wait_time"),
    numeric("avg_client_parse_count"),
    numeric("avg_server_parse_count"),
    numeric("avg_bind_count"),
    numeric("avg_client_login_count"),
];
const TOTALS: &[Column] = &[text("name"), numeric("value")];
const MEM: &[Column] = &[
    text("name"),
    int4("size"),
    int4("used"),
    int4("free"),
    int4("memtotal"),
];
const DNS_HOSTS: &[Column] = &[text("hostname"), int8("ttl"), text("addrs")];
const DNS_ZONES: &[Column] = &[text("zonename"), int8("serial"), int4("count")];
const FDS: &[Column] = &[
    int4("fd"),
    text("task"),
    text("user"),
    text("database"),
    text("addr"),
    int4("port"),
    int8("cancel"),
    int4("link"),
    text("client_encoding"),
    text("std_strings"),
    text("datestyle"),
    text("timezone"),
    text("password"),
    bytes("scram_client_key"),
    bytes("scram_server_key"),
];
const WAITS: &[Column] = &[
    int4("client"),
    text("database"),
    text("user"),
    text("application_name"),
    text("addr"),
    text("waits_for"),
    text("since"),
    int8("wait_us"),
    text("cause"),
    text("held_by"),
    int4("held_by_client"),
    int4("held_by_pid"),
    text("held_since"),
    text("remedy"),
];
const PINS: &[Column] = &[
    int4("client"),
    text("database"),
    text("user"),
    text("application_name"),
    text("addr"),
    text("reason"),
    text("since"),
    int8("pinned_us"),
    text("state"),
    int4("remote_pid"),
    int4("waiting"),
    text("statement"),
];
const LEASES: &[Column] = &[
    int4("client"),
    text("database"),
    text("user"),
    text("application_name"),
    text("addr"),
    text("state"),
    text("since"),
    int8("held_us"),
    int8("in_state_us"),
    text("pin"),
    text("leak"),
    int4("remote_pid"),
    int4("waiting"),
    int4("lock_waiters"),
    text("statement"),
];
const STATEMENTS: &[Column] = &[
    text("database"),
    text("user"),
    text("fingerprint"),
    int8("calls"),
    int8("errors"),
    int8("rows"),
    int8("bytes"),
    int8("total_us"),
    int8("mean_us"),
    int8("p99_us"),
    int8("max_us"),
    text("statement"),
];
const FINDINGS: &[Column] = &[
    text("finding"),
    text("at"),
    text("database"),
    text("user"),
    int4("client"),
    text("application_name"),
    int8("times"),
    int8("wait_us"),
    int8("took_us"),
    text("fingerprint"),
    text("statement"),
    text("detail"),
];
