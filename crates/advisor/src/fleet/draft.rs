//! What sources said of a fleet, before it is checked.

use std::collections::HashMap;

use pgweir_settings::{Origin, Problem, Section, Value, nearest};

use super::keys::{self, Scope};
use crate::facts::Observation;
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

    /// Applies a supposition such as `api.pool=20`, `database.max_connections=200`,
    /// `services.*.pool=5`, or `ram=16GB` where only one section has such a setting.
    ///
    /// # Errors
    /// It has no such form, or names no section. Its value is checked with all the others.
    pub fn suppose(&mut self, text: &str) -> Result<(), Box<Problem>> {
        let origin = Origin::named("--what-if");
        let form = || {
            let problem = Problem::new(&origin, "", format!("`{text}` is no supposition"));
            Box::new(problem.with_suggestion(
                    "write SERVICE.KEY=VALUE or SECTION.KEY=VALUE, as in api.pool=20; KEY=VALUE does where one section has \
                     such a key, as in ram=16GB",
                ))
        };
        let (path, value) = text.split_once('=').ok_or_else(form)?;
        let path = path.trim();
        let (section, key) = match path.rsplit_once('.') {
            Some(named) => named,
            None => (self.section_of(path).ok_or_else(form)?, path),
        };
        let section = section.to_owned();
        let section = section.as_str();
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
                let known = known.chain(keys::SECTIONS);
                let problem = Problem::new(&origin, path, "names no service and no section");
                return Err(Box::new(match nearest(section, known) {
                    Some(near) => problem.with_suggestion(format!("did you mean {near}.{key}?")),
                    None => problem.with_suggestion("services are named as in the table"),
                }));
            }
        };
        fixed.give(key, value, origin);
        Ok(())
    }

    /// The only section that can be meant by a key without one.
    fn section_of(&self, key: &str) -> Option<&str> {
        let mut having = Scope::ALL
            .into_iter()
            .filter(|scope| keys::find(*scope, key).is_some());
        let scope = having.next()?;
        match (having.next(), scope, self.services.as_slice()) {
            (None, Scope::Service, [(only, _)]) => Some(only),
            (None, Scope::Service, _) | (Some(_), ..) => None,
            (None, scope, _) => Some(scope.title()),
        }
    }
}
