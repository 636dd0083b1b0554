//! Settings of sockets: where clients are accepted, how many threads serve them, TCP.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::level::Chain;

/// Where clients are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Addresses of TCP sockets (`listen_addr`); empty means none.
    pub addresses: Vec<IpAddr>,
    /// Port of the TCP sockets, and the number in the unix socket's file name (`listen_port`).
    pub port: u16,
    /// Directory of the unix socket (`unix_socket_dir`).
    pub unix_socket_dir: Option<PathBuf>,
    /// File mode of the unix socket (`unix_socket_mode`).
    pub unix_socket_mode: u32,
    /// Group of the unix socket, by name or number (`unix_socket_group`).
    pub unix_socket_group: Option<String>,
    /// Length of the kernel's accept queue (`listen_backlog`).
    pub backlog: u32,
    /// Whether other processes may listen at the same addresses (`so_reuseport`).
    pub reuses_port: bool,
}

/// How many data-plane threads serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// One per core at most; the first is filled before the next is woken.
    Auto,
    /// Exactly this many, clients spread evenly.
    Count(NonZeroU32),
}

/// TCP settings of both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tcp {
    /// Whether keepalive probes are sent (`tcp_keepalive`).
    pub keepalive: bool,
    /// Idle time before the first probe (`tcp_keepidle`); `None` leaves the system's.
    pub keepidle: Option<Duration>,
    /// Time between probes (`tcp_keepintvl`).
    pub keepintvl: Option<Duration>,
    /// Probes before the connection is given up (`tcp_keepcnt`).
    pub keepcnt: Option<u32>,
    /// Time unacknowledged data may stay so (`tcp_user_timeout`).
    pub user_timeout: Option<Duration>,
    /// Kernel buffer size (`tcp_socket_buffer`).
    pub socket_buffer: Option<u32>,
}

impl Listen {
    pub(super) fn read(globals: &Chain<'_>) -> Self {
        Self {
            addresses: globals.get("listen_addr"),
            port: globals.get("listen_port"),
            unix_socket_dir: globals
                .get::<Option<String>>("unix_socket_dir")
                .map(PathBuf::from),
            unix_socket_mode: globals.get("unix_socket_mode"),
            unix_socket_group: globals.get("unix_socket_group"),
            backlog: globals.get("listen_backlog"),
            reuses_port: globals.get("so_reuseport"),
        }
    }
}

impl Workers {
    pub(super) fn read(globals: &Chain<'_>) -> Self {
        let count: Option<NonZeroU32> = globals.get("workers");
        count.map_or(Self::Auto, Self::Count)
    }
}

impl Tcp {
    pub(super) fn read(globals: &Chain<'_>) -> Self {
        Self {
            keepalive: globals.get("tcp_keepalive"),
            keepidle: globals.get("tcp_keepidle"),
            keepintvl: globals.get("tcp_keepintvl"),
            keepcnt: globals.get("tcp_keepcnt"),
            user_timeout: globals.get("tcp_user_timeout"),
            socket_buffer: globals.get("tcp_socket_buffer"),
        }
    }
}
