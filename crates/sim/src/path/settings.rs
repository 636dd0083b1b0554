//! Settings of a session in the fake PostgreSQL, with what transactions do to them.

use std::collections::{BTreeMap, BTreeSet};

/// Settings that are reported to the client, with their defaults.
pub(super) const REPORTED: [(&str, &str); 5] = [
    ("application_name", ""),
    ("DateStyle", "ISO, MDY"),
    ("scram_iterations", "4096"),
    ("session_authorization", "app"),
    ("TimeZone", "Etc/UTC"),
];

/// What is not listed among the settings either.
const ROLE: (&str, &str) = ("role", "none");

/// Settings that are not.
const QUIET: [(&str, &str); 3] = [
    ("extra_float_digits", "1"),
    ("my.var", ""),
    ("search_path", "\"$user\", public"),
];

const ZONES: [&str; 5] = ["Etc/UTC", "UTC", "Asia/Tokyo", "Europe/Berlin", "GMT"];

/// The settings of one session, by name in lower case.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    startup: BTreeMap<String, String>,
    session: BTreeMap<String, String>,
    /// Set until the end of the transaction.
    local: BTreeMap<String, String>,
    /// Names of those that the session has set.
    own: BTreeSet<String>,
    /// As both were when the transaction began.
    saved: Option<(BTreeMap<String, String>, BTreeSet<String>)>,
    reported: BTreeMap<String, String>,
}

impl Settings {
    /// A session that begins with `startup`; `None` if one of them is wrong.
    pub(super) fn new(startup: &[(String, String)]) -> Option<Self> {
        let defaults = REPORTED.iter().chain(&QUIET).chain([&ROLE]);
        let mut settings: BTreeMap<_, _> = defaults
            .map(|&(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        for (name, value) in startup {
            settings.insert(name.to_ascii_lowercase(), canonical(name, value)?);
        }
        Some(Self {
            startup: settings.clone(),
            session: settings.clone(),
            local: BTreeMap::new(),
            own: BTreeSet::new(),
            saved: None,
            reported: settings,
        })
    }

    pub(super) fn value(&self, name: &str) -> &str {
        let name = name.to_ascii_lowercase();
        let value = self.local.get(&name).or_else(|| self.session.get(&name));
        value.map_or("", String::as_str)
    }

    /// False if the value or the name is wrong.
    pub(super) fn set(&mut self, name: &str, value: &str, local: bool) -> bool {
        let Some(value) = canonical(name, value) else {
            return false;
        };
        let name = name.to_ascii_lowercase();
        if name == "session_authorization" {
            self.reset(ROLE.0);
        }
        if local {
            self.local.insert(name, value);
        } else {
            self.local.remove(&name);
            self.own.insert(name.clone());
            self.session.insert(name, value);
        }
        true
    }

    pub(super) fn reset(&mut self, name: &str) {
        let name = name.to_ascii_lowercase().replace(' ', "_");
        self.local.remove(&name);
        self.own.remove(&name);
        match self.startup.get(&name) {
            Some(value) => self.session.insert(name, value.clone()),
            None => self.session.remove(&name),
        };
    }

    pub(super) fn reset_all(&mut self) {
        self.local.clear();
        self.own.clear();
        self.session = self.startup.clone();
    }

    /// `RESET ALL`, which leaves the role alone.
    pub(super) fn reset_all_but_role(&mut self) {
        let role = self.value("role").to_owned();
        let is_own = self.own.contains("role");
        self.reset_all();
        self.session.insert("role".to_owned(), role);
        if is_own {
            self.own.insert("role".to_owned());
        }
    }

    /// Settings that the session has of its own, as PostgreSQL lists them, and the custom ones of these
    /// names.
    pub(super) fn listed(&self, custom: &[String]) -> Vec<(String, String)> {
        let is_listed = |name: &&String| !name.contains('.') && *name != "role";
        let own = self.own.iter().chain(self.local.keys()).filter(is_listed);
        let mut listed: BTreeMap<_, _> = own
            .map(|name| (name.clone(), self.value(name).to_owned()))
            .collect();
        for name in custom
            .iter()
            .filter(|name| self.session.contains_key(*name))
        {
            listed.insert(name.clone(), self.value(name).to_owned());
        }
        listed.insert("role".to_owned(), self.value("role").to_owned());
        listed.into_iter().collect()
    }

    /// The configuration file was read again.
    pub(super) fn reload(&mut self, name: &str, value: &str) {
        let name = name.to_ascii_lowercase();
        self.startup.insert(name.clone(), value.to_owned());
        self.session.insert(name, value.to_owned());
    }

    pub(super) fn begin(&mut self) {
        self.saved = Some((self.session.clone(), self.own.clone()));
    }

    pub(super) fn commit(&mut self) {
        self.saved = None;
        self.local.clear();
    }

    pub(super) fn abort(&mut self) {
        if let Some(saved) = self.saved.take() {
            (self.session, self.own) = saved;
        }
        self.local.clear();
    }

    /// Reported settings whose value is not the one reported last.
    pub(super) fn changed(&mut self) -> Vec<(&'static str, String)> {
        let mut changed = Vec::new();
        for (name, _) in REPORTED {
            let value = self.value(name);
            let key = name.to_ascii_lowercase();
            if self.reported.get(&key).map(String::as_str) != Some(value) {
                let value = value.to_owned();
                changed.push((name, value.clone()));
                self.reported.insert(key, value);
            }
        }
        changed
    }

    /// What a query of a client can see of them. The reloaded one has its own course.
    pub(super) fn digest(&self) -> String {
        let names = [
            "application_name",
            "datestyle",
            "role",
            "session_authorization",
            "timezone",
        ];
        let quiet = QUIET.map(|(name, _)| name);
        let values = names.iter().chain(&quiet).map(|name| self.value(name));
        values.collect::<Vec<_>>().join("/")
    }
}

/// The value as PostgreSQL would spell it; `None` if it refuses it.
pub(super) fn canonical(name: &str, value: &str) -> Option<String> {
    match name.to_ascii_lowercase().as_str() {
        "timezone" => {
            let zone = ZONES.iter().find(|zone| zone.eq_ignore_ascii_case(value));
            zone.map(|&zone| zone.to_owned())
        }
        "datestyle" => {
            let words: Vec<_> = value.split(',').map(str::trim).collect();
            let [style, order] = words[..] else {
                return None;
            };
            let order = order.to_ascii_uppercase();
            let known = style.eq_ignore_ascii_case("iso") && ["DMY", "MDY"].contains(&&*order);
            known.then(|| format!("ISO, {order}"))
        }
        "extra_float_digits" => {
            let digits: i32 = value.parse().ok()?;
            (-15..=3).contains(&digits).then(|| digits.to_string())
        }
        "scram_iterations" => {
            let iterations: u32 = value.parse().ok()?;
            (iterations > 0).then(|| iterations.to_string())
        }
        "role" | "session_authorization" => {
            let is_clients = value
                .strip_prefix('c')
                .is_some_and(|c| c.parse::<u64>().is_ok());
            (is_clients || ["app", "none"].contains(&value)).then(|| value.to_owned())
        }
        "application_name" | "search_path" | "my.var" => Some(value.to_owned()),
        _ => None,
    }
}
