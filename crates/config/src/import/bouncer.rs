//! `pgbouncer.ini`, as it would be served.

use std::path::Path;

use pgweir_settings::text::key_of;
use pgweir_settings::toml::Leaf;
use pgweir_settings::{Given, Origin, Problem, Section};

use super::draft::{Draft, Finding, To, Verdict};
use crate::ini;
use crate::outside::Outside;
use crate::settings;
use crate::tls::TlsVersion;
use crate::tls_versions::Versions;

pub(super) fn carry(
    files: &[(&Path, &str)],
    outside: &Outside<'_>,
    draft: &mut Draft,
) -> Result<(), Vec<Problem>> {
    let Some((path, text)) = files.first() else {
        return Ok(());
    };
    let (raw, problems) = ini::read(path, text, outside);
    if !problems.is_empty() {
        return Err(problems);
    }
    place(&raw.globals, "pgbouncer", To::Global, draft);
    for (name, section) in &raw.databases {
        let path = key_of("databases", name);
        place(section, &path, To::Database(name), draft);
        // PgBouncer tries to log in without a password, too.
        let to = To::Database(name);
        if section.has("user") && !section.has("password") && !raw.globals.has("auth_file") {
            draft.set(to, "password", "");
        }
    }
    for (name, section) in &raw.users {
        place(section, &key_of("users", name), To::User(name), draft);
    }
    for warning in raw.warnings {
        draft.findings.push(Finding {
            key: warning.key,
            origin: warning.origin,
            verdict: Verdict::Dropped(warning.message),
        });
    }
    Ok(())
}

fn place(section: &Section, path: &str, to: To<'_>, draft: &mut Draft) {
    // A section without settings is one, too.
    draft.section(to);
    let scope = to.scope();
    for (name, given) in section.iter() {
        let setting = settings::find(scope, name).expect("only known ones are read");
        let is_path = PATHS.contains(&name) && !given.value.bare().starts_with('/');
        let why = "a relative path starts at the configuration file, not where the process does";
        let leaf = Leaf {
            path: vec![path.to_owned(), name.to_owned()],
            given: Given {
                value: given.value.clone(),
                origin: match &given.origin {
                    Origin::Named(_) => Origin::Default,
                    origin => origin.clone(),
                },
            },
        };
        let name = setting.name_in(scope);
        let (value, why) = match spoken(name, &given.value.bare()) {
            Some(versions) => (versions.into(), Some("older versions are not spoken")),
            None => (given.value.clone(), is_path.then_some(why)),
        };
        draft.place(&leaf, to, name, value, why);
    }
}

/// What a list of versions of TLS leaves; `None` if it is none that has others.
fn spoken(name: &str, text: &str) -> Option<String> {
    let listed = Versions::read(text).filter(|_| name.ends_with("_tls_protocols"))?;
    let (oldest, newest) = listed.spoken.filter(|_| !listed.unspoken.is_empty())?;
    let name = |version| match version {
        TlsVersion::V12 => "tlsv1.2",
        TlsVersion::V13 => "tlsv1.3",
    };
    Some(match oldest == newest {
        true => name(oldest).to_owned(),
        false => "secure".to_owned(),
    })
}

/// Settings that name files.
const PATHS: [&str; 11] = [
    "pidfile",
    "logfile",
    "auth_file",
    "auth_hba_file",
    "auth_ident_file",
    "client_tls_cert_file",
    "client_tls_key_file",
    "client_tls_ca_file",
    "server_tls_cert_file",
    "server_tls_key_file",
    "server_tls_ca_file",
];
