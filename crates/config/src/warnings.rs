//! What may be meant as it stands, and lets more people in than most want.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use pgweir_settings::text::key_of;
use pgweir_settings::{Origin, Problem};

use super::level::{Chain, Level};
use super::outside::Outside;
use super::passwords::{Entry, Password};
use super::{AuthType, Config, Database, Secret, User};

/// Clients that a process with a `peer_id` can have: fifteen bits of their numbers are free.
const PEERED_CLIENTS_MAX: u32 = 1 << 15;

/// Finds what `pgweir check` warns of.
pub(super) fn of(
    config: &Config,
    global: &Level,
    databases: &[Entry<'_, Arc<Database>>],
    users: &[Entry<'_, Arc<User>>],
    (folder, outside): (&Path, &Outside<'_>),
) -> Vec<Problem> {
    let mut warnings = Vec::new();
    let globals = Chain::new(&[global]);
    match config.auth_type {
        AuthType::Trust => warnings.extend(trust(config, &globals)),
        AuthType::Any => warnings.extend(any(config, &globals)),
        AuthType::Plain => warnings.extend(plain(config, &globals)),
        AuthType::Hba => warnings.extend(trusting(config)),
        AuthType::Pam | AuthType::Ldap => warnings.extend(in_the_clear(config, &globals)),
        AuthType::Md5
        | AuthType::ScramSha256
        | AuthType::Cert
        | AuthType::Peer
        | AuthType::Jwt
        | AuthType::Oauth => {}
    }
    warnings.extend(directories(config, &globals, outside));
    if config.peer_id.is_none() && !config.peers.is_empty() {
        let message = "is 0, so that [peers] mean nothing; give each process a number of its own";
        let found = globals.find("peer_id");
        warnings.push(Problem::new(found.origin, globals.key("peer_id"), message));
    }
    if config.peer_id.is_some() && config.max_client_conn > PEERED_CLIENTS_MAX {
        let message = format!(
            "is more than a process with a peer_id can have: their keys leave {PEERED_CLIENTS_MAX} numbers for clients"
        );
        let warning = globals.problem("max_client_conn", message);
        warnings.push(warning);
    }
    if config.proxy_protocol_networks.has_everybody() {
        let found = globals.find("proxy_protocol_networks");
        let message = "lets everybody claim any address; list the load balancers alone";
        let warning = Problem::new(
            found.origin,
            globals.key("proxy_protocol_networks"),
            message,
        );
        warnings.push(warning.with_value(config.proxy_protocol_networks.to_string()));
    }
    let mut files = Files {
        folder,
        outside,
        warnings: &mut warnings,
    };
    files.named(
        &globals,
        &[
            "http_jwt_secret_file",
            "auth_jwt_secret_file",
            "http_tls_key_file",
            "client_tls_key_file",
            "server_tls_key_file",
        ],
    );
    files.passfile(&globals);
    for database in databases {
        files.passfile(&Chain::new(&[database.level, global]));
        let own = Chain::new(&[database.level]);
        files.named(&own, &["password_file", "server_tls_key_file"]);
        files.written(database);
    }
    for user in users {
        files.named(&Chain::new(&[user.level]), &["password_file"]);
        files.written(user);
    }
    warnings
}

/// Nobody has to prove anything: where from, and to what.
fn trust(config: &Config, globals: &Chain<'_>) -> Vec<Problem> {
    let warning = |message| globals.problem("auth_type", message);
    let mut warnings = Vec::new();
    if let Some(addresses) = open_addresses(config) {
        warnings.push(warning(format!(
            "lets everybody in who reaches {addresses} and knows the name of a user"
        )));
    }
    if config.fallback_database.is_some() {
        warnings.push(warning(
            "lets everybody into every database that [databases.\"*\"] leads to".to_owned(),
        ));
    }
    warnings
}

/// Nobody has to prove anything, or to be known.
fn any(config: &Config, globals: &Chain<'_>) -> Option<Problem> {
    let addresses = open_addresses(config)?;
    let message = format!("lets everybody in who reaches {addresses}");
    Some(globals.problem("auth_type", message))
}

/// Passwords are sent as they are.
fn plain(config: &Config, globals: &Chain<'_>) -> Option<Problem> {
    let addresses = open_addresses(config)?;
    let message =
        format!("has clients of {addresses} send their passwords in clear text; use scram-sha-256");
    Some(globals.problem("auth_type", message))
}

/// Passwords are sent as they are, and nothing else would do.
fn in_the_clear(config: &Config, globals: &Chain<'_>) -> Option<Problem> {
    let addresses = open_addresses(config).filter(|_| !config.client_tls.mode.is_required())?;
    let message = format!(
        "has clients of {addresses} send their passwords in clear text; set client_tls_sslmode = \"require\""
    );
    Some(globals.problem("auth_type", message))
}

/// Directories that passwords are sent to as they are, over a network, and files in which one stands.
fn directories(config: &Config, globals: &Chain<'_>, outside: &Outside<'_>) -> Vec<Problem> {
    let found = globals.find("auth_ldap_options");
    let own = config.ldap.as_deref();
    let own = own.map(|ldap| (found.origin, globals.key("auth_ldap_options"), ldap));
    let rules = config.hba.directories();
    let rules = rules.map(|(origin, ldap)| (origin, String::new(), ldap));
    let mut warnings = Vec::new();
    for (origin, key, ldap) in own.into_iter().chain(rules) {
        let mut warn = |message| warnings.push(Problem::new(origin, key.clone(), message));
        let far = ldap.hosts.iter().find(|host| !is_local(host));
        if let (Some(host), false) = (far, ldap.is_encrypted()) {
            warn(format!(
                "sends passwords to LDAP at {host} in clear text; use ldaps, or ldaptls=1"
            ));
        }
        if let Origin::File { path, .. } = origin
            && ldap.has_secret()
            && (outside.is_open)(Path::new(&**path))
        {
            warn(
                "has ldapbindpasswd in a file that every user of this machine may read; chmod o-r it"
                    .to_owned(),
            );
        }
    }
    warnings
}

/// Whether a host is this machine.
fn is_local(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Rules that let clients of other machines in without a proof.
fn trusting(config: &Config) -> impl Iterator<Item = Problem> {
    config.hba.trusting().map(|(origin, whom)| {
        let message = format!("lets everybody in from {whom}, who knows the name of a user");
        Problem::new(origin, "", message)
    })
}

/// Addresses that other machines may reach; `None` if there are none.
fn open_addresses(config: &Config) -> Option<String> {
    let open = config.listen.addresses.iter();
    let open: Vec<String> = open
        .filter(|address| !address.is_loopback())
        .map(IpAddr::to_string)
        .collect();
    (!open.is_empty()).then(|| open.join(", "))
}

/// Files that hold secrets.
struct Files<'a> {
    folder: &'a Path,
    outside: &'a Outside<'a>,
    warnings: &'a mut Vec<Problem>,
}

impl Files<'_> {
    /// Those that settings name.
    fn named(&mut self, chain: &Chain<'_>, names: &[&str]) {
        for name in names {
            let found = chain.find(name);
            let Some(written) = chain.get::<Option<String>>(name) else {
                continue;
            };
            if (self.outside.is_open)(&self.folder.join(written)) {
                let message = "names a file that every user of this machine may read; chmod o-r it";
                let warning = Problem::new(found.origin, chain.key(name), message);
                self.warnings.push(warning);
            }
        }
    }

    /// The password file that a setting names: libpq ignores one that others may use, and so do we.
    fn passfile(&mut self, chain: &Chain<'_>) {
        let found = chain.find("passfile");
        let Some(written) = chain.get::<Option<String>>("passfile") else {
            return;
        };
        let path = self.folder.join(&written);
        let message = match (self.outside.file)(&path) {
            Err(error) => format!("names a file that cannot be read: {error}"),
            Ok(_) if (self.outside.is_shared)(&path) => {
                "names a file that is ignored: others than its owner may use it; chmod 0600 it"
                    .to_owned()
            }
            Ok(_) => return,
        };
        let section = found.level.map_or("pgweir", |level| &level.path);
        let key = if section.is_empty() {
            "passfile".to_owned()
        } else {
            key_of(section, "passfile")
        };
        self.warnings.push(Problem::new(found.origin, key, message));
    }

    /// The one where a password is written that lets somebody in: this configuration, or an
    /// `auth_file`.
    fn written<T>(&mut self, of: &Entry<'_, T>) {
        let is_password = matches!(
            of.password.password,
            Password::Set(Secret::Plain(_) | Secret::Md5(_))
        );
        let is_elsewhere = of.level.gives("password_env") || of.level.gives("password_file");
        if let Origin::File { path, .. } = &of.password.origin
            && is_password
            && !is_elsewhere
            && (self.outside.is_open)(Path::new(&**path))
        {
            let message = "stands in a file that every user of this machine may read; chmod o-r it";
            let key = key_of(&of.level.path, "password");
            self.warnings
                .push(Problem::new(&of.password.origin, key, message));
        }
    }
}
