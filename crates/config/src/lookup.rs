//! Where users are looked up that have no secret in the configuration (`auth_user`, `auth_query`,
//! `auth_dbname`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::consistency::RESERVED;
use super::level::Chain;
use super::passwords::Entry;
use super::{ServerAddress, ServerAuth, ServerPassword, ServerTls, User};

/// Whom to ask for the secret of a user, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthSource {
    /// The database that `auth_dbname` names.
    pub section: Option<String>,
    /// Where PostgreSQL is.
    pub server: ServerAddress,
    /// How it is spoken to.
    pub tls: Arc<ServerTls>,
    /// What may be answered to it.
    pub server_auth: ServerAuth,
    /// Name of the database there; `None` takes the one that the client asks for.
    pub dbname: Option<String>,
    /// User that asks.
    pub user: String,
    /// What proves that it is.
    pub password: ServerPassword,
    /// The query; `$1` is the user that is looked up.
    pub query: String,
    /// Whether it is the default, which needs no `search_path`.
    pub is_default_query: bool,
}

/// Where a database is.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) server: ServerAddress,
    pub(super) other_servers: Vec<ServerAddress>,
    pub(super) tls: Arc<ServerTls>,
    pub(super) server_auth: ServerAuth,
    /// Its name there; `None` is the one that the client asks for.
    pub(super) dbname: Option<String>,
}

/// Where each database is.
pub(super) type Places = BTreeMap<String, Place>;

/// The source that the settings of `chain` name, for a database that is at `own`, if it is one.
pub(super) fn source(
    chain: &Chain<'_>,
    own: Option<&Place>,
    places: &Places,
    users: &[Entry<'_, Arc<User>>],
) -> Option<AuthSource> {
    let user: String = chain.get::<Option<String>>("auth_user")?;
    let section = chain.get::<Option<String>>("auth_dbname");
    let place = match &section {
        Some(name) => place(name, places)?,
        None => own?.clone(),
    };
    let query = chain.get::<String>("auth_query");
    let listed = users.iter().find(|listed| listed.name == user);
    Some(AuthSource {
        section,
        server: place.server,
        tls: place.tls,
        server_auth: place.server_auth,
        dbname: place.dbname,
        password: listed.map_or(ServerPassword::None, |listed| {
            listed.value.server_password()
        }),
        user,
        is_default_query: query == super::settings::AUTH_QUERY,
        query,
    })
}

/// The `auth_dbname` of `chain` if nobody can be looked up there.
pub(super) fn misplaced(chain: &Chain<'_>, places: &Places) -> Option<String> {
    chain.get::<Option<String>>("auth_user")?;
    let name = chain.get::<Option<String>>("auth_dbname")?;
    place(&name, places).is_none().then_some(name)
}

/// Where the database of this name is, of those that have a section or are served by that of all others.
fn place(name: &str, places: &Places) -> Option<Place> {
    if RESERVED.contains(&name) {
        return None;
    }
    if let Some(place) = places.get(name) {
        return Some(place.clone());
    }
    let mut place = places.get("*")?.clone();
    place.dbname.get_or_insert_with(|| name.to_owned());
    Some(place)
}
