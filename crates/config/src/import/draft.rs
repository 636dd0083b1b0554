//! The `pgweir.toml` that is being made, and what became of each setting of the other file.

use std::collections::BTreeMap;

use pgweir_settings::text::{boolean, key_of};
use pgweir_settings::toml::Leaf;
use pgweir_settings::{Origin, Section, Value};

use crate::settings::{self, Scope};
use crate::value::Kind;

/// What became of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The setting in the other file, with its sections.
    pub key: String,
    /// Where it stands; of a default nowhere.
    pub origin: Origin,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It does the same under this name.
    Carried(String),
    /// It has this name, and something is different.
    Changed(String, String),
    /// Nothing does what it did, and why.
    Dropped(String),
}

/// How a setting is carried over.
#[derive(Clone, Copy)]
pub(super) enum Act {
    /// As it is.
    Same(&'static str),
    /// A bare number counts milliseconds.
    Ms(&'static str),
    /// With a difference.
    But(&'static str, &'static str),
    /// Not at all.
    Drop(&'static str),
}

/// Settings of one section, and how each is carried over.
pub(super) type Rules = &'static [(&'static str, Act)];

/// The section that a setting goes to.
#[derive(Clone, Copy)]
pub(super) enum To<'a> {
    Global,
    Database(&'a str),
    User(&'a str),
}

/// See the module's description.
#[derive(Default)]
pub(super) struct Draft {
    globals: Section,
    databases: BTreeMap<String, Section>,
    users: BTreeMap<String, Section>,
    pub(super) findings: Vec<Finding>,
}

impl Draft {
    /// Carries a setting over as its section's rules say; without one there is no counterpart.
    pub(super) fn carry(&mut self, leaf: &Leaf, rules: Rules, to: To<'_>) {
        let own = leaf.path.last().map_or("", String::as_str);
        let rule = rules.iter().find(|(name, _)| *name == own);
        match rule.map(|(_, act)| *act) {
            Some(Act::Same(name)) => self.place(leaf, to, name, leaf.given.value.clone(), None),
            Some(Act::Ms(name)) => self.place(leaf, to, name, ms(&leaf.given.value), None),
            Some(Act::But(name, why)) => {
                self.place(leaf, to, name, leaf.given.value.clone(), Some(why));
            }
            Some(Act::Drop(why)) => self.drop(leaf, why),
            None => self.unlike(leaf),
        }
    }

    /// Nothing here is like it.
    pub(super) fn unlike(&mut self, leaf: &Leaf) {
        self.drop(leaf, "pgweir has nothing like it");
    }

    /// The setting that names a section makes it, though nothing else may stand in it.
    pub(super) fn named(&mut self, leaf: &Leaf, to: To<'_>) {
        self.section(to);
        self.note(leaf, Verdict::Carried(to.path()));
    }

    /// Writes a value, and notes what became of the setting that it was. A user's section is for all
    /// databases: what another one says of it already stays.
    pub(super) fn place(
        &mut self,
        leaf: &Leaf,
        to: To<'_>,
        name: &'static str,
        value: Value,
        why: Option<&str>,
    ) {
        let target = to.key(name);
        let value = typed(to.scope(), name, value);
        let before = self.section(to).get(name).map(|given| given.value.clone());
        if let (To::User(_), Some(before)) = (to, before)
            && before != value
        {
            let why = format!("{target} is for all databases, and has another value already");
            return self.drop(leaf, &why);
        }
        let origin = leaf.given.origin.clone();
        self.section(to).give(name, value, origin);
        self.note(
            leaf,
            match why {
                Some(why) => Verdict::Changed(target, why.to_owned()),
                None => Verdict::Carried(target),
            },
        );
    }

    pub(super) fn drop(&mut self, leaf: &Leaf, why: &str) {
        self.note(leaf, Verdict::Dropped(why.to_owned()));
    }

    pub(super) fn note(&mut self, leaf: &Leaf, verdict: Verdict) {
        self.findings.push(Finding {
            key: leaf.path.join("."),
            origin: leaf.given.origin.clone(),
            verdict,
        });
    }

    /// Writes what the other pooler does where its file says nothing, unless something stands there.
    pub(super) fn fill(&mut self, name: &'static str, value: &str, what: &str) {
        if self.globals.has(name) {
            return;
        }
        let value = typed(Scope::Global, name, value.into());
        self.globals.give(name, value, Origin::Default);
        self.findings.push(Finding {
            key: what.to_owned(),
            origin: Origin::Default,
            verdict: Verdict::Carried(To::Global.key(name)),
        });
    }

    /// Sets a value that no setting of the other file is.
    pub(super) fn set(&mut self, to: To<'_>, name: &'static str, value: &str) {
        let value = typed(to.scope(), name, value.into());
        self.section(to).give(name, value, Origin::Default);
    }

    pub(super) fn section(&mut self, to: To<'_>) -> &mut Section {
        match to {
            To::Global => &mut self.globals,
            To::Database(name) => self.databases.entry(name.to_owned()).or_default(),
            To::User(name) => self.users.entry(name.to_owned()).or_default(),
        }
    }

    /// The text of the file.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let databases = self.databases.iter();
        let databases =
            databases.map(|(name, it)| (Scope::Database, key_of("databases", name), it));
        let users = self.users.iter();
        let users = users.map(|(name, it)| (Scope::User, key_of("users", name), it));
        let globals = std::iter::once((Scope::Global, "pgweir".to_owned(), &self.globals));
        for (scope, path, section) in globals.chain(databases).chain(users) {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&format!("[{path}]\n"));
            // In the order of the manual.
            for setting in settings::in_scope(scope) {
                if let Some(given) = section.get(setting.name) {
                    text.push_str(&format!("{} = {}\n", setting.name, given.value));
                }
            }
        }
        text
    }
}

impl To<'_> {
    pub(super) fn scope(self) -> Scope {
        match self {
            To::Global => Scope::Global,
            To::Database(_) => Scope::Database,
            To::User(_) => Scope::User,
        }
    }

    fn path(self) -> String {
        match self {
            To::Global => "pgweir".to_owned(),
            To::Database(database) => key_of("databases", database),
            To::User(user) => key_of("users", user),
        }
    }

    pub(super) fn key(self, name: &str) -> String {
        key_of(&self.path(), name)
    }
}

/// Milliseconds as a time: whole seconds where that is the same.
fn ms(value: &Value) -> Value {
    match value {
        Value::Integer(0) => Value::Integer(0),
        // So long is never.
        Value::Integer(ms) if *ms > 3650 * 86_400_000 => Value::Integer(0),
        Value::Integer(ms) if ms % 1000 == 0 => Value::Integer(ms / 1000),
        Value::Integer(ms) => Value::from(format!("{ms}ms")),
        other => other.clone(),
    }
}

/// A value as the setting is written in TOML; files without types have text everywhere.
fn typed(scope: Scope, name: &str, value: Value) -> Value {
    let setting = settings::find(scope, name).expect("rules name settings of their section");
    let text = value.bare().into_owned();
    match setting.kind {
        Kind::Bool => boolean(&text).map_or(value, Value::Bool),
        Kind::Number { .. } | Kind::Workers | Kind::Time { .. } => match Value::from_text(&text) {
            number @ (Value::Integer(_) | Value::Float(_)) => number,
            _ => value,
        },
        Kind::FileMode | Kind::Text { .. } | Kind::Secret | Kind::Choice(_) | Kind::Addresses => {
            Value::from(text)
        }
        Kind::Networks | Kind::Command | Kind::Methods => value,
    }
}
