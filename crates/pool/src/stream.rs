//! What a stream between non-blocking ends has to tell beyond its bytes.

use std::io::{Read, Write};

/// A non-blocking stream whose readiness is announced once, when it begins (edge-triggered).
///
/// * A read that does not fill its buffer has emptied the stream, unless [`Stream::has_more`].
/// * A write that takes less than it was given has filled it, and there is an event when there is room
///   again. What it did not take is given to the next write first, unchanged: a stream that encrypts
///   may have it encrypted already.
pub trait Stream: Read + Write {
    /// Whether there is more to read that no event will announce, though the last read did not fill
    /// its buffer: bytes came in larger pieces than they are handed on.
    fn has_more(&self) -> bool {
        false
    }
}
