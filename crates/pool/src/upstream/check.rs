//! What PostgreSQL says of shared statements, and whether what it said before still holds.
//!
//! A client relies on the parameters and columns that a statement had when it prepared it, and PostgreSQL refuses the
//! statement when its columns have changed since ("cached plan must not change result type"). What a server has may be
//! older than the client's Parse, so each Parse of a client brings a Describe of the pooler along, whose answer is kept
//! with the statement; one that finds the server's copy out of date is no error of the client. It comes before
//! anything of the client's batch has run, which is then sent again behind a real Parse ([`Check`]).

use pgweir_wire::backend::{self, ErrorView};
use pgweir_wire::{encode, frontend};

use super::{UNDERSTOOD_MAX, Upstream};
use crate::prepared::{
    ClientState, Description, SHARED_MAX, StatementName, mentions_ours, push_name,
};
use crate::replies::Reply;

/// Bytes of a batch that are kept until it is known whether they must be sent again: the longest Parse that is shared,
/// and as much behind it.
pub(crate) const KEPT_MAX: usize = 2 * SHARED_MAX;

/// A batch that begins with a Parse which was answered by what the server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Check {
    /// There is none.
    #[default]
    Nothing,
    /// PostgreSQL was asked whether that is right, and has not answered. So many bytes more may follow.
    Asked {
        /// The rest of [`KEPT_MAX`].
        room: usize,
    },
    /// It is not, and the server skips the batch.
    Failed {
        /// The client has sent its end.
        is_ended: bool,
    },
}

impl Upstream {
    /// Asks for the description of the statement with this number, which the client has just prepared under the name.
    pub(crate) fn describe(&mut self, number: u32, name: Option<&[u8]>) {
        encode::message(&mut self.spliced, frontend::DESCRIBE, |out| {
            out.push(frontend::TARGET_STATEMENT);
            push_name(out, Some(number));
        });
        let described = Reply::OwnDescribe(number, name.map(Into::into));
        self.replies.sent(described);
    }

    /// Has the server say what it has to say before a Sync.
    pub(crate) fn flush_answers(&mut self) {
        encode::message(&mut self.spliced, frontend::FLUSH, |_| {});
    }

    /// Whether the message with this header and what there is of its body says that the check has failed.
    #[inline]
    pub(super) fn fails_check(&self, kind: u8, body: Option<&[u8]>) -> bool {
        kind == backend::ERROR_RESPONSE
            && matches!(self.prepared.check, Check::Asked { .. })
            && self.replies.next_describes()
            && body.is_some_and(tells_of_stale_statement)
    }

    /// Whether a message of this type and length has to be seen whole for what it says of a statement.
    #[inline]
    pub(super) fn is_of_description(&self, kind: u8, len: u32) -> bool {
        len <= UNDERSTOOD_MAX
            && match kind {
                backend::ERROR_RESPONSE => matches!(self.prepared.check, Check::Asked { .. }),
                backend::PARAMETER_DESCRIPTION | backend::ROW_DESCRIPTION => {
                    self.replies.next_describes()
                }
                _ => false,
            }
    }

    /// PostgreSQL has described a statement.
    pub(super) fn described(
        &mut self,
        (number, name): (u32, Option<StatementName>),
        (kind, body): (u8, Option<&[u8]>),
        client: Option<&mut ClientState>,
    ) {
        let types = self.prepared.types.take();
        let description = match (types, kind, body) {
            (Some(types), backend::NO_DATA, _) => Description::new(&types, None),
            (Some(types), _, Some(columns)) => Description::new(&types, Some(columns)),
            _ => None,
        };
        if let (Some(name), Some(client)) = (name, client) {
            self.prepared.check = Check::Nothing;
            if let Some(statement) = client.statements.get_mut(&name) {
                statement.described.clone_from(&description);
            }
        }
        self.prepared.shared.described(number, description);
    }

    /// The batch of the client is to be sent again, if its check has failed: what ends it on the server goes to `out`
    /// unless the client has ended it.
    pub(crate) fn take_failed_check(&mut self, out: &mut Vec<u8>) -> bool {
        let Check::Failed { is_ended } = self.prepared.check else {
            return false;
        };
        self.prepared.check = Check::Nothing;
        if !is_ended {
            self.send_sync();
            out.append(&mut self.spliced);
        }
        true
    }
}

/// Whether an error to a Bind or Describe says that a statement fits the tables no longer: PostgreSQL has looked at its
/// text again, with the types that its parameters had.
pub(super) fn tells_of_misfit(body: &[u8]) -> bool {
    // Undefined function, column, table and object; mismatch of types; ambiguous function.
    let codes = ["42883", "42703", "42P01", "42704", "42804", "42725"];
    let code = ErrorView::parse(body).sqlstate();
    code.is_some_and(|code| codes.contains(&&*code.to_string()))
}

/// Whether an error says that a statement of the pooler has another result now than it was prepared with, or is
/// not there any more. The name of the routine is not translated.
pub(super) fn tells_of_stale_statement(body: &[u8]) -> bool {
    let has = |field: &[u8]| body.windows(field.len()).any(|window| window == field);
    has(b"\0C0A000\0") && has(b"\0RRevalidateCachedQuery\0")
        || has(b"\0C26000\0") && mentions_ours(body)
}
