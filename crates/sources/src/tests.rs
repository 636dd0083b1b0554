//! What the documents' own files, and those that `render` writes, are read as.

mod compose;
mod kubernetes;
mod properties;

use pgweir_advisor::facts::{Facts, Observation, Ruling};
use pgweir_advisor::fleet::{self, Draft};
use pgweir_advisor::formula::demand::replicas_during_rollout;
use pgweir_advisor::render;

use super::file::SourceFile;
use super::names::service_name;
use super::{Reading, read};

/// Observations in words, each behind its place.
pub(crate) fn seen(observations: &[Observation]) -> Vec<String> {
    observations
        .iter()
        .map(|seen| format!("{}: {}", seen.origin, seen.what))
        .collect()
}

/// Services of each fleet: `NAME VIA INSTANCESxPOOL`, and how many poolers there are if there are several.
fn planned(files: &[(&str, &str)]) -> String {
    let reading = fleets(files);
    assert_eq!(reading.problems, []);
    let fleets = reading.fleets.iter().map(|draft| {
        let facts = match fleet::resolve(draft, Vec::new()) {
            Ok(facts) => facts,
            Err(problems) => return format!("{problems:?}"),
        };
        let services = facts.services.iter().map(|service| {
            let processes = service.replicas * service.processes;
            let (name, via, pool) = (&service.name, service.via, service.pool.0);
            format!("{name} {via} {processes}x{pool}")
        });
        let services: Vec<String> = services.collect();
        let instances = facts.pooler.map_or(1, |pooler| pooler.instances);
        let through = if instances > 1 {
            format!(" through {instances}")
        } else {
            String::new()
        };
        services.join(", ") + &through
    });
    fleets.collect::<Vec<String>>().join(" | ")
}

/// What is not understood.
fn told(files: &[(&str, &str)]) -> Vec<String> {
    let reading = fleets(files);
    let seen = reading
        .fleets
        .into_iter()
        .flat_map(|draft| draft.observations);
    let unknown = seen.filter(|seen| matches!(seen.ruling, Ruling::NotUnderstood(_)));
    unknown.map(|seen| seen.what).collect()
}

/// What files say, in fleets.
fn fleets(files: &[(&str, &str)]) -> Reading {
    let files = files.iter();
    let files: Vec<(String, String)> = files
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    read(&files, &|_| None)
}

fn draft(files: &[(&str, &str)]) -> Draft {
    let reading = fleets(files);
    assert_eq!(reading.problems, [], "{files:?}");
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let mut fleets = reading.fleets;
    assert_eq!(fleets.len(), 1, "{names:?}");
    fleets.remove(0)
}

fn facts(files: &[(&str, &str)]) -> Facts {
    match fleet::resolve(&draft(files), Vec::new()) {
        Ok(facts) => facts,
        Err(problems) => panic!("{problems:?}"),
    }
}

#[test]
fn the_documents_compose_files_are_read_and_their_mistakes_seen() {
    let facts = facts(&[(
        "docker-compose.yml",
        "services:\n  postgres:\n    image: postgres:15-alpine\n    environment:\n      - POSTGRES_DB=iss_tracker\n      \
         - POSTGRES_MAX_CONNECTIONS=100\n  pgbouncer:\n    image: pgbouncer/pgbouncer\n    environment:\n      \
         - DATABASES_HOST=postgres\n      - POOL_MODE=transaction\n      - MAX_CLIENT_CONN=1000\n      \
         - DEFAULT_POOL_SIZE=25\n  rust-iss:\n    image: rust-iss:1\n    deploy: {replicas: 3}\n    environment:\n      \
         DATABASE_URL: postgresql://user:pass@pgbouncer:6432/iss_tracker\n      DB_MAX_CONNECTIONS: '10'\n  \
         accounts:\n    image: accounts\n    environment:\n      DATABASE_URL: \
         'postgresql://u:p@postgres:5432/db?connection_limit=50&pool_timeout=20&connect_timeout=10&socket_timeout=30'\n  \
         redis:\n    image: redis\n",
    )]);
    assert_eq!(
        (facts.database.version, facts.database.host.as_str()),
        (15, "postgres")
    );
    assert_eq!(facts.database.name, "iss_tracker");
    let seen = facts.observations.iter().map(|seen| seen.ruling.clone());
    assert!(seen.eq([2, 22, 22, 22].map(Ruling::Correction)));
    assert_eq!(
        facts.observations[0].origin.to_string(),
        "docker-compose.yml:6"
    );
    let names: Vec<&str> = facts
        .services
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    assert_eq!(names, ["rust-iss", "accounts"]);
    let [rust, accounts] = facts.services.as_slice() else {
        panic!()
    };
    assert_eq!(
        (rust.kind.name(), rust.replicas, rust.pool.0),
        ("sqlx", 3, 10)
    );
    assert_eq!(
        (rust.via.to_string(), accounts.via.to_string()),
        ("pooler".to_owned(), "direct".to_owned())
    );
    assert_eq!((accounts.kind.name(), accounts.pool.0), ("prisma6", 50));
    assert_eq!(accounts.timeouts.acquire.as_secs(), 20);
    // The image ignores these names: nothing of them is true.
    assert_eq!(facts.pooler.unwrap().pool, None);
}

#[test]
fn files_of_lines_are_read() {
    let facts = facts(&[
        (
            "services/php-web/www.conf",
            "[www]\npm = dynamic\npm.max_children = 20 ; many\npm.start_servers = 4\n",
        ),
        (
            "services/rust-iss/src/main.rs",
            "const MAX: u32 = 12;\nPgPoolOptions::new()\n    .max_connections(MAX)\n    .min_connections(2)\n    \
          .acquire_timeout(Duration::from_secs(5)) // wait\n    .idle_timeout(Duration::from_secs(600))\n",
        ),
        (
            "accounts/.env",
            "# x\nexport DATABASE_URL=\"postgresql://u:p@h/db?connection_limit=30\"\n",
        ),
        (
            "orders/prisma/schema.prisma",
            "generator client {\n  provider = \"prisma-client\"\n}\n",
        ),
        (
            "pgbouncer.ini",
            "[databases]\n* = host=db1 port=5432\n[pgbouncer]\npool_mode = transaction\n\
          default_pool_size = 25\nmax_db_connections = 0\nquery_wait_timeout = 120\n",
        ),
        (
            "postgresql.conf",
            "max_connections = 100      -- Total connections allowed\nwork_mem = 4MB -- Memory\n\
          statement_timeout = 30000 -- 30 s\n# comment\n",
        ),
    ]);
    let found: Vec<(&str, &str, u64)> = facts
        .services
        .iter()
        .map(|service| (service.name.as_str(), service.kind.name(), service.pool.0))
        .collect();
    let expected = [
        ("php-web", "php-fpm", 20),
        ("rust-iss", "sqlx", 12),
        ("accounts", "prisma6", 30),
        ("orders", "prisma7", 10),
    ];
    assert_eq!(found, expected);
    let pooler = facts.pooler.unwrap();
    assert_eq!(
        (pooler.pool.unwrap().0, pooler.query_wait.as_secs()),
        (25, 120)
    );
    assert_eq!(pooler.per_database, None);
    assert_eq!(facts.database.host, "db1");
    assert_eq!(facts.database.timeouts.statement.unwrap().as_secs(), 30);
    assert_eq!(facts.observations.len(), 3);
    let rulings = facts.observations.iter().map(|seen| seen.ruling.clone());
    assert!(rulings.eq([3; 3].map(Ruling::Correction)));
}

#[test]
fn a_postgresql_conf_as_initdb_writes_it_is_read() {
    let facts = facts(&[
        ("api/.env", "DATABASE_URL=postgresql://u:p@h/db\n"),
        (
            "postgresql.conf",
            "#port = 5432\t\t\t\t# (change requires restart)\n\
             max_connections = 120\t\t\t# (change requires restart)\n\
             shared_buffers = 32768\t\t\t# min 128kB\n\
             huge_pages = try\t\t\t# on, off, or try\n\
             dynamic_shared_memory_type = posix\t# the default is usually the first option\n\
             log_timezone = 'Etc/UTC'\ndatestyle = 'iso, mdy'\nlc_messages = 'C.UTF-8'\t# locale\n",
        ),
    ]);
    let database = &facts.database;
    assert_eq!((database.max_connections.0, database.port), (120, 5432));
    assert_eq!(database.shared_buffers.whole_mib(), 256);
    assert!(!database.huge_pages);
    assert_eq!(facts.observations, []);
}

#[test]
fn the_command_of_a_container_is_read_as_postgresql_reads_it() {
    let facts = facts(&[(
        "compose.yml",
        "services:\n  db:\n    image: postgres:17\n    command: postgres -c shared_buffers=32768 -c \
         'max_connections=250' --idle-session-timeout=60000 -S 8192 -c autovacuum_work_mem=-1\n  api:\n    \
         environment: {DATABASE_URL: 'postgresql://u:p@db/x'}\n",
    )]);
    let database = &facts.database;
    assert_eq!(database.max_connections.0, 250);
    assert_eq!(database.shared_buffers.whole_mib(), 256);
    assert_eq!(database.work_mem.whole_mib(), 8);
    assert_eq!(database.timeouts.idle_session.unwrap().as_secs(), 60);
    assert_eq!(database.autovacuum_work_mem, database.maintenance_work_mem);
}

#[test]
fn variables_that_contradict_each_other_are_reported_in_any_order() {
    let lines = [
        "DATABASE_URL=postgresql://u:hunter2@h/db?connection_limit=9\n",
        "DB_MAX_CONNECTIONS=30\t# many\n",
    ];
    for (text, seen) in [
        (
            lines.concat(),
            "api/.env:2: DB_MAX_CONNECTIONS says 30, and connection_limit of the URL (api/.env:1) says 9: \
             the larger counts",
        ),
        (
            [lines[1], lines[0]].concat(),
            "api/.env:2: connection_limit of the URL says 9, and DB_MAX_CONNECTIONS (api/.env:1) says 30: \
             the larger counts",
        ),
    ] {
        let facts = facts(&[("api/.env", &text)]);
        let [api] = facts.services.as_slice() else {
            panic!()
        };
        assert_eq!((api.kind.name(), api.pool.0), ("sqlx", 30));
        let plan = pgweir_advisor::plan(facts);
        let found = plan.findings.iter().find(|found| found.id == "from");
        assert_eq!(found.unwrap().message, seen);
    }
    let same = "DATABASE_URL=postgresql://u:p@h/db?connection_limit=9\nDB_MAX_CONNECTIONS=9\n";
    assert_eq!(facts(&[("api/.env", same)]).observations, []);
}

/// Name, instances with a rollout, pool.
fn sizes(facts: &Facts) -> Vec<(&str, u64, u64)> {
    let services = facts.services.iter();
    services
        .map(|service| {
            let rollout = replicas_during_rollout(service.replicas, service.surge);
            (service.name.as_str(), rollout, service.pool.0)
        })
        .collect()
}

fn deployment(namespace: &str, name: &str, spec: &str, containers: &[(&str, u64)]) -> String {
    let mut text = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec:\n  replicas: 4\n{spec}  template:\n    spec:\n      containers:\n"
    );
    for (name, pool) in containers {
        text += &format!(
            "      - name: {name}\n        image: {name}:1\n        env:\n        - name: DATABASE_URL\n          \
             value: postgresql://u:p@db/x?connection_limit={pool}\n"
        );
    }
    text
}

#[test]
fn every_container_of_every_namespace_is_counted() {
    let one = |namespace, name, containers| deployment(namespace, name, "", containers);
    let facts = facts(&[(
        "all.yaml",
        &[
            one("shop", "api", &[("web", 20), ("worker", 5)]),
            one("live", "site", &[("site", 7)]),
            one("test", "site", &[("site", 8)]),
            one("shop", "alone", &[("x", 9)]),
            // Named as a container of another is.
            one("shop", "api-web", &[("x", 6)]),
        ]
        .join("---\n"),
    )]);
    let expected = [
        ("shop-api-web-deployment", 5, 20),
        ("api-worker", 5, 5),
        ("live-site", 5, 7),
        ("test-site", 5, 8),
        ("alone", 5, 9),
        ("shop-api-web-deployment-2", 5, 6),
    ];
    assert_eq!(sizes(&facts), expected);
}

#[test]
fn what_ends_a_pod_before_the_next_has_no_surge() {
    let strategy = |strategy: &str| format!("  strategy: {strategy}\n");
    let of = |name, spec: &str| deployment("d", name, spec, &[("x", 3)]);
    let text = [
        of("rolling", ""),
        of("surging", &strategy("{rollingUpdate: {maxSurge: 50%}}")),
        of("recreated", &strategy("{type: Recreate}")),
        of("stateful", "").replace("Deployment", "StatefulSet"),
        of("everywhere", "").replace("Deployment", "DaemonSet"),
    ];
    let facts = facts(&[("all.yaml", &text.join("---\n"))]);
    let expected = [
        ("rolling", 5, 3),
        ("surging", 6, 3),
        ("recreated", 4, 3),
        ("stateful", 4, 3),
        ("everywhere", 1, 3),
    ];
    assert_eq!(sizes(&facts), expected);
}

#[test]
fn what_kubectl_writes_is_a_list_whose_items_are_read() {
    let items = [
        deployment("a", "api", "", &[("x", 3)]),
        deployment("a", "api", "", &[("x", 4)]),
        "kind: HorizontalPodAutoscaler\nmetadata: {name: api, namespace: a}\n\
         spec: {scaleTargetRef: {kind: Deployment, name: api}, minReplicas: 2, maxReplicas: 8}\n"
            .to_owned(),
        "kind: HorizontalPodAutoscaler\nmetadata: {name: api, namespace: b}\n\
         spec: {scaleTargetRef: {kind: Deployment, name: api}, maxReplicas: 80}\n"
            .to_owned(),
        // Its address is in a Secret; it is enough that it has one.
        "kind: Deployment\nmetadata: {name: hidden, namespace: a}\nspec:\n  template:\n    spec:\n      \
         containers:\n      - name: x\n        env:\n        - name: DATABASE_URL\n          \
         valueFrom: {secretKeyRef: {name: s, key: url}}\n"
            .to_owned(),
    ];
    let mut list = "apiVersion: v1\nkind: List\nitems:\n".to_owned();
    for item in items {
        let mut indent = "- ";
        for line in item.lines() {
            list += &format!("{indent}{line}\n");
            indent = "  ";
        }
    }
    let facts = facts(&[("list.yaml", &list)]);
    assert_eq!(sizes(&facts), [("api", 10, 4), ("hidden", 2, 10)]);
    assert_eq!(facts.services[0].replicas_min, 2);
}

/// Planning the files that were rendered gives the same plan.
#[test]
fn what_was_rendered_is_read_as_the_same_fleet() {
    let text = "[database]\nversion = 15\nmax_connections = 150\nram = \"8GB\"\n[pooler]\ninstances = 2\n\
                [services.api]\nkind = \"sqlx\"\nreplicas = 6\nreplicas_min = 3\npool = 7\nsurge = \"50%\"\n\
                [services.accounts]\nkind = \"prisma6\"\npool = 9\nreplicas = 2\n\
                [services.web]\nkind = \"php-fpm\"\npool = 12\nvia = \"direct\"\n\
                [services.orders]\nkind = \"prisma7\"\npool = 3\n\
                [services.reports]\npool = 4\nreplicas = 2\n\
                [services.admin]\nkind = \"octane\"\nprocesses = 4\n";
    let (given, problems) = fleet::read("fleet.toml", text);
    let before = pgweir_advisor::plan(fleet::resolve(&given, problems).unwrap());
    let files = render::all(&before);
    let of = |start: &str| -> Vec<(&str, &str)> {
        let files = files.iter().filter(|file| file.path.starts_with(start));
        // Scripts that make passwords say nothing of the fleet.
        let files = files.filter(|file| !file.path.ends_with(".sh"));
        files
            .map(|file| (file.path.as_str(), file.content.as_str()))
            .collect()
    };
    for (start, also) in [
        ("kubernetes/", "postgresql.conf/"),
        ("compose/", "compose/"),
    ] {
        let mut files = of(also);
        if start != also {
            files.extend(of(start));
        }
        let mut read = draft(&files);
        for supposition in [
            "database.ram=8GB",
            "database.version=15",
            "web.via=direct",
            "web.surge=0",
        ] {
            read.suppose(supposition).unwrap();
        }
        let after = pgweir_advisor::plan(fleet::resolve(&read, Vec::new()).unwrap());
        let (was, is) = (&before.capacity, &after.capacity);
        assert_eq!(was.max_connections, is.max_connections, "{start}");
        assert_eq!(was.direct, is.direct, "{start}");
        assert_eq!(was.pooler, is.pooler, "{start}");
        assert_eq!(was.verdict, is.verdict, "{start}");
        for service in &before.services {
            let same = after
                .services
                .iter()
                .find(|other| other.name == service.name)
                .unwrap();
            let numbers = |service: &pgweir_advisor::plan::ServicePlan| {
                (
                    service.kind,
                    service.via,
                    service.replicas,
                    service.pool,
                    service.steady,
                )
            };
            assert_eq!(numbers(service), numbers(same), "{start}");
        }
    }
}

#[test]
fn every_yaml_file_that_is_rendered_is_yaml() {
    let text = include_str!("../../advisor/tests/fleets/every-kind.toml");
    let (given, problems) = fleet::read("fleet.toml", text);
    let plan = pgweir_advisor::plan(fleet::resolve(&given, problems).unwrap());
    let mut count = 0;
    for file in render::all(&plan) {
        if file.path.ends_with(".yaml") || file.path.ends_with(".yml") {
            let (name, text) = (file.path.as_str(), file.content.as_str());
            let documents = super::yaml::documents(&SourceFile { name, text }).unwrap();
            assert!(!documents.is_empty(), "{}", file.path);
            for document in &documents {
                assert!(!document.fields().is_empty(), "{}", file.path);
            }
            count += 1;
        }
    }
    assert!(count >= 10, "{count}");
}

#[test]
fn what_cannot_be_read_is_reported_with_its_line() {
    let problems = fleets(&[("a.yaml", "a:\n  - b\n c: [\n")]).problems;
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].to_string().starts_with("a.yaml:"),
        "{}",
        problems[0]
    );
    let problems = fleets(&[("a.docx", "")]).problems;
    assert!(
        problems[0]
            .to_string()
            .contains("is not a known kind of file")
    );
    // Ten levels of ten aliases each would be ten thousand million nodes.
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let alias = format!("*a{}", level - 1);
        bomb += &format!(
            "a{level}: &a{level} [{}]\n",
            [alias.as_str(); 10].join(", ")
        );
    }
    let problems = fleets(&[("a.yaml", &bomb)]).problems;
    assert!(problems[0].to_string().contains("too large"));
}

#[test]
fn names_become_names_of_services() {
    for (name, expected) in [
        ("Web_App", "web-app"),
        ("7up", "service-7up"),
        ("__", "app"),
        ("a", "a"),
    ] {
        assert_eq!(service_name(name), expected);
    }
}
