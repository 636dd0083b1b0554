//! What the load needs (F8 to F10), and the law of a load test (F12).

use crate::facts::Via;
use crate::formula;
use crate::plan::{Plan, ScalingPlan};
use crate::show::derivation::{Derivation, derived, part};
use crate::units::{Rate, short};

pub(super) fn explain(plan: &Plan, all: &mut Vec<Derivation>) {
    let queueing = &plan.queueing;
    if queueing.rate_per_second.0 > 0.0 {
        queue(plan, all);
    }
    let behind = plan
        .facts
        .services
        .iter()
        .filter(|service| service.via == Via::Pooler);
    let rate: f64 = behind
        .filter_map(|service| Some(service.work.checkouts()?.rate.0))
        .sum();
    all.push(derived(
        "queueing.pooled",
        queueing.pooled,
        &part(
            &formula::F10,
            "F10 of the load of all services behind the pooler; 1 where none is known",
        ),
        &[
            ("rate", Rate(rate).to_string()),
            goal(plan)[0].clone(),
            goal(plan)[1].clone(),
        ],
    ));
    if let Some(scaling) = &plan.scaling {
        law(plan, scaling, all);
    }
}

fn goal(plan: &Plan) -> [(&'static str, String); 2] {
    [
        ("t", format!("{}ms", short(plan.queueing.wait_ms))),
        ("epsilon", short(plan.queueing.wait_share)),
    ]
}

fn queue(plan: &Plan, all: &mut Vec<Derivation>) {
    let queueing = &plan.queueing;
    let known = plan
        .facts
        .services
        .iter()
        .filter(|service| service.work.requests.is_some());
    let [t, epsilon] = goal(plan);
    let load = [
        ("rate", queueing.rate_per_second.to_string()),
        ("hold", format!("{}ms", short(queueing.hold_ms))),
        t,
        epsilon,
    ];
    let services = ("services whose load is known", known.count().to_string());
    all.push(derived(
        "queueing.rate_per_second",
        queueing.rate_per_second,
        &part(&formula::F8, "sum of requests * queries_per_request"),
        std::slice::from_ref(&services),
    ));
    let busy = ("busy", short(queueing.busy));
    all.push(derived(
        "queueing.hold_ms",
        format!("{}ms", short(queueing.hold_ms)),
        &part(&formula::F8, "busy / rate: the mean over all queries"),
        &[busy.clone(), load[0].clone()],
    ));
    all.push(derived(
        "queueing.busy",
        short(queueing.busy),
        &part(&formula::F8, "rate * hold"),
        &load[..2],
    ));
    sharing(plan, services, &load, all);
}

/// What separate pools need, what a shared one needs, and what sharing gains.
fn sharing(
    plan: &Plan,
    services: (&str, String),
    load: &[(&str, String)],
    all: &mut Vec<Derivation>,
) {
    let queueing = &plan.queueing;
    if let Some(separate) = queueing.separate {
        all.push(derived(
            "queueing.separate",
            separate,
            &part(
                &formula::F10,
                "sum of need times what shares the load: pools, instances of workers, or all functions",
            ),
            &[services],
        ));
    }
    if let Some(shared) = queueing.shared {
        let waits = formula::queueing::erlang_c(shared.0, queueing.busy);
        all.push(derived("queueing.shared", shared, &formula::F10, load));
        all.push(derived(
            "probability to wait with queueing.shared",
            short(waits),
            &formula::F9,
            &[("c", shared.to_string()), ("a", short(queueing.busy))],
        ));
    }
    for slower in &queueing.slower {
        let factor = ("times", slower.name.to_owned());
        let [rate, hold, t, epsilon] = load else {
            unreachable!("a rate, a hold time and a goal")
        };
        let inputs = [
            factor,
            rate.clone(),
            hold.clone(),
            t.clone(),
            epsilon.clone(),
        ];
        let number = |what: &str| format!("queueing.slower.{}.{what}", slower.name);
        let expression = "F10 with every hold time so many times as long";
        all.push(derived(
            number("separate"),
            slower.separate,
            &part(&formula::F10, expression),
            &inputs,
        ));
        if let Some(shared) = slower.shared {
            all.push(derived(
                number("shared"),
                shared,
                &part(&formula::F10, expression),
                &inputs,
            ));
        }
    }
    if let (Some(gain), Some(separate), Some(shared)) =
        (queueing.gain, queueing.separate, queueing.shared)
    {
        all.push(derived(
            "queueing.gain",
            short(gain),
            &part(&formula::F10, "separate / shared"),
            &[
                ("separate", separate.to_string()),
                ("shared", shared.to_string()),
            ],
        ));
    }
}

fn law(plan: &Plan, scaling: &ScalingPlan, all: &mut Vec<Derivation>) {
    let steps = [("steps", plan.facts.measured.steps.len().to_string())];
    let fitted = part(
        &formula::F12,
        "X(N) fitted to the steps of the load test by least squares",
    );
    for (name, value) in [
        ("scaling.lambda", short(scaling.lambda)),
        ("scaling.sigma", format!("{:.6}", scaling.sigma)),
        ("scaling.kappa", format!("{:.8}", scaling.kappa)),
    ] {
        all.push(derived(name, value, &fitted, &steps));
    }
    all.push(derived(
        "scaling.r_squared",
        short(scaling.r_squared),
        &part(
            &formula::F12,
            "1 - squares left over by X(N) / squares around the mean",
        ),
        &steps,
    ));
    let mut law = vec![
        ("lambda", short(scaling.lambda)),
        ("sigma", format!("{:.6}", scaling.sigma)),
        ("kappa", format!("{:.8}", scaling.kappa)),
    ];
    all.push(derived(
        "scaling.peak",
        short(scaling.peak),
        &part(&formula::F12, "N* = sqrt((1 - sigma) / kappa)"),
        &law,
    ));
    all.push(derived(
        "scaling.throughput_max",
        short(scaling.throughput_max),
        &part(&formula::F12, "X(N*)"),
        &law,
    ));
    all.push(derived(
        "scaling.operating_point",
        scaling.operating_point,
        &part(&formula::F12, "smallest N with X(N) >= 0.95 * X(N*)"),
        &law,
    ));
    if let Some(need) = scaling.need {
        law.push(("rate", plan.queueing.rate_per_second.to_string()));
        law.extend(goal(plan));
        all.push(derived(
            "scaling.need",
            need,
            &part(
                &formula::F12,
                "smallest c <= N* with rate < X(c) that meets F10 with S = c / X(c)",
            ),
            &law,
        ));
    }
}
