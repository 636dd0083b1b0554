//! Files of one application speak of it together.

use pgweir_advisor::facts::Ruling;
use pgweir_advisor::fleet;

/// Services as `NAME INSTANCESxPROCESSESxPOOL`, and what is not understood.
fn planned(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    let files: Vec<(String, String)> = files.iter().map(own).collect();
    let reading = crate::read(&files, &|_| None);
    assert_eq!(reading.problems, []);
    let facts = match fleet::resolve(&reading.fleets[0], Vec::new()) {
        Ok(facts) => facts,
        Err(problems) => panic!("{problems:?}"),
    };
    let services = facts.services.iter().map(|service| {
        let (name, replicas, processes) = (&service.name, service.replicas, service.processes);
        format!(
            "{name} {replicas}x{processes}x{}",
            service.pool.0 * service.dsns
        )
    });
    let open = facts.observations.iter();
    let open = open.filter(|seen| matches!(seen.ruling, Ruling::NotUnderstood(_)));
    (
        services.collect(),
        open.map(|seen| seen.what.clone()).collect(),
    )
}

#[test]
fn settings_of_one_application_are_laid_together_whatever_their_order() {
    let rails = [
        (
            "shop/config/database.yml",
            "production:\n  url: <%= ENV['DATABASE_URL'] %>\n  pool: <%= ENV.fetch('RAILS_MAX_THREADS') { 5 } %>\n",
        ),
        (
            "shop/config/puma.rb",
            "workers ENV.fetch('WEB_CONCURRENCY') { 2 }\n",
        ),
        (
            "shop/.env",
            "DATABASE_URL=postgres://db/shop\nRAILS_MAX_THREADS=8\n",
        ),
    ];
    let django = [
        ("api/api/settings.py", "DATABASES = {'default': env.db()}\n"),
        ("api/gunicorn.conf.py", "workers = 3\nthreads = 4\n"),
        ("api/.env", "DATABASE_URL=postgres://db/api\n"),
    ];
    let spring = [
        (
            "pay/src/main/resources/application.yml",
            "spring.datasource.url: jdbc:postgresql://db/pay\n",
        ),
        (
            "pay/src/main/resources/application-prod.yml",
            "spring.datasource.hikari.maximum-pool-size: 30\n",
        ),
    ];
    let php = [
        (
            "web/php-fpm.conf",
            "[global]\ninclude=/etc/php-fpm.d/*.conf\n",
        ),
        ("web/www.conf", "[www]\npm = static\npm.max_children = 12\n"),
        (
            "web/config/database.php",
            "<?php return ['default' => 'pgsql', 'connections' => ['pgsql' => ['driver' => 'pgsql', 'host' => 'db']]];",
        ),
    ];
    for (files, expected) in [
        (rails.as_slice(), "shop 1x2x8"),
        (&django, "api 1x3x4"),
        (&spring, "pay 1x1x30"),
        (&php, "web 1x1x12"),
    ] {
        let mut files = files.to_vec();
        for _ in 0..files.len() {
            files.rotate_left(1);
            let (services, open) = planned(&files);
            assert_eq!(services, [expected], "{files:?}");
            let open = open.iter().filter(|what| !what.contains("leads to db"));
            assert_eq!(open.collect::<Vec<_>>(), Vec::<&String>::new(), "{files:?}");
        }
    }
}

#[test]
fn what_nothing_answers_is_named() {
    let (services, open) = planned(&[(
        "api/api/settings.py",
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'HOST': '/tmp'}}\n",
    )]);
    assert_eq!(services, ["api 1x1x10"]);
    assert_eq!(
        open,
        [
            "Django without a pool opens a connection for each thread, and how many there are is not said"
        ]
    );
    let (_, open) = planned(&[(
        "web/php-fpm.conf",
        "[global]\ninclude=/etc/php-fpm.d/*.conf\n",
    )]);
    assert_eq!(
        open,
        ["it takes in /etc/php-fpm.d/*.conf, which is in none of the files"]
    );
}

#[test]
fn an_application_is_its_parts_or_the_workload_that_runs_it() {
    let env = (
        "shop/.env",
        "DATABASE_URL=postgres://localhost/shop?connection_limit=4\n",
    );
    let procfile = (
        "shop/Procfile",
        "web: gunicorn shop.wsgi -w 3\nworker: celery -A shop worker -c 2\n",
    );
    assert_eq!(planned(&[env, procfile]).0, ["web 1x3x4", "worker 1x2x1"]);
    let compose = (
        "docker-compose.yml",
        "services:\n  shop:\n    build: ./shop\n    environment: {DATABASE_URL: 'postgres://db/shop?connection_limit=4'}\n    deploy: \
         {replicas: 2}\n  db: {image: 'postgres:17'}\n",
    );
    assert_eq!(planned(&[compose, procfile]).0, ["shop 2x1x4"]);
}

#[test]
fn the_command_of_a_container_says_more_than_its_files() {
    let compose = |command: &str| {
        format!(
            "services:\n  api:\n    image: api\n    command: {command}\n    environment: {{DATABASE_URL: \
             'postgresql+psycopg://db/api', WEB_CONCURRENCY: '9'}}\n  db: {{image: 'postgres:17'}}\n"
        )
    };
    for (command, expected) in [
        ("gunicorn api:app -w 4 --threads 2", "api 1x4x2"),
        ("uvicorn api:app", "api 1x9x15"),
        (
            "[sh, -c, 'alembic upgrade head && exec uvicorn api:app --workers $$WEB_CONCURRENCY']",
            "api 1x9x15",
        ),
        ("celery -A api worker -c 3", "api 1x3x1"),
    ] {
        assert_eq!(
            planned(&[("compose.yml", &compose(command))]).0,
            [expected],
            "{command}"
        );
    }
}

#[test]
fn workloads_read_the_files_of_their_application_with_their_own_variables() {
    let compose = "services:\n  web:\n    build: ./shop\n    command: bundle exec puma -C config/puma.rb\n    environment: \
                   {DATABASE_URL: 'postgres://db/shop', RAILS_MAX_THREADS: '20', WEB_CONCURRENCY: '3'}\n  jobs:\n    build: \
                   ./shop\n    command: bundle exec sidekiq -C config/sidekiq.yml\n    environment: {DATABASE_URL: \
                   'postgres://db/shop', RAILS_MAX_THREADS: '12'}\n  db: {image: 'postgres:17'}\n";
    let pool = "production:\n  url: <%= ENV['DATABASE_URL'] %>\n  pool: <%= ENV.fetch('RAILS_MAX_THREADS') { 5 } %>\n";
    let mut files = vec![
        ("compose.yml", compose),
        ("shop/config/database.yml", pool),
        (
            "shop/config/puma.rb",
            "workers ENV.fetch('WEB_CONCURRENCY') { 2 }\n",
        ),
        ("shop/config/sidekiq.yml", ":concurrency: 10\n"),
    ];
    for _ in 0..files.len() {
        files.rotate_left(1);
        let (services, open) = planned(&files);
        // The pool of database.yml is larger than what Sidekiq has threads for.
        assert_eq!(services, ["web 1x3x20", "jobs 1x1x12"], "{files:?}");
        assert_eq!(open, Vec::<String>::new(), "{files:?}");
    }
    files.retain(|(name, _)| *name != "shop/config/puma.rb");
    let (services, open) = planned(&files);
    assert_eq!(services, ["web 1x3x20", "jobs 1x1x12"]);
    assert_eq!(open, Vec::<String>::new());
}

#[test]
fn an_image_that_is_built_starts_what_its_dockerfile_says() {
    let compose = |more: &str| {
        format!(
            "services:\n  api:\n    build: {{context: ./api, target: web}}\n{more}    environment: {{DATABASE_URL: \
             'postgresql+psycopg://db/api', THREADS: '3'}}\n  db: {{image: 'postgres:17'}}\n"
        )
    };
    let dockerfile = "FROM python AS web\nENV THREADS=2 WEB_CONCURRENCY=5\nCMD exec gunicorn app --threads $THREADS\nFROM web\nCMD \
                      [\"celery\", \"worker\", \"-c\", \"9\"]\n";
    for (more, expected) in [
        ("", "api 1x5x3"),
        ("    command: gunicorn app -w 2\n", "api 1x2x1"),
        ("    entrypoint: [uvicorn, 'app:app']\n", "api 1x5x15"),
    ] {
        let files = [
            ("compose.yml", &*compose(more)),
            ("api/Dockerfile", dockerfile),
        ];
        assert_eq!(planned(&files).0, [expected], "{more}");
    }
}

#[test]
fn a_workload_is_what_its_command_runs_whatever_it_is_called() {
    let compose = "services:\n  worker:\n    image: shop\n    command: bundle exec sidekiq\n    environment: {DATABASE_URL: \
                   'postgres://db/shop'}\n  db: {image: 'postgres:17'}\n";
    let files = [
        ("compose.yml", compose),
        ("config/sidekiq.yml", ":concurrency: 9\n"),
    ];
    assert_eq!(planned(&files).0, ["worker 1x1x9"]);
}

#[test]
fn settings_in_a_package_are_those_of_what_is_built_above_it() {
    let service = |name: &str, build: &str| {
        format!(
            "  {name}:\n    build: {build}\n    command: gunicorn x -w 2 --threads 3\n    environment: {{DATABASE_URL: 'postgres://db/x'}}\n"
        )
    };
    let pool = "DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'HOST': 'db', 'OPTIONS': {'pool': {'max_size': 9}}}}\n";
    let compose = |services: &[String]| {
        format!(
            "services:\n{}  db: {{image: 'postgres:17'}}\n",
            services.concat()
        )
    };
    let one = compose(&[service("app", ".")]);
    let two = compose(&[service("app", "."), service("shop", "./shop")]);
    for (compose, file, expected) in [
        (&one, "shop/settings/base.py", &["app 1x2x9"][..]),
        (&two, "shop/settings/base.py", &["app 1x2x3", "shop 1x2x9"]),
        (&two, "shop/shop/settings.py", &["app 1x2x3", "shop 1x2x9"]),
    ] {
        assert_eq!(
            planned(&[("compose.yml", compose), (file, pool)]).0,
            expected,
            "{file}"
        );
    }
}
