//! Names of prepared statements as they stand in messages of which not all may have come.

use pgweir_wire::{frame, frontend};

use super::{FromClient, Violation};

/// Longest name of a prepared statement. PostgreSQL keeps 63 bytes of it (`NAMEDATALEN`), and takes no Describe or Close of
/// more than 10,000 bytes (`PQ_SMALL_MESSAGE_LIMIT`).
pub const NAME_MAX: usize = 8 * 1024;

/// The name that was `found` in a body; empty if there is none or it is not a statement's.
/// `whole` says that no more of the message will come.
///
/// # Errors
/// The end of the name has not come yet, or it is too long.
#[inline]
pub(super) fn checked_name<'a>(
    kind: u8,
    found: Option<&'a [u8]>,
    body: &[u8],
    whole: bool,
) -> Result<&'a [u8], FromClient> {
    // A type and the byte behind the name may stand beside it.
    checked(kind, found, body, whole, NAME_MAX + 2)
}

/// As `checked_name`, of a name behind that of a portal.
pub(super) fn looked_up_name<'a>(
    kind: u8,
    found: Option<&'a [u8]>,
    body: &[u8],
    whole: bool,
) -> Result<&'a [u8], FromClient> {
    checked(kind, found, body, whole, 2 * (NAME_MAX + 1))
}

/// The name of the statement that a Close closes; empty for a portal.
pub(super) fn closed_name(body: &[u8]) -> Option<&[u8]> {
    match body {
        [frontend::TARGET_STATEMENT, rest @ ..] => frame::c_string(rest).map(|(name, _)| name),
        [] => None,
        _ => Some(&[]),
    }
}

/// `end_max` is the last place in the body where the name may end.
#[inline]
fn checked<'a>(
    kind: u8,
    found: Option<&'a [u8]>,
    body: &[u8],
    whole: bool,
    end_max: usize,
) -> Result<&'a [u8], FromClient> {
    let too_long = Err(FromClient::Violation(Violation::BadName { kind }));
    match found {
        Some(name) if name.len() > NAME_MAX => too_long,
        Some(name) => Ok(name),
        None if body.len() > end_max => too_long,
        // Malformed, which PostgreSQL answers with an error of its own.
        None if whole => Ok(&[]),
        None => Err(FromClient::Incomplete),
    }
}
