//! When a client's request reaches a backend, nothing of another client is left there.
//!
//! That the settings are the client's is seen in every row, which `transparent` compares.

use std::collections::BTreeSet;

use crate::path::postgres::{Backend, Journal, Tx};
use crate::path::sql::{SHARED, Statement, Tag};

/// A request came.
pub(in crate::path) fn arrives(backend: &Backend, tag: Tag, refused: &BTreeSet<u64>) {
    let name = &backend.name;
    // Without a pooler there is nobody else.
    let Some(holder) = backend.holder else { return };
    assert_eq!(
        holder, tag.client,
        "hygiene: {name} got {tag}, but is not held by that client"
    );
    assert!(
        !refused.contains(&tag.client),
        "hygiene: {name} got {tag} of a client whose settings are wrong"
    );
    let role = backend.settings.value("role");
    let own = format!("c{}", tag.client);
    assert!(
        role == "none" || role == own,
        "hygiene: {name} got {tag} in the role {role} of another client"
    );
    if backend.guest == Some(tag.client) {
        return;
    }
    assert_eq!(
        backend.tx,
        Tx::Idle,
        "hygiene: {name} got {tag} in another client's transaction"
    );
    let foreign = backend.clients_statements().next();
    assert_eq!(
        foreign, None,
        "hygiene: {name} got {tag} beside another client's statement"
    );
    assert!(
        backend.held.is_empty(),
        "hygiene: {name} got {tag} and holds another client's {}",
        backend.held
    );
    assert!(
        backend.portals.is_empty(),
        "hygiene: {name} got {tag} beside another client's portal"
    );
}

/// All is over: each statement of a client met the settings that it meets without a pooler.
pub(in crate::path) fn met(client: u64, pooled: &Journal, direct: &Journal) {
    for (tag, settings) in pooled.iter().filter(|(tag, _)| tag.client == client) {
        assert_eq!(
            Some(settings),
            direct.get(tag),
            "hygiene: the settings that {tag} met are not its client's"
        );
    }
}

/// A prepared statement is bound.
pub(in crate::path) fn runs(backend: &Backend, tag: Tag, statement: &Statement) {
    let owner = statement.tag.map(|tag| tag.client);
    assert!(
        owner == Some(tag.client) || owner == Some(SHARED),
        "hygiene: {} binds another client's statement for {tag}",
        backend.name
    );
}

/// Data came for a COPY.
pub(in crate::path) fn copies(backend: &Backend, tag: Tag, data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    assert_eq!(
        Tag::parse(&text).map(|tag| tag.client),
        Some(tag.client),
        "hygiene: {} copies another client's data for {tag}",
        backend.name
    );
}
