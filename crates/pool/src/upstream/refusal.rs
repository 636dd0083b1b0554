//! A text that PostgreSQL refuses when it reads it, in place of a message that must fail, and its error.
//!
//! A relation of another database is refused with 0A000 before anything is looked up, also without a transaction, in
//! every version; and the error has its name, so that it says by itself what it stands for
//! (`RangeVarGetRelidExtended`).

use pgweir_wire::backend::{self, ErrorView};
use pgweir_wire::encode;
use pgweir_wire::sqlstate::SqlState;

use crate::pin::Pin;

/// A database that is no other than by intent, and a schema there.
const MARK: [&str; 2] = ["pgweir rejects", "session_state"];

/// The name of [`Refusal::Stale`].
const STALE: &str = "stale_statement";

/// Why a message of a client is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It would keep the server for this reason, which its pool does not allow.
    Rejected(Pin),
    /// It is of a statement that has another result now than when the client prepared it.
    Stale,
}

impl Refusal {
    fn name(self) -> &'static str {
        match self {
            Self::Rejected(pin) => pin.name(),
            Self::Stale => STALE,
        }
    }
}

/// A text that is refused for this reason.
pub(crate) fn refused(refusal: Refusal) -> String {
    let [database, schema] = MARK;
    let name = refusal.name();
    format!("SELECT FROM \"{database}\".\"{schema}\".\"{name}\"")
}

/// Appends PostgreSQL's error about a statement that has another result now. Drivers know it by its code and the name of
/// the routine, or by its text.
pub(crate) fn encode_stale(out: &mut Vec<u8>) {
    encode::message(out, backend::ERROR_RESPONSE, |out| {
        out.extend_from_slice(
            b"SERROR\0VERROR\0C0A000\0Mcached plan must not change result type\0\
              Fplancache.c\0RRevalidateCachedQuery\0\0",
        );
    });
}

/// What the error in `body` stands for, if it is of such a text.
pub(super) fn refused_for(body: &[u8]) -> Option<Refusal> {
    let error = ErrorView::parse(body);
    if error.sqlstate() != Some(SqlState::FEATURE_NOT_SUPPORTED) {
        return None;
    }
    let message = error.message();
    let (_, rest) = message.split_once(&MARK.join("."))?;
    let name = rest.strip_prefix('.')?;
    let len = name
        .find(|c: char| c != '_' && !c.is_ascii_lowercase())
        .unwrap_or(name.len());
    let pins = Pin::OF_STATE.into_iter().map(Refusal::Rejected);
    pins.chain([Refusal::Stale])
        .find(|refusal| refusal.name() == &name[..len])
}

#[cfg(test)]
mod tests {
    use super::{Refusal, refused_for};
    use crate::pin::Pin;

    #[test]
    fn an_error_says_what_it_stands_for_in_any_language() {
        let error = |code: &str, message: &str| {
            refused_for(format!("SERROR\0VERROR\0C{code}\0M{message}\0P13\0\0").as_bytes())
        };
        let english = "cross-database references are not implemented: ";
        let pins = Pin::OF_STATE.into_iter().map(Refusal::Rejected);
        for refusal in pins.chain([Refusal::Stale]) {
            let name = format!("pgweir rejects.session_state.{}", refusal.name());
            let quoted = format!("{english}\"{name}\"");
            assert_eq!(error("0A000", &quoted), Some(refusal));
            assert_eq!(error("0A000", &format!("« {name} »")), Some(refusal));
            assert_eq!(error("42P01", &format!("\"{name}\"")), None);
        }
        for other in ["\"a.b.listen\"", "\"pgweir rejects.session_state.x\"", ""] {
            assert_eq!(error("0A000", &format!("{english}{other}")), None);
        }
    }
}
