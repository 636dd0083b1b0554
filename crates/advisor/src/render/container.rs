//! What docker-compose, Kubernetes and Helm have in common: how a service is started, the port it listens on, and
//! its variables. Their targets say the same, for they ask here.

use super::connect::{address, database_url, password_variable, shares_servers};
use super::{php_fpm, prisma, sqlx};
use crate::facts::{Kind, PoolerKind, Service};
use crate::formula::demand::Surge;
use crate::plan::{Plan, PoolerPlan};
use crate::units::{Bytes, whole_seconds};

/// The port a service listens on, if it does: PHP-FPM speaks FastCGI to a web server that is not part of the plan.
pub(super) fn port(service: &Service) -> Option<u16> {
    match service.kind {
        Kind::PhpFpm => Some(php_fpm::PORT),
        Kind::Queue => None,
        Kind::Prisma6
        | Kind::Prisma7
        | Kind::Sqlx
        | Kind::Octane
        | Kind::Serverless
        | Kind::Generic => Some(service.http_port),
    }
}

/// The command of a service whose number of processes is an argument; others start as their image does.
pub(super) fn command(service: &Service) -> Option<Vec<String>> {
    let words: Vec<String> = match service.kind {
        Kind::Octane => vec![
            "php".to_owned(),
            "artisan".to_owned(),
            "octane:start".to_owned(),
            "--host=0.0.0.0".to_owned(),
            format!("--port={}", service.http_port),
            format!("--workers={}", service.processes),
        ],
        // A worker ends between two jobs after an hour, so that memory it lost does not pile up.
        Kind::Queue => ["php", "artisan", "queue:work", "--max-time=3600"]
            .map(str::to_owned)
            .to_vec(),
        Kind::Prisma6
        | Kind::Prisma7
        | Kind::Sqlx
        | Kind::PhpFpm
        | Kind::Serverless
        | Kind::Generic => return None,
    };
    Some(words)
}

/// Containers at least and at most. `queue:work` is one process, so each worker has a container.
pub(super) fn replicas(service: &Service) -> (u64, u64) {
    let each = match service.kind {
        Kind::Queue => service.processes,
        Kind::Prisma6
        | Kind::Prisma7
        | Kind::Sqlx
        | Kind::PhpFpm
        | Kind::Octane
        | Kind::Serverless
        | Kind::Generic => 1,
    };
    let (least, most) = (service.replicas_min, service.replicas);
    (least.saturating_mul(each), most.saturating_mul(each))
}

/// Containers that a rollout adds.
pub(super) fn surge(service: &Service) -> Surge {
    match (service.surge, service.kind) {
        (Surge::Instances(count), Kind::Queue) => {
            Surge::Instances(count.saturating_mul(service.processes))
        }
        (surge, _) => surge,
    }
}

/// How a service is told its password.
pub(super) enum Password {
    /// `DATABASE_URL` has it.
    InUrl,
    /// `DB_PASSWORD` is it.
    Alone,
}

/// How this service is told its password.
pub(super) fn password(service: &Service) -> Password {
    match service.kind {
        Kind::PhpFpm | Kind::Octane | Kind::Queue => Password::Alone,
        Kind::Prisma6 | Kind::Prisma7 | Kind::Sqlx | Kind::Serverless | Kind::Generic => {
            Password::InUrl
        }
    }
}

/// `DATABASE_URL`, with this reference where the encoded password stands.
pub(super) fn url(plan: &Plan, service: &Service, reference: &str) -> String {
    let (host, port) = address(plan, service);
    let own = format!("${{{}}}", password_variable(&service.user));
    let url = database_url(&service.user, host, port, &service.database).replace(&own, reference);
    match service.kind {
        Kind::Prisma6 | Kind::Serverless => {
            format!("{url}?{}", prisma::parameters(plan, service))
        }
        // The rendered factory takes it out of the URL again.
        Kind::Prisma7 => format!("{url}?connection_limit={}", service.pool),
        Kind::Sqlx | Kind::PhpFpm | Kind::Octane | Kind::Queue | Kind::Generic => url,
    }
}

/// Variables that hold no secret.
pub(super) fn settings(plan: &Plan, service: &Service) -> Vec<(&'static str, String)> {
    let (host, port) = address(plan, service);
    let database = &plan.facts.database;
    let mut all = Vec::new();
    match service.kind {
        Kind::PhpFpm | Kind::Octane | Kind::Queue => all.extend([
            ("DB_CONNECTION", "pgsql".to_owned()),
            ("DB_HOST", host.to_owned()),
            ("DB_PORT", port.to_string()),
            ("DB_DATABASE", service.database.clone()),
            ("DB_USERNAME", service.user.clone()),
            ("DB_POOLED", shares_servers(plan, service).to_string()),
            ("DB_DIRECT_HOST", database.host.clone()),
            ("DB_DIRECT_PORT", database.port.to_string()),
        ]),
        Kind::Sqlx => {
            let times = &service.timeouts;
            let seconds = |time: Option<_>| time.map_or(0, whole_seconds).to_string();
            all.extend([
                ("DB_MAX_CONNECTIONS", service.pool.to_string()),
                ("DB_MIN_CONNECTIONS", service.pool_min.to_string()),
                ("DB_ACQUIRE_TIMEOUT", seconds(Some(times.acquire))),
                ("DB_IDLE_TIMEOUT", seconds(times.idle)),
                ("DB_MAX_LIFETIME", seconds(times.max_lifetime)),
                ("DB_SERVICE", service.name.clone()),
            ]);
            if let Some(pooler) = sqlx::between(plan, service) {
                all.push(("DB_POOLER", pooler.to_owned()));
            }
        }
        // What its program does with it is its own affair.
        Kind::Generic => all.push(("DB_POOL_SIZE", service.pool.to_string())),
        Kind::Prisma6 | Kind::Prisma7 | Kind::Serverless => {}
    }
    if service.kind == Kind::PhpFpm {
        let variables = php_fpm::variables(service);
        all.extend(variables.map(|(name, _, value)| (name, value.to_string())));
    }
    all
}

/// The label that tells `plan --from` what a service is made of, where nothing else in its files does.
pub(super) const KIND: &str = "pgweir.kind";

/// The user of a pooler's image: no name and no home where we build it, and `postgres` of Alpine in
/// edoburu's.
pub(super) fn pooler_user(kind: PoolerKind) -> u32 {
    match kind {
        PoolerKind::Pgweir => 65_532,
        PoolerKind::Pgbouncer => 70,
    }
}

/// Memory of a pooler's process: what it is likely to need, and where it is stopped. Each connection has
/// buffers; a client in the middle of a login, or with a row that is large, has more.
pub(super) fn pooler_memory(sizes: &PoolerPlan) -> (Bytes, Bytes) {
    let with = |least, each| {
        let all = Bytes::mib(least) + Bytes::kib(each).times(sizes.descriptors);
        Bytes::mib(all.whole_mib() + 1)
    };
    (with(32, 16), with(128, 128))
}

/// A short text that changes with this one: FNV-1a, as in a plan's name.
pub(super) fn checksum(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}
