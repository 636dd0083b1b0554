//! What the two documents and the model propose for one fleet, side by side.

use serde::Serialize;

use crate::facts::Facts;
use crate::fleet::presets::Preset;
use crate::formula::base;
use crate::profile::Profile;
use crate::units::time_text;

/// One question and the answers to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// The question.
    pub topic: &'static str,
    /// S1, the Prisma guide.
    pub prisma_guide: String,
    /// S2, the SQLx strategy.
    pub sqlx_strategy: String,
    /// The model.
    pub model: String,
}

pub(super) fn all(facts: &Facts) -> Vec<Reading> {
    let cores = facts.database.physical_cores;
    let of_documents = base::active_optimum_of_documents(cores);
    let rounded = base::up_to_ten(of_documents);
    let spindles = base::effective_spindles(facts.database.storage, facts.database.cache_hit);
    let quick = match base::prisma_guide_use(cores) {
        Some((low, high)) if low == high => {
            format!("{of_documents}, use {low}; elsewhere {rounded}")
        }
        Some((low, high)) => format!("{of_documents}, use {low} to {high}; elsewhere {rounded}"),
        None => format!("{of_documents}; its table has no such machine"),
    };
    let deadline = facts
        .services
        .iter()
        .map(|service| service.request_deadline)
        .min()
        .unwrap_or_default();
    let acquire = |profile: Profile| time_text(profile.acquire_timeout(deadline));
    let requests: f64 = facts
        .services
        .iter()
        .filter_map(|service| service.work.requests)
        .map(|requests| requests.0)
        .sum();
    let preset = Preset::for_requests(requests);
    let statement = facts.database.timeouts.statement;
    let mut readings = vec![
        Reading {
            topic: "pool size from cores",
            prisma_guide: format!("{quick}, for each service"),
            sqlx_strategy: format!("{of_documents}, rounded to {rounded}, for each service"),
            model: format!(
                "{} active connections for the whole fleet; pools follow from the load",
                base::active_optimum(cores, spindles)
            ),
        },
        Reading {
            topic: "spindles",
            prisma_guide: "always 1".to_owned(),
            sqlx_strategy: "1 (SSD)".to_owned(),
            model: format!("{spindles} here; 0 on SSD, NVMe, cloud volumes or when cached"),
        },
        Reading {
            topic: "wait for a connection",
            prisma_guide: format!(
                "10s, 20s in production, 30s and more; here {}",
                acquire(Profile::PrismaGuide)
            ),
            sqlx_strategy: format!("3s to 5s; here {}", acquire(Profile::SqlxStrategy)),
            model: format!(
                "half of the request's deadline, at most 5s; here {}",
                acquire(Profile::Model)
            ),
        },
        Reading {
            topic: "max_connections with a pooler",
            prisma_guide: "use a pooler instead of raising it".to_owned(),
            sqlx_strategy: "raise it to 200 to 500".to_owned(),
            model: "lower it to what the pooler opens, with a quarter to spare".to_owned(),
        },
        Reading {
            topic: "pooler",
            prisma_guide: "above 50 connections".to_owned(),
            sqlx_strategy: "above 1000 requests a minute".to_owned(),
            model: "by utilisation, oversubscription, churn, serverless, gain from sharing"
                .to_owned(),
        },
        Reading {
            topic: "query timeout",
            prisma_guide: "client, 30s".to_owned(),
            sqlx_strategy: "server, 30s".to_owned(),
            model: statement.map_or("none".to_owned(), |statement| {
                format!(
                    "server {}, client {}",
                    time_text(statement),
                    time_text(Profile::Model.socket_timeout(statement))
                )
            }),
        },
        Reading {
            topic: "when connections run out",
            prisma_guide: "raise the limit first".to_owned(),
            sqlx_strategy: "raise it, kill idle ones, shrink pools; a pooler is best".to_owned(),
            model:
                "fix slow statements and leaks, then add a pooler, then resize pools, then raise"
                    .to_owned(),
        },
    ];
    if requests > 0.0 {
        readings.push(Reading {
            topic: "connections of one instance",
            prisma_guide: format!(
                "{} to {} (preset {}); its example for 100 requests/s and more has 100",
                preset.pool.0, preset.pool.1, preset.name
            ),
            sqlx_strategy: format!("{rounded}"),
            model: "the queueing need; see the table".to_owned(),
        });
    }
    readings
}
