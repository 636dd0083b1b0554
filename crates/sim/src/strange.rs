//! Bytes that nobody should send, from one side of a session, split anywhere.
//!
//! The simulation's clients and servers keep to the protocol. Here one side does not: what it sends is read from a
//! list of bytes, as templates of messages, changed ones, and rubbish. Fuzzers choose the list; the tests of this
//! crate draw it from seeds.
//!
//! * [`clients_bytes`]: a strange client at an honest PostgreSQL. The next client of that server must see its own
//!   answers to the byte, and its own settings.
//! * [`servers_bytes`]: an honest client, and a server that says anything. The client gets whole messages, and the
//!   server is used again only if it answered everything.

mod choices;
mod client;
mod honest;
mod messages;
mod server;
mod stream;

pub use client::{Seen, clients_bytes};
pub use server::{Told, servers_bytes};

use std::borrow::Cow;
use std::time::Duration;

use pgweir_pool::id::{ClientId, ServerId, WorkerId};
use pgweir_pool::pool::{Bounds, Checkout, Place, Pool};
use pgweir_pool::session::{Fault, Sentences};
use pgweir_pool::time::Time;

use crate::rng::Rng;

/// When everything happens: there are no limits here.
const NOW: Time = Time(1_000_000);

/// The worker's buffer. Larger than any message that must be understood.
const SCRATCH: usize = 32 * 1024;

/// A list of `len` bytes that choose what happens, from a seed.
pub fn choices(seed: u64, len: usize) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let words = std::iter::repeat_with(|| rng.next().to_le_bytes());
    words.flatten().take(len).collect()
}

fn wording(fault: Fault<'_>) -> Sentences<'_> {
    Sentences {
        sqlstate: None,
        message: Cow::Owned(format!("{fault:?}")),
        detail: None,
        hint: None,
    }
}

/// A place in the queue of some pool.
fn place() -> Place {
    let bounds = Bounds {
        size_max: 1,
        size_min: 0,
        keeps_min_unused: false,
        reserve_max: 0,
        reserve_after: Duration::MAX,
        waiters_max: 1,
        wait_max: Duration::MAX,
        idle_max: Duration::MAX,
        lifetime: Duration::MAX,
        login_retry: Duration::MAX,
        round_robin: false,
    };
    match Pool::new(bounds, 1, ServerId(0)).checkout(NOW, ClientId(0), WorkerId(0)) {
        Checkout::Waits(place) => place,
        other => unreachable!("an empty pool has no server, but answers {other:?}"),
    }
}
