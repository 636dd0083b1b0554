//! What PostgreSQL says of a prepared statement when it is asked to describe it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use pgweir_wire::frame;

/// Types of a statement's parameters and columns of its result. Clients rely on both as long as they have the
/// statement, so PostgreSQL keeps the types, and refuses a statement whose columns are others now.
#[derive(Debug, PartialEq, Eq)]
pub struct Description {
    types: Box<[u8]>,
    columns: u64,
}

impl Description {
    /// From the bodies of ParameterDescription and RowDescription, without the latter of one that has no result.
    /// `None` if they cannot be understood.
    pub(crate) fn new(types: &[u8], columns: Option<&[u8]>) -> Option<Arc<Self>> {
        let (count, oids) = types.split_first_chunk()?;
        if oids.len() != 4 * usize::from(u16::from_be_bytes(*count)) {
            return None;
        }
        let columns = columns.map_or(Some(0), digest)?;
        Some(Arc::new(Self {
            types: types.into(),
            columns,
        }))
    }

    /// The types of the parameters, as a Parse has them behind its text.
    pub(crate) fn types(&self) -> &[u8] {
        &self.types
    }
}

/// A hash of the names and types of columns. The table that they come from makes no difference
/// (`equalTupleDescs`, `equalRowTypes`).
fn digest(body: &[u8]) -> Option<u64> {
    let (count, mut rest) = body.split_first_chunk()?;
    let mut hasher = DefaultHasher::new();
    count.hash(&mut hasher);
    for _ in 0..u16::from_be_bytes(*count) {
        let (name, fields) = frame::c_string(rest)?;
        // Table and its column, type, length and modifier, format.
        let (fields, behind) = fields.split_first_chunk::<18>()?;
        (name, &fields[6..10], &fields[12..16]).hash(&mut hasher);
        rest = behind;
    }
    rest.is_empty().then(|| hasher.finish())
}
