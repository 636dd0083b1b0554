//! Reads `fleet.toml` into a draft, with the line of every value.

use pgweir_settings::toml::{self, Layout};
use pgweir_settings::{Given, Problem, Value, nearest};

use super::Draft;
use super::keys;
use super::value::as_written;
use crate::profile::Profile;

/// Reads `text`, the content of the file called `path`.
///
/// What could be read is returned beside the problems, so that mistakes of all kinds show in one
/// run.
pub fn read(path: &str, text: &str) -> (Draft, Vec<Problem>) {
    let layout = Layout {
        plain: &["database", "operations", "pooler", "measured"],
        named: &["services"],
        outside: &["profile"],
        foreign: &[],
        advice: "put it below [database], [operations] or [services.NAME]",
        settings: keys::all_names().collect(),
    };
    let file = toml::read(path, text, &layout);
    let (mut draft, mut problems) = (Draft::default(), file.problems);
    draft.torn = file.torn;
    for (name, section) in file.plain {
        match name {
            "database" => draft.database = section,
            "operations" => draft.operations = section,
            "measured" => draft.measured = section,
            _ => draft.pooler = Some(section),
        }
    }
    let services = file.named.into_iter();
    draft.services = services.map(|(_, name, section)| (name, section)).collect();
    if let Some(given) = file.outside.get("profile") {
        match profile(given) {
            Ok(profile) => draft.profile = Some(profile),
            Err(problem) => problems.push(*problem),
        }
    }
    (draft, problems)
}

fn profile(given: &Given) -> Result<Profile, Box<Problem>> {
    let name = match &given.value {
        Value::Text(text) => text.as_str(),
        _ => "",
    };
    Profile::named(name).ok_or_else(|| {
        let names = Profile::ALL.map(Profile::name);
        let allowed = format!("one of {}", names.join(", "));
        let problem = Problem::not_allowed(&given.origin, "profile", allowed)
            .with_value(as_written(&given.value));
        Box::new(match nearest(name, names.into_iter()) {
            Some(near) => problem.with_suggestion(format!("write \"{near}\"")),
            None => problem,
        })
    })
}
