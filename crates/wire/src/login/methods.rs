//! Which methods of authentication a client answers: libpq's `require_auth`.

use std::fmt;

use super::Method;
use crate::auth::scram;

/// A set of methods, and whether a server may ask for no proof at all.
///
/// Source: PostgreSQL documentation, "Database Connection Control Functions", `require_auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Methods(u8);

/// Why a list of methods cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadMethods {
    /// A name that is no method, or one that is not spoken here (`gss`, `sspi`, `oauth`).
    Unknown,
    /// A method is listed twice.
    Twice,
    /// Some names have a `!` and others have none.
    Mixed,
    /// Nothing is left.
    Nothing,
}

/// Names of bits, in their order.
const NAMES: [&str; 4] = ["none", "password", "md5", "scram-sha-256"];

impl Methods {
    /// Everything, no proof included.
    pub const ALL: Self = Self((1 << NAMES.len()) - 1);

    /// No proof, and methods from this one on.
    pub fn from_weakest(weakest: Method) -> Self {
        let all = [Method::Cleartext, Method::Md5, Method::Scram];
        let bits = all.into_iter().filter(|method| *method >= weakest);
        Self(bits.fold(NONE, |bits, method| bits | bit(method)))
    }

    /// Reads a list with commas. `!` before every name takes those away from all; an empty text is all.
    ///
    /// # Errors
    /// The list cannot be read, or nothing is left.
    pub fn parse(text: &str) -> Result<Self, BadMethods> {
        if text.trim().is_empty() {
            return Ok(Self::ALL);
        }
        let mut listed = 0;
        let mut negated = None;
        for item in text.split(',').map(str::trim) {
            let (is_negated, name) = match item.strip_prefix('!') {
                Some(name) => (true, name),
                None => (false, item),
            };
            if *negated.get_or_insert(is_negated) != is_negated {
                return Err(BadMethods::Mixed);
            }
            let at = NAMES.iter().position(|known| *known == name);
            let bit = 1 << at.ok_or(BadMethods::Unknown)?;
            if listed & bit != 0 {
                return Err(BadMethods::Twice);
            }
            listed |= bit;
        }
        let bits = match negated {
            Some(true) => Self::ALL.0 & !listed,
            Some(false) | None => listed,
        };
        match bits {
            0 => Err(BadMethods::Nothing),
            bits => Ok(Self(bits)),
        }
    }

    /// Whether `method` is answered.
    pub fn contains(self, method: Method) -> bool {
        self.0 & bit(method) != 0
    }

    /// Whether a server may ask for no proof.
    pub fn allow_none(self) -> bool {
        self.0 & NONE != 0
    }

    /// This set without `method`.
    #[must_use]
    pub fn without(self, method: Method) -> Self {
        Self(self.0 & !bit(method))
    }
}

impl fmt::Display for Methods {
    /// The list that reads back as this set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = NAMES.iter().enumerate();
        let names = names.filter(|(at, _)| self.0 & (1 << at) != 0);
        let names: Vec<&str> = names.map(|(_, name)| *name).collect();
        f.write_str(&names.join(","))
    }
}

/// The bit of "no proof".
const NONE: u8 = 1;

fn bit(method: Method) -> u8 {
    match method {
        Method::Cleartext => 1 << 1,
        Method::Md5 => 1 << 2,
        Method::Scram => 1 << 3,
    }
}

impl fmt::Display for BadMethods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => write!(
                f,
                "must be a list of none, password, md5 and {}, each with or each without a !",
                scram::MECHANISM.to_ascii_lowercase()
            ),
            Self::Twice => f.write_str("lists a method twice; remove one"),
            Self::Mixed => {
                f.write_str("has some methods with a ! and some without; write one kind")
            }
            Self::Nothing => f.write_str("leaves no method to log in with"),
        }
    }
}

impl std::error::Error for BadMethods {}

#[cfg(test)]
mod tests {
    use super::{BadMethods, Methods};
    use crate::login::Method::{self, Cleartext, Md5, Scram};

    fn check(text: &str, expected: Result<(bool, &[Method]), BadMethods>) {
        let answered = |methods: Methods| {
            let all = [Cleartext, Md5, Scram].into_iter();
            let all = all.filter(|method| methods.contains(*method));
            (methods.allow_none(), all.collect::<Vec<_>>())
        };
        let got = Methods::parse(text);
        let expected = expected.map(|(none, methods)| (none, methods.to_vec()));
        assert_eq!(got.map(answered), expected, "{text}");
        if let Ok(methods) = got {
            assert_eq!(Methods::parse(&methods.to_string()), Ok(methods), "{text}");
        }
    }

    #[test]
    fn a_list_is_read_as_libpq_reads_it() {
        check("", Ok((true, &[Cleartext, Md5, Scram])));
        check("scram-sha-256", Ok((false, &[Scram])));
        check(" md5 , scram-sha-256", Ok((false, &[Md5, Scram])));
        check("!password,!md5", Ok((true, &[Scram])));
        check("!none", Ok((false, &[Cleartext, Md5, Scram])));
        check("none", Ok((true, &[])));
    }

    #[test]
    fn a_list_that_libpq_refuses_is_refused() {
        check("md5,!password", Err(BadMethods::Mixed));
        check("!md5,password", Err(BadMethods::Mixed));
        check("md5,md5", Err(BadMethods::Twice));
        check("gss", Err(BadMethods::Unknown));
        check("md5,", Err(BadMethods::Unknown));
        check("!!md5", Err(BadMethods::Unknown));
        check(
            "!none,!password,!md5,!scram-sha-256",
            Err(BadMethods::Nothing),
        );
    }

    #[test]
    fn the_weakest_method_takes_the_stronger_ones_with_it() {
        assert_eq!(Methods::from_weakest(Cleartext), Methods::ALL);
        assert_eq!(
            Methods::from_weakest(Scram).to_string(),
            "none,scram-sha-256"
        );
    }
}
