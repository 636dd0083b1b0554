//! `pgbouncer.ini`, read into the same raw form as `pgweir.toml`, so that all below it is the same.
//!
//! Names, sections and defaults are PgBouncer's. Where pgweir's default is another, PgBouncer's is given as if it
//! stood in the file. `pgbouncer` says of each of PgBouncer's settings what becomes of it.

mod lines;
mod pairs;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use pgweir_settings::text::key_of;
use pgweir_settings::{Origin, Problem, Section, Value, nearest};

use super::outside::Outside;
use super::pgbouncer::{self, Part, Ruling};
use super::raw::{Dialect, Raw};
use super::settings::{self, Scope};
use super::value::Kind;
use lines::{Line, Said};
use pairs::pairs;

/// Reads `text`, the content of the file at `path`, with the problems met on the way.
pub(super) fn read(path: &Path, text: &str, outside: &Outside<'_>) -> (Raw, Vec<Problem>) {
    let name: std::sync::Arc<str> = path.display().to_string().into();
    let mut reader = Reader {
        raw: Raw {
            globals: Section::new(Origin::line(name, 0)),
            dialect: Dialect::PgBouncer,
            // Relative paths start where the process does, as PgBouncer's.
            folder: PathBuf::new(),
            ..Raw::default()
        },
        problems: Vec::new(),
        part: None,
    };
    for (name, value) in DEFAULTS {
        reader
            .raw
            .globals
            .give(name, (*value).into(), DEFAULT_ORIGIN);
    }
    for line in lines::read(path, text, outside, &mut reader.problems) {
        reader.line(line);
    }
    reader.default_hosts();
    (reader.raw, reader.problems)
}

struct Reader {
    raw: Raw,
    problems: Vec<Problem>,
    /// The section that lines belong to; `None` before the first, and below one that nobody knows.
    part: Option<Part>,
}

impl Reader {
    fn line(&mut self, Line { origin, said }: Line) {
        match said {
            Said::Section(name) => {
                self.part = Part::named(&name);
                if self.part.is_none() {
                    let near = nearest(&name, Part::ALL.iter().map(|part| part.name()));
                    let problem = Problem::new(&origin, name, "unknown section");
                    self.problems.push(problem.with_suggestion(match near {
                        Some(near) => format!("did you mean [{near}]?"),
                        None => {
                            "known are [pgbouncer], [databases], [users] and [peers]".to_owned()
                        }
                    }));
                    // Its lines are no mistakes of their own.
                    self.raw.torn = true;
                }
            }
            Said::Pair { name, value } => match self.part {
                Some(Part::PgBouncer) => self.global(&name, &value, origin),
                Some(Part::Databases) => {
                    let section = self.named(Part::Databases, &name, &value, &origin);
                    self.raw.databases.extend(section.map(|it| (name, it)));
                }
                Some(Part::Users) => {
                    let section = self.named(Part::Users, &name, &value, &origin);
                    self.raw.users.extend(section.map(|it| (name, it)));
                }
                Some(Part::Peers) => self.peer(name, &value, &origin),
                None if self.raw.torn => {}
                None => {
                    let message = "stands before the first section; begin with [pgbouncer]";
                    self.problems.push(Problem::new(&origin, name, message));
                }
            },
        }
    }

    /// A setting of `[pgbouncer]`.
    fn global(&mut self, name: &str, value: &str, origin: Origin) {
        let ruling = pgbouncer::ruling(Part::PgBouncer, name);
        match ruling {
            Some(Ruling::Meaningless(why)) => self.warn(&origin, name, value, why),
            Some(Ruling::LogLevel) => match value.parse::<u32>() {
                Ok(0) => {}
                Ok(more) => {
                    let level = if more == 1 { "debug" } else { "trace" };
                    self.raw.globals.give("log_level", level.into(), origin);
                }
                Err(_) => {
                    let problem = Problem::not_allowed(&origin, name, "0 to 3".to_owned());
                    self.problems.push(problem.with_value(value));
                }
            },
            Some(Ruling::Served | Ruling::Differs(_)) | None => {
                let Some(setting) = settings::find(Scope::Global, name) else {
                    return self.unknown(Part::PgBouncer, name, name.to_owned(), &origin);
                };
                let value = spelled(setting.kind, value);
                self.raw.globals.give(setting.name, value, origin);
            }
        }
    }

    /// A line of `[databases]` or `[users]`: a list of `key=value`.
    fn named(&mut self, part: Part, name: &str, value: &str, origin: &Origin) -> Option<Section> {
        let path = key_of(part.name(), name);
        let given = match pairs(value) {
            Ok(given) => given,
            Err(message) => {
                self.problems.push(Problem::new(origin, path, message));
                return None;
            }
        };
        let mut section = Section::new(origin.clone());
        for (name, value) in given {
            let key = key_of(&path, &name);
            match pgbouncer::ruling(part, &name) {
                Some(Ruling::Meaningless(why)) => self.warn(origin, &key, &value, why),
                Some(Ruling::Served | Ruling::Differs(_) | Ruling::LogLevel) | None => {
                    let Some(setting) = settings::find(part.scope()?, &name) else {
                        self.unknown(part, &name, key, origin);
                        continue;
                    };
                    let value = spelled(setting.kind, &value);
                    section.give(setting.name, value, origin.clone());
                }
            }
        }
        Some(section)
    }

    /// A line of `[peers]`; what is in it is read with that of `pgweir.toml`.
    fn peer(&mut self, name: String, value: &str, origin: &Origin) {
        let given = match pairs(value) {
            Ok(given) => given,
            Err(message) => {
                let key = key_of(Part::Peers.name(), &name);
                return self.problems.push(Problem::new(origin, key, message));
            }
        };
        let mut section = Section::new(origin.clone());
        for (name, value) in given {
            section.give(&name, value.into(), origin.clone());
        }
        self.raw.peers.insert(name, section);
    }

    /// A database without a host is behind the unix socket in the folder that pgweir's own is in.
    fn default_hosts(&mut self) {
        let folder = self.raw.globals.get("unix_socket_dir");
        let folder = folder.map_or(String::new(), |given| given.value.bare().into_owned());
        for (name, section) in &mut self.raw.databases {
            if section.has("host") {
                continue;
            }
            if folder.starts_with('/') {
                section.give("host", folder.as_str().into(), DEFAULT_ORIGIN);
            } else {
                let key = key_of(&key_of(Part::Databases.name(), name), "host");
                let message = "is missing, and unix_socket_dir names no folder to find \
                               PostgreSQL's socket in; add it";
                let problem = Problem::new(&section.origin, key, message);
                self.problems.push(problem);
            }
        }
    }

    fn warn(&mut self, origin: &Origin, key: &str, value: &str, why: &str) {
        let warning = Problem::new(origin, key, why).with_value(value);
        self.raw.warnings.push(warning);
    }

    fn unknown(&mut self, part: Part, name: &str, key: String, origin: &Origin) {
        let elsewhere = Part::ALL
            .iter()
            .find(|other| pgbouncer::ruling(**other, name).is_some());
        if let Some(other) = elsewhere {
            let message = format!("belongs in [{}]", other.name());
            self.problems.push(Problem::new(origin, key, message));
            return;
        }
        let known = pgbouncer::names(part).chain(
            part.scope()
                .into_iter()
                .flat_map(settings::in_scope)
                .map(|setting| setting.name),
        );
        let problem = Problem::unknown(origin, key, "setting", nearest(name, known), MANUAL);
        self.problems.push(problem);
    }
}

/// A value as `pgweir.toml` spells it: PgBouncer does not mind the case of words.
fn spelled(kind: Kind, value: &str) -> Value {
    match kind {
        Kind::Choice(_) => value.to_ascii_lowercase().into(),
        _ => value.into(),
    }
}

/// PgBouncer's defaults where pgweir's are others.
pub(super) const DEFAULTS: &[(&str, &str)] = &[
    ("listen_addr", ""),
    ("unix_socket_dir", "/tmp"),
    ("auth_type", "md5"),
    ("log_format", "pgbouncer"),
    ("syslog_ident", "pgbouncer"),
    ("error_codes", "pgbouncer"),
    ("server_unreachable", "wait"),
    ("probe_interval", "0"),
];

const DEFAULT_ORIGIN: Origin = Origin::named("PgBouncer's default");

/// Where all of them are listed.
const MANUAL: &str = "pgweir help pgbouncer";
