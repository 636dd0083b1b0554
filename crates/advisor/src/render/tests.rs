//! Rendered files agree with the plan, are the same each time, and hold no secret.

use super::{PHASES, TARGETS, all, arrivals, checklist, plan_id, target};
use crate::fleet::presets::PRESETS;
use crate::fleet::{self, Draft};
use crate::plan::{Plan, plan};
use crate::show::diff;

fn planned(draft: &Draft) -> Plan {
    plan(fleet::resolve(draft, Vec::new()).unwrap())
}

fn of(text: &str) -> Plan {
    let (draft, problems) = fleet::read("fleet.toml", text);
    assert_eq!(problems, []);
    planned(&draft)
}

/// A service of each kind, half of them behind a pooler.
pub(crate) const EVERY_KIND: &str = include_str!("../../tests/fleets/every-kind.toml");

fn file<'a>(files: &'a [super::File], path: &str) -> &'a str {
    let found = files.iter().find(|file| file.path == path);
    &found.unwrap_or_else(|| panic!("no {path}")).content
}

#[test]
fn every_target_writes_something_and_says_what_it_is() {
    let plan = of(EVERY_KIND);
    for target in TARGETS {
        let files = (target.files)(&plan);
        assert!(!files.is_empty(), "{}", target.name);
        for file in &files {
            let words = format!("pgweir render {}", target.name);
            assert!(file.content.contains(&words), "{}", file.path);
            let is_of_the_fleet = !target.about.ends_with("the same for every fleet");
            let names_the_plan = file.content.contains(plan_id(&plan));
            assert_eq!(names_the_plan, is_of_the_fleet, "{}", file.path);
            assert!(
                file.path.starts_with(&format!("{}/", target.name)),
                "{}",
                file.path
            );
            assert!(file.content.ends_with('\n'), "{}", file.path);
            assert!(!file.content.contains("\n\n\n"), "{}", file.path);
        }
    }
    assert!(target("sqlx").is_some() && target("cobol").is_none());
}

#[test]
fn pgbouncer_gets_no_name_that_it_cannot_read() {
    let fleet = "[database]\nhost = \"db\"\n[pooler]\nkind = \"pgbouncer\"\n[services.a]\n[services.b]\n\
                 database = \"my db\"\n[services.c]\ndatabase = \"büro\"\n";
    let files = all(&of(fleet));
    let ini = file(&files, "pgbouncer/pgbouncer.ini");
    let entries: Vec<&str> = ini
        .lines()
        .skip_while(|line| *line != "[databases]")
        .take_while(|line| *line != "[pgbouncer]")
        .filter(|line| line.contains('='))
        .collect();
    let expected = [
        "app = host=db port=5432 dbname=app",
        "* = host=db port=5432",
    ];
    assert_eq!(entries, expected);
    assert!(
        !file(
            &all(&of("[pooler]\n[services.a]\n")),
            "pgbouncer/pgbouncer.ini"
        )
        .contains("* = host")
    );
}

#[test]
fn files_name_only_files_that_are_written() {
    let files = all(&of(EVERY_KIND));
    let conf = file(&files, "postgresql.conf/pgweir.conf");
    let named = conf
        .split_whitespace()
        .map(|word| word.trim_end_matches(['.', ':']));
    let named: Vec<_> = named.filter(|word| word.ends_with(".sql")).collect();
    assert!(!named.is_empty());
    for path in named {
        file(&files, path);
    }
}

#[test]
fn no_two_files_have_the_same_path_and_all_stay_below_their_folder() {
    let files = all(&of(EVERY_KIND));
    let mut paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
    let count = paths.len();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), count);
    assert!(
        paths
            .iter()
            .all(|path| !path.contains("..") && !path.starts_with('/'))
    );
}

#[test]
fn writing_again_gives_the_same_bytes() {
    assert_eq!(all(&of(EVERY_KIND)), all(&of(EVERY_KIND)));
    assert_ne!(plan_id(&of(EVERY_KIND)), plan_id(&of("[services.a]\n")));
}

#[test]
fn planning_what_was_written_gives_the_same_plan() {
    let presets = PRESETS.iter().map(|preset| planned(&preset.draft()));
    let plans = [
        of(EVERY_KIND),
        of("profile = \"prisma-guide\"\n[services.a]\n"),
        of(
            "[database]\nstandbys = [\"b\", \"c\"]\nstorage = \"hdd\"\nspindles = 4\nversion = 13\n\
         [pooler]\ndefault_pool_size = 7\nidle_transaction_timeout = 0\n[measured]\ncpu = 55\nactive = 3.5\n\
         read_share = \"80%\"\nchurn = 4\nsteps = [[1, 2], [3.5, 4]]\n[services.a]\nsurge = 2\nhold = \"250us\"\n\
         socket_timeout = 0\nrequests = 12.5\n",
        ),
    ];
    for before in plans.into_iter().chain(presets) {
        let files = all(&before);
        let text = file(&files, "fleet/fleet.toml");
        let after = of(text);
        let mut differences = diff(&before, &after);
        // What was a default is now said, and what was chosen is now given.
        differences.retain(|difference| {
            !difference.path.starts_with("assumptions.")
                && !difference.path.ends_with("pool_chosen")
        });
        assert_eq!(differences, [], "{text}");
        let assumed = |plan: &Plan| plan.facts.assumes("database.ram");
        assert_eq!(assumed(&after), assumed(&before));
        assert_eq!(
            after
                .assumptions
                .iter()
                .filter(|a| !a.key.starts_with("pooler."))
                .filter(|a| !["database.ram", "services.*.request_time"].contains(&a.key.as_str()))
                .count(),
            0,
            "{:?}",
            after.assumptions
        );
        // Written again, it is the same to the byte.
        assert_eq!(file(&all(&after), "fleet/fleet.toml"), text);
    }
}

#[test]
fn the_documents_urls_come_out_of_the_documents_numbers() {
    // S1: connection_limit, pool_timeout, connect_timeout, socket_timeout.
    for (limit, pool, connect, socket) in [
        (10, 10, 5, 0),
        (50, 20, 10, 30),
        (30, 15, 10, 0),
        (100, 20, 10, 30),
        (20, 15, 5, 0),
    ] {
        let plan = of(&format!(
            "profile = \"prisma-guide\"\n[database]\nname = \"db\"\nhost = \"host\"\n[services.app]\n\
             kind = \"prisma6\"\nuser = \"user\"\npool = {limit}\nacquire_timeout = \"{pool}s\"\n\
             connect_timeout = \"{connect}s\"\nsocket_timeout = \"{socket}s\"\n"
        ));
        let files = all(&plan);
        let expected = format!(
            "DATABASE_URL=\"postgresql://user:${{USER_PASSWORD_IN_URL}}@host:5432/db?connection_limit={limit}\
             &pool_timeout={pool}&connect_timeout={connect}&socket_timeout={socket}&"
        );
        let text = file(&files, "prisma/app.env");
        assert!(text.contains(&expected), "{expected} in\n{text}");
        assert!(!text.contains("pgbouncer=true"));
    }
}

#[test]
fn the_documents_sqlx_pool_comes_out_of_its_profile() {
    let plan = of(
        "profile = \"sqlx-strategy\"\n[services.iss]\nkind = \"sqlx\"\nsocket_timeout = \"35s\"\n",
    );
    let files = all(&plan);
    let text = file(&files, "sqlx/iss.env");
    for line in [
        "DB_MAX_CONNECTIONS=10\n",
        "DB_MIN_CONNECTIONS=2\n",
        "DB_ACQUIRE_TIMEOUT=5\n",
        "DB_IDLE_TIMEOUT=600\n",
        "DB_MAX_LIFETIME=1800\n",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}

#[test]
fn every_line_of_a_postgres_file_is_a_comment_or_a_setting() {
    let files = all(&of(EVERY_KIND));
    for line in file(&files, "postgresql.conf/pgweir.conf").lines() {
        let good = line.is_empty() || line.starts_with('#') || line.contains(" = ");
        assert!(good && !line.starts_with("--"), "{line}");
    }
    for line in file(&files, "sql/2-primary.sql").lines() {
        let good = line.is_empty() || line.starts_with("--") || line.contains(';');
        assert!(good && !line.starts_with('#'), "{line}");
    }
}

#[test]
fn standbys_come_first_where_a_value_rises() {
    let plan = of("[database]\nstandbys = [\"b\"]\n[services.a]\n");
    let files = all(&plan);
    let text = file(&files, "sql/1-standbys.sql");
    assert!(
        text.contains("ALTER SYSTEM SET max_connections = '100';"),
        "{text}"
    );
    assert!(text.contains("-- restart"), "{text}");
    let none = all(&of("[services.a]\n"));
    assert!(none.iter().all(|file| file.path != "sql/1-standbys.sql"));
}

#[test]
fn names_cannot_break_out_of_a_file() {
    let nasty = "a'b\\\"c$d ${E} `f` <g> %h";
    let plan = of(&format!(
        "[database]\nname = {0}\nhost = \"db.example\"\n[pooler]\n[services.web]\nkind = \"php-fpm\"\n\
         database = {0}\nuser = {0}\nimage = {0}\n",
        fleet::Value::from(nasty)
    ));
    let files = all(&plan);
    let sql = file(&files, "sql/3-roles.sql");
    assert!(
        sql.contains("ALTER ROLE \"a'b\\\"\"c$d ${E} `f` <g> %h\" SET"),
        "{sql}"
    );
    let php = file(&files, "laravel/web/connections.php");
    assert!(php.contains("'a\\'b\\\\\"c$d ${E} `f` <g> %h'"), "{php}");
    let html = file(&files, "report/report.html");
    assert!(!html.contains("<g>"), "{html}");
    let (draft, problems) = fleet::read("x", file(&files, "fleet/fleet.toml"));
    assert_eq!(problems, []);
    assert_eq!(planned(&draft).facts.services[0].user, nasty);
}

#[test]
fn tv_90_the_documents_load_test() {
    assert_eq!(arrivals(&PHASES), 6600, "TV-90");
    let files = all(&of("[services.a]\n"));
    let text = file(&files, "load/artillery.yml");
    assert!(text.contains("# 6600 arrivals"), "{text}");
    assert!(
        text.contains("arrivalRate: 50\n      duration: 120"),
        "{text}"
    );
}

#[test]
fn the_checklists_have_all_entries_of_the_documents() {
    let checks = checklist(&of(EVERY_KIND));
    let ids: Vec<_> = checks.iter().map(|check| check.id).collect();
    let expected = "S1-C1 S1-C2 S1-C3 S1-C4 S1-C5 S1-C6 S1-C7 S1-C8 S2-D1 S2-D2 S2-D3 S2-D4 S2-D5 S2-D6 \
                    S2-N1 S2-N2 S2-N3 S2-N4";
    assert_eq!(ids.join(" "), expected);
    let failed = |text: &str, id: &str| {
        let checks = checklist(&of(text));
        checks
            .iter()
            .find(|check| check.id == id)
            .unwrap()
            .status
            .word()
    };
    assert_eq!(failed("[services.a]\npool = 200\n", "S1-C3"), "fail");
    assert_eq!(failed("[services.a]\npool = 200\n", "S2-N1"), "fail");
    assert_eq!(failed("[services.a]\npool = 2\n", "S1-C3"), "pass");
    assert_eq!(failed("[services.a]\npool = 2\n", "S1-C6"), "asked");
}

#[test]
fn a_pool_of_sqlx_knows_its_pooler_and_keeps_its_statements() {
    for (pooler, via, line) in [
        ("kind = \"pgweir\"", "pooler", "DB_POOLER=pgweir\n"),
        ("kind = \"pgbouncer\"", "pooler", "DB_POOLER=pgbouncer\n"),
        ("pool_mode = \"session\"", "pooler", ""),
        ("kind = \"pgweir\"", "direct", ""),
    ] {
        let plan = of(&format!(
            "[pooler]\n{pooler}\n[services.a]\nkind = \"sqlx\"\nvia = \"{via}\"\n"
        ));
        let files = all(&plan);
        let environment = file(&files, "sqlx/a.env");
        assert_eq!(
            environment.contains("DB_POOLER="),
            !line.is_empty(),
            "{environment}"
        );
        assert!(environment.contains(line), "{environment}");
        let code = file(&files, "sqlx/a.rs");
        assert!(!code.contains("statement_cache_capacity"), "{code}");
        assert_eq!(
            code.contains("The statement cache stays on"),
            !line.is_empty(),
            "{code}"
        );
    }
}

#[test]
fn a_pgbouncer_gets_no_setting_that_it_does_not_know() {
    for (version, shares) in [
        ("1.18", false),
        ("1.20", false),
        ("1.21", true),
        ("1.25", true),
    ] {
        let plan = of(&format!(
            "[pooler]\npgbouncer_version = \"{version}\"\n[services.a]\n"
        ));
        let files = all(&plan);
        let ini = file(&files, "pgbouncer/pgbouncer.ini");
        let set = ini
            .lines()
            .any(|line| line == "max_prepared_statements = 200");
        assert_eq!(set, shares, "{version}");
        for user in ["pgbouncer_admin", "pgbouncer_stats"] {
            assert!(
                ini.contains(user)
                    && file(&files, "pgbouncer/userlist.txt.template").contains(user)
            );
        }
    }
}

#[test]
fn only_roles_of_queue_workers_alone_get_the_time_of_batch_jobs() {
    let plan = of(
        "[database]\nbatch_statement_timeout = \"1h\"\n[services.web]\n[services.mails]\nkind = \"queue\"\n\
                   [services.exports]\nkind = \"queue\"\nuser = \"jobs\"\n",
    );
    let files = all(&plan);
    let sql = file(&files, "sql/3-roles.sql");
    for line in [
        "ALTER ROLE \"app\" SET statement_timeout = '30s';",
        "ALTER ROLE \"jobs\" SET statement_timeout = '1h';",
        "ALTER ROLE \"jobs\" SET transaction_timeout = '2h';",
        "-- The queue workers of mails share this role and its limits.",
    ] {
        assert!(sql.contains(line), "{line} in\n{sql}");
    }
}

#[test]
fn ports_and_commands_are_the_same_in_all_targets() {
    let text = "[database]\nport = 5433\n[pooler]\nport = 7000\n[services.web]\nkind = \"php-fpm\"\n\
                [services.site]\nkind = \"octane\"\nprocesses = 4\nhttp_port = 8123\n\
                [services.mails]\nkind = \"queue\"\nprocesses = 3\nreplicas = 2\n\
                [services.api]\nkind = \"sqlx\"\nhttp_port = 8090\n";
    let files = all(&of(text));
    let compose = file(&files, "compose/docker-compose.yml");
    let helm = file(&files, "helm/values.yaml");
    for (service, port) in [("web", 9000), ("site", 8123), ("api", 8090)] {
        let manifest = file(&files, &format!("kubernetes/service-{service}.yaml"));
        assert!(
            manifest.contains(&format!("containerPort: {port}\n")),
            "{manifest}"
        );
        assert!(manifest.contains(&format!("port: {port}\n")), "{manifest}");
        assert!(
            compose.contains(&format!("expose:\n      - \"{port}\"")),
            "{compose}"
        );
        assert!(helm.contains(&format!("port: {port}\n")), "{helm}");
    }
    let fpm = file(&files, "php-fpm/web.conf");
    assert!(fpm.contains("listen = 9000\n"), "{fpm}");
    let pooler = file(&files, "kubernetes/pooler.yaml");
    for words in [
        "containerPort: 7000",
        "containerPort: 7001",
        "port: 7001\n",
        "kind: NetworkPolicy",
    ] {
        assert!(pooler.contains(words), "{words} in\n{pooler}");
    }
    assert!(compose.contains("- \"port=5433\""), "{compose}");
    let site = file(&files, "kubernetes/service-site.yaml");
    for text in [compose, site, helm] {
        assert!(
            text.contains("--workers=4") && text.contains("--port=8123"),
            "{text}"
        );
    }
    // Each of queue:work is one process.
    let mails = file(&files, "kubernetes/service-mails.yaml");
    assert!(
        mails.contains("replicas: 6\n") && mails.contains("queue:work"),
        "{mails}"
    );
}

#[test]
fn a_changed_setting_starts_pods_again_and_another_service_does_not() {
    let annotation = |text: &str, path: &str| {
        let files = all(&of(text));
        let found = file(&files, path)
            .lines()
            .find(|line| line.contains("checksum/config"));
        found.unwrap().to_owned()
    };
    let fleet = "[pooler]\n[services.a]\nkind = \"sqlx\"\npool = 5\n[services.b]\n";
    for path in ["kubernetes/service-a.yaml", "kubernetes/pooler.yaml"] {
        let before = annotation(fleet, path);
        assert_eq!(
            before,
            annotation(
                &fleet.replace("services.b]", "services.b]\nimage = \"x\""),
                path
            )
        );
        let after = fleet.replace("pool = 5", "pool = 50\nreplicas = 9");
        assert_ne!(before, annotation(&after, path), "{path}");
    }
}

#[test]
fn an_image_is_built_only_where_nobody_chose_one() {
    for (pooler, image, build) in [
        ("", "image: \"pgweir:latest\"", true),
        (
            "image = \"registry.example/pgweir:1\"",
            "image: \"registry.example/pgweir:1\"",
            false,
        ),
        (
            "kind = \"pgbouncer\"",
            "image: \"edoburu/pgbouncer:latest\"",
            false,
        ),
    ] {
        let files = all(&of(&format!("[pooler]\n{pooler}\n[services.a]\n")));
        let compose = file(&files, "compose/docker-compose.yml");
        assert!(compose.contains(image), "{compose}");
        assert_eq!(compose.contains("build: "), build, "{compose}");
        assert!(file(&files, "kubernetes/pooler.yaml").contains(image));
    }
}

#[test]
fn no_entry_of_a_checklist_has_one_answer_for_every_fleet() {
    let steps = "steps = [[1, 100], [2, 190], [4, 340], [8, 500], [16, 550], [32, 400]]";
    let fleets = [
        "[services.a]\npool = 2\n".to_owned(),
        "[services.a]\npool = 200\nacquire_timeout = \"20s\"\nclose_timeout = \"40s\"\n".to_owned(),
        "[services.a]\nkind = \"sqlx\"\nrequests = 10\n[services.b]\nkind = \"queue\"\n".to_owned(),
        "[services.a]\nkind = \"php-fpm\"\npersistent = true\n".to_owned(),
        format!(
            "[pooler]\n[operations]\nmonitoring = true\nalerts = true\ndocumented = \"wiki, Database\"\n\
             [measured]\n{steps}\n[services.a]\nkind = \"sqlx\"\nrequests = 10\n"
        ),
        "[operations]\nmonitoring = false\nalerts = false\n[services.a]\nreplicas = 20\n"
            .to_owned(),
    ];
    let lists: Vec<_> = fleets.iter().map(|fleet| checklist(&of(fleet))).collect();
    for (at, first) in lists[0].iter().enumerate() {
        let words: Vec<&str> = lists.iter().map(|list| list[at].status.word()).collect();
        assert!(
            words.iter().any(|word| *word != words[0]),
            "{}: {words:?}",
            first.id
        );
        assert!(
            lists.iter().all(|list| !list[at].why.is_empty()),
            "{}",
            first.id
        );
    }
}
