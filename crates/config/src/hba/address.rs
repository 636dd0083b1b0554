//! Where clients of a rule come from.

use std::fmt;
use std::net::IpAddr;

use crate::access::Network;
use crate::records::Token;

/// Addresses that a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Addresses {
    /// Every address.
    All,
    /// Those that are the same as this one where the mask has ones.
    Network(IpAddr, IpAddr),
    /// Those of this machine itself.
    SameHost,
    /// Those of the networks that this machine is in.
    SameNet,
}

impl Addresses {
    /// Reads the address of a rule, and its mask from the next field where it has one there; and
    /// whether it has.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn read(token: &Token, next: Option<&Token>) -> Result<(Self, bool), String> {
        if token.is("all") {
            return Ok((Self::All, false));
        }
        if token.is("samehost") {
            return Ok((Self::SameHost, false));
        }
        if token.is("samenet") {
            return Ok((Self::SameNet, false));
        }
        let text = &*token.text;
        if let Some((address, len)) = text.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| no_address(text))?;
            let mask = mask(&address, len).ok_or_else(|| no_address(text))?;
            return Ok((Self::Network(address, mask), false));
        }
        let address: IpAddr = text.parse().map_err(|_| no_address(text))?;
        let mask = next.and_then(|next| next.text.parse::<IpAddr>().ok());
        match mask {
            Some(mask) if mask.is_ipv4() == address.is_ipv4() => {
                Ok((Self::Network(address, mask), true))
            }
            Some(_) => Err("has an address and a mask of different kinds".to_owned()),
            None => {
                let bits = if address.is_ipv4() { 32 } else { 128 };
                Err(format!(
                    "has an address without a mask; write {address}/{bits}, or a mask behind it"
                ))
            }
        }
    }

    /// Whether an address is one of them. `networks` are asked for only where they matter.
    pub(super) fn contain(self, address: IpAddr, networks: &dyn Fn() -> Vec<Network>) -> bool {
        let every_bit = |own: IpAddr| match own {
            IpAddr::V4(_) => IpAddr::from([0xff; 4]),
            IpAddr::V6(_) => IpAddr::from([0xff; 16]),
        };
        match self {
            Self::All => true,
            Self::Network(network, mask) => is_in(address, (network, mask)),
            Self::SameHost => {
                let own = networks().into_iter();
                own.into_iter()
                    .any(|(own, _)| is_in(address, (own, every_bit(own))))
            }
            Self::SameNet => networks().into_iter().any(|own| is_in(address, own)),
        }
    }

    /// Whether all of them are of this machine alone.
    pub(super) fn is_local(self) -> bool {
        match self {
            Self::SameHost => true,
            Self::Network(IpAddr::V4(network), IpAddr::V4(mask)) => {
                network.is_loopback() && mask.octets()[0] == 0xff
            }
            Self::Network(network, mask) => {
                network.is_loopback() && mask == IpAddr::from([0xff; 16])
            }
            Self::All | Self::SameNet => false,
        }
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("any address"),
            Self::Network(address, mask) => write!(f, "{address}, mask {mask}"),
            Self::SameHost => f.write_str("this machine"),
            Self::SameNet => f.write_str("the networks of this machine"),
        }
    }
}

/// The mask with so many ones in front.
fn mask(address: &IpAddr, len: &str) -> Option<IpAddr> {
    if len.is_empty() || !len.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let len: u32 = len.parse().ok()?;
    match address {
        IpAddr::V4(_) => {
            let zeros = 32_u32.checked_sub(len)?;
            let bits = u32::MAX.checked_shl(zeros).unwrap_or(0);
            Some(IpAddr::V4(bits.into()))
        }
        IpAddr::V6(_) => {
            let zeros = 128_u32.checked_sub(len)?;
            let bits = u128::MAX.checked_shl(zeros).unwrap_or(0);
            Some(IpAddr::V6(bits.into()))
        }
    }
}

fn is_in(address: IpAddr, (network, mask): Network) -> bool {
    match (address, network, mask) {
        (IpAddr::V4(address), IpAddr::V4(network), IpAddr::V4(mask)) => {
            (address.to_bits() ^ network.to_bits()) & mask.to_bits() == 0
        }
        (IpAddr::V6(address), IpAddr::V6(network), IpAddr::V6(mask)) => {
            (address.to_bits() ^ network.to_bits()) & mask.to_bits() == 0
        }
        _ => false,
    }
}

fn no_address(text: &str) -> String {
    let text = pgweir_settings::text::printable(text);
    format!(
        "has \"{text}\" for an address; write one such as 10.0.0.0/8 or ::1/128, or all, samehost or \
         samenet (names of hosts are not looked up)"
    )
}
