//! Makes facts of a draft: checks every value against the table, fills in defaults and names them,
//! and reports all mistakes together.

mod database;
mod pooler;
mod service;
mod values;

use pgweir_settings::{Origin, Problem, finish};

use super::Draft;
#[cfg(test)]
use super::keys::Fallback;
use super::keys::Scope;
use super::typed::Percent;
use crate::facts::{Database, Facts, Measured, Operations, Ruling, Via};
use crate::formula::queueing::Goal;
use crate::profile::Profile;
use database::database;
use pooler::pooler;
use service::service;
use values::{Assumptions, Values};

/// Makes facts of a draft.
///
/// # Errors
/// Every mistake there is, `read` the ones already met, in the order of the text.
pub fn resolve(draft: &Draft, mut read: Vec<Problem>) -> Result<Facts, Vec<Problem>> {
    let mut assumptions = Assumptions::default();
    let profile = draft.profile.unwrap_or_default();
    let operations = operations(draft, &mut assumptions, &mut read);
    let database = database(draft, operations.os_reserve, &mut assumptions, &mut read);
    let facts_so_far = Known {
        profile,
        database: &database,
        operations: &operations,
        pooled: draft.pooler.is_some(),
    };
    let mut services = Vec::with_capacity(draft.services.len());
    for (name, section) in &draft.services {
        services.push(service(
            name,
            section,
            &facts_so_far,
            &mut assumptions,
            &mut read,
        ));
    }
    if services.is_empty() && !draft.torn {
        read.extend(no_services(draft));
    }
    let pooler = draft.pooler.as_ref().map(|section| {
        let waits = services.iter().filter(|service| service.via == Via::Pooler);
        let wait = waits.map(|service| service.timeouts.acquire).max();
        pooler(section, &database, wait, &mut assumptions, &mut read)
    });
    let measured = measured(draft, &mut assumptions, &mut read);
    // A section that nobody wrote stands nowhere.
    for problem in read.iter_mut().filter(|p| p.origin == Origin::Default) {
        problem.origin = Origin::named("fleet");
    }
    let facts = Facts {
        profile,
        database,
        services,
        operations,
        pooler,
        measured,
        assumptions: assumptions.list(),
        observations: draft.observations.clone(),
    };
    finish(facts, read)
}

/// That there are no services, and what was seen that might be some.
fn no_services(draft: &Draft) -> Vec<Problem> {
    let add = "add a section [services.NAME] with its kind, replicas and pool";
    let problem = Problem::new(&draft.database.origin, "services", "there is none");
    let mut problems = vec![problem.with_suggestion(add)];
    for seen in &draft.observations {
        let (what, remedy) = match &seen.ruling {
            Ruling::NotUnderstood(remedy) => {
                (format!("not understood: {}", seen.what), remedy.as_str())
            }
            Ruling::Left(remedy) => (seen.what.clone(), *remedy),
            Ruling::Correction(_) | Ruling::Wrong(_) => continue,
        };
        problems.push(Problem::new(&seen.origin, "services", what).with_suggestion(remedy));
    }
    problems
}

/// What services depend on.
struct Known<'a> {
    profile: Profile,
    database: &'a Database,
    operations: &'a Operations,
    pooled: bool,
}

fn operations(
    draft: &Draft,
    assumptions: &mut Assumptions,
    problems: &mut Vec<Problem>,
) -> Operations {
    let section = &draft.operations;
    let mut v = Values::read(Scope::Operations, "", section, assumptions, problems);
    Operations {
        reserve: v.get("reserve"),
        target: v.get::<Percent>("target_utilisation").0,
        surge: v.get("surge"),
        goal: Goal {
            wait: v.get("wait"),
            probability: v.get("wait_share"),
        },
        network_idle: v.get("network_idle_timeout"),
        termination_grace: v.get("termination_grace"),
        longest_transaction: v.get("longest_transaction"),
        os_reserve: v.get("os_reserve"),
        monitoring: v.maybe("monitoring"),
        alerts: v.maybe("alerts"),
        documented: v.maybe("documented"),
    }
}

fn measured(draft: &Draft, assumptions: &mut Assumptions, problems: &mut Vec<Problem>) -> Measured {
    let section = &draft.measured;
    let v = Values::read(Scope::Measured, "", section, assumptions, problems);
    Measured {
        active: v.maybe("active"),
        cpu: v.maybe::<Percent>("cpu").map(|percent| percent.0.into()),
        read_share: v.maybe("read_share"),
        churn: v.maybe("churn"),
        steps: v.maybe("steps").unwrap_or_default(),
    }
}

/// Whether every fixed default of the table is one that its own kind allows.
#[cfg(test)]
pub(super) fn defaults_are_allowed() -> Result<(), String> {
    for scope in Scope::ALL {
        for key in scope.keys() {
            if let Fallback::Is(text) = key.fallback {
                let (draft, problems) =
                    super::read("default", &format!("[database]\nx = {text}\n"));
                let value = &draft.database.get("x").expect("was given").value;
                if !problems.is_empty() || key.kind.read(value).is_none() {
                    return Err(format!("{}: {text}", key.name));
                }
            }
            if let super::value::Kind::Choice(words) = key.kind
                && words.is_empty()
            {
                return Err(key.name.to_owned());
            }
        }
    }
    Ok(())
}
