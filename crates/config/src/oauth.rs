//! Who issues the tokens that clients log in with by OAUTHBEARER (`auth_oauth_issuer`, `auth_oauth_scope`,
//! and `issuer=` and `scope=` of rules).
//!
//! Sources: PostgreSQL documentation, "OAuth Authorization/Authentication"; RFC 8414; RFC 9068, section 4.

use pgweir_settings::Problem;

use super::level::Chain;

/// An issuer of tokens, and what they must be good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oauth {
    /// Where clients learn how to get a token: the URL of the issuer's metadata.
    pub discovery: String,
    /// What clients ask for, in words.
    pub scope: String,
    issuer: String,
}

impl Oauth {
    /// Takes an issuer, by its name or by the URL of its metadata, and words of what tokens must be good for.
    ///
    /// # Errors
    /// Which of the two is wrong, and a sentence.
    pub(super) fn new(issuer: &str, scope: &str) -> Result<Self, (Part, String)> {
        let (name, discovery) = names_of(issuer).map_err(|message| (Part::Issuer, message))?;
        let is_word = |word: &str| word.bytes().all(is_of_scopes);
        if scope.split_whitespace().next().is_none() || !scope.split_whitespace().all(is_word) {
            let message = "must have words of printable characters, without \" and \\";
            return Err((Part::Scope, message.to_owned()));
        }
        Ok(Self {
            discovery,
            issuer: name,
            scope: scope.split_whitespace().collect::<Vec<_>>().join(" "),
        })
    }

    /// Whether a token of these issuers, good for this, is one that is asked for. What a client asks an
    /// identity provider for itself (`openid` and the like) no token has to have. A scope may be the URI of a
    /// resource and a name, of which some issuers give the name alone.
    pub fn accepts<'a>(
        &self,
        mut issuers: impl Iterator<Item = &'a str>,
        scopes: impl Iterator<Item = &'a str>,
    ) -> bool {
        let scopes: Vec<&str> = scopes.collect();
        let has = |word: &str| {
            let name = word.rsplit_once('/').map_or(word, |(_, name)| name);
            OF_PROVIDERS.contains(&word) || scopes.contains(&word) || scopes.contains(&name)
        };
        issuers.any(|issuer| issuer == self.issuer) && self.scope.split(' ').all(has)
    }
}

/// A part of what is known of an issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Issuer,
    Scope,
}

/// Reads the two settings, and reports what is wrong with them.
pub(super) fn read(globals: &Chain<'_>, problems: &mut Vec<Problem>) -> Option<Oauth> {
    let given = |name: &str| globals.get::<Option<String>>(name);
    let (issuer, scope) = (given(ISSUER), given(SCOPE));
    let mut report = |name: &str, message: String| problems.push(globals.problem(name, message));
    match (issuer, scope) {
        (None, None) => None,
        (Some(_), None) => {
            report(ISSUER, format!("needs {SCOPE} beside it"));
            None
        }
        (None, Some(_)) => {
            report(SCOPE, format!("needs {ISSUER} beside it"));
            None
        }
        (Some(issuer), Some(scope)) => match Oauth::new(&issuer, &scope) {
            Ok(oauth) => Some(oauth),
            Err((part, message)) => {
                let setting = match part {
                    Part::Issuer => ISSUER,
                    Part::Scope => SCOPE,
                };
                report(setting, message);
                None
            }
        },
    }
}

const ISSUER: &str = "auth_oauth_issuer";
const SCOPE: &str = "auth_oauth_scope";

/// Scopes of OpenID Connect (Core 1.0, sections 3.1.2.1, 5.4 and 11): they are about what the provider tells
/// the client, and not about PostgreSQL.
const OF_PROVIDERS: [&str; 6] = [
    "openid",
    "profile",
    "email",
    "address",
    "phone",
    "offline_access",
];

/// Documents that an issuer describes itself in.
const METADATA: [&str; 2] = ["openid-configuration", "oauth-authorization-server"];

/// The name of an issuer, which its tokens have (`iss`), and the URL of its metadata, from either, as PostgreSQL
/// and libpq take the one from the other.
fn names_of(written: &str) -> Result<(String, String), String> {
    let rest = written.strip_prefix("https://").ok_or_else(|| {
        "must be an https:// URL: who can change what it answers can let anybody in".to_owned()
    })?;
    if rest.is_empty() || rest.starts_with('/') || !rest.bytes().all(is_of_urls) {
        return Err("must be a URL without a query, a fragment or spaces".to_owned());
    }
    let Some((before, document)) = written.split_once(WELL_KNOWN) else {
        let discovery = format!("{written}{WELL_KNOWN}{}", METADATA[0]);
        return Ok((written.to_owned(), discovery));
    };
    // The path of the issuer is in front, or behind as in RFC 8414, section 3.1.
    let end = document.find('/').unwrap_or(document.len());
    let (document, behind) = document.split_at(end);
    if !METADATA.contains(&document) {
        return Err(format!("must end in {WELL_KNOWN}{}", METADATA.join(" or ")));
    }
    Ok((format!("{before}{behind}"), written.to_owned()))
}

const WELL_KNOWN: &str = "/.well-known/";

/// RFC 3986, section 2, less what begins a query or a fragment.
fn is_of_urls(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/[]@!$&'()*+,;=%".contains(&byte)
}

/// RFC 6749, section 3.3.
fn is_of_scopes(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~')
}

#[cfg(test)]
mod tests;
