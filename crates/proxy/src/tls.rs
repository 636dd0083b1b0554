//! TLS towards clients and towards PostgreSQL.
//!
//! A handshake runs on the control plane, where logins run ([`stream`]); then the connection moves to its
//! worker together with its keys ([`secured`]). Configurations are made once for each set of settings.

pub(crate) mod certificate;
pub(crate) mod clients;
mod keys;
pub(crate) mod secured;
pub(crate) mod servers;
pub(crate) mod stream;
mod trust;

use pgweir_config::{Tls, TlsSide, Unfit};

/// How PostgreSQL's protocol is called where a handshake names what follows it.
const ALPN: &[u8] = b"postgresql";

/// Whether one side can be encrypted as these settings say.
///
/// # Errors
/// Which of them it cannot, and why.
pub(crate) fn check(side: TlsSide, tls: &Tls) -> Result<(), Unfit> {
    match side {
        TlsSide::Clients => clients::config(tls).map(|_| ()),
        TlsSide::Servers => servers::config(tls).map(|_| ()),
    }
}
