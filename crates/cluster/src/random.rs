//! Random names and passwords.

use std::fmt::Write as _;

/// Returns `bytes` random bytes as hex digits: a password, or a unique name.
///
/// # Errors
/// The system's random source cannot be read.
pub fn random_hex(bytes: usize) -> std::io::Result<String> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(|e| std::io::Error::other(e.to_string()))?;
    Ok(hex(&random))
}

/// Writes `bytes` as lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
