//! A database URL: what of it is for the pool, what for SQLx, and what for nobody.
//!
//! SQLx drops parameters that it does not know and logs each with its value. So it sees only those
//! that it knows; the pool's are taken out, and the rest is named without its value.

use pgweir_settings::url::decode;

use super::Problem;
use super::problem::Origin;

/// A URL, taken apart.
#[derive(Debug, Default)]
pub(super) struct Url {
    /// What SQLx may see.
    pub(super) for_sqlx: String,
    /// The other parameters, decoded.
    pub(super) parameters: Vec<(String, String)>,
}

/// Takes a URL apart.
pub(super) fn parse(text: &str, problems: &mut Vec<Problem>) -> Option<Url> {
    let mut problem = |origin: Origin, message: &str| {
        let message = message.to_owned();
        problems.push(Problem { origin, message });
    };
    let text = text.trim();
    if !["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| text.starts_with(scheme))
    {
        problem(
            Origin::Url,
            "does not begin with postgres:// or postgresql://",
        );
        return None;
    }
    let (base, query) = text.split_once('?').unwrap_or((text, ""));
    // What is behind a question mark in a password would pass for a name and be shown, and what is
    // behind a # would be dropped unseen.
    if query.contains('@') || text.contains('#') {
        problem(
            Origin::Url,
            "has an @ behind its ? or a #; characters such as @ : / ? # in a name, a password or a \
             parameter have to be percent-encoded",
        );
        return None;
    }
    let mut url = Url::default();
    let mut kept = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(decoded)) = (decoded(name), decoded(value)) else {
            problem(
                Origin::Url,
                "has a parameter that is not percent-encoded text",
            );
            continue;
        };
        match name.as_str() {
            "sslmode" | "ssl-mode" if !SSL_MODES.contains(&decoded.as_str()) => {
                let message = format!("must be {}", SSL_MODES.join(", "));
                problem(Origin::Parameter(name), &message);
            }
            // Prisma's name; SQLx has another.
            "statement_cache_size" => kept.push(format!("statement-cache-capacity={value}")),
            "schema" => kept.push(format!("options[search_path]={value}")),
            name if of_sqlx(name) => kept.push(pair.to_owned()),
            name if !is_plain(name) => problem(
                Origin::Url,
                "has a parameter with a name that no parameter has",
            ),
            _ => url.parameters.push((name, decoded)),
        }
    }
    url.for_sqlx = base.to_owned();
    if !kept.is_empty() {
        url.for_sqlx.push('?');
        url.for_sqlx.push_str(&kept.join("&"));
    }
    Some(url)
}

fn of_sqlx(name: &str) -> bool {
    OF_SQLX.contains(&name) || (name.starts_with("options[") && name.ends_with(']'))
}

/// Whether a name can be shown: on one line, and without what separates the parts of a URL.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '[' | ']');
    !name.is_empty() && name.chars().all(plain)
}

/// Undoes percent-encoding; `+` is a space, as SQLx reads it.
fn decoded(text: &str) -> Option<String> {
    decode(&text.replace('+', " "))
}

/// Names that may have been meant, for parameters that nobody knows.
pub(super) const OF_SQLX: &[&str] = &[
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

const SSL_MODES: &[&str] = &[
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];
