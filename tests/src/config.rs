//! A configuration file, setting by setting.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The configuration of one pooler. A later value of a setting replaces the earlier one.
#[derive(Debug, Clone, Default)]
pub struct Config {
    sections: BTreeMap<String, BTreeMap<String, String>>,
}

/// A value as TOML writes it.
pub trait Value {
    /// The text behind the equals sign.
    fn toml(self) -> String;
}

impl Value for &str {
    fn toml(self) -> String {
        format!("\"{}\"", self.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

impl Value for &String {
    fn toml(self) -> String {
        self.as_str().toml()
    }
}

impl Value for u16 {
    fn toml(self) -> String {
        self.to_string()
    }
}

impl Value for i32 {
    fn toml(self) -> String {
        self.to_string()
    }
}

impl Value for f64 {
    fn toml(self) -> String {
        format!("{self:?}")
    }
}

impl Value for bool {
    fn toml(self) -> String {
        self.to_string()
    }
}

impl<T: AsRef<str>, const N: usize> Value for [T; N] {
    fn toml(self) -> String {
        let items = self.iter().map(|item| item.as_ref().toml());
        format!("[{}]", items.collect::<Vec<_>>().join(", "))
    }
}

impl Config {
    /// Nothing yet.
    pub fn new() -> Self {
        // The default address is for one pooler of a machine.
        Self::default().set("http_listen", "off")
    }

    /// A setting of the whole pooler.
    #[must_use]
    pub fn set(self, setting: &str, value: impl Value) -> Self {
        self.put("pgweir".to_owned(), setting, value)
    }

    /// A setting of a database.
    #[must_use]
    pub fn database(self, name: &str, setting: &str, value: impl Value) -> Self {
        self.put(format!("databases.{}", name.toml()), setting, value)
    }

    /// A setting of a user.
    #[must_use]
    pub fn user(self, name: &str, setting: &str, value: impl Value) -> Self {
        self.put(format!("users.{}", name.toml()), setting, value)
    }

    /// A setting of another process that serves the same clients.
    #[must_use]
    pub fn peer(self, number: u16, setting: &str, value: impl Value) -> Self {
        self.put(format!("peers.{number}"), setting, value)
    }

    /// Without a setting of a user.
    #[must_use]
    pub fn without_user_setting(mut self, name: &str, setting: &str) -> Self {
        if let Some(section) = self.sections.get_mut(&format!("users.{}", name.toml())) {
            section.remove(setting);
        }
        self
    }

    fn put(mut self, section: String, setting: &str, value: impl Value) -> Self {
        let settings = self.sections.entry(section).or_default();
        settings.insert(setting.to_owned(), value.toml());
        self
    }

    /// The value of a setting of the whole pooler, as TOML writes it.
    pub fn value(&self, setting: &str) -> Option<&str> {
        Some(self.sections.get("pgweir")?.get(setting)?)
    }

    /// The file.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (section, settings) in &self.sections {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "[{section}]");
            for (setting, value) in settings {
                let _ = writeln!(text, "{setting} = {value}");
            }
        }
        text
    }
}
