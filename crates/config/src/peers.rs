//! The processes beside this one that cancel requests may be meant for.
//!
//! Where several processes serve one address, a cancel request may come to another one than its client's. Keys carry
//! the number of the process that made them, and the request is passed on to it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;

use pgweir_settings::text::key_of;
use pgweir_settings::{Problem, Section, Value, nearest};

use super::ServerAddress;

/// Another process that cancel requests may be meant for (`[peers.NUMBER]`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where it listens.
    pub address: ServerAddress,
    /// Its name or address, or the folder of its unix socket, as it was written.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Connections to it at once (`pool_size`); `None` is no bound.
    pub pool_size: Option<NonZeroU32>,
}

/// The largest number of a peer. PgBouncer's: keys have 16 bits for it.
pub const PEER_ID_MAX: u16 = 16_383;

/// Reads the peers by their numbers. Who does not say how many connections it may have has `default_size`.
pub(super) fn read(
    sections: &BTreeMap<String, Section>,
    default_size: Option<NonZeroU32>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<u16, Peer> {
    let mut peers = BTreeMap::new();
    for (name, section) in sections {
        let path = key_of("peers", name);
        let number = name
            .parse()
            .ok()
            .filter(|id| (1..=PEER_ID_MAX).contains(id));
        let Some(number) = number else {
            let message = format!("must be a number from 1 to {PEER_ID_MAX}");
            problems.push(Problem::new(&section.origin, path, message));
            continue;
        };
        let peer = peer(section, &path, default_size, problems);
        if let Some(peer) = peer {
            peers.insert(number, peer);
        }
    }
    peers
}

fn peer(
    section: &Section,
    path: &str,
    default_size: Option<NonZeroU32>,
    problems: &mut Vec<Problem>,
) -> Option<Peer> {
    let (mut host, mut port, mut pool_size) = (String::new(), DEFAULT_PORT, default_size);
    let before = problems.len();
    for (name, given) in section.iter() {
        let key = key_of(path, name);
        let number = |max| whole(&given.value, max);
        let read = match name {
            "host" => text(&given.value).map(|text| host = text),
            "port" => number(u32::from(u16::MAX)).map(|number| {
                port = u16::try_from(number.get()).expect("bounded just now");
            }),
            "pool_size" => number(u32::MAX).map(|number| pool_size = Some(number)),
            _ => {
                let meant = nearest(name, NAMES.into_iter());
                let problem = Problem::unknown(&given.origin, key, "setting", meant, MANUAL);
                problems.push(problem);
                continue;
            }
        };
        if let Err(message) = read {
            problems.push(Problem::new(&given.origin, key, message));
        }
    }
    if !section.has("host") {
        let message = "is missing: the peer's address, or the folder of its unix socket";
        problems.push(Problem::new(&section.origin, key_of(path, "host"), message));
    }
    (problems.len() == before).then(|| Peer {
        address: address(&host, port),
        host,
        port,
        pool_size,
    })
}

fn address(host: &str, port: u16) -> ServerAddress {
    match host.starts_with('/') {
        true => ServerAddress::Unix(Path::new(host).join(format!(".s.PGSQL.{port}"))),
        false => ServerAddress::Tcp {
            host: host.to_owned(),
            port,
        },
    }
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::Text(text) if is_one_host(text) => Ok(text.to_string()),
        _ => Err("must be one address or folder".to_owned()),
    }
}

fn is_one_host(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains([',', '\0', '@'])
}

fn whole(value: &Value, max: u32) -> Result<NonZeroU32, String> {
    let number = value.bare().trim().parse().ok();
    let number = number.filter(|number: &NonZeroU32| number.get() <= max);
    number.ok_or_else(|| match max {
        u32::MAX => "must be a whole number of 1 or more".to_owned(),
        max => format!("must be a whole number from 1 to {max}"),
    })
}

/// What may stand in a peer's section.
const NAMES: [&str; 3] = ["host", "port", "pool_size"];

/// Where poolers listen as a rule, as in PgBouncer's `[peers]`.
const DEFAULT_PORT: u16 = 6432;

/// Where it is described.
const MANUAL: &str = "docs/peers.md";
