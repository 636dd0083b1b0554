//! Reads the values of one section, with the defaults of the table.

use std::cell::Cell;

use compact_str::CompactString;
use pgweir_settings::text::key_of;
use pgweir_settings::{Origin, Problem, Section, Value};

use super::super::keys::{self, Fallback, Scope};
use super::super::typed::{ReadAs, Typed};
use super::super::value::as_written;
use crate::facts::Assumption;

/// Defaults used, counted over services. A default is told from another by its value, not by its
/// text: of ten thousand equal ones only the first is put into words.
pub(super) struct Assumptions {
    /// By scope and place in its table.
    used: Vec<Vec<Vec<Used>>>,
}

struct Used {
    value: Typed,
    /// In words; `None`: as the value is written.
    shown: Option<&'static str>,
    /// The reason; `None`: that of the table.
    why: Option<&'static str>,
    count: u64,
    first: String,
}

impl Default for Assumptions {
    fn default() -> Self {
        let of_scope = |scope: &Scope| scope.keys().iter().map(|_| Vec::new()).collect();
        Self {
            used: Scope::ALL.iter().map(of_scope).collect(),
        }
    }
}

impl Assumptions {
    fn used(&mut self, scope: Scope, key: usize) -> &mut Vec<Used> {
        let scope = Scope::ALL
            .iter()
            .position(|other| *other == scope)
            .expect("ALL has every scope");
        &mut self.used[scope][key]
    }

    pub(super) fn add(
        &mut self,
        scope: Scope,
        key: usize,
        value: &Typed,
        shown: Option<&'static str>,
        subject: &str,
    ) {
        self.add_because(scope, key, value, shown, None, subject);
    }

    fn add_because(
        &mut self,
        scope: Scope,
        key: usize,
        value: &Typed,
        shown: Option<&'static str>,
        why: Option<&'static str>,
        subject: &str,
    ) {
        let used = self.used(scope, key);
        let same = |used: &&mut Used| match shown {
            Some(_) => used.shown == shown,
            None => used.value == *value && used.why == why,
        };
        match used.iter_mut().find(same) {
            Some(used) => used.count += 1,
            None => used.push(Used {
                value: value.clone(),
                shown,
                why,
                count: 1,
                first: subject.to_owned(),
            }),
        }
    }

    pub(super) fn list(self) -> Vec<Assumption> {
        let mut list = Vec::new();
        for (scope, keys) in Scope::ALL.into_iter().zip(self.used) {
            let section = match scope {
                Scope::Service => "services.*",
                Scope::Database | Scope::Operations | Scope::Pooler | Scope::Measured => {
                    scope.title()
                }
            };
            for (key, used) in scope.keys().iter().zip(keys) {
                list.extend(used.into_iter().map(|used| Assumption {
                    key: format!("{section}.{}", key.name),
                    value: used.shown.map_or_else(|| used.value.shown(), str::to_owned),
                    count: used.count,
                    first: used.first,
                    why: used.why.unwrap_or(key.why),
                }));
            }
        }
        list
    }
}

/// The values of one section. What is given and wrong was reported when it was read, and is as if it
/// were not there, so that the rest can be looked at.
pub(super) struct Values<'a> {
    pub(super) scope: Scope,
    /// The service; empty in other sections.
    pub(super) subject: &'a str,
    pub(super) section: &'a Section,
    /// What is given, by its place in the table.
    typed: Vec<Option<Typed>>,
    pub(super) assumptions: &'a mut Assumptions,
    pub(super) problems: &'a mut Vec<Problem>,
    /// Where the table is looked at first: settings are asked for in about its order.
    cursor: Cell<usize>,
}

impl<'a> Values<'a> {
    /// Reads a section. Reports names that the table does not know and values that it does not
    /// allow.
    pub(super) fn read(
        scope: Scope,
        subject: &'a str,
        section: &'a Section,
        assumptions: &'a mut Assumptions,
        problems: &'a mut Vec<Problem>,
    ) -> Self {
        let mut values = Self {
            scope,
            subject,
            section,
            typed: vec![None; scope.keys().len()],
            assumptions,
            problems,
            cursor: Cell::default(),
        };
        for (name, given) in section.iter() {
            let Some((at, key)) = keys::place(scope, name) else {
                let path = key_of(&values.path(), name);
                let problem = keys::unknown(scope, name, &given.origin, path);
                values.problems.push(problem);
                continue;
            };
            values.typed[at] = key.kind.read(&given.value);
            if values.typed[at].is_none() {
                let path = format!("{}.{name}", values.path());
                let mut problem = Problem::not_allowed(&given.origin, path, key.kind.allowed())
                    .with_value(as_written(&given.value));
                if let Some(near) = key.kind.suggestion(&given.value) {
                    problem = problem.with_suggestion(format!("write {name} = {near}"));
                }
                values.problems.push(problem);
            }
        }
        values
    }
}

impl Values<'_> {
    /// The section as one writes it.
    pub(super) fn path(&self) -> String {
        match self.scope {
            Scope::Service => key_of("services", self.subject),
            Scope::Database | Scope::Operations | Scope::Pooler | Scope::Measured => {
                self.scope.title().to_owned()
            }
        }
    }

    fn problem(&self, name: &str, origin: &Origin, message: impl Into<String>) -> Problem {
        Problem::new(origin, format!("{}.{name}", self.path()), message)
    }

    fn given(&self, name: &str) -> Option<Typed> {
        self.typed[self.key(name).0].clone()
    }

    fn key(&self, name: &str) -> (usize, &'static keys::Key) {
        let keys = self.scope.keys();
        let start = self.cursor.get();
        let place = |from: usize, to: usize| {
            let at = keys[from..to].iter().position(|key| key.name == name)?;
            Some(from + at)
        };
        let at = place(start, keys.len())
            .or_else(|| place(0, start))
            .expect("the table has every setting that is asked for");
        self.cursor.set(at);
        (at, &keys[at])
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.typed[self.key(name).0].is_some()
    }

    /// The value, or the table's default.
    fn fixed(&mut self, name: &str) -> Typed {
        let (at, key) = self.key(name);
        if let Some(given) = &self.typed[at] {
            return given.clone();
        }
        let Fallback::Is(text) = key.fallback else {
            panic!("{name} has no fixed default");
        };
        if let Some(used) = self.assumptions.used(self.scope, at).first_mut() {
            used.count += 1;
            return used.value.clone();
        }
        let value = match text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
            Some(text) => Value::Text(text.into()),
            None => Value::from_text(text),
        };
        let value = key
            .kind
            .read(&value)
            .expect("a test reads every default of the table");
        self.assumptions
            .add(self.scope, at, &value, Some(text), self.subject);
        value
    }

    /// The value, or one that follows from others.
    fn following(&mut self, name: &str, default: Typed) -> Typed {
        let (at, _) = self.key(name);
        if let Some(given) = &self.typed[at] {
            return given.clone();
        }
        self.assumptions
            .add(self.scope, at, &default, None, self.subject);
        default
    }

    /// The value, or the table's default.
    pub(super) fn get<T: ReadAs>(&mut self, name: &str) -> T {
        T::of(name, self.fixed(name))
    }

    /// The value, or one that follows from others.
    pub(super) fn or<T: ReadAs>(&mut self, name: &str, default: T) -> T {
        T::of(name, self.following(name, default.typed()))
    }

    /// The value, if it was given.
    pub(super) fn maybe<T: ReadAs>(&self, name: &str) -> Option<T> {
        Some(T::of(name, self.given(name)?))
    }

    /// The value, or one that follows from others for this reason, if it is not the table's.
    pub(super) fn count_because(
        &mut self,
        name: &str,
        default: u64,
        why: Option<&'static str>,
    ) -> u64 {
        self.count_assumed(name, default, None, why)
    }

    /// The value, or that of the setting `other`: assumed once for all, as that name.
    pub(super) fn count_of(&mut self, name: &str, default: u64, other: &'static str) -> u64 {
        self.count_assumed(name, default, Some(other), None)
    }

    fn count_assumed(
        &mut self,
        name: &str,
        default: u64,
        shown: Option<&'static str>,
        why: Option<&'static str>,
    ) -> u64 {
        self.maybe(name).unwrap_or_else(|| {
            let (at, _) = self.key(name);
            let value = Typed::Count(default);
            self.assumptions
                .add_because(self.scope, at, &value, shown, why, self.subject);
            default
        })
    }

    /// A text that follows from the section's own name: assumed once for all, as `shown`.
    pub(super) fn text_of_name(
        &mut self,
        name: &str,
        default: String,
        shown: &'static str,
    ) -> String {
        self.maybe(name).unwrap_or_else(|| {
            let (at, _) = self.key(name);
            let value = Typed::Text(CompactString::default());
            self.assumptions
                .add(self.scope, at, &value, Some(shown), self.subject);
            default
        })
    }

    /// Reports that a value contradicts another.
    pub(super) fn contradiction(&mut self, name: &str, message: String, suggestion: String) {
        let given = self.section.get(name);
        let origin = given.map_or(&self.section.origin, |given| &given.origin);
        let mut problem = self
            .problem(name, origin, message)
            .with_suggestion(suggestion);
        if let Some(given) = given {
            problem = problem.with_value(as_written(&given.value));
        }
        self.problems.push(problem);
    }
}
