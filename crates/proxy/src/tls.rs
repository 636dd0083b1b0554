//! TLS towards clients and towards PostgreSQL.
//!
//! A handshake runs on the control plane, where logins run ([`stream`]); then the connection moves to its
//! worker together with its keys ([`secured`]). Configurations are made once for each set of settings.

pub(crate) mod certificate;
mod client_trust;
pub(crate) mod clients;
mod keys;
mod names;
pub(crate) mod secured;
pub(crate) mod servers;
pub(crate) mod stream;
pub(crate) mod trust;
mod version_one;

use std::collections::BTreeSet;
use std::time::SystemTime;
use tokio_rustls::rustls::{CommonState, ProtocolVersion};

use pgweir_config::{Config, Pem, Tls, TlsSide, Unfit};
use tracing::{info, warn};

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
        TlsSide::Directories => servers::plain_config(tls).map(|_| ()),
    }
}

/// Days left of a certificate below which the log warns of its end.
const DAYS_MIN: u64 = 14;

/// By whom certificates are shown to, when the first of them expires.
pub(crate) type Expiries = Vec<(&'static str, SystemTime)>;

/// When the certificates of the configuration expire.
pub(crate) fn expiries(config: &Config) -> Expiries {
    let databases = config.databases.values().chain(&config.fallback_database);
    let servers = databases.filter_map(|database| database.tls.tls.identity.as_ref());
    let sides: [(&str, Vec<&Pem>); 3] = [
        ("clients", config.client_tls.identity.iter().collect()),
        ("servers", servers.collect()),
        ("http", config.http.tls.iter().collect()),
    ];
    let first = |shown: Vec<&Pem>| {
        // Most databases show the same.
        let texts: BTreeSet<&str> = shown.iter().map(|pem| &*pem.certificate).collect();
        texts.into_iter().filter_map(certificate::expires).min()
    };
    let ends = sides.into_iter();
    ends.filter_map(|(side, shown)| Some((side, first(shown)?)))
        .collect()
}

/// For how many days from now they are good.
pub(crate) fn days_left(expiries: &Expiries, now: SystemTime) -> Vec<(&'static str, u64)> {
    let ends = expiries.iter();
    ends.map(|(side, end)| (*side, certificate::days_left(*end, now)))
        .collect()
}

/// Says for how long the certificates of a configuration that was just read are good.
pub(crate) fn tell(config: &Config) {
    for (side, days) in days_left(&expiries(config), SystemTime::now()) {
        if days < DAYS_MIN {
            warn!(
                side,
                days,
                "the TLS certificate towards {side} expires in {days} days; renew it and reload"
            );
        } else {
            info!(
                side,
                days, "the TLS certificate towards {side} is good for {days} days"
            );
        }
    }
}

/// What encrypts a connection: the version and the cipher, as `TLSv1.3/TLS_AES_256_GCM_SHA384`.
pub(crate) fn words(tls: &CommonState) -> String {
    let version = match tls.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "TLS",
    };
    let suite = tls.negotiated_cipher_suite();
    match suite.and_then(|suite| suite.suite().as_str()) {
        // TLS 1.3 has a prefix of its own in rustls.
        Some(name) => format!("{version}/{}", name.replacen("TLS13_", "TLS_", 1)),
        None => version.to_owned(),
    }
}
