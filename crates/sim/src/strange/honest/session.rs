//! Settings, roles and transactions of one backend.

use std::collections::BTreeMap;

use super::Failure;
use super::sql;

/// A setting's value.
type Value = String;

/// Settings that are reported, in PostgreSQL's spelling, with their defaults.
const REPORTED: [(&str, &str); 5] = [
    ("application_name", ""),
    ("client_encoding", "UTF8"),
    ("search_path", "public"),
    ("session_authorization", "app"),
    ("TimeZone", "UTC"),
];

/// Settings that are not.
const QUIET: [(&str, &str); 2] = [("my.flag", ""), ("role", "none")];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tx {
    Idle,
    /// Begun by a query, or by the first message of a batch.
    Implicit,
    Block,
    Failed,
}

/// What lives as long as the connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) tx: Tx,
    settings: BTreeMap<String, Value>,
    /// As they were when the transaction began.
    saved: BTreeMap<String, Value>,
    reported: BTreeMap<String, Value>,
}

impl Session {
    pub(super) fn new() -> Self {
        let all = REPORTED.iter().chain(&QUIET);
        let settings: BTreeMap<_, _> = all
            .map(|&(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self {
            tx: Tx::Idle,
            saved: settings.clone(),
            reported: settings.clone(),
            settings,
        }
    }

    /// The settings that a fresh server reports.
    pub(super) fn greeting() -> impl Iterator<Item = (&'static str, &'static str)> {
        REPORTED.into_iter()
    }

    /// What a query can see of the settings.
    pub(super) fn digest(&self) -> String {
        self.settings
            .values()
            .cloned()
            .collect::<Vec<_>>()
            .join("/")
    }

    /// Sets `name`; `None` is its default.
    pub(super) fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), Failure> {
        let name = name.to_ascii_lowercase();
        let default = default(&name).ok_or(*b"42704")?;
        let value = match (&*name, value) {
            (_, None) => default.to_owned(),
            ("timezone", Some(value)) => canonical(value, &["UTC", "GMT", "Asia/Tokyo"])?,
            ("client_encoding", Some(value)) => canonical(value, &["UTF8", "LATIN1"])?,
            ("role" | "session_authorization", Some(value)) => {
                canonical(value, &["none", "app", "bob"])?
            }
            (_, Some(value)) => value.to_owned(),
        };
        if name == "session_authorization" {
            self.settings.insert("role".into(), "none".into());
        }
        self.settings.insert(name, value);
        Ok(())
    }

    /// `RESET ALL`, which leaves alone who the session is.
    pub(super) fn reset_all(&mut self) {
        for (name, value) in &mut self.settings {
            if !matches!(&**name, "role" | "session_authorization") {
                *value = default(name).expect("a setting").to_owned();
            }
        }
    }

    /// Whether a statement may run in the present transaction.
    pub(super) fn may_run(&self, text: &[u8]) -> Result<(), Failure> {
        if self.tx == Tx::Failed && !sql::ends_transaction(text) && !text.is_empty() {
            return Err(*b"25P02");
        }
        Ok(())
    }

    pub(super) fn begin_implicit(&mut self) {
        if self.tx == Tx::Idle {
            self.tx = Tx::Implicit;
            self.saved = self.settings.clone();
        }
    }

    pub(super) fn begin(&mut self) {
        if self.tx != Tx::Failed {
            self.tx = Tx::Block;
        }
    }

    pub(super) fn commit(&mut self) {
        if self.tx == Tx::Failed {
            self.settings = self.saved.clone();
        }
        self.tx = Tx::Idle;
    }

    pub(super) fn roll_back(&mut self) {
        self.settings = self.saved.clone();
        self.tx = Tx::Idle;
    }

    /// Ends a transaction that no block keeps open; whether it did.
    pub(super) fn commit_implicit(&mut self) -> bool {
        let ends = self.tx == Tx::Implicit;
        if ends {
            self.tx = Tx::Idle;
        }
        ends
    }

    /// The present command failed.
    pub(super) fn abort(&mut self) -> bool {
        match self.tx {
            Tx::Idle => return false,
            Tx::Implicit => self.tx = Tx::Idle,
            Tx::Block | Tx::Failed => self.tx = Tx::Failed,
        }
        self.settings = self.saved.clone();
        true
    }

    /// Settings that changed since they were reported, in the client's encoding.
    pub(super) fn reports(&mut self) -> Vec<(&'static str, Vec<u8>)> {
        let mut reports = Vec::new();
        for (name, _) in REPORTED {
            let key = name.to_ascii_lowercase();
            let value = self.settings[&key].clone();
            if self.reported[&key] != value {
                reports.push((name, self.encode(&value)));
                self.reported.insert(key, value);
            }
        }
        reports
    }

    fn is_latin1(&self) -> bool {
        self.settings["client_encoding"] == "LATIN1"
    }

    /// Text in the client's encoding.
    pub(super) fn encode(&self, text: &str) -> Vec<u8> {
        if self.is_latin1() {
            return text
                .chars()
                .map(|c| u8::try_from(c).unwrap_or(b'?'))
                .collect();
        }
        text.into()
    }

    /// Text from the client's encoding.
    pub(super) fn decode(&self, bytes: &[u8]) -> Result<String, Failure> {
        if self.is_latin1() {
            return Ok(bytes.iter().copied().map(char::from).collect());
        }
        String::from_utf8(bytes.to_vec()).map_err(|_| *b"22021")
    }
}

fn default(name: &str) -> Option<&'static str> {
    let mut all = REPORTED.iter().chain(&QUIET);
    all.find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|&(_, value)| value)
}

fn canonical(value: &str, known: &[&str]) -> Result<Value, Failure> {
    let found = known.iter().find(|known| known.eq_ignore_ascii_case(value));
    found.map(|&value| value.to_owned()).ok_or(*b"22023")
}
