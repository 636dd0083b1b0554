//! What goes between the pooler and the process that asks PAM.

use std::ffi::{CStr, CString};
use std::fmt;
use std::time::Duration;

/// Who wants to come in.
#[derive(Clone, PartialEq, Eq)]
pub struct Question {
    service: CString,
    user: CString,
    password: CString,
    host: CString,
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A secret never reaches a log, not even by accident.
        write!(f, "Question({:?}, ..)", self.user)
    }
}

/// What PAM says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The password is right, and the account may be used.
    Accepted,
    /// It is not.
    Refused {
        /// What libpam calls the reason.
        why: String,
        /// How long a module wants the answer to wait.
        delay: Duration,
    },
    /// PAM cannot be asked.
    Failed(String),
}

impl Question {
    /// A user with a password that says to be one of a service, from a host or an address. `None` if a text
    /// has a NUL, as no name and no password of PAM has.
    pub fn new(service: &str, user: &str, password: &[u8], host: &str) -> Option<Self> {
        Some(Self {
            service: CString::new(service).ok()?,
            user: CString::new(user).ok()?,
            password: CString::new(password).ok()?,
            host: CString::new(host).ok()?,
        })
    }

    pub(crate) fn service(&self) -> &CStr {
        &self.service
    }

    pub(crate) fn user(&self) -> &CStr {
        &self.user
    }

    pub(crate) fn password(&self) -> &CStr {
        &self.password
    }

    /// Where it comes from; `None` is this machine.
    pub(crate) fn host(&self) -> Option<&CStr> {
        (!self.host.is_empty()).then_some(&*self.host)
    }

    /// The question as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let texts = [&self.service, &self.user, &self.password, &self.host];
        texts
            .iter()
            .flat_map(|text| text.to_bytes_with_nul())
            .copied()
            .collect()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut next = || {
            let text = CStr::from_bytes_until_nul(rest).ok()?;
            rest = &rest[text.to_bytes_with_nul().len()..];
            Some(text.to_owned())
        };
        let question = Self {
            service: next()?,
            user: next()?,
            password: next()?,
            host: next()?,
        };
        rest.is_empty().then_some(question)
    }
}

impl Answer {
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Accepted => "accepted".to_owned(),
            Self::Refused { why, delay } => format!("refused {} {why}", delay.as_micros()),
            Self::Failed(why) => format!("failed {why}"),
        }
        .into_bytes()
    }

    /// The answer that these bytes are.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        if text == "accepted" {
            return Some(Self::Accepted);
        }
        let printable = |text: &str| text.escape_debug().to_string();
        match text.split_once(' ')? {
            ("refused", rest) => {
                let (delay, why) = rest.split_once(' ')?;
                Some(Self::Refused {
                    why: printable(why),
                    delay: Duration::from_micros(delay.parse().ok()?),
                })
            }
            ("failed", why) => Some(Self::Failed(printable(why))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_arrives_as_it_was_asked() {
        let asked = Question::new("pgweir", "bob", b"pw\xff\n", "::1").expect("it has no NUL");
        let bytes = asked.encode();
        assert_eq!(Question::decode(&bytes), Some(asked.clone()));
        for end in 0..bytes.len() {
            assert_eq!(Question::decode(&bytes[..end]), None);
        }
        assert_eq!(Question::decode(&[&bytes[..], b"x"].concat()), None);
        assert!(!format!("{asked:?}").contains("pw"));
        for (user, password) in [("a\0b", &b"x"[..]), ("a", b"x\0y")] {
            assert_eq!(Question::new("s", user, password, ""), None);
        }
    }

    #[test]
    fn an_answer_arrives_as_it_was_given_or_is_none() {
        for answer in [
            Answer::Accepted,
            Answer::Refused {
                why: "Authentication failure".to_owned(),
                delay: Duration::from_micros(1_900_000),
            },
            Answer::Failed("libpam.so.0 is not there".to_owned()),
        ] {
            assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        }
        for bytes in [
            &b""[..],
            b"accepte",
            b"accepted ",
            b"refused",
            b"refused x y",
            b"\xff",
        ] {
            assert_eq!(Answer::decode(bytes), None, "{bytes:?}");
        }
    }
}
