//! What a `pgbouncer.ini` says of the peers beside the process.

use std::collections::BTreeMap;

use pgweir_settings::text::boolean;

/// What the file says of the process among its peers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// Whether several processes listen at one port (`so_reuseport`).
    pub so_reuseport: bool,
    /// Its number among its peers (`peer_id`); 0 is none.
    pub peer_id: u16,
    /// Who else serves the same clients (`[peers]`), by number.
    pub peers: BTreeMap<u16, Peer>,
}

/// Another process that cancel requests may be meant for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Name or address, or folder of its unix socket.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Connections to it at once; `None` is `default_pool_size`.
    pub pool_size: Option<u32>,
}

impl Process {
    /// Takes a setting of `[pgbouncer]`.
    ///
    /// # Errors
    /// What the value has to be.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let fact = || boolean(value).ok_or_else(|| "must be 0 or 1".to_owned());
        match name {
            "so_reuseport" => self.so_reuseport = fact()?,
            "peer_id" => self.peer_id = peer_id(value)?,
            // The table has them, and nothing is read of them before they do something.
            _ => {}
        }
        Ok(())
    }

    /// Takes a line of `[peers]`; the last of a number counts.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn add_peer(
        &mut self,
        name: &str,
        pairs: &[(String, String)],
    ) -> Result<(), String> {
        let id = peer_id(name)?;
        let mut peer = Peer {
            host: String::new(),
            port: 6432,
            pool_size: None,
        };
        for (key, value) in pairs {
            let number = || format!("{key} must be a whole number");
            match key.as_str() {
                "host" => peer.host.clone_from(value),
                "port" => peer.port = value.parse().map_err(|_| number())?,
                "pool_size" => peer.pool_size = Some(value.parse().map_err(|_| number())?),
                _ => return Err("takes host, port and pool_size".to_owned()),
            }
        }
        if id == 0 || peer.host.is_empty() {
            return Err("needs a number of 1 or more, and host".to_owned());
        }
        self.peers.insert(id, peer);
        Ok(())
    }
}

fn peer_id(text: &str) -> Result<u16, String> {
    let id = text.parse().ok().filter(|id| *id <= PEER_ID_MAX);
    id.ok_or_else(|| format!("must be a whole number up to {PEER_ID_MAX}"))
}

/// PgBouncer's: two bits of 16 are for something else.
const PEER_ID_MAX: u16 = 16_383;
