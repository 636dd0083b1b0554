//! What is derived from the machine, for each workload, and what is said of it.

use super::{conf, settings};
use crate::fleet;
use crate::formula::demand::Verdict;
use crate::plan::{Plan, plan};

fn of(database: &str) -> Plan {
    let text = format!("[database]\n{database}\n[services.a]\n");
    let (draft, problems) = fleet::read("fleet.toml", &text);
    assert_eq!(problems, []);
    plan(fleet::resolve(&draft, Vec::new()).unwrap())
}

/// The values of these settings, `-` for one that is not written.
fn values(plan: &Plan, names: &str) -> String {
    let all = settings(plan);
    let value = |name: &str| {
        let found = all.iter().find(|setting| setting.name == name);
        found.map_or("-".to_owned(), |setting| setting.value.clone())
    };
    let values: Vec<String> = names.split(' ').map(value).collect();
    values.join(" ")
}

const MEMORY: &str = "work_mem shared_buffers effective_cache_size maintenance_work_mem autovacuum_work_mem wal_buffers huge_pages";
const PROCESSES: &str = "max_worker_processes max_parallel_workers max_parallel_workers_per_gather max_parallel_maintenance_workers";
const LOAD: &str = "min_wal_size max_wal_size checkpoint_completion_target default_statistics_target random_page_cost \
                    effective_io_concurrency jit";

/// The profiles of the table in the manual.
const PROFILES: [(&str, &str, &str, &str); 6] = [
    (
        "ram = \"2GB\"\nphysical_cores = 2\nstorage = \"ssd\"\nworkload = \"web\"\nmax_connections = 200",
        "4MB 512MB 888MB 128MB 64MB 16MB try",
        "8 1 1 1",
        "1GB 4GB 0.9 100 1.1 64 off",
    ),
    (
        "ram = \"16GB\"\nphysical_cores = 4\nstorage = \"ssd\"\nworkload = \"web\"\nmax_connections = 200",
        "5MB 4GB 12GB 1GB 170MB 16MB try",
        "8 2 2 2",
        "1GB 4GB 0.9 100 1.1 64 off",
    ),
    (
        "ram = \"64GB\"\nphysical_cores = 16\nstorage = \"nvme\"\nworkload = \"oltp\"\nmax_connections = 300",
        "15MB 16GB 48GB 2GB 682MB 16MB try",
        "12 8 2 4",
        "2GB 8GB 0.9 100 1.1 200 off",
    ),
    (
        "ram = \"128GB\"\nphysical_cores = 32\nstorage = \"cloud\"\nworkload = \"dw\"\nmax_connections = 40",
        "179MB 32GB 97496MB 2GB 1GB 16MB try",
        "36 32 8 4",
        "4GB 16GB 0.9 500 2 64 -",
    ),
    (
        "ram = \"8GB\"\nphysical_cores = 4\nstorage = \"ssd\"\nworkload = \"desktop\"\nmax_connections = 20",
        "32MB 512MB 2GB 256MB 64MB 16MB -",
        "8 4 2 2",
        "128MB 1GB 0.9 100 1.1 64 -",
    ),
    (
        "ram = \"32GB\"\nphysical_cores = 8\nstorage = \"hdd\"\nspindles = 4\nworkload = \"mixed\"\nmax_connections = 100",
        "25MB 8GB 24GB 2GB 341MB 16MB try",
        "12 8 4 4",
        "1GB 8GB 0.9 100 4 8 -",
    ),
];

#[test]
fn six_profiles_get_what_the_manual_says() {
    for (database, memory, processes, load) in PROFILES {
        let plan = of(database);
        assert_eq!(values(&plan, MEMORY), memory, "{database}");
        assert_eq!(values(&plan, PROCESSES), processes, "{database}");
        assert_eq!(values(&plan, LOAD), load, "{database}");
        let text = &conf(&plan)[0].content;
        assert!(!text.contains("assumes"), "{text}");
    }
}

#[test]
fn every_setting_has_a_reason_and_stands_once() {
    for (database, ..) in PROFILES {
        let all = settings(&of(database));
        let mut names: Vec<_> = all.iter().map(|setting| setting.name).collect();
        assert!(all.iter().all(|setting| setting.why.len() > 5));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}

#[test]
fn a_guess_is_marked_and_what_is_given_is_not() {
    let marked = |database: &str| {
        let text = conf(&of(database))[0].content.clone();
        let lines = text.lines().filter(|line| line.ends_with(')'));
        let names: Vec<String> = lines
            .filter(|line| line.contains(" (assumes "))
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect();
        (names.join(" "), text)
    };
    let cores = "max_worker_processes max_parallel_workers max_parallel_workers_per_gather";
    let all = format!(
        "shared_buffers {cores} effective_cache_size huge_pages wal_buffers random_page_cost \
         effective_io_concurrency max_parallel_maintenance_workers"
    );
    let (names, text) = marked("");
    assert_eq!(names, all);
    let told = "# Nobody gave database.physical_cores = 4, database.ram = \"8GB\", database.storage = \"ssd\"";
    assert!(text.contains(told), "{text}");
    let cases = [
        ("ram = \"8GB\"\nphysical_cores = 4\nstorage = \"ssd\"", ""),
        (
            "shared_buffers = \"1GB\"\nphysical_cores = 4\nstorage = \"ssd\"",
            "effective_cache_size",
        ),
        (
            "ram = \"8GB\"\nmax_parallel_workers = 3\nstorage = \"ssd\"",
            "max_worker_processes max_parallel_workers_per_gather max_parallel_maintenance_workers",
        ),
    ];
    for (database, expected) in cases {
        assert_eq!(marked(database).0, expected, "{database}");
    }
}

#[test]
fn what_is_chosen_makes_no_verdict_worse() {
    for workload in ["web", "oltp", "dw", "desktop", "mixed"] {
        for ram in [1, 2, 4, 8, 16, 64, 256] {
            for connections in [20, 100, 500, 2000] {
                let database = format!(
                    "workload = \"{workload}\"\nram = \"{ram}GB\"\nmax_connections = {connections}\n"
                );
                let chosen = of(&database).memory;
                let least = of(&format!("{database}maintenance_work_mem = \"64MB\"")).memory;
                let told = format!(
                    "{database}: {} and {}",
                    chosen.expected_bytes, least.expected_bytes
                );
                assert_eq!(chosen.verdict, least.verdict, "{told}");
            }
        }
        let unknown = of(&format!(
            "workload = \"{workload}\"\nmax_connections = 5000"
        ));
        assert_eq!(unknown.memory.verdict, Verdict::Ok);
        let maintenance = values(&unknown, "maintenance_work_mem autovacuum_work_mem");
        assert_eq!(maintenance, "64MB 64MB");
    }
}

#[test]
fn a_version_gets_only_settings_that_it_has() {
    for (name, since) in [
        ("reserved_connections", 16),
        ("client_connection_check_interval", 14),
    ] {
        for version in 13..=18 {
            let plan = of(&format!("version = {version}"));
            assert_eq!(
                values(&plan, name) != "-",
                version >= since,
                "{name} {version}"
            );
        }
    }
}

#[test]
fn huge_pages_come_with_their_number() {
    // What `postgres -C shared_memory_size_in_huge_pages` of PostgreSQL 15 says.
    for (buffers, connections, needed) in [
        ("512MB", 100, 276),
        ("512MB", 1000, 296),
        ("2GB", 100, 1060),
        ("8GB", 100, 4200),
        ("8GB", 1000, 4221),
        ("32GB", 1000, 16_779),
        ("256GB", 100, 133_697),
    ] {
        let plan = of(&format!(
            "shared_buffers = \"{buffers}\"\nmax_connections = {connections}\nhuge_pages = true"
        ));
        let told = super::tuning::huge_page_count(&plan.facts.database);
        assert!(
            (needed..=needed + needed / 8).contains(&told),
            "{buffers}: {told}"
        );
        let line = conf(&plan)[0]
            .content
            .lines()
            .find(|line| line.starts_with("huge_pages"))
            .unwrap()
            .to_owned();
        assert!(
            line.contains(&format!("vm.nr_hugepages = {told}")),
            "{line}"
        );
    }
}
