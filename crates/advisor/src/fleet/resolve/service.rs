//! `[services.NAME]`: instances, pools, load and time limits.

use std::time::Duration;

use pgweir_settings::{Problem, Section};

use super::super::keys::Scope;
use super::Known;
use super::values::{Assumptions, Values};
use crate::facts::{ClientTimeouts, Database, Fpm, Kind, Service, Sharing, Via, Work};
use crate::formula::base::{self, deadlock_floor};
use crate::profile::Profile;
use crate::units::Connections;

pub(super) fn service(
    name: &str,
    section: &Section,
    facts: &Known<'_>,
    assumptions: &mut Assumptions,
    problems: &mut Vec<Problem>,
) -> Service {
    let mut v = Values::read(Scope::Service, name, section, assumptions, problems);
    check_name(name, &mut v);
    let kind: &str = v.get("kind");
    let kind = *Kind::ALL
        .iter()
        .find(|known| known.name() == kind)
        .expect("a test compares the names");
    let replicas = v.get("replicas");
    let replicas_min = v.count_of("replicas_min", replicas, "replicas");
    if replicas_min > replicas {
        let message = format!("is more than replicas, which is {replicas}");
        let suggestion = format!("write replicas = {replicas_min}, or less here");
        v.contradiction("replicas_min", message, suggestion);
    }
    let surge = v.or("surge", kind.default_surge());
    let processes = v.get("processes");
    let work = Work {
        requests: v.maybe("requests"),
        // Elsewhere a request holds a connection for the time of its statements only.
        request_time: if kind.one_per_process() {
            v.get("request_time")
        } else {
            v.maybe("request_time").unwrap_or_default()
        },
        queries_per_request: v.get("queries_per_request"),
        hold: v.get("hold"),
        arrival_variation: v.get("arrival_variation"),
        hold_variation: v.get("hold_variation"),
    };
    let connections_per_task = v.get("connections_per_task");
    let tasks = v.get("tasks");
    let floor = deadlock_floor(tasks, connections_per_task);
    let sharing = kind.sharing(&work, replicas, processes);
    let need = sharing.map(
        |Sharing {
             load, parts_left, ..
         }| { load.need_of_pool(facts.operations.goal, parts_left, floor) },
    );
    let pool_given = v.has("pool");
    let (chosen, why) = chosen_pool(kind, need, facts.profile, facts.database);
    let pool = Connections(v.count_because("pool", chosen, why));
    let least = if kind == Kind::Sqlx { 2 } else { 0 };
    let pool_min = Connections(v.or("pool_min", least.min(pool.0)));
    if pool_min > pool {
        let message = format!("is more than pool, which is {pool}");
        v.contradiction("pool_min", message, format!("write {pool} or less"));
    }
    // In the order of the table, which is looked at from where it was left.
    let dsns = v.get("dsns");
    let via = via(&mut v, facts.pooled);
    let database = v.or("database", facts.database.name.clone());
    let user = v.get("user");
    let request_deadline = v.get("request_deadline");
    let timeouts = client_timeouts(&mut v, facts, request_deadline);
    let persistent = v.get("persistent");
    let fpm = fpm(&mut v, kind, pool.0);
    let image = format!("{name}:latest");
    Service {
        name: name.to_owned(),
        kind,
        replicas,
        replicas_min,
        surge,
        processes,
        pool,
        pool_given,
        pool_min,
        dsns,
        via,
        database,
        user,
        work,
        connections_per_task,
        tasks,
        request_deadline,
        timeouts,
        persistent,
        fpm,
        image: v.text_of_name("image", image, "\"NAME:latest\""),
        http_port: v.get("http_port"),
    }
}

/// Names become file names, resource names and labels: PostgreSQL, Kubernetes and shells must all
/// be able to say them.
fn check_name(name: &str, v: &mut Values<'_>) {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = (1..=NAME_MAX).contains(&name.len())
        && name.chars().all(good)
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(edge);
    if fits {
        return;
    }
    let mut meant: String = name
        .to_lowercase()
        .chars()
        .map(|c| if good(c) { c } else { '-' })
        .take(NAME_MAX)
        .collect();
    meant = meant.trim_matches(|c: char| !edge(c)).to_owned();
    let suggestion = if meant.starts_with(|c: char| c.is_ascii_lowercase()) {
        format!("call it {meant}")
    } else {
        format!("call it service-{meant}")
            .trim_end_matches('-')
            .to_owned()
    };
    let message = "is no name for a service: lower-case letters, digits and hyphens, a letter \
                   first, at most 53";
    let origin = v.section.origin.clone();
    let problem = Problem::new(&origin, v.path(), message).with_suggestion(suggestion);
    v.problems.push(problem);
}

/// The pool of a service that nobody sized, and why, where that is not what the table of settings says.
fn chosen_pool(
    kind: Kind,
    need: Option<Option<Connections>>,
    profile: Profile,
    database: &Database,
) -> (u64, Option<&'static str>) {
    if kind.one_per_process() && kind != Kind::PhpFpm {
        return (1, None);
    }
    let of_model = match need {
        // The need is per pool; what one process holds anyway is not to be chosen.
        Some(Some(need)) => need,
        Some(None) => Connections(POOL_MAX),
        None => kind.default_pool(),
    };
    let (chosen, why) = match profile {
        Profile::Model => (of_model, None),
        Profile::PrismaGuide => match base::prisma_guide_use(database.physical_cores) {
            Some((low, _)) => (
                low,
                Some("S1's quick formula, at its lower end: 10 with 2 cores, 20 with 4, 30 with 8"),
            ),
            // It is a table of three rows: for other machines it says nothing. A finding tells of that.
            None => (
                of_model,
                Some("outside S1's table of 2, 4 and 8 cores: what the model says"),
            ),
        },
        Profile::SqlxStrategy if kind == Kind::PhpFpm => {
            (kind.default_pool(), Some("S2, section 3"))
        }
        Profile::SqlxStrategy => (
            base::up_to_ten(base::active_optimum_of_documents(database.physical_cores)),
            Some("S2's formula, twice the cores and one spindle, up to the next ten"),
        ),
    };
    (chosen.0.min(POOL_MAX), why)
}

fn via(v: &mut Values<'_>, pooled: bool) -> Via {
    let default = if pooled { "pooler" } else { "direct" };
    if v.or("via", default) == "direct" {
        return Via::Direct;
    }
    if !pooled {
        let message = "there is no [pooler] section".to_owned();
        let suggestion = "add [pooler], or write via = \"direct\"".to_owned();
        v.contradiction("via", message, suggestion);
    }
    Via::Pooler
}

fn client_timeouts(v: &mut Values<'_>, facts: &Known<'_>, deadline: Duration) -> ClientTimeouts {
    let acquire = v.or("acquire_timeout", facts.profile.acquire_timeout(deadline));
    let connect = match facts.profile {
        Profile::PrismaGuide => Duration::from_secs(10),
        Profile::Model | Profile::SqlxStrategy => (acquire / 2).min(Duration::from_secs(2)),
    };
    let socket = facts
        .database
        .timeouts
        .statement
        .map(|statement| facts.profile.socket_timeout(statement));
    ClientTimeouts {
        acquire,
        connect: v.or("connect_timeout", connect),
        socket: v.or("socket_timeout", socket),
        idle: v.get("idle_timeout"),
        max_lifetime: v.get("max_lifetime"),
        close: v.get("close_timeout"),
    }
}

fn fpm(v: &mut Values<'_>, kind: Kind, children: u64) -> Fpm {
    if kind == Kind::PhpFpm {
        let spare_min = v.or("min_spare_servers", 2.min(children));
        let spare_max = v.or("max_spare_servers", 6.max(spare_min).min(children));
        let start = v.or(
            "start_servers",
            4.clamp(spare_min.min(spare_max), spare_max),
        );
        let order = [
            ("min_spare_servers", spare_min, "start_servers", start),
            ("start_servers", start, "max_spare_servers", spare_max),
            (
                "max_spare_servers",
                spare_max,
                "pool (pm.max_children)",
                children,
            ),
        ];
        for (name, value, above, most) in order {
            if value > most {
                let message = format!("is {value}, more than {above}, which is {most}");
                v.contradiction(name, message, format!("write {most} or less"));
            }
        }
        return Fpm {
            start,
            spare_min,
            spare_max,
            requests_max: v.get("max_requests"),
        };
    }
    for name in ["start_servers", "min_spare_servers", "max_spare_servers"] {
        if v.has(name) {
            let message = "belongs to php-fpm, which this service is not".to_owned();
            let suggestion = "remove it, or write kind = \"php-fpm\"".to_owned();
            v.contradiction(name, message, suggestion);
        }
    }
    // Never looked at.
    Fpm {
        start: 1,
        spare_min: 1,
        spare_max: 1,
        requests_max: 0,
    }
}

/// What the table allows.
const POOL_MAX: u64 = 10_000;

/// Kubernetes allows 63 for a name, of which its own suffixes take ten.
const NAME_MAX: usize = 53;
