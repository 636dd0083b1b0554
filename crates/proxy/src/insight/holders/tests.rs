use std::time::Duration;

use pgweir_pool::id::ServerId;
use pgweir_pool::relay::Hold;
use pgweir_pool::session::Holding;
use pgweir_pool::time::Time;
use pgweir_sql::fingerprint::Fingerprint;

use super::Locking;
use crate::locks::tests::{locks, root};
use crate::locks::{LockBoard, LockOwner};

#[test]
fn a_client_waits_for_locks_or_holds_them_as_its_server_was_seen_to() {
    let board = LockBoard::default();
    let now = Time(10_000_000);
    let locking = |board: &LockBoard, server, hold, held_ms: u64, running_ms| {
        let holding = Holding {
            server: ServerId(server),
            hold,
            since: Time(now.0 - 1_000 * held_ms),
            quiet: Duration::ZERO,
            running: Duration::from_millis(running_ms),
            statement: Fingerprint::default(),
            pinned: None,
        };
        Locking::of(&board.looks(), now, &holding)
    };
    assert_eq!(locking(&board, 1, Hold::Busy, 900, 900), Locking::Free);
    let holder = root(LockOwner::Ours(ServerId(9)), 3);
    let look = locks(9_500_000, &[(1, Some(0)), (2, None)], &[holder]);
    board.set(&"a:1".into(), Some(look));
    for (server, hold, held_ms, running_ms, expected) in [
        (1, Hold::Busy, 900, 501, Locking::Waits),
        (2, Hold::Busy, 900, 900, Locking::Waits),
        (1, Hold::Busy, 900, 499, Locking::Free),
        (1, Hold::InTransaction, 900, 900, Locking::Free),
        (9, Hold::InTransaction, 900, 0, Locking::Blocks(3)),
        (9, Hold::Busy, 900, 0, Locking::Blocks(3)),
        (9, Hold::InTransaction, 499, 0, Locking::Free),
        (5, Hold::Busy, 900, 900, Locking::Free),
    ] {
        let found = locking(&board, server, hold, held_ms, running_ms);
        assert_eq!(found, expected, "{server} {hold:?} {held_ms} {running_ms}");
    }
}
