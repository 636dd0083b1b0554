//! Who may read what is not for everybody: JSON Web Tokens.
//!
//! The algorithm of a token is never the token's choice: each key has exactly one. A token must
//! expire, must be for our audience where one is configured, and whoever shows a bad one is not
//! told what is bad about it.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse,
};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
};
use serde::Serialize;
use serde_json::Value;

/// Difference between the clocks of the issuer and ours that is forgiven, in seconds.
const LEEWAY: u64 = 30;

/// Longest token that is looked at. A token with a thousand bytes of claims, signed with RSA, has
/// some 1,700 characters.
const TOKEN_LEN_MAX: usize = 8 * 1024;

/// Keys of one set. Issuers publish two or three: each token without a `kid` is tried with all.
const KEYS_MAX: usize = 32;

/// Bytes of a secret for HS256 at least, as RFC 7518, section 3.2 demands.
const SECRET_LEN_MIN: usize = 32;

/// Bytes of an RSA modulus at least, as RFC 7518, section 3.3 demands.
const RSA_LEN_MIN: usize = 256;

/// Characters of a coordinate on P-256 or Ed25519: 32 bytes in base64url without padding, as RFC
/// 7518, section 6.2.1.2 and RFC 8037, section 2 demand. The verifier looks at it only when a token
/// comes.
const COORDINATE_LEN: usize = 43;

#[derive(Clone)]
struct TokenKey {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// The keys whose tokens are accepted, and for whom the tokens must be.
#[derive(Clone, Default)]
pub struct Keys {
    keys: Vec<TokenKey>,
    /// The secret, where there is one, for tokens of our own making.
    signer: Option<EncodingKey>,
    audience: Option<String>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A secret never reaches a log, not even by accident.
        write!(f, "Keys({})", self.keys.len())
    }
}

/// What a token says that was accepted.
#[derive(Debug, Clone)]
pub struct Token(serde_json::Map<String, Value>);

impl Token {
    /// A claim that is a text, or each text of one that is a list. Issuers mean many things by a name, and
    /// what is no text is nothing here.
    pub fn texts(&self, claim: &str) -> impl Iterator<Item = &str> {
        let texts = match self.0.get(claim) {
            Some(Value::Array(list)) => list.as_slice(),
            Some(single) => std::slice::from_ref(single),
            None => &[],
        };
        texts.iter().filter_map(Value::as_str)
    }

    /// What it is good for: the words of `scope` (RFC 8693, section 4.2), or of what other issuers have in its
    /// place, `scp` and `roles`.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        let claims = ["scope", "scp", "roles"].into_iter();
        let texts = claims.flat_map(|claim| self.texts(claim));
        texts.flat_map(str::split_whitespace)
    }
}

/// A token that lets somebody read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bearer {
    /// Whose it is (`sub`), if it says so.
    pub(crate) subject: Option<String>,
    scopes: Vec<String>,
}

impl Bearer {
    /// Whether `scope` is among what the token is good for.
    pub(crate) fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own == scope)
    }
}

impl From<Token> for Bearer {
    fn from(token: Token) -> Self {
        Self {
            subject: token
                .0
                .get("sub")
                .and_then(Value::as_str)
                .map(str::to_owned),
            scopes: token.scopes().map(str::to_owned).collect(),
        }
    }
}

/// The token is not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused;

impl Keys {
    /// No keys; tokens must be for `audience`, if there is one.
    pub fn new(audience: Option<String>) -> Self {
        Self {
            keys: Vec::new(),
            signer: None,
            audience,
        }
    }

    /// Accepts tokens signed with this secret (HS256).
    ///
    /// # Errors
    /// A sentence: the secret can be guessed.
    pub fn add_secret(&mut self, secret: &[u8]) -> Result<(), String> {
        if secret.len() < SECRET_LEN_MIN {
            return Err(format!(
                "holds a secret of {} bytes; HS256 needs {SECRET_LEN_MIN} (openssl rand -hex 32)",
                secret.len()
            ));
        }
        self.signer = Some(EncodingKey::from_secret(secret));
        self.keys.push(TokenKey {
            id: None,
            algorithm: Algorithm::HS256,
            key: DecodingKey::from_secret(secret),
        });
        Ok(())
    }

    /// Accepts tokens signed by one of the keys of a JSON Web Key Set (RS256, ES256, EdDSA). Keys
    /// of other kinds are left out, as RFC 7517, section 5 asks for.
    ///
    /// # Errors
    /// A sentence: the text is no key set, or has no key that can be used, or too many.
    pub fn add_set(&mut self, text: &str) -> Result<(), String> {
        let set: JwkSet = serde_json::from_str(text)
            .map_err(|error| format!("is no JSON Web Key Set from line {} on", error.line()))?;
        if set.keys.len() > KEYS_MAX {
            return Err(format!(
                "has {} keys; at most {KEYS_MAX} are tried",
                set.keys.len()
            ));
        }
        let before = self.keys.len();
        self.keys.extend(set.keys.iter().filter_map(usable));
        if self.keys.len() == before {
            return Err(
                "has no key that can be used: RSA of 2048 bits or more (RS256), P-256 (ES256) or \
                 Ed25519 (EdDSA)"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Whether there are no keys, so that nothing that needs one is served.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The token in an `Authorization` header, if it is good.
    ///
    /// # Errors
    /// It is not, or there is none.
    pub(crate) fn check(&self, authorization: Option<&[u8]>) -> Result<Bearer, Refused> {
        let token = authorization.and_then(bearer).ok_or(Refused)?;
        self.read(token).map(Bearer::from).ok_or(Refused)
    }

    /// What a token says, if it is good.
    pub fn read(&self, token: &[u8]) -> Option<Token> {
        if token.len() > TOKEN_LEN_MAX {
            return None;
        }
        let header = decode_header(token).ok()?;
        // RFC 7515, section 4.1.11: who does not understand what is critical refuses it, and nothing
        // of the kind is understood here.
        if header.crit.is_some() {
            return None;
        }
        for key in &self.keys {
            let names_another = match (&header.kid, &key.id) {
                (Some(wanted), Some(id)) => wanted != id,
                _ => false,
            };
            if names_another || header.alg != key.algorithm {
                continue;
            }
            match decode(token, &key.key, &self.validation(key.algorithm)) {
                Ok(token) => return Some(Token(token.claims)),
                // Another key of the set may have signed it.
                Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => {}
                Err(_) => return None,
            }
        }
        None
    }

    /// A token that [`Keys::check`] accepts until `expires`, for `subject`, good for `scope`; `None`
    /// without a secret, for only its issuer signs tokens for a public key.
    pub fn sign(&self, subject: &str, scope: Option<&str>, expires: SystemTime) -> Option<String> {
        #[derive(Serialize)]
        struct Claims<'a> {
            sub: &'a str,
            exp: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            aud: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            scope: Option<&'a str>,
        }
        let claims = Claims {
            sub: subject,
            exp: expires.duration_since(UNIX_EPOCH).ok()?.as_secs(),
            aud: self.audience.as_deref(),
            scope,
        };
        let signer = self.signer.as_ref()?;
        Some(encode(&Header::default(), &claims, signer).expect("HS256 signs any claims"))
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        match &self.audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                validation.set_required_spec_claims(&["exp", "aud"]);
            }
            None => {
                validation.validate_aud = false;
                validation.set_required_spec_claims(&["exp"]);
            }
        }
        validation
    }
}

/// The token of `Bearer TOKEN`; the scheme's case does not matter (RFC 9110, section 11.1).
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(7)?;
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

/// A key of a set, with the one algorithm it is used with.
fn usable(jwk: &Jwk) -> Option<TokenKey> {
    if !matches!(
        jwk.common.public_key_use,
        None | Some(PublicKeyUse::Signature)
    ) {
        return None;
    }
    let (algorithm, own_name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) if rsa_len(&rsa.n) >= RSA_LEN_MIN => {
            (Algorithm::RS256, KeyAlgorithm::RS256)
        }
        AlgorithmParameters::EllipticCurve(ec)
            if ec.curve == EllipticCurve::P256
                && [&ec.x, &ec.y].map(|it| it.len()) == [COORDINATE_LEN; 2] =>
        {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(pair)
            if pair.curve == EllipticCurve::Ed25519 && pair.x.len() == COORDINATE_LEN =>
        {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        // A secret in a set would be a secret in a file that is meant to be public.
        _ => return None,
    };
    if jwk
        .common
        .key_algorithm
        .is_some_and(|said| said != own_name)
    {
        return None;
    }
    Some(TokenKey {
        id: jwk.common.key_id.clone(),
        algorithm,
        key: DecodingKey::from_jwk(jwk).ok()?,
    })
}

/// Bytes of a modulus in base64url.
fn rsa_len(modulus: &str) -> usize {
    modulus.trim_end_matches('=').len() * 3 / 4
}

#[cfg(test)]
mod tests;
