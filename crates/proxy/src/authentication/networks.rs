//! The networks that this machine is in.

use std::net::IpAddr;

use if_addrs::IfAddr;
use pgweir_config::access::Network;
use tracing::warn;

/// Addresses of this machine with the masks of their networks; none where the system does not tell.
pub(super) fn of_this_machine() -> Vec<Network> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        warn!(%error, "the addresses of this machine are not known; samehost and samenet fit nobody");
        Vec::new()
    });
    let networks = interfaces
        .into_iter()
        .map(|interface| match interface.addr {
            IfAddr::V4(v4) => (IpAddr::V4(v4.ip), IpAddr::V4(v4.netmask)),
            IfAddr::V6(v6) => (IpAddr::V6(v6.ip), IpAddr::V6(v6.netmask)),
        });
    networks.collect()
}

#[cfg(test)]
mod tests {
    use super::of_this_machine;

    #[test]
    fn a_machine_is_in_its_own_network() {
        let networks = of_this_machine();
        let loopback = ("127.0.0.1".parse().unwrap(), "255.0.0.0".parse().unwrap());
        assert!(networks.contains(&loopback), "{networks:?}");
    }
}
