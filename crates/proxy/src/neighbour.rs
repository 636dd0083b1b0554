//! Who is at the other end of a unix socket.

use std::io;
use std::os::fd::AsFd;

/// Whether it is a process of the same user.
///
/// # Errors
/// The system does not say.
pub(crate) fn is_own(stream: impl AsFd) -> io::Result<bool> {
    let peer = rustix::net::sockopt::socket_peercred(stream)?;
    Ok(peer.uid == rustix::process::geteuid())
}

/// Whether nobody listens there.
pub(crate) fn is_nobody(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotFound};
    matches!(error.kind(), NotFound | ConnectionRefused)
}
