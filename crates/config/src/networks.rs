//! Networks that peers may be in.

use std::fmt;
use std::net::IpAddr;

/// A set of networks, and perhaps of all who come over the unix socket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks {
    list: Vec<Network>,
    unix: bool,
}

/// Addresses that share their first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    first: IpAddr,
    bits: u8,
}

impl Networks {
    /// Whether a peer is in one of them; `None` is one of the unix socket.
    pub fn contains(&self, peer: Option<IpAddr>) -> bool {
        let Some(address) = peer else {
            return self.unix;
        };
        let address = address.to_canonical();
        self.list.iter().any(|network| network.contains(address))
    }

    /// Whether nobody is in them.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && !self.unix
    }

    /// Whether one of them has all addresses of a family.
    pub(super) fn has_everybody(&self) -> bool {
        self.list.iter().any(|network| network.bits == 0)
    }

    /// Adds what `item` names: `unix`, an address, or a network as `address/bits`.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn add(&mut self, item: &str) -> Result<(), String> {
        if item == "unix" {
            if self.unix {
                return Err(twice(item));
            }
            self.unix = true;
            return Ok(());
        }
        let network = Network::parse(item)?;
        if self.list.contains(&network) {
            return Err(twice(item));
        }
        if self.list.len() >= NETWORKS_MAX {
            return Err(format!("must be at most {NETWORKS_MAX} networks"));
        }
        self.list.push(network);
        Ok(())
    }
}

impl Network {
    fn parse(item: &str) -> Result<Self, String> {
        let must = || {
            format!(
                "\"{}\" is no network; write one such as 10.0.0.0/8, fd00::/8 or 192.0.2.7, or unix",
                item.escape_debug()
            )
        };
        let (address, bits) = match item.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (item, None),
        };
        let first: IpAddr = address.parse().map_err(|_| must())?;
        let most = width(first);
        let bits = match bits {
            None => most,
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                let bits = bits.parse().ok().filter(|bits| *bits <= most);
                bits.ok_or_else(must)?
            }
            Some(_) => return Err(must()),
        };
        let network = Self { first, bits };
        let start = network.start();
        if start != first {
            return Err(format!(
                "{item} has bits behind the network's; write {start}/{bits}"
            ));
        }
        Ok(network)
    }

    fn contains(self, address: IpAddr) -> bool {
        let other = Self {
            first: address,
            ..self
        };
        width(address) == width(self.first) && other.start() == self.first
    }

    /// The first address.
    fn start(self) -> IpAddr {
        match self.first {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                IpAddr::V4((address.to_bits() & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX
                    .checked_shl(128 - u32::from(self.bits))
                    .unwrap_or(0);
                IpAddr::V6((address.to_bits() & mask).into())
            }
        }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn twice(item: &str) -> String {
    format!("lists {item} twice; remove one")
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks = self.list.iter().map(|network| {
            let Network { first, bits } = network;
            match *bits == width(*first) {
                true => first.to_string(),
                false => format!("{first}/{bits}"),
            }
        });
        let all: Vec<String> = networks
            .chain(self.unix.then(|| "unix".to_owned()))
            .collect();
        f.write_str(&all.join(", "))
    }
}

/// More than any network has load balancers; each is looked at for each login.
const NETWORKS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::Networks;
    use proptest::prelude::*;

    fn networks(items: &[&str]) -> Networks {
        let mut networks = Networks::default();
        for item in items {
            networks.add(item).unwrap();
        }
        networks
    }

    #[test]
    fn an_address_is_in_the_network_that_has_its_first_bits() {
        let lists: &[(&[&str], &[&str], &[&str])] = &[
            (
                &["10.0.0.0/8"],
                &["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"],
                &["11.0.0.0", "9.255.255.255", "::10.0.0.1"],
            ),
            (&["192.0.2.7"], &["192.0.2.7"], &["192.0.2.6", "192.0.2.8"]),
            (&["0.0.0.0/0"], &["1.2.3.4"], &["::1", "fd00::1"]),
            (
                &["::/0"],
                &["::1", "fd00::1"],
                &["1.2.3.4", "::ffff:1.2.3.4"],
            ),
            (
                &["fd00::/8", "::1"],
                &["fdff::1", "::1"],
                &["fe00::1", "::2"],
            ),
        ];
        for (items, inside, outside) in lists {
            let networks = networks(items);
            let contains = |address: &str| networks.contains(Some(address.parse().unwrap()));
            assert!(inside.iter().all(|address| contains(address)), "{items:?}");
            assert!(
                !outside.iter().any(|address| contains(address)),
                "{items:?}"
            );
            assert!(!networks.contains(None));
        }
        assert!(networks(&["unix"]).contains(None));
        assert!(!networks(&["unix"]).contains(Some([127, 0, 0, 1].into())));
    }

    #[test]
    fn what_is_no_network_is_named() {
        for (item, what) in [
            (
                "10.0.0.1/8",
                "10.0.0.1/8 has bits behind the network's; write 10.0.0.0/8",
            ),
            (
                "fd00::1/64",
                "fd00::1/64 has bits behind the network's; write fd00::/64",
            ),
            ("10.0.0.0/33", "is no network"),
            ("10.0.0.0/+8", "is no network"),
            ("10.0.0.0/", "is no network"),
            ("10.0.0", "is no network"),
            ("localhost", "is no network"),
            ("unix", "lists unix twice; remove one"),
            ("::1/128", "lists ::1/128 twice; remove one"),
        ] {
            let mut networks = networks(&["unix", "::1"]);
            let error = networks.add(item).unwrap_err();
            assert!(error.contains(what), "{item}: {error}");
        }
    }

    proptest! {
        #[test]
        fn a_network_has_its_own_first_address_and_is_shown_as_it_is_read(
            address in any::<std::net::IpAddr>(), bits in 0..=128_u8,
        ) {
            let bits = bits.min(super::width(address));
            let start = super::Network { first: address, bits }.start();
            let list = networks(&[&format!("{start}/{bits}")]);
            prop_assert_eq!(networks(&[&list.to_string()]), list.clone());
            let canonical = address.to_canonical() == address;
            prop_assert!(!canonical || list.contains(Some(address)));
        }
    }
}
