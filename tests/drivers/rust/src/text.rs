//! Values as text: numbers and words as they are, everything else as PostgreSQL sent it, in hexadecimal digits.

use serde_json::{Value, json};

/// A value by the OID of its type, in PostgreSQL's binary format.
pub fn binary(oid: u32, bytes: &[u8]) -> Value {
    const BOOL: u32 = 16;
    const NAME: u32 = 19;
    const INT8: u32 = 20;
    const INT4: u32 = 23;
    const TEXT: u32 = 25;
    const VARCHAR: u32 = 1043;
    match oid {
        BOOL => json!(bytes == [1]),
        INT4 => json!(i32::from_be_bytes(bytes.try_into().unwrap())),
        INT8 => json!(i64::from_be_bytes(bytes.try_into().unwrap())),
        NAME | TEXT | VARCHAR => json!(String::from_utf8_lossy(bytes)),
        _ => json!(
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        ),
    }
}
