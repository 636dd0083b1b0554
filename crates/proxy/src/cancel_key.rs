//! Numbers and secrets for cancel requests, and what of them says whose client it is.
//!
//! With peers the layout is PgBouncer's, so that both can pass on each other's requests: of the eight bytes of number
//! and secret, as they are sent, the second and third are the peer's number, the low byte first, and the last
//! two bits of the eighth are how often a request may still be passed on. They are set when the key is made. In a
//! longer secret (protocol 3.2) they are at the same place.

use std::fmt;
use std::num::NonZeroU16;

use pgweir_wire::startup::MINOR_LONG_KEYS;

/// A client's number and secret for cancel requests, as PostgreSQL's process number and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CancelKey {
    pub(crate) pid: u32,
    pub(crate) secret: CancelSecret,
}

/// Numbers that the clients of one peer can have: the peer's takes two of their bytes, and the sign is unset.
pub(crate) const PEERED_NUMBERS: u32 = 1 << 15;

/// The byte of a secret that says how often a request may be passed on, and its bits.
const HOPS_BYTE: usize = 3;
const HOPS: u8 = 0b11;

/// A random number for a client. The caller looks whether another has it.
///
/// # Panics
/// As [`CancelSecret::random`].
pub(crate) fn random_pid() -> u32 {
    loop {
        // Some drivers read the number as signed, and zero means none.
        let pid = getrandom::u32().expect("the system gives random numbers") & 0x7fff_ffff;
        if pid != 0 {
            return pid;
        }
    }
}

/// The number of a client of this peer that `number` stands for, of which fifteen bits count.
pub(crate) fn peered(number: u32, peer: NonZeroU16) -> u32 {
    let [_, _, first, last] = number.to_be_bytes();
    let [low, high] = peer.get().to_le_bytes();
    u32::from_be_bytes([first & 0x7f, low, high, last])
}

/// The peer that a client of this number is of, where there are peers.
pub(crate) fn peer_of(pid: u32) -> u16 {
    let [_, low, high, _] = pid.to_be_bytes();
    u16::from_le_bytes([low, high])
}

/// The secret of a request that is passed on once more; `None` if it may not be.
pub(crate) fn passed_on(key: &[u8]) -> Option<Vec<u8>> {
    let mut key = key.to_vec();
    let byte = key.get_mut(HOPS_BYTE)?;
    if *byte & HOPS == 0 {
        return None;
    }
    *byte -= 1;
    Some(key)
}

/// The secret as it was made, however often the request was passed on.
pub(crate) fn as_made(key: &[u8]) -> Vec<u8> {
    let mut key = key.to_vec();
    if let Some(byte) = key.get_mut(HOPS_BYTE) {
        *byte |= HOPS;
    }
    key
}

/// What a client has to know to cancel: as long as PostgreSQL's, 4 bytes or 32.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CancelSecret {
    /// Before protocol 3.2.
    Short([u8; 4]),
    /// Since.
    Long([u8; 32]),
}

impl CancelSecret {
    /// A random one, of the length that a client of protocol 3.`minor` can take; `peer` is this process, where
    /// there are others.
    ///
    /// # Panics
    /// If the system has no random numbers: no key could be made that cannot be guessed.
    pub(crate) fn random(minor: u16, peer: Option<NonZeroU16>) -> Self {
        let mut secret = if minor < MINOR_LONG_KEYS {
            Self::Short([0; 4])
        } else {
            Self::Long([0; 32])
        };
        let bytes = secret.bytes_mut();
        getrandom::fill(bytes).expect("the system gives random numbers");
        if peer.is_some() {
            bytes[HOPS_BYTE] |= HOPS;
        }
        secret
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Short(bytes) => bytes,
            Self::Long(bytes) => bytes,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Short(bytes) => bytes,
            Self::Long(bytes) => bytes,
        }
    }

    /// Whether `key` is this, in time that does not depend on where they differ.
    pub(crate) fn is(&self, key: &[u8]) -> bool {
        let own = self.bytes();
        let difference = own.iter().zip(key).fold(0, |acc, (a, b)| acc | (a ^ b));
        own.len() == key.len() && difference == 0
    }
}

impl fmt::Debug for CancelSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelSecret").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::{CancelSecret, as_made, passed_on, peer_of, peered};

    #[test]
    fn a_number_has_the_peers_where_pgbouncer_has_it() {
        // By PgBouncer: key[1] is the low byte, key[2] the high one, and the sign of key[0] is unset.
        let peer = NonZeroU16::new(0x0102).unwrap();
        let pid = peered(0xffff_ffff, peer);
        assert_eq!(pid.to_be_bytes(), [0x7f, 0x02, 0x01, 0xff]);
        assert_eq!(peer_of(pid), 0x0102);
    }

    #[test]
    fn a_request_is_passed_on_three_times_and_known_each_time() {
        let peer = NonZeroU16::new(7);
        for minor in [0, 2] {
            let secret = CancelSecret::random(minor, peer);
            let mut key = secret.bytes().to_vec();
            for hops in [2, 1, 0] {
                key = passed_on(&key).expect("not often enough");
                assert_eq!(key[3] & 3, hops);
                assert!(!secret.is(&key) && secret.is(&as_made(&key)));
            }
            assert_eq!(passed_on(&key), None);
        }
        assert_eq!(passed_on(&[1, 2, 3]), None, "no secret of ours");
    }
}
