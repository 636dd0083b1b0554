//! The numbers of one service.

use crate::facts::Service;
use crate::fleet::presets::Preset;
use crate::formula;
use crate::plan::{Plan, ServicePlan};
use crate::show::derivation::{Derivation, derived, part};
use crate::units::{short, time_text};

pub(super) fn explain(
    plan: &Plan,
    service: &ServicePlan,
    known: &Service,
    all: &mut Vec<Derivation>,
) {
    let name = |number: &str| format!("services.{}.{number}", service.name);
    all.push(derived(
        name("replicas_rollout"),
        service.replicas_rollout,
        &formula::F2,
        &[
            ("replicas", service.replicas.to_string()),
            ("surge", known.surge.to_string()),
        ],
    ));
    for (number, value, replicas) in [
        ("steady", service.steady, service.replicas),
        ("rollout", service.rollout, service.replicas_rollout),
    ] {
        all.push(derived(
            name(number),
            value,
            &formula::F3,
            &[
                ("replicas", replicas.to_string()),
                ("processes", service.processes.to_string()),
                ("pool", service.pool.to_string()),
                ("dsns", service.dsns.to_string()),
            ],
        ));
    }
    all.push(derived(
        name("floor"),
        service.floor,
        &formula::F7,
        &[
            ("tasks", known.tasks.to_string()),
            (
                "connections_per_task",
                known.connections_per_task.to_string(),
            ),
        ],
    ));
    load(plan, service, known, all);
}

/// What its load needs, where that is known.
fn load(plan: &Plan, service: &ServicePlan, known: &Service, all: &mut Vec<Derivation>) {
    let name = |number: &str| format!("services.{}.{number}", service.name);
    let Some((requests, sharing)) = known.work.requests.zip(known.sharing()) else {
        return;
    };
    let load = sharing.load;
    let rate = ("rate", load.rate.to_string());
    let hold = ("S", time_text(load.hold));
    let variation = ("V", short(load.variation));
    if let Some(busy) = service.busy {
        all.push(derived(
            name("busy"),
            short(busy),
            &formula::F8,
            &[rate.clone(), hold.clone()],
        ));
    }
    if let Some(ceiling) = service.ceiling {
        let mut table = part(
            &formula::F10,
            "limit per pod of the preset for this load, its upper end",
        );
        table.source = "S1, table of presets, kept as a ceiling above F10";
        let preset = Preset::for_requests(requests.0);
        all.push(derived(
            name("ceiling"),
            ceiling,
            &table,
            &[
                ("requests", requests.to_string()),
                ("preset", preset.name.to_owned()),
            ],
        ));
    }
    if let Some(need) = service.need {
        all.push(derived(
            name("need"),
            need,
            &formula::F10,
            &[
                rate.clone(),
                hold.clone(),
                variation.clone(),
                (
                    "shared by, with one instance gone",
                    sharing.parts_left.to_string(),
                ),
                ("t", format!("{}ms", short(plan.queueing.wait_ms))),
                ("epsilon", short(plan.queueing.wait_share)),
                ("deadlock floor", service.floor.to_string()),
            ],
        ));
    }
    if let Some(wait) = service.mean_wait_ms {
        all.push(derived(
            name("mean_wait_ms"),
            format!("{}ms", short(wait)),
            &formula::F9,
            &[
                rate,
                hold,
                variation,
                ("shared by", sharing.parts.to_string()),
                ("c", known.servers_of_part().times(known.dsns).to_string()),
            ],
        ));
    }
}
