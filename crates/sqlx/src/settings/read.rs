//! Reads settings from variables and URLs, and finds every mistake.

use std::collections::BTreeMap;

use pgweir_settings::nearest_within;

use super::problem::{Origin, Problem, SettingsError};
use super::setting::{FOREIGN, SETTINGS, Setting};
use super::url::{self, OF_SQLX};
use super::value::{Kind, Value};
use super::{PoolSettings, Pooler};
use crate::sqlx::postgres::PgConnectOptions;

/// Reads `DATABASE_URL` and the variables of the pool.
pub(super) fn variables(
    variables: &BTreeMap<String, String>,
) -> Result<PoolSettings, SettingsError> {
    let mut reader = Reader::default();
    match variables.get("DATABASE_URL") {
        Some(text) => reader.url(text),
        None => reader.problem(
            Origin::Variable("DATABASE_URL".to_owned()),
            "is not set".to_owned(),
        ),
    }
    for (name, text) in variables {
        let origin = || Origin::Variable(name.clone());
        if let Some(setting) = SETTINGS.iter().find(|setting| setting.variable == name) {
            reader.give(setting, origin(), text);
        } else if name.starts_with("DB_")
            && !FOREIGN.contains(&name.as_str())
            && let Some(known) = nearest_within(
                name,
                EDITS_MAX,
                SETTINGS.iter().map(|setting| setting.variable),
            )
        {
            reader.problem(
                origin(),
                format!("is no variable of the pool; did you mean {known}?"),
            );
        }
    }
    reader.finish()
}

/// Reads a URL.
pub(super) fn url(text: &str) -> Result<PoolSettings, SettingsError> {
    let mut reader = Reader::default();
    reader.url(text);
    reader.finish()
}

#[derive(Default)]
struct Reader {
    problems: Vec<Problem>,
    connect: Option<PgConnectOptions>,
    given: Vec<Given>,
    behind_pgbouncer: bool,
    left_out: Vec<String>,
}

struct Given {
    setting: &'static Setting,
    origin: Origin,
    value: Value,
}

impl Reader {
    fn url(&mut self, text: &str) {
        let Some(url) = url::parse(text, &mut self.problems) else {
            return;
        };
        // What SQLx says about a URL may quote it.
        match url.for_sqlx.parse() {
            Ok(connect) => self.connect = Some(connect),
            Err(_) => self.problem(
                Origin::Url,
                "is not postgres://USER:PASSWORD@HOST:PORT/DATABASE; characters such as @ : / ? # \
                 in a name or a password have to be percent-encoded"
                    .to_owned(),
            ),
        }
        for (name, text) in url.parameters {
            self.parameter(name, &text);
        }
    }

    fn parameter(&mut self, name: String, text: &str) {
        let known = |setting: &&Setting| setting.parameters.contains(&name.as_str());
        if let Some(setting) = SETTINGS.iter().find(known) {
            self.give(setting, Origin::Parameter(name), text);
        } else if name == "pgbouncer" {
            match Kind::Switch.parse(text) {
                Ok(value) => self.behind_pgbouncer = value == Value::Switch(true),
                Err(message) => self.problem(Origin::Parameter(name), message),
            }
        } else {
            let names = SETTINGS.iter().flat_map(|setting| setting.parameters);
            match nearest_within(&name, EDITS_MAX, names.chain(OF_SQLX).copied()) {
                Some(known) => self.problem(
                    Origin::Parameter(name),
                    format!("is unknown; did you mean {known}?"),
                ),
                None => self.left_out.push(format!(
                    "{} is not known to SQLx and was left out",
                    Origin::Parameter(name)
                )),
            }
        }
    }

    /// Keeps a setting's value unless another place gives it another one.
    fn give(&mut self, setting: &'static Setting, origin: Origin, text: &str) {
        let value = match setting.kind.parse(text) {
            Ok(value) => value,
            Err(message) => return self.problem(origin, message),
        };
        let same = |given: &&Given| std::ptr::eq(given.setting, setting);
        match self.given.iter().find(same) {
            Some(before) if before.value != value => {
                let message = format!("differs from {}; remove one of them", before.origin);
                self.problem(origin, message);
            }
            Some(_) => {}
            None => self.given.push(Given {
                setting,
                origin,
                value,
            }),
        }
    }

    fn problem(&mut self, origin: Origin, message: String) {
        self.problems.push(Problem { origin, message });
    }

    fn finish(mut self) -> Result<PoolSettings, SettingsError> {
        let given = std::mem::take(&mut self.given);
        let origin_of = |variable: &str| {
            let found = given
                .iter()
                .find(|given| given.setting.variable == variable);
            found.map(|given| given.origin.clone())
        };
        // Without a URL the rest is still worth a look.
        let mut settings = PoolSettings::new(self.connect.unwrap_or_default());
        if self.behind_pgbouncer {
            settings.pooler = Pooler::PgBouncer;
        }
        for Given { setting, value, .. } in &given {
            (setting.apply)(&mut settings, value.clone());
        }
        if origin_of("DB_MIN_CONNECTIONS").is_none() {
            // A pool of one is asked for as one, not as a contradiction to a default.
            settings.min_connections = settings.min_connections.min(settings.max_connections);
        }
        settings.left_out = self.left_out;
        for (variable, mut problem) in settings.problems() {
            if let Some(origin) = origin_of(variable) {
                problem.origin = origin;
            }
            self.problems.push(problem);
        }
        if self.problems.is_empty() {
            Ok(settings)
        } else {
            let problems = self.problems;
            Err(SettingsError { problems })
        }
    }
}

/// Edits that make a name another program's.
const EDITS_MAX: usize = 2;
