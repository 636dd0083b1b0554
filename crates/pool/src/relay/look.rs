//! Which messages of a client are looked at more closely, told at little cost: most are of texts that are known
//! to leave nothing behind.

use pgweir_sql::fingerprint::text_hash;
use pgweir_sql::skeleton::skeleton_hash;
use pgweir_wire::frontend;

use super::Relay;
use super::mapped::Message;
use crate::prepared::SHARED_MAX;
use crate::upstream::Upstream;

/// PostgreSQL's numbers of the functions `currval` and `lastval`, which have never changed.
const READING_FUNCTIONS: [u32; 2] = [1575, 2559];

/// What is to be looked at of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing: it leaves nothing behind and reads no number of a sequence.
    Nothing,
    /// The text of a Query, with its hash.
    Query(u64),
    /// That of a Parse, or which statement it is of that may leave something.
    Parse(u64),
    /// Which statement a Bind is of.
    Bind,
    /// A FunctionCall.
    Call,
}

impl Relay {
    /// What is to be looked at more closely of a message that may go to the server.
    #[inline]
    pub(super) fn recognise(&self, server: &Upstream, message: Message<'_>) -> Look {
        let (body, whole) = (message.body, message.is_whole());
        let is_text = matches!(message.header.kind, frontend::QUERY | frontend::PARSE);
        if is_text && !whole && message.header.body_len as usize <= SHARED_MAX {
            // It goes to the server as a whole only.
            return Look::Nothing;
        }
        match message.header.kind {
            frontend::QUERY => {
                let text = body.strip_suffix(b"\0").unwrap_or(body);
                let hash = skeleton_hash(text).unwrap_or_else(|| text_hash(text));
                if whole && server.state.is_harmless(hash) {
                    Look::Nothing
                } else {
                    Look::Query(hash)
                }
            }
            frontend::PARSE => {
                let text = frontend::parse_text(body);
                let hash = text_hash(text.unwrap_or(body));
                let is_harmless = text.is_some() && server.state.is_harmless(hash);
                if is_harmless && self.lasting.is_none() {
                    Look::Nothing
                } else {
                    Look::Parse(hash)
                }
            }
            frontend::BIND if self.lasting.is_some() => Look::Bind,
            frontend::FUNCTION_CALL => Look::Call,
            _ => Look::Nothing,
        }
    }
}

/// Whether a FunctionCall reads the last number of a sequence.
pub(super) fn calls_reader(body: &[u8]) -> bool {
    let called = body.first_chunk().map(|oid| u32::from_be_bytes(*oid));
    // Of one that is not there yet anything may be called.
    called.is_none_or(|oid| READING_FUNCTIONS.contains(&oid))
}
