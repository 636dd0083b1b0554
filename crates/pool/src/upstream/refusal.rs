//! A text that PostgreSQL refuses when it reads it, in place of one that the pool rejects, and its error.
//!
//! A relation of another database is refused with 0A000 before anything is looked up, also without a transaction, in
//! every version; and the error has its name, so that it says by itself what it stands for
//! (`RangeVarGetRelidExtended`).

use pgweir_wire::backend::ErrorView;
use pgweir_wire::sqlstate::SqlState;

use crate::pin::Pin;

/// A database that is no other than by intent, and a schema there.
const MARK: [&str; 2] = ["pgweir rejects", "session_state"];

/// A text that is refused because it would keep the server for this reason.
pub(crate) fn refused(pin: Pin) -> String {
    let [database, schema] = MARK;
    format!("SELECT FROM \"{database}\".\"{schema}\".\"{}\"", pin.name())
}

/// What the error in `body` stands for, if it is of such a text.
pub(super) fn refused_for(body: &[u8]) -> Option<Pin> {
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
    Pin::OF_STATE
        .into_iter()
        .find(|pin| pin.name() == &name[..len])
}

#[cfg(test)]
mod tests {
    use super::refused_for;
    use crate::pin::Pin;

    #[test]
    fn an_error_says_what_it_stands_for_in_any_language() {
        let error = |code: &str, message: &str| {
            refused_for(format!("SERROR\0VERROR\0C{code}\0M{message}\0P13\0\0").as_bytes())
        };
        let english = "cross-database references are not implemented: ";
        for pin in Pin::OF_STATE {
            let name = format!("pgweir rejects.session_state.{}", pin.name());
            assert_eq!(error("0A000", &format!("{english}\"{name}\"")), Some(pin));
            assert_eq!(error("0A000", &format!("« {name} »")), Some(pin));
            assert_eq!(error("42P01", &format!("\"{name}\"")), None);
        }
        for other in ["\"a.b.listen\"", "\"pgweir rejects.session_state.x\"", ""] {
            assert_eq!(error("0A000", &format!("{english}{other}")), None);
        }
    }
}
