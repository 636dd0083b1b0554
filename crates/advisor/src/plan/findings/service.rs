//! Rules about a single service: one function for each.

use crate::facts::{Facts, Kind, PoolMode, PoolerKind, Service, Via};
use crate::formula::base::prisma_guide_use;
use crate::plan::capacity::Capacity;
use crate::plan::finding::{Finding, Severity, corrected};
use crate::plan::services::ServicePlan;
use crate::profile::Profile;
use crate::units::{Connections, short, time_text};

type Rule = fn(&Facts, &Capacity, &Service, &ServicePlan) -> Option<Finding>;

/// Rules about a single service.
pub(super) const RULES: &[Rule] = &[
    pool_of_all,
    outside_table,
    below_need,
    overloaded,
    below_floor,
    above_ceiling,
    transaction_mode,
    prisma_7_url,
    persistent_pdo,
    octane,
    serverless,
    fpm_environment,
];

/// S2's own rule: no pool as large as everything.
fn pool_of_all(
    _: &Facts,
    capacity: &Capacity,
    service: &Service,
    plan: &ServicePlan,
) -> Option<Finding> {
    if service.via == Via::Pooler || plan.pool < capacity.usable {
        return None;
    }
    let message = format!(
        "a single pool of {} takes all {} connections that ordinary roles get",
        plan.pool, capacity.usable
    );
    Some(corrected(17, Severity::Fail, message, "make it smaller"))
}

/// The profile's table has three sizes of machines.
fn outside_table(
    facts: &Facts,
    _: &Capacity,
    service: &Service,
    plan: &ServicePlan,
) -> Option<Finding> {
    let cores = facts.database.physical_cores;
    let from_table = facts.profile == Profile::PrismaGuide
        && !service.pool_given
        && (!service.kind.one_per_process() || service.kind == Kind::PhpFpm);
    if !from_table || prisma_guide_use(cores).is_some() {
        return None;
    }
    let message = format!(
        "{cores} cores are outside the table of the Prisma guide (2, 4 and 8): the pool of {} is the model's",
        plan.pool
    );
    let remedy = "set pool, or plan with profile model";
    Some(Finding::new("F1", None, Severity::Warn, message, remedy))
}

fn below_need(
    facts: &Facts,
    _: &Capacity,
    service: &Service,
    plan: &ServicePlan,
) -> Option<Finding> {
    let need = plan.need?;
    let has = service.servers_of_part();
    if has.times(service.dsns) >= need || service.kind.one_per_process() && need.0 <= 2 {
        return None;
    }
    let goal = facts.operations.goal;
    let (what, time) = match service.kind {
        Kind::PhpFpm => (format!("pm.max_children of {has}"), "request"),
        Kind::Octane | Kind::Queue => (format!("an instance of {has} workers"), "request"),
        Kind::Serverless => (format!("at most {has} functions at once"), "request"),
        _ => (format!("a pool of {has}"), "hold"),
    };
    let beside = match service.kind {
        Kind::Serverless => "",
        _ if service.replicas > 1 => " while an instance is gone",
        _ => "",
    };
    let message = format!(
        "{what} is less than the {need} that its load needs{beside} so that {} % of requests wait no \
         longer than {}",
        short(100.0 * (1.0 - goal.probability)),
        time_text(goal.wait)
    );
    let setting = service.size_setting();
    // What follows from a guess is a hint.
    let guessed = service.kind.one_per_process() && facts.assumes("services.*.request_time");
    let (severity, remedy) = if guessed {
        let time = time_text(service.work.request_time);
        (
            Severity::Info,
            format!("a request is assumed to take {time}: give request_time"),
        )
    } else {
        (
            Severity::Warn,
            format!("set {setting} to {need}, or shorten the {time} time"),
        )
    };
    Some(Finding::new("F10", None, severity, message, remedy))
}

fn overloaded(_: &Facts, _: &Capacity, service: &Service, plan: &ServicePlan) -> Option<Finding> {
    if !plan.overloaded {
        return None;
    }
    let message = format!(
        "its load keeps {} connections busy on average, more than any PostgreSQL serves",
        short(plan.busy.unwrap_or_default())
    );
    let remedy = format!(
        "check requests, queries_per_request, hold and request_time of {}",
        service.name
    );
    Some(Finding::new("F10", None, Severity::Fail, message, remedy))
}

fn below_floor(_: &Facts, _: &Capacity, service: &Service, plan: &ServicePlan) -> Option<Finding> {
    if service.pool >= plan.floor {
        return None;
    }
    let message = format!(
        "{} tasks that hold {} connections each can all wait for their last one: a pool of {} can block \
         forever",
        service.tasks, service.connections_per_task, service.pool
    );
    let remedy = format!("set the pool to {}, or avoid nested checkouts", plan.floor);
    Some(Finding::new("F7", None, Severity::Fail, message, remedy))
}

fn above_ceiling(
    _: &Facts,
    _: &Capacity,
    service: &Service,
    plan: &ServicePlan,
) -> Option<Finding> {
    let ceiling = plan.ceiling?;
    if service.kind.one_per_process() || service.pool <= ceiling {
        return None;
    }
    let message = format!(
        "a pool of {} is more than the {ceiling} that the sizing table allows for this load",
        service.pool
    );
    let need = plan.need.unwrap_or(Connections(2));
    let remedy = format!("the load needs {need}");
    Some(corrected(19, Severity::Info, message, remedy))
}

fn transaction_mode(
    facts: &Facts,
    _: &Capacity,
    service: &Service,
    _: &ServicePlan,
) -> Option<Finding> {
    let pooler = facts.pooler.as_ref()?;
    if service.via == Via::Direct || pooler.pool_mode == PoolMode::Session {
        return None;
    }
    let recipe = match service.kind {
        Kind::Sqlx => {
            match pooler.kind {
                // It shares prepared statements, and so does PgBouncer from 1.21 on.
                PoolerKind::Pgweir => "keep SQLx's statement cache; migrations need a direct URL",
                PoolerKind::Pgbouncer if !pooler.version.shares_prepared_statements() => {
                    "SQLx needs PgBouncer 1.21 or later, or pool_mode = session"
                }
                PoolerKind::Pgbouncer => {
                    "set max_prepared_statements in pgbouncer.ini (1.21 and later) and keep \
                     SQLx's statement cache"
                }
            }
        }
        Kind::Prisma6 => "add pgbouncer=true to the URL; migrations need a direct URL",
        Kind::Prisma7 => "migrations need a direct URL",
        Kind::PhpFpm | Kind::Octane | Kind::Queue => {
            "use Laravel 13's `pooled` connection, or PDO::ATTR_EMULATE_PREPARES; migrations need a \
             direct connection"
        }
        Kind::Serverless | Kind::Generic => match pooler.kind {
            PoolerKind::Pgweir => "give such state up soon, or bound it with pin_timeout",
            PoolerKind::Pgbouncer => "do not rely on session state",
        },
    };
    let mode = pooler.pool_mode;
    let message = match pooler.kind {
        PoolerKind::Pgweir => format!(
            "in {mode} mode LISTEN, WITH HOLD, temporary tables, session advisory locks and SQL-level PREPARE \
             keep a server for one client"
        ),
        PoolerKind::Pgbouncer => format!(
            "in {mode} mode SET, LISTEN, WITH HOLD, temporary tables, session advisory locks and SQL-level \
             PREPARE do not outlast a transaction"
        ),
    };
    let mut finding = corrected(23, Severity::Info, message, recipe);
    // One for each kind of client, because their remedies differ.
    finding.id = format!("C23-{}", service.kind);
    Some(finding)
}

fn prisma_7_url(_: &Facts, _: &Capacity, service: &Service, _: &ServicePlan) -> Option<Finding> {
    if service.kind != Kind::Prisma7 {
        return None;
    }
    let not = match service.pool {
        Connections(10) => String::new(),
        pool => format!(", not {pool},"),
    };
    let message = format!(
        "Prisma 7's pg adapter ignores connection_limit and the other URL parameters; without a factory it \
         opens 10 connections{not} and waits forever for one"
    );
    let remedy = "use the factory of `pgweir render prisma`";
    Some(corrected(29, Severity::Info, message, remedy))
}

fn persistent_pdo(
    _: &Facts,
    _: &Capacity,
    service: &Service,
    plan: &ServicePlan,
) -> Option<Finding> {
    if !service.persistent {
        return None;
    }
    if service.via == Via::Pooler {
        let message = "persistent PDO connections gain little behind a pooler, and carry SET, temporary \
                       tables, advisory locks and open transactions into the next request";
        let remedy = "set persistent = false";
        return Some(corrected(44, Severity::Warn, message, remedy));
    }
    let message = format!(
        "persistent PDO connections are not a pool: each of {} workers keeps one for each data source name, \
         idle or not, with the state of the last request",
        plan.steady
    );
    let remedy = "use them only where measurements show that connecting is slow";
    Some(corrected(44, Severity::Info, message, remedy))
}

fn octane(_: &Facts, _: &Capacity, service: &Service, plan: &ServicePlan) -> Option<Finding> {
    if service.kind != Kind::Octane {
        return None;
    }
    let message = format!(
        "Octane's workers never close their connections between requests: {} stay open",
        plan.steady
    );
    let remedy = "enable the listener DisconnectFromDatabases if they should be closed";
    Some(corrected(47, Severity::Info, message, remedy))
}

fn serverless(_: &Facts, _: &Capacity, service: &Service, plan: &ServicePlan) -> Option<Finding> {
    if service.kind != Kind::Serverless || service.via == Via::Pooler {
        return None;
    }
    let message = format!(
        "{} concurrent functions open {} connections without a pooler",
        plan.replicas, plan.steady
    );
    let remedy = "put a pooler in front, and connection_limit=1 into the URL";
    Some(corrected(51, Severity::Warn, message, remedy))
}

fn fpm_environment(_: &Facts, _: &Capacity, service: &Service, _: &ServicePlan) -> Option<Finding> {
    if service.kind != Kind::PhpFpm {
        return None;
    }
    let message = "PHP-FPM does not read PHP_FPM_MAX_CHILDREN by itself";
    let remedy = "use the pool file of `pgweir render php-fpm`, which refers to the variables";
    Some(corrected(46, Severity::Info, message, remedy))
}
