//! What a session and a server keep of the bytes that pass is bounded by the worker's buffer.

use pgweir_pool::upstream::UNDERSTOOD_MAX;

/// What the pooler itself adds: settings before a query, last words behind an answer.
const OWN_MAX: usize = 4 * 1024;

/// A session keeps so many bytes: what the client sent, and what is meant for it. A Sync of five
/// bytes is answered with six.
pub(in crate::path) fn session(held: usize, unsent: usize, scratch: usize) {
    assert!(
        held <= scratch,
        "bounded: {held} bytes of a client are held"
    );
    assert!(
        unsent <= scratch / 5 * 6 + OWN_MAX,
        "bounded: {unsent} bytes wait for a client"
    );
}

/// A server keeps so many bytes: what it sent, and what is meant for it.
pub(in crate::path) fn server(held: usize, unsent: usize, scratch: usize) {
    assert!(
        held <= UNDERSTOOD_MAX as usize + 5,
        "bounded: {held} bytes of a server are held"
    );
    assert!(
        unsent <= scratch + OWN_MAX,
        "bounded: {unsent} bytes wait for a server"
    );
}

/// A client moves to another worker; so many more may before the next sweep.
pub(in crate::path) fn moves(left: &mut u32) {
    assert!(
        *left > 0,
        "bounded: more clients move than the sweep asked for"
    );
    *left -= 1;
}
