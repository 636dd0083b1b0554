//! Every resolved value with its origin, as `pgweir check` shows them.

use std::sync::Arc;

use pgweir_settings::Origin;
use pgweir_settings::text::key_of;

use super::level::{self, Chain, Found, Level};
use super::passwords::{Entry, Held, Password};
use super::pool::min_pool_size;
use super::settings::{self, Scope, Setting};
use super::{Database, Secret, User};

/// A resolved value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The setting with its section: `pgweir.listen_port`, `databases.app.pool_size`,
    /// `users.bob.password`, and `pools.app.bob.pool_size` where a user's own values decide.
    pub path: String,
    /// The value; never a secret.
    pub value: String,
    /// Where it was given.
    pub origin: Origin,
    /// The setting it was taken over from, where that is another one.
    pub inherited_from: Option<String>,
}

/// A setting of the whole pooler, as the console shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalSetting {
    /// Its name in `[pgweir]`.
    pub name: &'static str,
    /// What it is.
    pub value: String,
    /// What it is where nobody says.
    pub default: String,
    /// A reload changes it.
    pub changeable: bool,
}

/// The settings of the whole pooler, by their names.
pub(super) fn globals(global: &Level) -> Vec<GlobalSetting> {
    let chain = Chain::new(&[global]);
    let settings = settings::in_scope(Scope::Global);
    let mut listed: Vec<GlobalSetting> = settings
        .map(|setting| GlobalSetting {
            name: setting.name_in(Scope::Global),
            value: setting.kind.bare(&chain.find(setting.name).parsed),
            default: setting.kind.bare(&level::default(setting)),
            changeable: setting.reload,
        })
        .collect();
    listed.sort_by_key(|setting| setting.name);
    listed
}

/// Lists the values of a configuration: global, databases, users, and pools of their own.
pub(super) fn list(
    global: &Level,
    databases: &[Entry<'_, Arc<Database>>],
    users: &[Entry<'_, Arc<User>>],
) -> Vec<Shown> {
    let mut shown = Vec::new();
    let chain = Chain::new(&[global]);
    for setting in settings::in_scope(Scope::Global) {
        shown.push(show("pgweir", setting, &chain.find(setting.name), true));
    }
    for database in databases {
        let chain = Chain::new(&[database.level, global]);
        for setting in settings::in_scope(Scope::Database) {
            match setting.name {
                "password" => shown.push(secret(database.level, database.password)),
                // Where the secret lies shows as its origin.
                "password_env" | "password_file" => {}
                // It means nothing without a command.
                "password_command_ttl" if !database.level.gives("password_command") => {}
                name => {
                    let found = chain.find(name);
                    let own = found
                        .level
                        .is_some_and(|level| level.scope == Scope::Database);
                    shown.push(show(&database.level.path, setting, &found, own));
                }
            }
        }
    }
    for user in users {
        shown.push(secret(user.level, user.password));
        let chain = Chain::new(&[user.level, global]);
        for setting in settings::in_scope(Scope::User) {
            // Without a value of the user's own, that of each database holds.
            let by_database = setting.scopes.contains(&Scope::Database);
            let is_password = setting.name.starts_with("password");
            let is_command = setting.name.starts_with("password_command");
            if is_command && user.level.gives("password_command")
                || !is_password && (!by_database || user.level.gives(setting.name))
            {
                let found = chain.find(setting.name);
                let own = found.level.is_some_and(|level| level.scope == Scope::User);
                shown.push(show(&user.level.path, setting, &found, own));
            }
        }
    }
    for database in databases {
        for user in users.iter().filter(|user| user.level.overrides_pool()) {
            pool(global, database, user, &mut shown);
        }
    }
    shown
}

/// The values a user changes in its pool of one database.
fn pool(
    global: &Level,
    database: &Entry<'_, Arc<Database>>,
    user: &Entry<'_, Arc<User>>,
    shown: &mut Vec<Shown>,
) {
    let path = key_of(&key_of("pools", database.name), user.name);
    let chain = Chain::new(&[user.level, database.level, global]);
    for setting in settings::in_scope(Scope::Database) {
        let of_user = setting.scopes.contains(&Scope::User);
        if of_user && !setting.name.starts_with("password") && user.level.gives(setting.name) {
            shown.push(show(&path, setting, &chain.find(setting.name), false));
        }
    }
    let min = min_pool_size(&chain);
    if min < chain.get::<u32>("min_pool_size") {
        shown.push(Shown {
            path: key_of(&path, "min_pool_size"),
            value: min.to_string(),
            origin: chain.find("pool_size").origin.clone(),
            inherited_from: Some(key_of(&user.level.path, "pool_size")),
        });
    }
}

fn show(path: &str, setting: &Setting, found: &Found<'_>, own: bool) -> Shown {
    let inherited_from = found.level.filter(|_| !own).map(|level| {
        let name = setting.name_in(level.scope);
        match level.path.as_str() {
            "" => key_of("pgweir", name),
            path => key_of(path, name),
        }
    });
    Shown {
        path: key_of(path, setting.name),
        value: setting.kind.show(&found.parsed),
        origin: found.origin.clone(),
        inherited_from,
    }
}

fn secret(level: &Level, held: &Held) -> Shown {
    let value = match &held.password {
        Password::NotGiven | Password::Empty | Password::Broken => "unset",
        Password::Set(Secret::Plain(_)) => "set (plain)",
        Password::Set(Secret::Md5(_)) => "set (md5)",
        Password::Set(Secret::Scram(_)) => "set (SCRAM verifier)",
    };
    Shown {
        path: key_of(&level.path, "password"),
        value: value.to_owned(),
        origin: held.origin.clone(),
        inherited_from: None,
    }
}
