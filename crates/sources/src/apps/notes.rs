//! How readers add to what is known of a program.

use pgweir_advisor::facts::{Observation, Origin, Ruling};
use pgweir_advisor::fleet::Value;

use crate::inventory::{Program, Setting, Text, Unknown};

impl Program {
    /// Adds a setting. `by` is its name where it was found.
    pub(crate) fn give(
        &mut self,
        key: &'static str,
        value: impl Into<Value>,
        by: impl Into<String>,
        origin: Origin,
    ) {
        self.settings.push(Setting {
            key,
            value: value.into(),
            by: by.into(),
            origin,
        });
    }

    /// Adds what a setting is unless something says it.
    pub(crate) fn assume(
        &mut self,
        key: &'static str,
        value: impl Into<Value>,
        by: impl Into<String>,
        origin: Origin,
    ) {
        self.defaults.push(Setting {
            key,
            value: value.into(),
            by: by.into(),
            origin,
        });
    }

    /// Adds a number of processes.
    pub(crate) fn multiply(&mut self, factor: u64, by: impl Into<String>, origin: Origin) {
        self.processes.push(Setting {
            key: "processes",
            value: Value::from(factor),
            by: by.into(),
            origin,
        });
    }

    /// Whether something says this setting.
    pub(crate) fn says(&self, key: &str) -> bool {
        self.settings.iter().any(|setting| setting.key == key)
    }

    /// Whether this setting is said, or is known not to be known.
    pub(crate) fn mentions(&self, key: &str) -> bool {
        self.says(key) || self.unknown.iter().any(|unknown| unknown.key == Some(key))
    }

    /// Names something that could open connections and is not understood; `key` of `[services.NAME]`
    /// answers it.
    pub(crate) fn leave_open(
        &mut self,
        what: impl Into<String>,
        key: &'static str,
        origin: Origin,
    ) {
        self.unknown.push(Unknown {
            what: what.into(),
            add: format!("set {key} of the service in fleet.toml"),
            key: Some(key),
            origin,
        });
    }

    /// The same, if nothing else says that setting.
    pub(crate) fn leave_unsaid(
        &mut self,
        what: impl Into<String>,
        key: &'static str,
        origin: Origin,
    ) {
        self.leave_open(what, key, origin);
        self.unsaid.extend(self.unknown.pop());
    }

    /// Notes what the plan leaves out, and what to do if that is not meant.
    pub(crate) fn leave_out(
        &mut self,
        what: impl Into<String>,
        remedy: &'static str,
        origin: Origin,
    ) {
        self.observations.push(Observation {
            ruling: Ruling::Left(remedy),
            what: what.into(),
            origin,
        });
    }
}

/// Says that a value is not known.
pub(crate) fn not_said(by: &str, text: &Text) -> String {
    format!(
        "{by} is {}, which none of the files says",
        text.gaps().join(" and ")
    )
}
