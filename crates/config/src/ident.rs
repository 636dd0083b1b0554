//! Which user of the system, or of a certificate, may be which user of the database (`auth_ident_file`).
//!
//! Source: PostgreSQL documentation, "User Name Maps".

use std::path::Path;

use pgweir_settings::{Origin, Problem};

use super::outside::Outside;
use super::pattern::Pattern;
use super::records::{self, Record, Token};

#[cfg(test)]
mod tests;

/// All maps.
#[derive(Debug, Clone, Default)]
pub struct IdentMaps {
    entries: Vec<Entry>,
}

/// A line of a map.
#[derive(Debug, Clone)]
struct Entry {
    map: String,
    system: Pattern,
    user: AllowedUser,
}

/// Whom a line lets a user of the system be.
#[derive(Debug, Clone)]
enum AllowedUser {
    /// Anybody.
    All,
    /// Whoever the pattern is about.
    Like(Pattern),
    /// The name that has the part which the system's name was found by in this place.
    Around(String, String),
}

impl IdentMaps {
    /// Reads them from a file and those that it includes, and adds what mistakes they have. A line with one
    /// is left out.
    pub fn read(path: &Path, outside: &Outside<'_>, problems: &mut Vec<Problem>) -> Self {
        let mut entries = Vec::new();
        for record in records::read(path, outside, problems) {
            match entry(&record) {
                Ok(entry) => entries.push(entry),
                Err(message) => problems.push(Problem::new(&record.origin, "", message)),
            }
        }
        Self { entries }
    }

    /// Whether there is a map of this name.
    pub(super) fn has(&self, map: &str) -> bool {
        self.entries.iter().any(|entry| entry.map == map)
    }

    /// Whether whom the system knows as `system` may be `user`. Without a map, it may if the two are the same.
    pub fn allows(&self, map: Option<&str>, system: &str, user: &str) -> bool {
        let Some(map) = map else {
            return system == user;
        };
        let entries = self.entries.iter().filter(|entry| entry.map == map);
        entries.into_iter().any(|entry| entry.allows(system, user))
    }
}

impl Entry {
    fn allows(&self, system: &str, user: &str) -> bool {
        let part = match &self.system {
            Pattern::Exact(exact) => (exact == system).then_some(""),
            Pattern::Expression(expression) => expression.find(system),
        };
        let Some(part) = part else {
            return false;
        };
        match &self.user {
            AllowedUser::All => true,
            AllowedUser::Like(pattern) => pattern.matches(user),
            AllowedUser::Around(before, after) => {
                let rest = user.strip_prefix(&**before);
                rest.and_then(|rest| rest.strip_suffix(&**after)) == Some(part)
            }
        }
    }
}

fn entry(record: &Record) -> Result<Entry, String> {
    let mut fields = record.fields.iter();
    let [map, system, user] = [fields.next(), fields.next(), fields.next()]
        .map(|field| field.and_then(|field| single(field)));
    let (Some(map), Some(system), Some(user), None) = (map, system, user, fields.next()) else {
        return Err("must be a map, a name of the system and a user, one each".to_owned());
    };
    let pattern = Pattern::read(system)?;
    let user = allowed(user, &pattern)?;
    Ok(Entry {
        map: map.text.clone(),
        system: pattern,
        user,
    })
}

fn allowed(token: &Token, system: &Pattern) -> Result<AllowedUser, String> {
    if token.is("all") {
        return Ok(AllowedUser::All);
    }
    if token.behind('+').is_some() {
        return Err(MEMBERS.to_owned());
    }
    if token.behind('/').is_some() {
        return Pattern::read(token).map(AllowedUser::Like);
    }
    let around = token.text.split_once("\\1");
    match (system, around) {
        (Pattern::Expression(expression), Some((before, after))) => {
            if !expression.has_group() {
                let message = "has \\1, and nothing in parentheses that it could stand for";
                return Err(message.to_owned());
            }
            Ok(AllowedUser::Around(before.to_owned(), after.to_owned()))
        }
        _ => Pattern::read(token).map(AllowedUser::Like),
    }
}

/// The only token of a field.
fn single(field: &[Token]) -> Option<&Token> {
    match field {
        [only] => Some(only),
        _ => None,
    }
}

/// What to say of a role whose members are meant.
pub(super) const MEMBERS: &str = "names the members of a role, which only PostgreSQL knows; list the users, or write /expression";

/// A rule asks for a map that there is not.
pub(super) fn unknown_map(origin: &Origin, map: &str) -> Problem {
    let message = format!("asks for map={map}, which auth_ident_file does not have");
    Problem::new(origin, "", message)
}
