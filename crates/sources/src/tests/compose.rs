//! docker-compose files as people have them.

use super::{planned, told};

#[test]
fn names_of_the_pooler_are_its_own_whatever_it_is_called() {
    let fleet = planned(&[(
        "compose.yml",
        "services:\n  pool:\n    image: edoburu/pgbouncer:v1.24.1-p1\n    container_name: shop-pool\n    hostname: inner\n    \
         environment: {DB_HOST: db, DEFAULT_POOL_SIZE: '12'}\n    networks: {back: {aliases: [pg]}}\n  a:\n    image: a\n    \
         environment: {DATABASE_URL: 'postgres://u@shop-pool:5432/x'}\n  b:\n    image: b\n    environment: \
         {DATABASE_URL: 'postgres://u@pg/x'}\n  c:\n    image: c\n    links: ['pool:near']\n    environment: {PGHOST: near}\n  \
         d:\n    image: d\n    environment: {SPRING_DATASOURCE_URL: 'jdbc:postgresql://inner:5432/x'}\n  e:\n    image: e\n    \
         environment: {DB_HOST: db}\n  db: {image: 'postgres:16'}\n",
    )]);
    assert_eq!(
        fleet,
        "a pooler 1x10, b pooler 1x10, c pooler 1x10, d pooler 1x10, e direct 1x10"
    );
}

#[test]
fn what_compose_would_put_in_is_read() {
    let compose = (
        "shop/compose.yaml",
        "x-env: &env\n  DATABASE_URL: postgres://u:${PW:?}@${DB_HOST:-db}/${NAME}?connection_limit=${LIMIT:-5}\n  A: b\nservices:\n  \
         web:\n    image: web\n    environment: {<<: *env, LIMIT: '9'}\n    deploy: {replicas: '${WEBS}'}\n  jobs:\n    image: jobs\n    \
         env_file: [common.env, {path: missing.env, required: false}]\n    scale: 2\n  db: {image: 'postgres:16'}\n",
    );
    let fleet = planned(&[
        compose,
        ("shop/.env", "WEBS=4\nNAME=shop\nLIMIT=7\n"),
        (
            "shop/common.env",
            "DB_URL=postgres://u@db/shop\nDB_MAX_CONNECTIONS=3\n",
        ),
    ]);
    assert_eq!(fleet, "web direct 4x7, jobs direct 2x3");
    // Without the file of its variables.
    let files = [
        compose,
        ("shop/common.env", "DB_URL=postgres://u@db/shop\n"),
    ];
    assert_eq!(planned(&files), "web direct 1x5, jobs direct 2x10");
    assert_eq!(
        told(&files),
        ["replicas of web is ${WEBS}, which none of the files says: one is counted"]
    );
}

#[test]
fn files_are_laid_over_each_other_as_docker_does() {
    let base = (
        "compose.yml",
        "include: [db/compose.yml]\nservices:\n  web:\n    extends: {file: common.yml, service: app}\n    \
         environment: [POOL_MODE=x]\n",
    );
    let common = (
        "common.yml",
        "services:\n  app:\n    extends: base\n    environment:\n      DATABASE_URL: postgres://u@db/x?connection_limit=4\n  \
         base:\n    image: app\n    deploy: {replicas: 3}\n",
    );
    let db = (
        "db/compose.yml",
        "services:\n  db:\n    image: postgres:15\n    command: -c max_connections=77\n",
    );
    let over = (
        "compose.override.yml",
        "services:\n  web:\n    deploy: {replicas: 5}\n",
    );
    for order in [[base, common, db, over], [over, db, common, base]] {
        // common.yml is given too: its services run as well, for all that anybody knows.
        assert!(
            planned(&order).contains("web direct 5x4"),
            "{}",
            planned(&order)
        );
    }
    // What is named and not there is told of.
    assert_eq!(
        told(&[base]),
        [
            "include names db/compose.yml, which is not to be read",
            "extends names common.yml, which is not to be read",
        ]
    );
}

#[test]
fn two_projects_are_not_mixed_up() {
    let project = |pool: u32| {
        format!(
            "services:\n  api:\n    image: api\n    environment: {{DATABASE_URL: \
             'postgres://u@db.example.internal/x?connection_limit={pool}'}}\n"
        )
    };
    let fleet = planned(&[
        ("shop/compose.yml", &project(4)),
        ("blog/compose.yml", &project(6)),
    ]);
    assert_eq!(fleet, "blog-api direct 1x6, shop-api direct 1x4");
}

#[test]
fn other_databases_are_left_out() {
    let files = [(
        "compose.yml",
        "services:\n  blog:\n    image: blog\n    environment: {DB_HOST: maria}\n  shop:\n    image: shop\n    \
         environment: {DATABASE_URL: 'mysql2://u@mysql/x'}\n  cache:\n    image: cache\n    environment: \
         {MONGO_URL: 'mongodb://mongo/x'}\n  api:\n    image: api\n    environment: {DB_HOST: pg}\n  maria: {image: \
         'mariadb:11'}\n  mysql: {image: 'mysql:8'}\n  pg: {image: 'postgres:17'}\n",
    )];
    assert_eq!(planned(&files), "api direct 1x10");
    assert_eq!(told(&files), [""; 0]);
}

#[test]
fn what_may_open_connections_is_named() {
    let with = |service: &str| {
        format!(
            "services:\n  api:\n    image: api\n    environment: {{DB_HOST: db}}\n  x:\n{service}  db: {{image: postgres}}\n"
        )
    };
    for (service, expected) in [
        (
            "    image: x\n",
            "x has no variables: whether it uses a database is in its image",
        ),
        (
            "    build: .\n    depends_on: [db]\n    environment: {A: b}\n",
            "x waits for db, but does not say how it connects",
        ),
        (
            "    image: x\n    environment: {WAIT_FOR: 'db:5432'}\n",
            "x mentions db, but not how it connects",
        ),
        (
            "    image: x\n    env_file: secret.env\n",
            "x takes variables from the file secret.env, which is in none of the files",
        ),
        (
            "    image: x\n    environment: {PGPASSWORD: x}\n",
            "x has PGPASSWORD, but no address of a database",
        ),
        (
            "    image: x\n    environment: [DATABASE_URL]\n",
            "where DATABASE_URL of x leads is in the variable DATABASE_URL of the shell, which none of the files has",
        ),
        // These open none.
        ("    image: redis:7\n", ""),
        ("    image: nginx\n    depends_on: [api]\n", ""),
        ("    image: x\n    networks: [front]\n", ""),
        ("    image: x\n    environment: {API: 'http://api'}\n", ""),
    ] {
        let text = with(service);
        let told = told(&[("compose.yml", &text)]);
        assert_eq!(told.join("; "), expected, "{service}");
    }
}

#[test]
fn what_runs_only_when_asked_for_is_left_out() {
    let text = "services:\n  api:\n    image: api\n    environment: {DB_HOST: db}\n  debug:\n    image: debug\n    \
                profiles: [debug]\n    environment: {DB_HOST: db}\n  db: {image: postgres}\n";
    assert_eq!(planned(&[("compose.yml", text)]), "api direct 1x10");
    let files = [("compose.yml", text), (".env", "COMPOSE_PROFILES=debug\n")];
    assert!(planned(&files).contains("debug direct 1x10"));
}

#[test]
fn settings_of_an_application_belong_to_what_is_built_from_its_folder() {
    let fleet = planned(&[
        (
            "compose.yml",
            "services:\n  orders:\n    build: ./services/orders\n    deploy: {replicas: 3}\n    environment: {DB_HOST: db}\n  \
             php:\n    image: php:8.3-fpm\n    volumes: ['./php/www.conf:/usr/local/etc/php-fpm.d/www.conf:ro']\n    environment: \
             {DB_HOST: db, DB_CONNECTION: pgsql}\n  db: {image: postgres}\n",
        ),
        (
            "services/orders/src/main.rs",
            "PgPoolOptions::new().max_connections(6)",
        ),
        (
            "php/www.conf",
            "[www]\npm = dynamic\npm.max_children = 30\n",
        ),
    ]);
    assert_eq!(fleet, "orders direct 3x6, php direct 1x30");
}
