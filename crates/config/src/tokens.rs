//! Keys of JSON Web Tokens, and the settings that say where they are.

use std::fmt;
use std::path::Path;

use pgweir_settings::Problem;

use super::level::Chain;
use super::outside::Outside;

/// Keys of tokens, as texts that were found good.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TokenKeys {
    /// Audience that tokens must have (`http_jwt_audience`, `auth_jwt_audience`).
    pub audience: Option<String>,
    /// Secret of HS256 (`..._jwt_secret_file`, `..._jwt_secret_env`).
    pub secret: Option<String>,
    /// JSON Web Key Set (`..._jwks_file`).
    pub set: Option<String>,
}

impl TokenKeys {
    /// Whether there are no keys, so that nothing that needs one is served.
    pub fn is_empty(&self) -> bool {
        self.secret.is_none() && self.set.is_none()
    }
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A secret never reaches a log, not even by accident.
        f.write_str("TokenKeys(..)")
    }
}

/// The names of the settings.
pub(super) struct Names {
    audience: &'static str,
    secret_file: &'static str,
    secret_env: &'static str,
    set_file: &'static str,
}

/// Those of tokens that statistics are shown for.
pub(super) const OF_HTTP: Names = Names {
    audience: "http_jwt_audience",
    secret_file: "http_jwt_secret_file",
    secret_env: "http_jwt_secret_env",
    set_file: "http_jwks_file",
};

/// Those of tokens that clients log in with.
pub(super) const OF_CLIENTS: Names = Names {
    audience: "auth_jwt_audience",
    secret_file: "auth_jwt_secret_file",
    secret_env: "auth_jwt_secret_env",
    set_file: "auth_jwks_file",
};

/// Reads the keys, and reports what is wrong with them.
pub(super) fn keys(
    globals: &Chain<'_>,
    names: &Names,
    (folder, outside): (&Path, &Outside<'_>),
    problems: &mut Vec<Problem>,
) -> TokenKeys {
    let mut report = |name: &str, message| problems.push(globals.problem(name, message));
    let given = |name: &str| globals.get::<Option<String>>(name);
    let file = |written: &str| outside.read(folder, written);
    let mut keys = TokenKeys {
        audience: given(names.audience),
        ..TokenKeys::default()
    };
    if let Some(name) = given(names.secret_env) {
        let secret = (outside.variable)(&name)
            .ok_or_else(|| "names an environment variable that is not set; set it".to_owned())
            .and_then(|secret| (outside.token_secret)(&secret).map(|()| secret));
        keys.secret = secret
            .map_err(|message| report(names.secret_env, message))
            .ok();
        if given(names.secret_file).is_some() {
            let message = format!("stands beside {}; remove one", names.secret_file);
            report(names.secret_env, message);
        }
    }
    if let Some(written) = given(names.secret_file) {
        let secret = file(&written).and_then(|mut secret| {
            secret.truncate(secret.trim_end_matches(['\r', '\n']).len());
            (outside.token_secret)(&secret).map(|()| secret)
        });
        keys.secret = secret
            .map_err(|message| report(names.secret_file, message))
            .ok();
    }
    if let Some(written) = given(names.set_file) {
        let set = file(&written).and_then(|text| (outside.token_set)(&text).map(|()| text));
        keys.set = set.map_err(|message| report(names.set_file, message)).ok();
    }
    keys
}
