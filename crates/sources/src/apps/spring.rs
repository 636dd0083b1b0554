//! Spring Boot's `application.yml` and `application.properties`, and Quarkus' and Micronaut's, which have the
//! same form: data sources and their pools.
//!
//! Of several profiles that of production counts over what has no profile; those of developers and tests do
//! not count.

use crate::file::SourceFile;
use crate::inventory::{Address, Program, Scheme, Text};
use crate::reference::closing;

use super::address::address;
use super::databases::{self, Database, Size};
use super::settings::{Settings, at};
use super::tree::{self, Entry};

pub(crate) fn read(settings: Settings<'_>) -> Vec<Program> {
    let said = Said::read(settings);
    let databases: Vec<Database> = said
        .sources()
        .into_iter()
        .map(|(prefix, url)| said.database(&prefix, &url))
        .collect();
    if databases.is_empty() {
        return said.pools_alone();
    }
    let mut programs = databases::programs(settings.whole(), databases);
    if let Some(first) = programs.first_mut() {
        said.times(first);
    }
    programs
}

/// Whether a text is one of these.
pub(crate) fn is_settings(source: &SourceFile<'_>) -> bool {
    [
        "spring",
        "quarkus.",
        "quarkus:",
        "micronaut",
        "datasource",
        "hikari",
        "r2dbc",
    ]
    .iter()
    .any(|word| source.text.contains(word))
}

/// A value that a profile has.
struct Value {
    /// In small letters, without hyphens.
    key: String,
    text: String,
    profile: Profile,
    line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Profile {
    /// No profile.
    None,
    /// One that may be in use.
    Some,
    /// That of production.
    Production,
}

impl Profile {
    /// `None` if it is one of developers or tests.
    fn of(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase();
        if name.is_empty() {
            return Some(Self::None);
        }
        if name.starts_with("prod") || name == "live" {
            return Some(Self::Production);
        }
        let words = name.split(|c: char| !c.is_ascii_alphanumeric());
        let own = [
            "dev",
            "development",
            "local",
            "test",
            "tests",
            "it",
            "ci",
            "h2",
            "e2e",
        ];
        let mut words = words.filter(|word| !word.is_empty());
        (!words.any(|word| own.contains(&word))).then_some(Self::Some)
    }
}

struct Said<'a> {
    settings: Settings<'a>,
    values: Vec<Value>,
}

impl<'a> Said<'a> {
    fn read(settings: Settings<'a>) -> Self {
        let file = settings.file_name();
        let sections = if file.ends_with(".properties") {
            tree::properties(settings.text())
        } else {
            let documents = tree::documents(settings.source);
            documents.iter().map(tree::flat).collect()
        };
        // `application-prod.yml`.
        let stem = file.split('.').next().unwrap_or_default();
        let of_file = stem.split_once('-').map_or("", |(_, profile)| profile);
        let mut values = Vec::new();
        for section in sections {
            let named = section.iter().find(|entry| {
                let key = normal(&entry.key);
                let starts = ["spring.config.activate.onprofile", "spring.profiles"];
                starts.contains(&key.trim_end_matches("[0]"))
            });
            let of_section = named.map_or(of_file, |entry| entry.value.as_str());
            values.extend(section.iter().filter_map(|entry| value(entry, of_section)));
        }
        Self { settings, values }
    }

    /// What counts for a key: of the most special profile, and of several of them the largest number.
    fn get(&self, key: &str) -> Option<Text> {
        let same = self.values.iter().filter(|value| value.key == key);
        let texts = same.filter(|value| !value.text.is_empty());
        let best = texts.max_by_key(|value| {
            let text = self.resolve(&value.text, value.line, DEPTH_MAX);
            let number = text.known().and_then(|text| text.parse::<u64>().ok());
            (value.profile, number, std::cmp::Reverse(value.line))
        })?;
        // A variable of the container says more than the file.
        let bare = |name: &str| name.replace(['.', '_', '-'], "").to_ascii_lowercase();
        let mut all = self.settings.variables.iter();
        if let Some(variable) = all.find(|variable| bare(&variable.name) == bare(key)) {
            return Some(variable.value.clone());
        }
        Some(self.resolve(&best.text, best.line, DEPTH_MAX))
    }

    /// The first of these keys that is there, with its name.
    fn first(&self, prefix: &str, ends: &[&str]) -> Option<(String, Text)> {
        ends.iter().find_map(|end| {
            let key = format!("{prefix}.{end}");
            let text = self.get(&key)?;
            Some((key, text))
        })
    }

    /// A text with what its placeholders stand for.
    fn resolve(&self, text: &str, line: usize, depth: u32) -> Text {
        let origin = self.settings.line(line);
        let mut whole = Text::plain("", origin.clone());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            whole.push_str(before);
            let Some(end) = closing(after) else {
                rest = after;
                break;
            };
            let (name, default) = match after[..end].split_once(':') {
                Some((name, default)) => (name, Some(default)),
                None => (&after[..end], None),
            };
            let default = default
                .filter(|_| depth > 0)
                .map(|default| self.resolve(default, line, depth - 1));
            let key = normal(name);
            let mut keys = self.values.iter();
            let of_file = keys.find(|value| value.key == key && value.text != text);
            let found = match of_file.filter(|_| depth > 0) {
                Some(value) => at(self.resolve(&value.text, line, depth - 1), origin.clone()),
                None => self.settings.variable(name, default, origin.clone()),
            };
            whole.push(&found);
            rest = &after[end + 1..];
        }
        whole.push_str(rest);
        // Maven puts something else there.
        if text.len() > 2 && text.starts_with('@') && text.ends_with('@') {
            return Text::gap(text, origin);
        }
        whole
    }

    /// Where data sources are: the prefixes of their keys, and their addresses.
    fn sources(&self) -> Vec<(String, Address)> {
        let mut found: Vec<(String, Address)> = Vec::new();
        for value in &self.values {
            let ends = [".jdbc.url", ".reactive.url", ".jdbcurl", ".url"];
            let Some(prefix) = ends.iter().find_map(|end| value.key.strip_suffix(end)) else {
                continue;
            };
            if found.iter().any(|(known, _)| known == prefix) || is_no_source(prefix) {
                continue;
            }
            let Some(text) = self.get(&value.key) else {
                continue;
            };
            let about = ["datasource", "r2dbc"]
                .iter()
                .any(|word| prefix.contains(word));
            let address = match address(&value.key, &text) {
                Some(address) => address,
                None if about && text.known().is_none() => {
                    Address::unknown(text, value.key.clone())
                }
                // SQLite, H2 and others without a host.
                None => match text.known().and_then(embedded).filter(|_| about) {
                    Some(scheme) => Address::of_kind(scheme, &*value.key, text.origin),
                    None => continue,
                },
            };
            found.push((prefix.to_owned(), address));
        }
        found.sort_by(|one, other| one.0.cmp(&other.0));
        found
    }

    fn database(&self, prefix: &str, address: &Address) -> Database {
        let mut address = address.clone();
        if address.user.is_empty() {
            address.user = self
                .first(prefix, &["username"])
                .map(|(_, user)| user)
                .unwrap_or_default();
        }
        Database {
            name: prefix.rsplit('.').next().unwrap_or(prefix).to_owned(),
            size: self.size(prefix, &address),
            address,
        }
    }

    fn size(&self, prefix: &str, address: &Address) -> Size {
        if let Some((key, said)) = self.first(prefix, SIZES) {
            return Size::of(&said, &key);
        }
        let parameter = address
            .parameters
            .iter()
            .find(|(name, _)| name == "maxSize");
        if let Some((_, said)) = parameter {
            return Size::of(said, "maxSize of the URL");
        }
        let kind = self.get(&format!("{prefix}.type"));
        let kind = kind.as_ref().and_then(Text::known).unwrap_or_default();
        let (library, pool) = if prefix.contains("r2dbc") {
            ("r2dbc-pool", 10)
        } else if kind.contains("tomcat") {
            ("Tomcat's pool", 100)
        } else if kind.contains("dbcp2") {
            ("DBCP", 8)
        } else if prefix.starts_with("quarkus") {
            return Size::not_plain(
                format!(
                    "{prefix} has no max-size, and its default is not the same in all versions of Quarkus"
                ),
                address.origin.clone(),
            );
        } else {
            ("HikariCP", 10)
        };
        let by = format!("the default of {library} for {prefix}");
        Size::Default(pool, by, address.origin.clone())
    }

    /// Pools of which the file does not say where they lead.
    fn pools_alone(&self) -> Vec<Program> {
        let mut program = Program {
            origin: self.settings.whole(),
            ..Program::default()
        };
        let mut keys: Vec<&str> = self.values.iter().map(|value| value.key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let pool = SIZES.iter().any(|end| {
                key.strip_suffix(end)
                    .is_some_and(|start| start.ends_with('.'))
            });
            if !pool
                || !(key.contains("datasource") || key.contains("hikari") || key.contains("r2dbc"))
            {
                continue;
            }
            let Some(text) = self.get(key) else { continue };
            match Size::of(&text, key) {
                Size::Known(size, by, origin) => program.give("pool", size, by, origin),
                Size::Unknown(unknown) => program.unknown.push(unknown),
                Size::Default(..) | Size::Unsaid => {}
            }
        }
        self.times(&mut program);
        vec![program]
    }

    /// Times of HikariCP, which are in milliseconds.
    fn times(&self, program: &mut Program) {
        for (end, key) in TIMES {
            let prefix = "spring.datasource.hikari";
            let Some(text) = self.get(&format!("{prefix}.{end}")) else {
                continue;
            };
            let Some(millis) = text.known().and_then(|text| text.parse::<u64>().ok()) else {
                continue;
            };
            let value = match key {
                "pool_min" => millis.into(),
                _ => pgweir_advisor::fleet::Value::from(format!("{millis}ms")),
            };
            program.give(key, value, format!("{prefix}.{end}"), text.origin.clone());
        }
    }
}

fn value(entry: &Entry, of_section: &str) -> Option<Value> {
    // `%prod.quarkus.datasource…`, and the same as a mapping.
    let (profile, key) = match entry.key.trim_start_matches('"').strip_prefix('%') {
        Some(rest) => rest.split_once('.')?,
        None => (of_section, entry.key.as_str()),
    };
    Some(Value {
        key: normal(key),
        text: entry.value.trim_matches('"').to_owned(),
        profile: Profile::of(profile.trim_end_matches('"'))?,
        line: entry.line,
    })
}

/// A key without what makes no difference.
fn normal(key: &str) -> String {
    let letters = key.chars().filter(|c| !['-', '_', '"', '%'].contains(c));
    letters.collect::<String>().to_ascii_lowercase()
}

/// Prefixes of URLs that are not data sources, or those of migrations, which run before the program.
fn is_no_source(prefix: &str) -> bool {
    ["flyway", "liquibase", "eureka", "redis", "management"]
        .iter()
        .any(|word| prefix.contains(word))
}

fn embedded(url: &str) -> Option<Scheme> {
    let name = url.trim_start_matches("jdbc:").split(':').next()?;
    super::address::scheme(name)
}

/// Keys of the size of a pool, behind that of their data source.
const SIZES: &[&str] = &[
    "hikari.maximumpoolsize",
    "maximumpoolsize",
    "configuration.maximumpoolsize",
    "config.maximumpoolsize",
    "tomcat.maxactive",
    "dbcp2.maxtotal",
    "pool.maxsize",
    "jdbc.maxsize",
    "reactive.maxsize",
    "maxpoolsize",
];

const TIMES: [(&str, &str); 4] = [
    ("minimumidle", "pool_min"),
    ("connectiontimeout", "acquire_timeout"),
    ("idletimeout", "idle_timeout"),
    ("maxlifetime", "max_lifetime"),
];

/// Placeholders in placeholders.
const DEPTH_MAX: u32 = 8;

#[cfg(test)]
mod tests;
