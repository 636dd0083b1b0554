//! Names of prepared statements as they stand in messages of which not all may have come.

use pgweir_wire::{frame, frontend};

use crate::replies::Name;

/// Longest name of a prepared statement. PostgreSQL keeps 63 bytes of it (`NAMEDATALEN`); this is
/// room for drivers that put a hash and the caller's name in.
pub const NAME_MAX: usize = 1024;

/// What there is of a name that will be kept.
pub(super) enum NameSeen {
    /// The name, `None` if it is empty or not a statement's.
    Name(Option<Name>),
    /// Its end has not come yet.
    Incomplete,
    /// It is too long.
    Bad,
}

/// The name that was `found` in a body; `whole` says that no more of the message will come.
pub(super) fn statement_name(found: Option<&[u8]>, body: &[u8], whole: bool) -> NameSeen {
    match found {
        Some(name) if name.len() > NAME_MAX => NameSeen::Bad,
        Some([]) => NameSeen::Name(None),
        Some(name) => NameSeen::Name(Some(name.into())),
        None if body.len() > NAME_MAX + 2 => NameSeen::Bad,
        // Malformed, which PostgreSQL answers with an error of its own.
        None if whole => NameSeen::Name(None),
        None => NameSeen::Incomplete,
    }
}

/// The name of the statement that a Close closes; empty for a portal.
pub(super) fn closed_name(body: &[u8]) -> Option<&[u8]> {
    match body {
        [frontend::TARGET_STATEMENT, rest @ ..] => frame::c_string(rest).map(|(name, _)| name),
        [] => None,
        _ => Some(&[]),
    }
}

/// What there is of a name that is only looked up.
pub(super) enum BoundSeen<'a> {
    /// The name, empty for the unnamed statement.
    Name(&'a [u8]),
    /// Its end has not come yet.
    Incomplete,
    /// It is too long.
    Bad,
}

/// The statement that a Bind binds. Unlike a statement's name at its Parse, it is not kept.
pub(super) fn bound_name(body: &[u8], whole: bool) -> BoundSeen<'_> {
    match frontend::bind_statement(body) {
        Some(name) if name.len() > NAME_MAX => BoundSeen::Bad,
        Some(name) => BoundSeen::Name(name),
        None if body.len() > 2 * (NAME_MAX + 1) => BoundSeen::Bad,
        // Malformed, which PostgreSQL answers with an error of its own.
        None if whole => BoundSeen::Name(&[]),
        None => BoundSeen::Incomplete,
    }
}
