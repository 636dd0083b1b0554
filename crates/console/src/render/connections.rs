//! Clients and servers.

use crate::facts::{Connection, Side};
use crate::rows::{Cell, Row};

use super::moment;

/// A row of `SHOW CLIENTS` or `SHOW SERVERS`.
pub(super) fn row(one: &Connection) -> Row {
    let waited = one.waited.unwrap_or_default();
    let pointer = |pointer: u64| format!("{pointer:#x}");
    let mut row = Vec::with_capacity(28);
    row.extend([
        match one.side {
            Side::Client => "C",
            Side::Server => "S",
        }
        .into(),
        one.user.clone().into(),
        one.database.clone().into(),
        one.replication.into(),
        one.state.into(),
    ]);
    for address in [one.address, one.local] {
        let (text, port) = match (address, one.address) {
            (Some(address), _) => (address.ip().to_string().into(), address.port()),
            // This end is not known of a session of the console.
            (None, Some(_)) => ("".into(), 0),
            (None, None) => ("unix".into(), 0),
        };
        row.extend([text, Cell::from(u32::from(port))]);
    }
    row.extend([
        moment(one.connected).into(),
        moment(one.requested).into(),
        Cell::number(waited.as_secs()),
        waited.subsec_micros().into(),
        one.close_needed.into(),
        pointer(one.pointer).into(),
        one.link.map(pointer).unwrap_or_default().into(),
        Cell::number(one.process),
        one.tls.clone().into(),
        one.application.clone().into(),
        one.statements.into(),
        one.id.into(),
    ]);
    row
}

/// A row of `SHOW SOCKETS`. Messages are not collected before they are passed on, so nothing has a place in one.
pub(super) fn socket(one: &Connection) -> Row {
    let mut row = row(one);
    let unsent = Cell::number(u64::try_from(one.unsent).unwrap_or(u64::MAX));
    let none = || Cell::Number(0);
    row.extend([
        none(),
        none(),
        none(),
        none(),
        unsent.clone(),
        none(),
        unsent,
    ]);
    row
}

/// A row of `SHOW FDS`: descriptors are not handed over, so there is none.
pub(super) fn fd(_one: &Connection) -> Option<Row> {
    None
}
