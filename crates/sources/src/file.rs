//! Files that are read: their names, texts, and where in them a line is.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use pgweir_advisor::facts::Origin;

use super::names::service_name;

/// A file's name and text.
pub(crate) struct SourceFile<'a> {
    /// As the operator named it.
    pub(crate) name: &'a str,
    /// Its text, without a byte order mark.
    pub(crate) text: &'a str,
}

impl SourceFile<'_> {
    /// A line of it, counted from 1.
    pub(crate) fn line(&self, line: usize) -> Origin {
        line_of(&Arc::from(self.name), line)
    }
}

/// A line of a file, counted from 1.
pub(crate) fn line_of(path: &Arc<str>, line: usize) -> Origin {
    Origin::line(path.clone(), u32::try_from(line).unwrap_or(u32::MAX))
}

/// The text of a file without what editors of Windows put in front of it.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// All that may be read: files that were given, and what they name.
pub(crate) struct Library<'a> {
    given: HashMap<String, &'a str>,
    fetch: &'a dyn Fn(&str) -> Option<String>,
    /// Files that others took in, by their normal names.
    taken: BTreeSet<String>,
}

impl<'a> Library<'a> {
    /// Files that were given, and how to get others.
    pub(crate) fn new(
        given: &'a [(String, String)],
        fetch: &'a dyn Fn(&str) -> Option<String>,
    ) -> Self {
        let given = given.iter();
        let given = given.map(|(name, text)| (normal(name), without_mark(text)));
        Self {
            given: given.collect(),
            fetch,
            taken: BTreeSet::new(),
        }
    }

    /// The text of a file that another one names; `None` where there is none.
    pub(crate) fn take(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let name = normal(name);
        let text = self.look(&name)?;
        self.taken.insert(name);
        Some(text)
    }

    /// The same, where it is not known yet whether the file belongs to what names it.
    pub(crate) fn look(&self, name: &str) -> Option<Cow<'a, str>> {
        let name = normal(name);
        if let Some(text) = self.given.get(&name) {
            return Some(Cow::Borrowed(text));
        }
        let text = (self.fetch)(&name)?;
        (text.len() <= FETCHED_MAX).then(|| Cow::Owned(without_mark(&text).to_owned()))
    }

    /// Files of variables in a folder that were given, in the order of their names, but for `.env`.
    pub(crate) fn environments_in(&self, home: &str) -> Vec<String> {
        let home = normal(home);
        let given = self.given.keys().filter(|name| folder(name) == home);
        let given = given.filter(|name| {
            let file = name.rsplit('/').next().unwrap_or(name);
            is_environment(file) && file != ".env"
        });
        let mut names: Vec<String> = given.cloned().collect();
        names.sort();
        names
    }

    /// Whether a file was taken in by another one.
    pub(crate) fn is_taken(&self, name: &str) -> bool {
        self.taken.contains(&normal(name))
    }
}

/// The folder of a file, empty for the current one.
pub(crate) fn folder(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A path as it is named in a file of this folder.
pub(crate) fn beside(folder: &str, path: &str) -> String {
    if path.starts_with('/') || folder.is_empty() {
        return normal(path);
    }
    normal(&format!("{folder}/{path}"))
}

/// A path without `.` and, where it is possible, without `..`.
pub(crate) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let absolute = if path.starts_with('/') { "/" } else { "" };
    absolute.to_owned() + &parts.join("/")
}

/// Whether a file has variables by its name: `.env`, `.env.production`, `api.env`, `env`.
pub(crate) fn is_environment(file: &str) -> bool {
    file.split('.').any(|part| part == "env" || part == "envrc")
}

/// The application that a file belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Belonging {
    /// The folder of the application, and the file's stem where that names it. Files with the same root
    /// speak of the same application.
    pub(crate) root: String,
    /// Names for it, the best first; those that follow have more and more of the path.
    pub(crate) names: Vec<String>,
}

/// The application that a file belongs to, by its path.
pub(crate) fn belongs_to(path: &str) -> Belonging {
    let path = normal(path);
    let file = path.rsplit('/').next().unwrap_or(&path);
    let stem = match file.strip_prefix('.') {
        Some(_) => "",
        None => file.split('.').next().unwrap_or(file),
    };
    // `application-prod.yml` is of a profile, and of the same application.
    let of_profile = ["application-", "bootstrap-"]
        .iter()
        .any(|start| stem.starts_with(start));
    let own =
        GENERIC_FILES.iter().all(|generic| *generic != stem) && !stem.is_empty() && !of_profile;
    let mut folders: Vec<&str> = folder(&path).split('/').collect();
    folders.retain(|folder| !folder.is_empty() && *folder != "..");
    while folders
        .last()
        .is_some_and(|last| GENERIC_FOLDERS.contains(last))
    {
        folders.pop();
    }
    // Django's settings are in a package of the same application.
    let of_package = stem == "settings" || path.contains("/settings/");
    if path.ends_with(".py") && of_package && folders.len() > 1 && !path.contains("config/settings")
    {
        folders.pop();
    }
    let mut parts = folders.clone();
    if own {
        parts.push(stem);
    }
    let mut names: Vec<String> = Vec::new();
    let mut name = String::new();
    for part in parts.iter().rev() {
        // Debian's folders of PHP are called 8.3.
        let part = if part.starts_with(|c: char| c.is_ascii_digit()) && name.is_empty() {
            Cow::Owned(format!("php-{part}"))
        } else {
            Cow::Borrowed(*part)
        };
        name = if name.is_empty() {
            part.into_owned()
        } else {
            format!("{part}-{name}")
        };
        names.push(service_name(&name));
    }
    if names.is_empty() {
        names.push("app".to_owned());
    }
    Belonging {
        root: parts.join("/"),
        names,
    }
}

/// A file that another names is not read beyond this size, in bytes.
const FETCHED_MAX: usize = 16 << 20;

/// Stems of files that say nothing about the application.
const GENERIC_FILES: &[&str] = &[
    "schema",
    "www",
    "main",
    "env",
    "mod",
    "lib",
    "db",
    "database",
    "pool",
    "index",
    "app",
    "application",
    "settings",
    "config",
    "base",
    "production",
    "prod",
    "prisma",
    "appsettings",
    "runtime",
    "ormconfig",
    "knexfile",
    "puma",
    "sidekiq",
    "gunicorn",
    "ecosystem",
    "Procfile",
    "uwsgi",
    "Dockerfile",
    "supervisord",
    "supervisor",
    "pm2",
    "process",
    "processes",
    "horizon",
    "php-fpm",
    "zz-docker",
    "celeryconfig",
    "gunicorn_conf",
    "gunicorn_config",
    "gunicorn-conf",
    "bootstrap",
    "dev",
    "test",
    "sequelize",
    "drizzle",
    "typeorm",
    "knex",
    "data-source",
    "datasource",
    "session",
    "engine",
    "connection",
    "connections",
    "client",
    "postgres",
    "pg",
    "ecto",
];

/// Folders inside an application.
const GENERIC_FOLDERS: &[&str] = &[
    "prisma",
    "src",
    "config",
    "conf",
    "app",
    "lib",
    "db",
    "database",
    "main",
    "resources",
    "pool.d",
    "fpm",
    "php-fpm.d",
    "etc",
    "settings",
    "internal",
    "environments",
    "initializers",
    "docker",
    "supervisor",
    "php",
    "core",
    "pkg",
    "common",
    "infra",
    "infrastructure",
    "java",
];
