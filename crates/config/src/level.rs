//! Inheritance: the values of one section, and a chain of sections from special to general.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use pgweir_settings::text::key_of;
use pgweir_settings::{Origin, Problem, Section, Value};

use super::pgbouncer;
use super::settings::{self, Scope, Setting};
use super::value::{Kind, Parsed, shown_text};

/// The readable values of one section.
// No `Debug` in this module: a value may be a secret.
pub(super) struct Level {
    pub(super) scope: Scope,
    /// The section's name before the names of its settings: empty, `databases.app`, `users.bob`.
    pub(super) path: String,
    /// Where the section starts.
    pub(super) origin: Origin,
    values: BTreeMap<&'static str, Entry>,
}

struct Entry {
    /// `None` was reported as a problem.
    parsed: Option<Parsed>,
    origin: Origin,
}

impl Level {
    /// Reads every setting of a section and reports those that are unknown or out of bounds.
    pub(super) fn read(
        scope: Scope,
        path: &str,
        section: &Section,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut values: BTreeMap<&'static str, Entry> = BTreeMap::new();
        for (name, given) in section.iter() {
            let key = key_of(path, name);
            let origin = given.origin.clone();
            let Some(setting) = settings::find(scope, name) else {
                problems.push(match pgbouncer::unused(scope, name) {
                    Some(why) => Problem::new(&origin, key, why),
                    None => settings::unknown(scope, name, &origin, key),
                });
                continue;
            };
            if values.contains_key(setting.name) {
                let message = format!("is another name of {}; give one of them", setting.name);
                problems.push(Problem::new(&origin, key, message));
                continue;
            }
            let is_secret =
                matches!(setting.kind, Kind::Secret | Kind::Command) || setting.leads_to_secret();
            let value = &given.value;
            let parsed = match plain(setting.kind, value).map(|()| setting.kind.parse(value)) {
                Ok(Ok(parsed)) => Some(parsed),
                Ok(Err(message)) => {
                    let mut problem = Problem::new(&origin, key, message);
                    problem.value = (!is_secret).then(|| shorten(value));
                    problems.push(problem);
                    None
                }
                Err(message) => {
                    problems.push(Problem::new(&origin, key, message));
                    None
                }
            };
            values.insert(setting.name, Entry { parsed, origin });
        }
        Self {
            scope,
            path: path.to_owned(),
            origin: section.origin.clone(),
            values,
        }
    }

    /// Whether the section itself gives the setting.
    pub(super) fn gives(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Whether a user's section changes the pools it has.
    pub(super) fn overrides_pool(&self) -> bool {
        settings::in_scope(Scope::User)
            .filter(|setting| setting.scopes.contains(&Scope::Database))
            .any(|setting| !setting.name.starts_with("password") && self.gives(setting.name))
    }
}

/// Sections from the special to the general.
pub(super) struct Chain<'a> {
    pub(super) levels: Vec<&'a Level>,
}

/// The value that holds, and where it comes from.
pub(super) struct Found<'a> {
    pub(super) setting: &'static Setting,
    pub(super) parsed: Parsed,
    pub(super) origin: &'a Origin,
    /// The level that gave it; `None` is the default.
    pub(super) level: Option<&'a Level>,
    /// Whether a value was given but cannot be read, so that the default stands in for it.
    pub(super) broken: bool,
}

impl Found<'_> {
    /// A problem with the value, where it was given; `otherwise` is the key to name if it is the default.
    pub(super) fn problem(&self, otherwise: String, message: String) -> Problem {
        let key = match self.level {
            Some(level) => key_of(&level.path, self.setting.name_in(level.scope)),
            None => otherwise,
        };
        let problem = Problem::new(self.origin, key, message);
        if self.setting.leads_to_secret() {
            return problem;
        }
        problem.with_value(self.setting.kind.show(&self.parsed))
    }
}

impl<'a> Chain<'a> {
    /// A chain of `levels`, the most special first.
    pub(super) fn new(levels: &[&'a Level]) -> Self {
        Self {
            levels: levels.to_vec(),
        }
    }

    /// Finds the value of a setting of the table.
    ///
    /// # Panics
    /// If the table has no such setting in the sections of this chain.
    pub(super) fn find(&self, name: &str) -> Found<'a> {
        let setting = self
            .levels
            .iter()
            .find_map(|level| settings::find(level.scope, name))
            .expect("only settings of the table are asked for");
        for level in &self.levels {
            let Some(entry) = level.values.get(setting.name_in(level.scope)) else {
                continue;
            };
            return Found {
                setting,
                parsed: entry.parsed.clone().unwrap_or_else(|| default(setting)),
                origin: &entry.origin,
                level: Some(level),
                broken: entry.parsed.is_none(),
            };
        }
        Found {
            setting,
            parsed: default(setting),
            origin: &Origin::Default,
            level: None,
            broken: false,
        }
    }

    /// The full name of a setting in the most special section.
    pub(super) fn key(&self, name: &str) -> String {
        key_of(self.levels.first().map_or("", |level| &level.path), name)
    }

    /// A problem with the value that holds.
    pub(super) fn problem(&self, name: &str, message: String) -> Problem {
        self.find(name).problem(self.key(name), message)
    }

    /// The value that holds, as the type that it is needed in.
    ///
    /// # Panics
    /// The table gives the setting another kind.
    pub(super) fn get<T: ReadAs>(&self, name: &str) -> T {
        T::from_parsed(self.find(name).parsed).unwrap_or_else(|| mismatch(name))
    }
}

/// A type that settings of one kind are read as.
pub(super) trait ReadAs: Sized {
    fn from_parsed(parsed: Parsed) -> Option<Self>;
}

macro_rules! read_as {
    ($($kind:ident($value:ident): $read:ty, $as_read:expr;)*) => {$(
        impl ReadAs for $read {
            fn from_parsed(parsed: Parsed) -> Option<Self> {
                match parsed {
                    Parsed::$kind($value) => Some($as_read),
                    _ => None,
                }
            }
        }
    )*};
}

// Of what may be absent, no text, 0 and a time of 0 are absent.
read_as! {
    Text(text): String, text;
    Text(text): Option<String>, Some(text).filter(|text| !text.is_empty());
    Bool(fact): bool, fact;
    Number(number): u32, number;
    Number(number): u16, u16::try_from(number).expect("the table bounds ports by 65535");
    Number(number): Option<u32>, Some(number).filter(|number| *number != 0);
    Number(number): Option<NonZeroU32>, NonZeroU32::new(number);
    Time(time): Duration, time;
    Time(time): Option<Duration>, Some(time).filter(|time| !time.is_zero());
    Word(word): &'static str, word;
    Addresses(addresses): Vec<IpAddr>, addresses;
}

/// The table and its reader disagree, which is an error of this program. The value stays out of the
/// message: it may be a secret.
pub(super) fn mismatch(name: &str) -> ! {
    panic!("the table gives {name} another kind than its reader expects")
}

pub(super) fn default(setting: &Setting) -> Parsed {
    let value = Value::from(setting.default);
    let parsed = setting.kind.parse(&value);
    parsed.expect("defaults of the table lie within their bounds")
}

/// Refuses what no setting of this kind takes.
fn plain(kind: Kind, value: &Value) -> Result<(), String> {
    match value {
        Value::List(_) if matches!(kind, Kind::Command | Kind::Networks) => Ok(()),
        Value::Text(_) | Value::Float(_) | Value::Bool(_) => Ok(()),
        Value::Integer(number) if i64::try_from(*number).is_ok() => Ok(()),
        Value::Integer(_) => Err("is too large a number".to_owned()),
        Value::List(_) => Err(
            "must not be a list; where several values may stand, write one text with commas"
                .to_owned(),
        ),
        Value::Other(what) => Err(format!("must not be {what}")),
    }
}

/// The value as written, short enough for one line.
fn shorten(value: &Value) -> String {
    let text = shown_text(&value.bare());
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

const SHOWN_CHARS_MAX: usize = 60;
