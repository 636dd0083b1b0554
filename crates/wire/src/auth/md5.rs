//! PostgreSQL's MD5 challenge.
//!
//! The server stores a *verifier*, `md5` and 32 hexadecimal digits, which is as good as the
//! password to an attacker who steals it: nothing here can change that.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

/// What PostgreSQL stores for a user: `md5` and the digest of the password and the user's name.
pub fn verifier(user: &str, password: &str) -> String {
    digest(password.as_bytes(), user.as_bytes())
}

/// Whether `text` has the form of a verifier. A password of this form cannot be
/// distinguished from one; PostgreSQL takes it for a verifier too.
pub fn is_verifier(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|hex| {
        hex.len() == 32 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// The password message that answers `salt`. `verifier` is one of [`verifier`].
pub fn response(verifier: &str, salt: [u8; 4]) -> String {
    let hex = verifier.strip_prefix(PREFIX).unwrap_or(verifier);
    digest(hex.as_bytes(), &salt)
}

/// Whether `response` answers `salt`. Always false when `verifier` is not one.
pub fn check(verifier: &str, salt: [u8; 4], response: &[u8]) -> bool {
    let expected = self::response(verifier, salt);
    is_verifier(verifier) && bool::from(expected.as_bytes().ct_eq(response))
}

fn digest(secret: &[u8], salt: &[u8]) -> String {
    let digest = Md5::new_with_prefix(secret).chain_update(salt).finalize();
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    let mut text = String::with_capacity(PREFIX.len() + 32);
    text.push_str(PREFIX);
    for byte in digest {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 0xF));
    }
    text
}

const PREFIX: &str = "md5";

#[cfg(test)]
mod tests {
    use super::{check, is_verifier, response, verifier};

    // Printed by md5sum: "secretalice", and the digest's text followed by the four salt bytes.
    const VERIFIER: &str = "md54a0a68b43b6cd5cf266fa02f196e2371";
    const RESPONSE: &str = "md5e9b7072d7c7ccc7b5f9a7b7d60c9a2f9";
    const SALT: [u8; 4] = [1, 2, 0xFE, 0xFF];

    #[test]
    fn digests_are_those_of_md5sum() {
        assert_eq!(verifier("alice", "secret"), VERIFIER);
        assert_eq!(response(VERIFIER, SALT), RESPONSE);
    }

    #[test]
    fn only_the_exact_answer_passes() {
        assert!(check(VERIFIER, SALT, RESPONSE.as_bytes()));
        assert!(!check(VERIFIER, [0; 4], RESPONSE.as_bytes()));
        for bad in ["", "md5", VERIFIER, &RESPONSE[1..], &format!("{RESPONSE}0")] {
            assert!(!check(VERIFIER, SALT, bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn nothing_passes_for_what_is_not_a_verifier() {
        for bad in [
            "",
            "md5",
            "secret",
            &VERIFIER[3..],
            &VERIFIER.to_uppercase(),
        ] {
            assert!(!is_verifier(bad), "{bad}");
            assert!(!check(bad, SALT, response(bad, SALT).as_bytes()), "{bad}");
        }
    }
}
