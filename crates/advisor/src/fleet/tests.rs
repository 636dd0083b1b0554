//! Mistakes are reported all at once, nothing panics, and what is written reads back.

use proptest::prelude::*;

use super::Section;
use super::keys::{Fallback, Scope};
use super::resolve::defaults_are_allowed;
use super::{Draft, Problem, Value, read, resolve, write};
use crate::facts::{Facts, Kind};

fn facts(text: &str) -> Result<Facts, Vec<Problem>> {
    let (draft, problems) = read("fleet.toml", text);
    resolve(&draft, problems)
}

fn mistakes(text: &str) -> Vec<String> {
    match facts(text) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn all_mistakes_are_told_in_one_run() {
    let text = "\
profile = \"prisma-gide\"
[database]
max_connections = -5
work_mem = 4
ram = \"1GB\"
shared_buffers = \"2GB\"
reserved_connections = 2
version = 15
[services.api]
kind = \"sqlxx\"
pool = 99999999999999999999999999999999999999999999
replica = 3
hold = \"5 parsecs\"
[services.Web_App]
replicas = 0x10
pool_min = 50
pool = 20
[oprations]
";
    let expected = [
        "fleet.toml:1: profile = \"prisma-gide\": must be one of model, prisma-guide, sqlx-strategy; \
         write \"prisma-guide\"",
        "fleet.toml:3: database.max_connections = -5: must be a whole number from 1 to 262143; write \
         max_connections = 1",
        "fleet.toml:4: database.work_mem = 4: must be memory from 64kB to 64TB with its unit kB, MB, GB \
         or TB, as in \"4MB\"; write work_mem = \"4MB\"",
        "fleet.toml:6: database.shared_buffers = \"2GB\": is not less than the machine's memory of 1GB; \
         write shared_buffers = \"256MB\"",
        "fleet.toml:7: database.reserved_connections = 2: PostgreSQL 15 does not have this setting; \
         remove it",
        "fleet.toml:10: services.api.kind = \"sqlxx\": must be one of prisma6, prisma7, sqlx, php-fpm, \
         octane, queue, serverless, generic; write kind = \"sqlx\"",
        "fleet.toml:11: services.api.pool = 170141183460469231731687303715884105727: must be a whole \
         number from 1 to 10000; write pool = 10000",
        "fleet.toml:12: services.api.replica: unknown setting; did you mean replicas?",
        "fleet.toml:13: services.api.hold = \"5 parsecs\": must be a time from 1us up to 100d with its \
         unit us, ms, s, min, h or d, as in \"5s\"",
        "fleet.toml:14: services.Web_App: is no name for a service: lower-case letters, digits and \
         hyphens, a letter first, at most 53; call it web-app",
        "fleet.toml:16: services.Web_App.pool_min = 50: is more than pool, which is 20; write 20 or less",
        "fleet.toml:18: oprations: unknown section; did you mean [operations]?",
    ];
    let found = mistakes(text);
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn a_url_in_place_of_a_name_is_refused_without_its_password() {
    let url = "postgres://app:hunter2@db/x";
    for (text, allowed, suggestion) in [
        (
            format!("[database]\nhost = \"{url}\""),
            "must be a host name",
            "write host = \"db\"",
        ),
        (
            format!("[pooler]\nhost = \"{url}\""),
            "must be a host name",
            "write host = \"db\"",
        ),
        (
            format!("[database]\nname = \"{url}\""),
            "no URL or password",
            "",
        ),
        (
            format!("[services.a]\nuser = \"{url}\""),
            "no URL or password",
            "",
        ),
        (
            format!("[services.a]\ndatabase = \"{url}\""),
            "no URL or password",
            "",
        ),
        (format!("[services.a]\nimage = \"{url}\""), "no URL", ""),
        (
            format!("[database]\nstandbys = [\"{url}\"]"),
            "a list of texts",
            "",
        ),
        (
            format!("[database]\nstandbys = \"{url}\""),
            "a list of texts",
            "",
        ),
    ] {
        let text = if text.contains("services") {
            text
        } else {
            format!("{text}\n[services.a]\n")
        };
        let found = mistakes(&text);
        let [mistake] = found.as_slice() else {
            panic!("{text}: {found:?}");
        };
        assert!(
            mistake.contains(allowed) && mistake.contains(suggestion),
            "{mistake}"
        );
        assert!(!mistake.contains("hunter2"), "{mistake}");
    }
    for host in ["my host", "db,db2", "app@db", "db:5432", "[::1]"] {
        let found = mistakes(&format!("[database]\nhost = \"{host}\"\n[services.a]\n"));
        assert_eq!(found.len(), 1, "{host}: {found:?}");
    }
}

#[test]
fn what_is_called_allowed_and_suggested_is_so() {
    for (setting, words) in [
        (
            "[operations]\nwait_share = 0",
            "a number from 0.000001 to 0.5",
        ),
        (
            "[operations]\nwait = \"0s\"",
            "must be a time from 1us up to 100d",
        ),
        (
            "[operations]\ntarget_utilisation = 0.8",
            "write target_utilisation = \"80%\"",
        ),
        (
            "[operations]\ntarget_utilisation = 180",
            "write target_utilisation = \"100%\"",
        ),
        ("[database]\nram = 4", "write ram = \"64MB\""),
        ("[database]\ncache_hit = 98", "write cache_hit = \"98%\""),
        (
            "[database]\nsuperuser_reserved_connections = 262143",
            "PostgreSQL allows 262143 at most: reserve fewer",
        ),
        (
            "[database]\nsuperuser_reserved_connections = 262142",
            "write 262143 or more",
        ),
    ] {
        let found = mistakes(&format!("{setting}\n[services.a]\n"));
        assert!(
            found.len() == 1 && found[0].contains(words),
            "{setting}: {found:?}"
        );
    }
}

#[test]
fn outside_the_table_of_the_prisma_guide_the_model_is_used_and_told() {
    let fleet = |cores: u32| {
        let text = format!(
            "profile = \"prisma-guide\"\n[database]\nphysical_cores = {cores}\nram = \"64GB\"\n\
             [services.api]\n[services.busy]\nrequests = 1000\n[services.set]\npool = 7\n"
        );
        crate::plan(facts(&text).unwrap())
    };
    let pools = |plan: &crate::Plan| plan.services.iter().map(|s| s.pool.0).collect::<Vec<_>>();
    let why = |plan: &crate::Plan| {
        let of_pool = plan.assumptions.iter().find(|a| a.key == "services.*.pool");
        of_pool.unwrap().why
    };
    let outside = |plan: &crate::Plan| {
        let finding = plan
            .findings
            .iter()
            .find(|f| f.message.contains("outside the table"));
        finding.map(|finding| (finding.severity, finding.subjects.clone()))
    };
    let inside = fleet(8);
    assert_eq!(pools(&inside), [30, 30, 7]);
    assert!(why(&inside).contains("S1's quick formula"));
    assert_eq!(outside(&inside), None);
    let model = "[services.api]\n[services.busy]\nrequests = 1000\n[services.set]\npool = 7\n";
    let model = pools(&crate::plan(facts(model).unwrap()));
    for cores in [6, 16, 32] {
        let plan = fleet(cores);
        assert_eq!(pools(&plan), model, "{cores}");
        assert!(why(&plan).contains("outside S1's table"), "{}", why(&plan));
        let both = vec!["api".to_owned(), "busy".to_owned()];
        assert_eq!(outside(&plan), Some((crate::plan::Severity::Warn, both)));
    }
}

#[test]
fn contradictions_are_mistakes() {
    for (text, words) in [
        ("", "there is none"),
        (
            "[services.a]\nreplicas = 2\nreplicas_min = 3",
            "more than replicas",
        ),
        (
            "[services.a]\nvia = \"pooler\"",
            "there is no [pooler] section",
        ),
        ("[services.a]\nmin_spare_servers = 3", "belongs to php-fpm"),
        (
            "[services.a]\nkind = \"php-fpm\"\nmin_spare_servers = 9\nstart_servers = 4",
            "more than start_servers",
        ),
        (
            "[services.a]\nkind = \"php-fpm\"\npool = 3\nmax_spare_servers = 9",
            "pm.max_children",
        ),
        (
            "[services.a]\n[database]\nspindles = 2",
            "ssd has no spindles",
        ),
        (
            "[services.a]\n[database]\nmax_connections = 3",
            "leaves nothing",
        ),
        (
            "[services.a]\n[database]\nversion = 16\ntransaction_timeout = \"5s\"",
            "does not have",
        ),
        ("[services.a]\nconnection_limit = 5", "it is called pool"),
        (
            "[services.a]\nmax_db_connections = 5",
            "it belongs in [pooler]",
        ),
        ("pool = 5\n[services.a]", "stands outside"),
        ("services.a = 5", "must be a section"),
        (
            "[services.a]\npool = [1, {x = 2}]",
            "must be a whole number",
        ),
        ("[services.a]\npool = nan", "must be a whole number"),
        ("[services.a]\npool = 1979-05-27", "must be a whole number"),
        ("[services.a\n", "fleet.toml:1: "),
    ] {
        let found = mistakes(text);
        assert!(
            found.iter().any(|line| line.contains(words)),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn every_default_of_the_table_is_allowed_and_named() {
    assert_eq!(defaults_are_allowed(), Ok(()));
    let facts = facts("[services.a]\n[services.b]\nkind = \"php-fpm\"\n[pooler]\n").unwrap();
    for scope in [Scope::Database, Scope::Service, Scope::Operations] {
        for key in scope.keys() {
            let name = match scope {
                Scope::Service => format!("services.*.{}", key.name),
                _ => format!("{}.{}", scope.title(), key.name),
            };
            let assumed = facts.assumptions.iter().any(|a| a.key == name);
            // Of disks without spindles nothing is assumed.
            let expected = key.fallback != Fallback::Unknown && key.name != "spindles";
            assert_eq!(assumed, expected, "{name}");
            assert!(!assumed || !key.why.is_empty(), "{name}");
        }
    }
    let surge = facts
        .assumptions
        .iter()
        .find(|a| a.key == "services.*.surge" && a.value == "\"0%\"")
        .unwrap();
    assert_eq!((surge.count, surge.first.as_str()), (1, "b"));
}

#[test]
fn kinds_are_those_of_the_table() {
    let names = Kind::ALL.map(Kind::name);
    let key = super::keys::find(Scope::Service, "kind").unwrap();
    let super::value::Kind::Choice(words) = key.kind else {
        panic!("{:?}", key.kind);
    };
    assert_eq!(words, names);
}

#[test]
fn what_is_given_is_not_assumed() {
    let facts = facts("[services.a]\npool = 7\n[database]\nram = \"8GB\"\n").unwrap();
    let assumed = |key: &str| facts.assumptions.iter().any(|a| a.key == key);
    assert!(!assumed("services.*.pool") && !assumed("database.ram"));
    assert_eq!(facts.database.shared_buffers, crate::units::Bytes::gib(2));
}

#[test]
fn suppositions_find_their_section() {
    let mut draft = read("f", "[services.api]\n[services.web]\n").0;
    for text in [
        "api.pool=7",
        "services.web.pool=8",
        "database.max_connections=200",
        "pooler.instances=2",
        "ram=32GB",
    ] {
        draft.suppose(text).unwrap();
    }
    let facts = resolve(&draft, Vec::new()).unwrap();
    assert_eq!(facts.services[0].pool.0 + facts.services[1].pool.0, 15);
    assert_eq!(facts.database.max_connections.0, 200);
    assert_eq!(facts.pooler.unwrap().instances, 2);
    for (text, words) in [
        ("apu.pool=7", "did you mean api.pool?"),
        ("pool=7", "SERVICE.KEY=VALUE"),
        ("api.pool", "SERVICE.KEY=VALUE"),
        ("", "SERVICE.KEY=VALUE"),
    ] {
        let problem = draft.clone().suppose(text).unwrap_err().to_string();
        assert!(problem.contains(words), "{text}: {problem}");
    }
    // One service is meant without its name; a key that two sections have is nobody's.
    let mut alone = read("f", "[services.api]\n").0;
    alone.suppose("pool=7").unwrap();
    assert_eq!(resolve(&alone, Vec::new()).unwrap().services[0].pool.0, 7);
    assert!(alone.suppose("surge=1").is_err());
    draft.suppose("services.*.pool=x").unwrap();
    assert_eq!(resolve(&draft, Vec::new()).unwrap_err().len(), 2);
}

#[test]
fn a_later_source_counts() {
    let mut draft = read("a", "[services.api]\npool = 1\nreplicas = 2\n").0;
    draft.overlay(read("b", "[services.api]\npool = 9\n[services.web]\n").0);
    let facts = resolve(&draft, Vec::new()).unwrap();
    assert_eq!(facts.services.len(), 2);
    assert_eq!(
        (facts.services[0].pool.0, facts.services[0].replicas),
        (9, 2)
    );
}

#[test]
fn services_keep_the_order_of_their_file() {
    let facts = facts("[services.z]\n[services.a]\n[services.m]\n").unwrap();
    let names: Vec<_> = facts.services.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["z", "a", "m"]);
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i128>().prop_map(Value::Integer),
        any::<i8>().prop_map(|n| Value::Integer(n.into())),
        any::<f64>().prop_map(Value::Float),
        any::<bool>().prop_map(Value::Bool),
        ".{0,12}".prop_map(Value::from),
        "[0-9]{1,30}(kB|MB|GB|TB|ms|s|min|h|d|%|us)".prop_map(Value::from),
        prop::sample::select(vec![
            "php-fpm", "pooler", "direct", "hdd", "off", "inf%", "nan", "1e400s"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop::collection::vec(inner, 0..4).prop_map(Value::List)
    })
}

fn any_draft() -> impl Strategy<Value = Draft> {
    let sections = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        any_value(),
    );
    prop::collection::vec(sections, 0..40).prop_map(|given| {
        let mut draft = Draft::default();
        draft.service("a", Default::default());
        for (section, key, value) in given {
            let scope = Scope::ALL[section.index(Scope::ALL.len())];
            let key = scope.keys()[key.index(scope.keys().len())].name;
            let section = match scope {
                Scope::Database => &mut draft.database,
                Scope::Operations => &mut draft.operations,
                Scope::Measured => &mut draft.measured,
                Scope::Pooler => draft.pooler.get_or_insert_default(),
                Scope::Service => draft.service("a", Default::default()),
            };
            section.set(key, value);
        }
        draft
    })
}

proptest! {
    #[test]
    fn what_is_suggested_is_allowed(scope in 0..5_usize, key in any::<prop::sample::Index>(), value in any_value()) {
        let keys = Scope::ALL[scope].keys();
        let key = &keys[key.index(keys.len())];
        if let Some(suggestion) = key.kind.suggestion(&value) && !key.kind.allows(&value) {
            let (draft, problems) = read("x", &format!("[database]\nx = {suggestion}\n"));
            prop_assert_eq!(problems, []);
            let suggested = &draft.database.get("x").unwrap().value;
            prop_assert!(key.kind.allows(suggested), "{} = {}", key.name, suggestion);
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(\\[|\\]|[a-z.]{1,8}|=|\"|[0-9]|\n| |\\{|\\}|,|#|-){0,60}") {
        let _ = facts(&text);
    }

    #[test]
    fn no_value_makes_the_planner_panic(draft in any_draft()) {
        if let Ok(facts) = resolve(&draft, Vec::new()) {
            let plan = crate::plan(facts);
            prop_assert!(serde_json::to_string(&plan).is_ok());
        }
    }

    #[test]
    fn a_written_draft_reads_back(draft in any_draft()) {
        // Only values that are allowed: others are no TOML (NaN is, and is equal to nothing).
        let mut draft = draft;
        for (scope, section) in [
            (Scope::Database, &mut draft.database),
            (Scope::Operations, &mut draft.operations),
            (Scope::Measured, &mut draft.measured),
            (Scope::Service, &mut draft.services[0].1),
        ] {
            let mut allowed = Section::new(section.origin.clone());
            for (name, given) in section.iter() {
                if super::keys::find(scope, name).unwrap().kind.allows(&given.value) {
                    allowed.give(name, given.value.clone(), given.origin.clone());
                }
            }
            *section = allowed;
        }
        draft.pooler = None;
        let (back, problems) = read("x", &write(&draft));
        prop_assert_eq!(problems, []);
        let values = |draft: &Draft| {
            let (name, service) = &draft.services[0];
            let fixed = [("d", &draft.database), ("o", &draft.operations), ("m", &draft.measured)];
            fixed.into_iter().chain([(name.as_str(), service)]).map(|(path, section)| {
                let values: Vec<_> = section.iter().map(|(name, given)| (name.to_owned(), given.value.clone())).collect();
                (path.to_owned(), values)
            }).collect::<Vec<_>>()
        };
        prop_assert_eq!(values(&back), values(&draft));
    }
}
