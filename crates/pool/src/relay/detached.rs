//! A client without a server: which of its messages need one, and what is answered without.

use pgweir_wire::frame::Header;
use pgweir_wire::frontend;

use super::{FromClient, OwnAnswer, Refusing, Relay, Violation};
use crate::passing::Passing;

/// What a message asks of a server.
enum Demand {
    /// An answer, and ReadyForQuery behind it.
    Query,
    /// An answer; ReadyForQuery follows the Sync of its batch.
    Extended,
    /// ReadyForQuery.
    Sync,
    /// Nothing.
    Nothing,
    /// To be left.
    Terminate,
}

impl Relay {
    pub(super) fn receive_detached(&mut self, bytes: &[u8]) -> FromClient {
        let header = match frontend::header(bytes) {
            Ok(Some(header)) => header,
            Ok(None) => return FromClient::Incomplete,
            Err(bad) => return FromClient::Violation(bad.into()),
        };
        if let Some(violation) = self.unwanted(header) {
            return FromClient::Violation(violation);
        }
        let Some(demand) = demand(header.kind) else {
            let kind = header.kind;
            return FromClient::Violation(Violation::UnknownMessage { kind });
        };
        match (demand, self.refusing) {
            (Demand::Query | Demand::Extended, Refusing::No) => FromClient::Checkout,
            (Demand::Query | Demand::Sync, Refusing::Next) => {
                self.answer(header, bytes, OwnAnswer::CanceledReady, Refusing::No)
            }
            (Demand::Extended, Refusing::Next) => {
                self.answer(header, bytes, OwnAnswer::Canceled, Refusing::Batch)
            }
            (Demand::Sync, Refusing::No | Refusing::Batch) => {
                self.answer(header, bytes, OwnAnswer::Ready, Refusing::No)
            }
            (Demand::Query | Demand::Extended, Refusing::Batch) | (Demand::Nothing, _) => {
                FromClient::Drop(self.skip(header, bytes))
            }
            (Demand::Terminate, _) => FromClient::Terminate,
        }
    }

    /// Consumes a message and answers it.
    fn answer(
        &mut self,
        header: Header,
        bytes: &[u8],
        answer: OwnAnswer,
        next: Refusing,
    ) -> FromClient {
        self.refusing = next;
        FromClient::Answer(self.skip(header, bytes), answer)
    }

    /// Consumes a message without a server, what is there of it now and the rest as it comes.
    fn skip(&mut self, header: Header, bytes: &[u8]) -> usize {
        let available = bytes.len().min(header.message_len());
        self.passing = Passing::after(false, header.message_len() - available);
        available
    }
}

/// What a message of this type asks of a server; `None` if there is no such message after login.
fn demand(kind: u8) -> Option<Demand> {
    Some(match kind {
        frontend::QUERY | frontend::FUNCTION_CALL => Demand::Query,
        frontend::PARSE
        | frontend::BIND
        | frontend::DESCRIBE
        | frontend::EXECUTE
        | frontend::CLOSE => Demand::Extended,
        frontend::SYNC => Demand::Sync,
        // PostgreSQL ignores what is left of a COPY that failed; so must we, for the server that
        // failed it is somebody else's by then.
        frontend::FLUSH | frontend::COPY_DATA | frontend::COPY_DONE | frontend::COPY_FAIL => {
            Demand::Nothing
        }
        frontend::TERMINATE => Demand::Terminate,
        _ => return None,
    })
}
