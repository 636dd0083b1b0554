//! A load test: the phases of S1, for artillery.

use serde_json::json;

use super::file::{File, header};
use super::yaml;
use crate::plan::Plan;

/// A phase: new users per second, for a number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    /// Its length.
    pub seconds: u64,
    /// New users per second.
    pub per_second: u64,
}

/// The phases of S1.
pub const PHASES: [Phase; 2] = [
    Phase {
        seconds: 60,
        per_second: 10,
    },
    Phase {
        seconds: 120,
        per_second: 50,
    },
];

/// New users in total.
pub fn arrivals(phases: &[Phase]) -> u64 {
    phases
        .iter()
        .map(|phase| phase.seconds.saturating_mul(phase.per_second))
        .sum()
}

pub(super) fn files(plan: &Plan) -> Vec<File> {
    let requests: f64 = plan
        .facts
        .services
        .iter()
        .filter_map(|service| service.work.requests)
        .map(|requests| requests.0)
        .sum();
    let mut phases = PHASES.to_vec();
    // `as` clamps to the range of u64.
    let planned = requests.ceil() as u64;
    if planned > 0 {
        phases.push(Phase {
            seconds: 120,
            per_second: planned,
        });
    }
    let port = plan
        .facts
        .services
        .first()
        .map_or(8080, |service| service.http_port);
    let listed: Vec<_> = phases
        .iter()
        .map(|phase| json!({ "duration": phase.seconds, "arrivalRate": phase.per_second }))
        .collect();
    let document = json!({
        "config": {
            "target": format!("http://localhost:{port}"),
            "phases": listed,
            // Without the plugin artillery ignores `ensure`.
            "plugins": { "ensure": {} },
            "ensure": { "maxErrorRate": 1 },
        },
        "scenarios": [{ "flow": [{ "get": { "url": "/" } }] }],
    });
    let mut text = header(plan, "load", "#");
    text.push_str(&format!(
        "# {} arrivals; the last phase is the load that the fleet was planned for. Run: npx artillery run\n\
         # artillery.yml\n",
        arrivals(&phases)
    ));
    text.push_str(&yaml::document(&document));
    vec![File {
        path: "load/artillery.yml".to_owned(),
        content: text,
    }]
}
