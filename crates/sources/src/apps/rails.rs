//! Rails: `database.yml`, and `sidekiq.yml` beside it.

use pgweir_advisor::facts::Origin;

use crate::inventory::{Address, Program, Scheme, Text};
use crate::yaml::Node;

use super::address::{address, scheme};
use super::databases::{self, Database, Size};
use super::settings::Settings;
use super::tree::Erb;

/// `database.yml`: a pool for each database in each process. Of several environments that of production
/// counts; one of development only where there is no other.
pub(crate) fn database_yml(settings: Settings<'_>) -> Vec<Program> {
    let (erb, documents) = Erb::read(settings);
    let Some(root) = documents.first() else {
        return unreadable(settings);
    };
    let environments = root.fields();
    let named = |name: &str| environments.iter().find(|(key, _)| key == name);
    let other = || {
        let mut all = environments.iter();
        let no_deployment = ["default", "development", "test", "shared"];
        all.find(|(key, _)| !no_deployment.contains(&key.as_str()))
    };
    let Some((name, environment)) = named("production")
        .or_else(|| named("staging"))
        .or_else(other)
        .or_else(|| named("development"))
        .or_else(|| named("default"))
    else {
        return unreadable(settings);
    };
    let below = environment.fields();
    let is_map = |node: &Node| !node.fields().is_empty();
    let several: Vec<_> = below
        .iter()
        .filter(|(key, node)| is_map(node) && key != "variables")
        .collect();
    let databases = if several.is_empty() {
        database(&erb, name, "primary", environment, settings)
            .into_iter()
            .collect()
    } else {
        let all = several.into_iter();
        all.filter_map(|(key, node)| database(&erb, name, key, node, settings))
            .collect()
    };
    databases::programs(settings.whole(), databases)
}

fn unreadable(settings: Settings<'_>) -> Vec<Program> {
    let mut program = Program {
        origin: settings.whole(),
        ..Program::default()
    };
    program.leave_open("no database of it is understood", "pool", settings.whole());
    vec![program]
}

/// A database. `None` if it says nothing of where it is.
fn database(
    erb: &Erb<'_>,
    environment: &str,
    name: &str,
    node: &Node,
    settings: Settings<'_>,
) -> Option<Database> {
    let origin = settings.line(node.line);
    let get = |key: &str| erb.at(node, key);
    let by = format!("{environment}.{name}");
    let adapter = get("adapter");
    let said = adapter.as_ref().and_then(|adapter| kind(adapter.known()?));
    // An environment may be one URL.
    let url = get("url").or_else(|| erb.text(node));
    let mut found = match url {
        Some(url) => address(&by, &url).unwrap_or_else(|| Address::unknown(url, &*by)),
        None if adapter.is_none() && get("database").is_none() => return None,
        None => Address::of_kind(Scheme::Unsaid, &*by, origin.clone()),
    };
    if let (Scheme::Unsaid, Some(said)) = (found.scheme, said) {
        found.scheme = said;
    }
    let fill = |part: &mut Text, key: &str| {
        if part.is_empty() {
            *part = get(key).unwrap_or_default();
        }
    };
    fill(&mut found.host, "host");
    fill(&mut found.port, "port");
    fill(&mut found.database, "database");
    fill(&mut found.user, "username");
    let in_url = found.parameters.iter().find(|(key, _)| key == "pool");
    let size = match (get("max_connections").or_else(|| get("pool")), in_url) {
        (Some(pool), _) => Size::of(&pool, &format!("pool of {by}")),
        (None, Some((_, pool))) => Size::of(pool, &format!("pool of the URL of {by}")),
        (None, None) => Size::Default(POOL, format!("Active Record's default for {by}"), origin),
    };
    Some(Database {
        name: name.to_owned(),
        address: found,
        size,
    })
}

/// The kind of database of an adapter.
fn kind(adapter: &str) -> Option<Scheme> {
    match adapter {
        "postgresql" | "postgis" | "postgresql_proxy" => Some(Scheme::Postgres),
        "trilogy" => Some(Scheme::Other("MySQL")),
        other => scheme(other),
    }
}

/// `sidekiq.yml`: a process with so many threads, each with one connection.
pub(crate) fn sidekiq_yml(settings: Settings<'_>) -> Vec<Program> {
    let (erb, documents) = Erb::read(settings);
    let mut program = Program {
        name: Some("sidekiq".to_owned()),
        origin: settings.whole(),
        ..Program::default()
    };
    let Some(root) = documents.first() else {
        return Vec::new();
    };
    let either = |node: &Node, name: &str| {
        erb.at(node, name)
            .or_else(|| erb.at(node, &format!(":{name}")))
    };
    let section = |name: &str| root.get(name).or_else(|| root.get(&format!(":{name}")));
    let said = section("production")
        .and_then(|production| either(production, "concurrency"))
        .or_else(|| either(root, "concurrency"));
    let size = match said {
        Some(said) => Size::of(&said, "concurrency"),
        None => {
            let default = Text::plain(CONCURRENCY.to_string(), Origin::Default);
            let threads = settings.variable("RAILS_MAX_THREADS", Some(default), settings.whole());
            Size::of(&threads, "Sidekiq's default concurrency")
        }
    };
    let capsules = section("capsules").map_or(&[][..], Node::fields);
    let capsules = capsules.iter().map(|(name, capsule)| {
        let by = format!("concurrency of the capsule {name}");
        let said = either(capsule, "concurrency");
        said.map_or(
            Size::Known(CONCURRENCY, by.clone(), settings.line(capsule.line)),
            |said| Size::of(&said, &by),
        )
    });
    let mut threads: Option<(u64, String, Origin)> = None;
    for size in std::iter::once(size).chain(capsules) {
        match size {
            Size::Known(more, by, origin) | Size::Default(more, by, origin) => {
                let (sum, known, origin) = match threads.take() {
                    Some((sum, known, origin)) => (sum, format!("{known} and {by}"), origin),
                    None => (0, by, origin),
                };
                threads = Some((more.saturating_add(sum), known, origin));
            }
            Size::Unknown(unknown) => program.unknown.push(unknown),
            Size::Unsaid => {}
        }
    }
    if let Some((threads, by, origin)) = threads.filter(|_| program.unknown.is_empty()) {
        program.give("pool", threads, by, origin);
    }
    vec![program]
}

/// `pool` of Active Record.
const POOL: u64 = 5;
/// `concurrency` of Sidekiq since version 7.
const CONCURRENCY: u64 = 5;

#[cfg(test)]
mod tests;
