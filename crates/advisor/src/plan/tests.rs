//! Plans of the documents' fleets, and properties of all plans.

mod errata;

use proptest::prelude::*;

use super::{Finding, Plan, Severity, plan};
use crate::fleet::presets::PRESETS;
use crate::fleet::{self, Draft};
use crate::formula::demand::Verdict;
use crate::units::{Bytes, Connections};

pub(crate) fn draft(text: &str) -> Draft {
    let (draft, problems) = fleet::read("fleet.toml", text);
    assert_eq!(problems, [], "{text}");
    draft
}

pub(crate) fn planned(text: &str) -> Plan {
    plan_of(&draft(text))
}

fn plan_of(draft: &Draft) -> Plan {
    match fleet::resolve(draft, Vec::new()) {
        Ok(facts) => plan(facts),
        Err(problems) => panic!("{problems:?}"),
    }
}

fn has<'a>(plan: &'a Plan, id: &str) -> Option<&'a Finding> {
    plan.findings.iter().find(|finding| finding.id == id)
}

/// The fleet at the end of S2.
const ISS_TRACKER: &str = "\
[database]
physical_cores = 4
shared_buffers = \"256MB\"
ram = \"1GB\"
[services.rust-iss]
kind = \"sqlx\"
replicas = 3
pool = 10
[services.php-web]
kind = \"php-fpm\"
pool = 20
persistent = true
";

#[test]
fn assumed_memory_does_not_fail_a_plan() {
    let database = "[database]\nshared_buffers = \"128MB\"\n";
    let service = "[services.a]\npool = 5\n";
    let assumed = planned(&format!("{database}{service}"));
    let memory = &assumed.memory;
    assert_eq!(memory.ram_bytes, Bytes::mib(512));
    assert!(memory.expected_bytes > memory.ram_bytes);
    assert_eq!(
        (memory.verdict, assumed.verdict),
        (Verdict::Ok, Verdict::Ok)
    );
    let reason = memory.reason();
    assert!(
        reason.ends_with("give database.ram to know whether that fits"),
        "{reason}"
    );
    assert!(
        assumed.advice.iter().all(|advice| !advice.called_for),
        "{:?}",
        assumed.advice
    );
    let known = planned(&format!("{database}ram = \"512MB\"\n{service}"));
    assert_eq!(known.memory.verdict, Verdict::Fail);
    let reason = known.memory.reason();
    assert!(reason.ends_with("the machine has 512 MB"), "{reason}");
}

#[test]
fn the_documents_fleet_fits_its_connections_and_not_its_memory() {
    // The document's literal formula counts PostgreSQL's default, whatever the cores.
    let mut draft = draft(ISS_TRACKER);
    draft.suppose("max_parallel_workers=8").unwrap();
    let plan = plan_of(&draft);
    let capacity = &plan.capacity;
    assert_eq!(capacity.steady, Connections(50));
    assert_eq!(capacity.rollout, Connections(60));
    assert_eq!(capacity.usable, Connections(97));
    assert_eq!(capacity.verdict, Verdict::Ok);
    // S2 says 256 MB is a quarter: 1 GB.
    assert_eq!(plan.memory.prisma_guide_bytes, Bytes::mib(800));
    assert_eq!(plan.memory.prisma_guide_literal_bytes, Bytes::mib(3200));
    assert_eq!(plan.memory.verdict, Verdict::Warn);
    assert_eq!(plan.verdict, Verdict::Warn);
    assert!(plan.reasons[0].contains("memory"), "{:?}", plan.reasons);
    assert_eq!(has(&plan, "C44").unwrap().severity, Severity::Info);
    assert!(plan.changes.is_empty());
}

#[test]
fn the_documents_way_up_fails_and_the_smallest_change_is_named() {
    // TV-15: the document's own advice, a Rust pool of 20.
    let mut draft = draft(ISS_TRACKER);
    draft.suppose("rust-iss.pool=20").unwrap();
    let plan = plan_of(&draft);
    assert_eq!(plan.capacity.verdict, Verdict::Fail);
    assert_eq!(plan.capacity.peak, Connections(100));
    assert_eq!(plan.changes[0].suppose, ["rust-iss.pool=13"]);
    // TV-18: without a rollout it is 18.
    draft.suppose("operations.surge=false").unwrap();
    let plan = plan_of(&draft);
    assert_eq!(plan.capacity.verdict, Verdict::Warn);
    assert_eq!(plan.changes[0].suppose, ["rust-iss.pool=18"], "TV-18");
}

#[test]
fn tv_20_the_sizing_table_agrees_with_itself_and_is_too_tight() {
    let totals = PRESETS.map(|preset| preset.total());
    assert_eq!(
        totals,
        [(10, 20), (40, 120), (120, 400), (400, 800)],
        "TV-20"
    );
    for (preset, need, verdict) in [
        (&PRESETS[0], 32, Verdict::Ok),
        (&PRESETS[1], 157, Verdict::Warn),
        (&PRESETS[2], 507, Verdict::Warn),
        (&PRESETS[3], 1007, Verdict::Warn),
    ] {
        let plan = plan_of(&preset.draft());
        assert_eq!(plan.capacity.need, Connections(need), "{}", preset.name);
        assert_eq!(plan.capacity.verdict, verdict, "{}", preset.name);
    }
    let preset = |requests| fleet::presets::Preset::for_requests(requests).name;
    for (requests, name) in [
        (0.0, "small"),
        (9.99, "small"),
        (10.0, "medium"),
        (99.0, "medium"),
        (100.0, "large"),
        (500.0, "enterprise"),
    ] {
        assert_eq!(preset(requests), name, "TV-20");
    }
}

#[test]
fn tv_42_the_table_gives_thirty_times_what_the_load_needs() {
    let plan = planned("[services.app]\nreplicas = 4\npool = 30\nrequests = 100\nhold = \"5ms\"\n");
    assert_eq!(plan.queueing.shared, Some(Connections(4)));
    assert_eq!(plan.services[0].steady, Connections(120));
    assert_eq!(plan.queueing.busy, 1.5);
}

#[test]
fn tv_50_and_52_a_pooler_gets_what_the_database_can_use() {
    let plan =
        planned("[pooler]\n[services.app]\nreplicas = 60\nsurge = 0\npool = 2\nrequests = 100\n");
    let pooler = plan.pooler.unwrap();
    let found = [
        pooler.cap,
        pooler.want,
        pooler.servers,
        pooler.default_pool_size,
    ];
    assert_eq!(found, [74, 16, 20, 16].map(Connections), "TV-50");
    assert_eq!(pooler.reserve_pool_size, Connections(4));
    assert_eq!(pooler.max_db_connections, Connections(20));
    assert_eq!(plan.capacity.verdict, Verdict::Ok);
}

#[test]
fn tv_53_the_documents_pooler_is_larger_than_the_database_can_use() {
    let plan = planned(
        "[pooler]\ndefault_pool_size = 25\nmax_client_conn = 1000\n[services.app]\npool = 100\n",
    );
    let finding = has(&plan, "C24").unwrap();
    assert!(
        finding.message.contains("times the 8"),
        "{}",
        finding.message
    );
}

#[test]
fn tv_17_a_pooler_as_large_as_postgres_fails() {
    let plan = planned(
        "[pooler]\ndefault_pool_size = 100\nreserve_pool_size = 0\n[services.app]\npool = 1000\n",
    );
    assert_eq!(plan.capacity.verdict, Verdict::Fail);
    assert_eq!(has(&plan, "C17").unwrap().severity, Severity::Fail);
    assert_eq!(plan.changes[0].suppose, ["pooler.max_db_connections=74"]);
}

#[test]
fn tv_61_and_62_rules_of_thumb_are_strict_and_do_not_decide() {
    let heuristics = |text: &str| {
        let plan = planned(text);
        let advice = plan.advice[0].clone();
        let ids: Vec<_> = advice.reasons.iter().map(|reason| reason.id).collect();
        (ids.join(" "), advice.called_for)
    };
    let with_cores = |rest: &str| {
        format!("[database]\nphysical_cores = 64\nram = \"256GB\"\n[services.app]\n{rest}\n")
    };
    assert_eq!(
        heuristics(&with_cores("pool = 50\nsurge = 0")),
        (String::new(), false),
        "TV-61"
    );
    assert_eq!(
        heuristics(&with_cores("pool = 51\nsurge = 0")),
        ("A8".to_owned(), false),
        "TV-61"
    );
    let calm = with_cores("pool = 2\nrequests = 16.666");
    assert_eq!(heuristics(&calm), (String::new(), false), "TV-62");
    let busy = with_cores("pool = 2\nrequests = 16.69");
    assert_eq!(heuristics(&busy), ("A9".to_owned(), false), "TV-62");
}

#[test]
fn a_reserve_that_is_too_much_by_itself_needs_more_connections() {
    let plan = planned("[database]\nmax_connections = 4\n[services.a]\nreplicas = 0\npool = 3\n");
    let suppose: Vec<_> = plan
        .changes
        .iter()
        .map(|change| change.suppose.concat())
        .collect();
    assert_eq!(suppose, ["database.max_connections=50"]);
}

#[test]
fn tv_80_a_dead_peer_is_noticed_after_two_minutes() {
    let seconds = std::time::Duration::from_secs;
    let found = plan_of(&draft("[services.a]\n"))
        .facts
        .database
        .timeouts
        .dead_peer();
    assert_eq!(found, seconds(120), "TV-80");
}

#[test]
fn nothing_is_wrong_with_the_defaults() {
    for (profile, expected) in [
        ("model", ""),
        ("prisma-guide", "L2 L4 L15 L16"),
        ("sqlx-strategy", "L4 L16"),
    ] {
        let plan = planned(&format!(
            "profile = \"{profile}\"\n[services.app]\nkind = \"sqlx\"\nreplicas = 2\n"
        ));
        let mut ids: Vec<_> = plan
            .findings
            .iter()
            .map(|finding| finding.id.as_str())
            .collect();
        ids.retain(|id| profile != "model" || *id != "L16");
        ids.retain(|id| !id.starts_with('C'));
        assert_eq!(ids.join(" "), expected, "{profile}");
    }
}

#[test]
fn each_rule_of_the_lattice_is_seen_where_it_is_broken() {
    for (id, text) in [
        (
            "L1",
            "[services.a]\nconnect_timeout = \"5s\"\nacquire_timeout = \"5s\"",
        ),
        ("L2", "[services.a]\nacquire_timeout = \"6s\""),
        ("L3", "[database]\nlock_timeout = \"30s\"\n[services.a]"),
        ("L4", "[services.a]\nsocket_timeout = \"30s\""),
        (
            "L5",
            "[database]\ntransaction_timeout = \"10s\"\n[services.a]",
        ),
        (
            "L6",
            "[database]\nidle_in_transaction_session_timeout = 0\n[services.a]",
        ),
        (
            "L7",
            "[pooler]\nquery_wait_timeout = \"120s\"\n[services.a]",
        ),
        (
            "L8",
            "[pooler]\nidle_transaction_timeout = \"60s\"\n[services.a]",
        ),
        ("L9", "[pooler]\nserver_lifetime = \"30min\"\n[services.a]"),
        (
            "L10",
            "[pooler]\nclient_idle_timeout = \"5min\"\n[services.a]",
        ),
        (
            "L11",
            "[operations]\nnetwork_idle_timeout = \"50s\"\n[services.a]",
        ),
        ("L12", "[database]\ntcp_keepalives_count = 30\n[services.a]"),
        (
            "L13",
            "[database]\nidle_session_timeout = \"5min\"\n[services.a]",
        ),
        ("L14", "[services.a]\nclose_timeout = \"30s\""),
        ("L14", "[services.a]\nclose_timeout = \"10s\""),
        ("L15", "[services.a]\nmax_lifetime = \"10min\""),
        ("L16", "[services.a]\nkind = \"sqlx\"\nreplicas = 2"),
    ] {
        assert!(has(&planned(text), id).is_some(), "{id}: {text}");
        let sound = planned("[pooler]\n[services.a]\n");
        assert!(has(&sound, id).is_none(), "{id}");
    }
}

#[test]
fn corrections_are_found_where_they_can_be_seen() {
    for (id, text) in [
        (
            "C1",
            "[database]\nmax_connections = 20\n[services.a]\npool = 30",
        ),
        (
            "C4",
            "[database]\nram = \"1GB\"\nmax_connections = 1000\n[services.a]",
        ),
        ("C6", "[services.a]\npool = 99"),
        (
            "C15",
            "[database]\nram = \"1GB\"\nshared_buffers = \"600MB\"\n[services.a]",
        ),
        (
            "C16",
            "[database]\nmax_connections = 500\n[pooler]\n[services.a]",
        ),
        ("C17", "[services.a]\npool = 97"),
        ("C18", "[measured]\ncpu = 90\n[services.a]"),
        ("C19", "[services.a]\npool = 50"),
        ("C23", "[pooler]\n[services.a]\nvia = \"direct\""),
        ("C23-sqlx", "[pooler]\n[services.a]\nkind = \"sqlx\""),
        ("C24", "[pooler]\nmax_client_conn = 5\n[services.a]"),
        ("C29", "[services.a]\nkind = \"prisma7\""),
        ("C44", "[services.a]\nkind = \"php-fpm\"\npersistent = true"),
        ("C46", "[services.a]\nkind = \"php-fpm\""),
        ("C47", "[services.a]\nkind = \"octane\""),
        ("C51", "[services.a]\nkind = \"serverless\""),
        (
            "F7",
            "[services.a]\npool = 3\ntasks = 3\nconnections_per_task = 2",
        ),
        ("F10", "[services.a]\npool = 1\nrequests = 1000"),
    ] {
        let plan = planned(text);
        assert!(
            has(&plan, id).is_some(),
            "{id}: {text}: {:?}",
            plan.findings
        );
    }
}

#[test]
fn a_load_test_says_what_connections_cannot_do() {
    let steps = "steps = [[1,65],[18,996],[36,1652],[72,1853],[108,1829],[144,1775],[216,1702]]";
    let at = |requests: u32| {
        planned(&format!(
            "[measured]\n{steps}\n[services.a]\nqueries_per_request = 1\nrequests = {requests}\n"
        ))
    };
    assert_eq!(at(500).scaling.unwrap().need, Some(Connections(11)));
    let plan = at(1900);
    assert!(plan.scaling.as_ref().unwrap().infeasible);
    assert!(has(&plan, "F12").is_some());
    let machine = plan.advice.last().unwrap();
    assert!(machine.called_for, "{machine:?}");
}

#[test]
fn ten_thousand_services_are_planned_in_one_pass_over_them() {
    let fleet = |count: u32| {
        let services = (0..count).map(|i| {
            format!("[services.s{i}]\nkind = \"sqlx\"\nreplicas = 3\npool = 5\nrequests = 20\n")
        });
        services.collect::<String>()
    };
    let plan = planned(&fleet(10_000));
    assert_eq!(plan.services.len(), 10_000);
    assert_eq!(plan.capacity.steady, Connections(150_000));
    // A rule that all of them break is reported once.
    assert!(plan.findings.len() < 20, "{}", plan.findings.len());
}

/// A fleet with every number within what the table allows.
fn any_fleet() -> impl Strategy<Value = String> {
    let service = (
        prop::sample::select(vec!["sqlx", "prisma6", "php-fpm", "generic", "serverless"]),
        0u64..40,
        1u64..60,
        1u64..4,
        prop::option::of(0.0f64..3_000.0),
        any::<bool>(),
    );
    (
        1u64..1_000,
        1u32..64,
        prop::option::of(1u64..5),
        prop::collection::vec(service, 1..6),
        any::<bool>(),
    )
        .prop_map(|(max, cores, instances, services, surge)| {
            let max = max + 3;
            let mut text = format!(
                "[database]\nmax_connections = {max}\nphysical_cores = {cores}\n\
                 [operations]\nsurge = {surge}\n"
            );
            if let Some(instances) = instances {
                text += &format!("[pooler]\ninstances = {instances}\n");
            }
            for (i, (kind, replicas, pool, processes, requests, direct)) in
                services.into_iter().enumerate()
            {
                text += &format!(
                    "[services.s{i}]\nkind = \"{kind}\"\nreplicas = {replicas}\npool = {pool}\n\
                     processes = {processes}\n"
                );
                if let Some(requests) = requests {
                    text += &format!("requests = {requests}\n");
                }
                if direct {
                    text += "via = \"direct\"\n";
                }
            }
            text
        })
}

proptest! {
    #[test]
    fn more_replicas_pool_or_processes_never_lower_the_demand(text in any_fleet()) {
        let before = plan_of(&draft(&text)).capacity;
        for key in ["replicas", "pool", "processes"] {
            let mut larger = draft(&text);
            let name = larger.services[0].0.clone();
            let given = larger.services[0].1.get(key).unwrap().value.to_string();
            let more = given.parse::<u64>().unwrap() + 1;
            larger.suppose(&format!("{name}.{key}={more}")).unwrap();
            let after = plan_of(&larger).capacity;
            // Behind a pooler a client's pool changes nothing for PostgreSQL.
            prop_assert!(after.direct >= before.direct);
            prop_assert!(after.direct_rollout >= before.direct_rollout);
            let direct = text.contains("via") && !text.contains("[pooler]");
            if direct {
                prop_assert!(after.peak >= before.peak);
                prop_assert!(after.verdict >= before.verdict);
            }
        }
    }

    #[test]
    fn more_load_never_needs_less(text in any_fleet(), more in 1.0f64..2_000.0) {
        let before = plan_of(&draft(&text));
        let mut larger = draft(&text);
        let name = larger.services[0].0.clone();
        let now = before.services[0].busy.map_or(0.0, |_| match &larger.services[0].1.get("requests").unwrap().value {
            fleet::Value::Float(requests) => *requests,
            fleet::Value::Integer(requests) => *requests as f64,
            other => panic!("{other}"),
        });
        larger.suppose(&format!("{name}.requests={:?}", now + more)).unwrap();
        let after = plan_of(&larger);
        prop_assert!(after.services[0].need >= before.services[0].need);
        prop_assert!(after.queueing.shared >= before.queueing.shared);
    }

    #[test]
    fn what_the_planner_allots_stays_within_the_budget(text in any_fleet()) {
        let plan = plan_of(&draft(&text));
        if let Some(pooler) = &plan.pooler {
            let least = pooler.instances * pooler.databases;
            let fits = pooler.servers <= pooler.cap.max(Connections(least));
            prop_assert!(fits, "{:?}", pooler);
            let of_pools = pooler.max_db_connections.times(least);
            prop_assert!(pooler.servers <= of_pools);
        }
    }

    #[test]
    fn every_change_makes_the_capacity_ok(text in any_fleet()) {
        for change in plan_of(&draft(&text)).changes {
            let mut changed = draft(&text);
            for supposition in &change.suppose {
                changed.suppose(supposition).unwrap();
            }
            let capacity = plan_of(&changed).capacity;
            prop_assert_eq!(capacity.verdict, Verdict::Ok, "{}: {:?}", change.text, capacity);
        }
    }

    #[test]
    fn a_plan_is_a_function_of_its_facts(text in any_fleet()) {
        prop_assert_eq!(plan_of(&draft(&text)), plan_of(&draft(&text)));
    }
}
