//! What sources said of a fleet, before it is checked.

use std::collections::HashMap;

use compact_str::CompactString;

use super::keys;
use super::nearest::nearest;
use super::problem::Problem;
use super::value::Value;
use crate::facts::{Observation, Origin};
use crate::profile::Profile;

/// What one source, or several laid over each other, said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    /// The profile that the source belongs to.
    pub profile: Option<Profile>,
    /// `[database]`.
    pub database: Section,
    /// `[operations]`.
    pub operations: Section,
    /// `[measured]`.
    pub measured: Section,
    /// `[pooler]`; absent where there is none.
    pub pooler: Option<Section>,
    /// `[services.NAME]`, each name once, in their order of appearance.
    pub services: Vec<(String, Section)>,
    /// What the source showed that contradicts how things work.
    pub observations: Vec<Observation>,
    /// Whether parts could not be read at all. What is missing then is no mistake of its own.
    pub torn: bool,
}

/// Values of one section by name. A name given twice holds the last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Section {
    /// Where the section starts.
    pub origin: Origin,
    /// The values by the name written, in the order of the names. A vector, for sections are small and
    /// many.
    values: Vec<(CompactString, Given)>,
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// The value.
    pub value: Value,
    /// Where it was written.
    pub origin: Origin,
}

impl Section {
    /// An empty section that starts at `origin`.
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            values: Vec::new(),
        }
    }

    /// An empty section that starts at `origin`, with room for `count` values.
    pub(super) fn with_room(origin: Origin, count: usize) -> Self {
        Self {
            origin,
            values: Vec::with_capacity(count),
        }
    }

    /// What was given under this name.
    pub fn get(&self, name: &str) -> Option<&Given> {
        let at = self.place(name).ok()?;
        Some(&self.values[at].1)
    }

    /// Whether something was given under this name.
    pub fn has(&self, name: &str) -> bool {
        self.place(name).is_ok()
    }

    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// What was given, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Given)> {
        self.values
            .iter()
            .map(|(name, given)| (name.as_str(), given))
    }

    /// Where the name is, or where it would go: behind the last one, where sorted names are added.
    fn place(&self, name: &str) -> Result<usize, usize> {
        if self
            .values
            .last()
            .is_none_or(|(last, _)| last.as_str() < name)
        {
            return Err(self.values.len());
        }
        self.values
            .binary_search_by(|(known, _)| known.as_str().cmp(name))
    }

    /// Adds a value with the section's own origin.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        let origin = self.origin.clone();
        self.give(name, value.into(), origin);
    }

    /// Adds a value; an earlier one of the same name gives way.
    pub fn give(&mut self, name: &str, value: Value, origin: Origin) {
        self.put(name.into(), Given { value, origin });
    }

    pub(super) fn put(&mut self, name: CompactString, given: Given) {
        match self.place(&name) {
            Ok(at) => self.values[at].1 = given,
            Err(at) => self.values.insert(at, (name, given)),
        }
    }

    fn overlay(&mut self, over: Self) {
        if self.values.is_empty() {
            self.origin = over.origin;
        }
        for (name, given) in over.values {
            self.put(name, given);
        }
    }
}

impl Draft {
    /// Adds what another source says; where both speak, the other one counts.
    pub fn overlay(&mut self, over: Self) {
        self.profile = over.profile.or(self.profile);
        self.database.overlay(over.database);
        self.operations.overlay(over.operations);
        self.measured.overlay(over.measured);
        match (&mut self.pooler, over.pooler) {
            (Some(pooler), Some(over)) => pooler.overlay(over),
            (pooler @ None, Some(over)) => *pooler = Some(over),
            (_, None) => {}
        }
        self.overlay_services(over.services);
        self.observations.extend(over.observations);
        self.torn |= over.torn;
    }

    fn overlay_services(&mut self, over: Vec<(String, Section)>) {
        if self.services.is_empty() {
            self.services = over;
            return;
        }
        // A search for each of many services would take the square of their number.
        let names = self.services.iter().map(|(name, _)| name.clone());
        let places: HashMap<String, usize> = names.zip(0..).collect();
        for (name, section) in over {
            match places.get(&name) {
                Some(at) => self.services[*at].1.overlay(section),
                None => self.services.push((name, section)),
            }
        }
    }

    /// The section of a service, made at `origin` if there is none.
    pub fn service(&mut self, name: &str, origin: Origin) -> &mut Section {
        let at = match self.services.iter().position(|(known, _)| known == name) {
            Some(at) => at,
            None => {
                self.services.push((name.to_owned(), Section::new(origin)));
                self.services.len() - 1
            }
        };
        &mut self.services[at].1
    }

    /// Applies a supposition such as `api.pool=20`, `database.max_connections=200` or
    /// `services.*.pool=5`.
    ///
    /// # Errors
    /// It has no such form, or names no section. Its value is checked with all the others.
    pub fn suppose(&mut self, text: &str) -> Result<(), Box<Problem>> {
        let origin = Origin::WhatIf;
        let form =
            || {
                let problem = Problem::new(&origin, "", format!("`{text}` is no supposition"));
                Box::new(problem.with_suggestion(
                    "write SERVICE.KEY=VALUE or SECTION.KEY=VALUE, as in api.pool=20",
                ))
            };
        let (path, value) = text.split_once('=').ok_or_else(form)?;
        let (section, key) = path.trim().rsplit_once('.').ok_or_else(form)?;
        let value = Value::from_text(value.trim());
        let named = section.strip_prefix("services.").unwrap_or(section);
        if named == "*" {
            for (_, service) in &mut self.services {
                service.give(key, value.clone(), origin.clone());
            }
            return Ok(());
        }
        if let Some((_, service)) = self.services.iter_mut().find(|(name, _)| name == named) {
            service.give(key, value, origin);
            return Ok(());
        }
        let fixed = match section {
            "database" => &mut self.database,
            "operations" => &mut self.operations,
            "measured" => &mut self.measured,
            "pooler" => self
                .pooler
                .get_or_insert_with(|| Section::new(origin.clone())),
            _ => {
                let known = self.services.iter().map(|(name, _)| name.as_str());
                let known = known.chain(keys::SECTIONS.iter().copied());
                let problem = Problem::new(&origin, path.trim(), "names no service and no section");
                return Err(Box::new(match nearest(section, known) {
                    Some(near) => problem.with_suggestion(format!("did you mean {near}.{key}?")),
                    None => problem.with_suggestion("services are named as in the table"),
                }));
            }
        };
        fixed.give(key, value, origin);
        Ok(())
    }
}

/// `services.NAME`, the name in quotes where TOML needs them.
pub(super) fn service_path(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(bare) {
        format!("services.{name}")
    } else {
        format!("services.{name:?}")
    }
}
