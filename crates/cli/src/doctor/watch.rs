//! `pgweir doctor --watch`: what changes from look to look, a line each.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use pgweir_doctor::{Report, State};
use pgweir_telemetry::timestamp::rfc3339;
use serde_json::json;

use super::ask::{self, Asked, Patience};
use super::{Format, address::Address};
use crate::output;
use pgweir_doctor::{Check, Given};

/// What is looked at, and how.
pub(super) struct Watch<'a> {
    pub(super) server: Option<&'a Address>,
    pub(super) consoles: &'a [Address],
    pub(super) checks: &'a [&'static dyn Check],
    pub(super) given: Given,
    pub(super) patience: Patience,
    pub(super) pause: Duration,
    pub(super) format: Format,
    /// How often; `None` is until it is stopped.
    pub(super) rounds: Option<u32>,
}

impl Watch<'_> {
    /// Looks, and says what is not as it was. Returns the last report: `None` if the server was silent.
    ///
    /// Each look has a connection of its own: one that is held for hours is a session that somebody else has to
    /// explain, and would not see that nobody gets in any more.
    pub(super) async fn run(&self, target: &str) -> anyhow::Result<Option<State>> {
        let mut before: BTreeMap<String, State> = BTreeMap::new();
        let mut round = 0;
        loop {
            round += 1;
            let asked = ask::ask(
                self.server,
                self.consoles,
                self.checks,
                self.given.clone(),
                self.patience,
            );
            let (report, state) = match asked.await {
                Asked::Silent(why) => (pgweir_doctor::unreachable(target, &why), None),
                Asked::Answered(sample) => {
                    let report = pgweir_doctor::examine(target, &sample, self.checks);
                    let state = report.state;
                    (report, Some(state))
                }
            };
            self.tell(&report, &mut before)?;
            if self.rounds.is_some_and(|rounds| round >= rounds) {
                return Ok(state);
            }
            tokio::time::sleep(self.pause).await;
        }
    }

    fn tell(&self, report: &Report, before: &mut BTreeMap<String, State>) -> anyhow::Result<()> {
        let now = rfc3339(SystemTime::now());
        for checked in &report.checks {
            let id = checked.about.id;
            let was = before.insert(id.to_owned(), checked.state);
            // At first everything that is well or was not seen is as it was.
            let was = was.unwrap_or(match checked.state {
                State::Ok | State::Skipped => checked.state,
                State::Warning | State::Critical => State::Ok,
            });
            if was == checked.state {
                continue;
            }
            let words = match checked.judgement.findings.first() {
                Some(finding) => &finding.observation,
                None => &checked.judgement.seen,
            };
            let (was, is) = (was.word(), checked.state.word());
            let line = match self.format {
                Format::Json => json!({ "time": now, "check": id, "was": was, "state": is, "observation": words })
                    .to_string(),
                _ => format!("{now} {id}: {was} -> {is}: {words}"),
            };
            output::print(&format!("{line}\n"))?;
        }
        // Where the server was silent nothing is known of the rest.
        if report
            .checks
            .iter()
            .any(|checked| checked.about.id == "reachable")
        {
            before.retain(|id, _| id == "reachable");
        } else if before.insert("reachable".to_owned(), State::Ok) == Some(State::Critical) {
            output::print(&match self.format {
                Format::Json => format!(
                    "{}\n",
                    json!({ "time": now, "check": "reachable", "was": "critical", "state": "ok", "observation": "" })
                ),
                _ => format!("{now} reachable: critical -> ok\n"),
            })?;
        }
        Ok(())
    }
}
