//! Secrets: which kind one is, and where it is kept when not in the configuration itself.
//!
//! No error of this module quotes a secret.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use pgweir_settings::text::{printable, quoted};
use pgweir_settings::{Origin, Problem};
use pgweir_wire::auth::scram::Verifier;

use super::Secret;

/// Tells the kind of a secret by its form. Empty text is none.
///
/// # Errors
/// A sentence, for a SCRAM verifier that cannot be read.
pub(super) fn classify(text: &str) -> Result<Option<Secret>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.starts_with("SCRAM-SHA-256$") {
        return match Verifier::parse(text) {
            Some(_) => Ok(Some(Secret::Scram(text.to_owned()))),
            None => Err(
                "starts like a SCRAM verifier but is none; copy rolpassword of pg_authid \
                           in full"
                    .to_owned(),
            ),
        };
    }
    let hash = text.strip_prefix("md5").unwrap_or_default();
    if hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(Some(Secret::Md5(text.to_ascii_lowercase())));
    }
    Ok(Some(Secret::Plain(text.to_owned())))
}

/// The users of an `auth_file`, each with its secret and line.
pub(super) type AuthFile = BTreeMap<String, (Option<Secret>, Origin)>;

/// Reads lines of `"user" "secret"`; what follows on a line is ignored, as PgBouncer does.
pub(super) fn parse_auth_file(path: &Path, text: &str, problems: &mut Vec<Problem>) -> AuthFile {
    let mut users = AuthFile::new();
    let file: Arc<str> = path.display().to_string().into();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        let origin = Origin::line(file.clone(), number);
        let fields = quoted(line, '"')
            .and_then(|(user, rest)| Some((user, quoted(rest.trim_start(), '"')?.0)));
        let Some((user, secret)) = fields else {
            let message = "must be \"user\" \"secret\", both in double quotes";
            problems.push(Problem::new(&origin, "", message));
            continue;
        };
        let user_shown = printable(&user);
        if let Err(message) = check_name(&user) {
            problems.push(Problem::new(&origin, user_shown, message));
            continue;
        }
        let secret = match classify(&secret) {
            Ok(_) if secret.contains('\0') => {
                problems.push(Problem::new(&origin, user_shown, "has a NUL in its secret"));
                continue;
            }
            Ok(secret) => secret,
            Err(message) => {
                problems.push(Problem::new(&origin, user_shown, message));
                continue;
            }
        };
        if let Some((_, before)) = users.get(&user) {
            let message = format!("is listed already at {before}; remove one");
            problems.push(Problem::new(&origin, user_shown, message));
            continue;
        }
        users.insert(user, (secret, origin));
    }
    users
}

/// Refuses names of users and databases that PostgreSQL cannot have.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("has an empty name".to_owned());
    }
    if name.len() > NAME_LEN_MAX {
        return Err(format!(
            "has a name of {} bytes; PostgreSQL cuts names at {NAME_LEN_MAX}",
            name.len()
        ));
    }
    if name.contains('\0') {
        return Err("has a NUL in its name".to_owned());
    }
    Ok(())
}

/// PostgreSQL's NAMEDATALEN, less the terminating NUL.
const NAME_LEN_MAX: usize = 63;
