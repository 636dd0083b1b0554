//! Settings of sockets: where clients are accepted, how many threads serve them, TCP.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::level::{Chain, mismatch};
use super::value::Parsed;

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
    /// Length of the kernel's accept queue (`listen_backlog`).
    pub backlog: u32,
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
        let Parsed::Addresses(addresses) = globals.find("listen_addr").parsed else {
            mismatch("listen_addr")
        };
        Self {
            addresses,
            port: globals.port("listen_port"),
            unix_socket_dir: globals.some_text("unix_socket_dir").map(PathBuf::from),
            unix_socket_mode: globals.number("unix_socket_mode"),
            backlog: globals.number("listen_backlog"),
        }
    }
}

impl Workers {
    pub(super) fn read(globals: &Chain<'_>) -> Self {
        globals.limit("workers").map_or(Self::Auto, Self::Count)
    }
}

impl Tcp {
    pub(super) fn read(globals: &Chain<'_>) -> Self {
        Self {
            keepalive: globals.boolean("tcp_keepalive"),
            keepidle: globals.timeout("tcp_keepidle"),
            keepintvl: globals.timeout("tcp_keepintvl"),
            keepcnt: globals.limit("tcp_keepcnt").map(Into::into),
            user_timeout: globals.timeout("tcp_user_timeout"),
            socket_buffer: globals.limit("tcp_socket_buffer").map(Into::into),
        }
    }
}
