//! Manifests as people have them.

use super::{planned, told};

/// A Deployment of three pods with this text of its containers.
fn deployment(name: &str, containers: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  replicas: 3\n  template:\n    metadata: \
         {{labels: {{app: {name}}}}}\n    spec:\n{containers}"
    )
}

fn container(name: &str, image: &str, env: &str) -> String {
    format!("      - name: {name}\n        image: {image}\n        {env}\n")
}

#[test]
fn references_are_followed_across_files() {
    let app = deployment(
        "api",
        &format!(
            "      containers:\n{}",
            container(
                "api",
                "api:1",
                "envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: db}, prefix: X_}]\n        env: [{name: PASSWORD, \
                 valueFrom: {secretKeyRef: {name: other, key: p}}}, {name: DATABASE_URL, value: \
                 'postgres://u:$(PASSWORD)@$(DB_NAME_OF_HOST):5432/x?connection_limit=$(LIMIT)'}]"
            )
        ),
    );
    let map =
        "kind: ConfigMap\nmetadata: {name: settings}\ndata: {DB_NAME_OF_HOST: pg, LIMIT: '8'}\n";
    let secret = "kind: Secret\nmetadata: {name: db}\ndata: {a: YWJj}\n";
    let pg =
        "kind: Service\nmetadata: {name: pg}\nspec: {selector: {app: pg}, ports: [{port: 5432}]}\n";
    let files = [
        ("app.yaml", app.as_str()),
        ("map.yaml", map),
        ("secret.yaml", secret),
        ("service.yaml", pg),
    ];
    assert_eq!(planned(&files), "api direct 3x8");
    let backwards: Vec<(&str, &str)> = files.iter().rev().copied().collect();
    assert_eq!(planned(&backwards), "api direct 3x8");
    assert_eq!(
        told(&files[..1]),
        [
            "where DATABASE_URL of api leads is in $(DB_NAME_OF_HOST), which none of the files has",
            "connection_limit of the URL is $(LIMIT), which none of the files says",
        ]
    );
}

#[test]
fn a_secret_tells_its_address() {
    let app = deployment(
        "api",
        "      containers: [{name: a, image: a, envFrom: [{secretRef: {name: db}}]}]\n",
    );
    for (secret, expected, said) in [
        (
            "kind: Secret\nmetadata: {name: db}\nstringData: {PG_URI: 'postgres://u@h/x?connection_limit=4'}\n",
            "api direct 3x4",
            "",
        ),
        (
            // postgres://u@h/x?connection_limit=6
            "kind: Secret\nmetadata: {name: db}\ndata: {PG_URI: cG9zdGdyZXM6Ly91QGgveD9jb25uZWN0aW9uX2xpbWl0PTY=}\n",
            "api direct 3x6",
            "",
        ),
        (
            "kind: ExternalSecret\nmetadata: {name: x}\nspec: {target: {name: db}, data: [{secretKey: PG_URI}]}\n",
            "api direct 3x10",
            "where PG_URI of api leads is in the key PG_URI of the Secret db, which none of the files has",
        ),
        (
            "kind: SealedSecret\nmetadata: {name: db}\nspec: {encryptedData: {PG_URI: AgB}}\n",
            "api direct 3x10",
            "where PG_URI of api leads is in the key PG_URI of the Secret db, which none of the files has",
        ),
    ] {
        let files = [("a.yaml", app.as_str()), ("s.yaml", secret)];
        assert_eq!(planned(&files), expected, "{secret}");
        assert_eq!(told(&files).join("; "), said, "{secret}");
    }
    let said = "api takes variables from the Secret db, which is in none of the files";
    assert_eq!(told(&[("a.yaml", &app)]), [said]);
}

#[test]
fn everything_that_runs_pods_is_counted() {
    let pods =
        "template: {spec: {containers: [{name: x, image: x, env: [{name: DB_HOST, value: db}]}]}}";
    let of = |head: &str, spec: &str| format!("---\n{head}\nspec: {{{spec}{pods}}}\n");
    for (text, expected) in [
        (of("kind: StatefulSet\nmetadata: {name: a}", "replicas: 2, "), "a direct 2x10"),
        (of("kind: Job\nmetadata: {name: a}", "parallelism: 4, "), "a direct 4x10"),
        (
            format!("kind: CronJob\nmetadata: {{name: a}}\nspec: {{jobTemplate: {{spec: {{parallelism: 5, {pods}}}}}}}\n"),
            "a direct 5x10",
        ),
        (of("kind: Rollout\nmetadata: {name: a}", "replicas: 6, "), "a direct 6x10"),
        (
            "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}\nspec: {template: {metadata: {annotations: \
             {autoscaling.knative.dev/max-scale: '7'}}, spec: {containers: [{image: x, env: [{name: DB_HOST, value: db}]}]}}}\n"
                .to_owned(),
            "a direct 7x10",
        ),
        (of("kind: GameServerSet\nmetadata: {name: a}", "replicas: 8, "), "a direct 8x10"),
        (
            "kind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: x, image: x, env: [{name: DB_HOST, value: db}]}]}\n".to_owned(),
            "a direct 1x10",
        ),
        (
            of("kind: Deployment\nmetadata: {name: a}", "replicas: 2, ")
                + "---\nkind: ScaledObject\nmetadata: {name: k}\nspec: {scaleTargetRef: {name: a}, maxReplicaCount: 9}\n",
            "a direct 9x10",
        ),
        (
            of("kind: Deployment\nmetadata: {name: a}", "replicas: 2, ")
                + "---\nkind: ScaledObject\nmetadata: {name: k}\nspec: {scaleTargetRef: {name: a}}\n",
            "a direct 100x10",
        ),
        (
            of("kind: Deployment\nmetadata: {name: a}", "replicas: 2, ")
                + "---\nkind: HorizontalPodAutoscaler\nmetadata: {name: h}\nspec: {scaleTargetRef: {kind: Deployment, name: a}, \
                   minReplicas: 1, maxReplicas: 11}\n",
            "a direct 11x10",
        ),
    ] {
        assert_eq!(planned(&[("a.yaml", &text)]), expected, "{text}");
    }
    let daemons = of("kind: DaemonSet\nmetadata: {name: a}", "");
    assert_eq!(
        told(&[("a.yaml", &daemons)]),
        ["DaemonSet a runs once on each node: one is counted"]
    );
}

#[test]
fn the_containers_of_a_pod_are_told_apart() {
    let url = |limit: u32| {
        format!(
            "env: [{{name: DATABASE_URL, value: 'postgres://u@db/x?connection_limit={limit}'}}]"
        )
    };
    let init = |restart: &str| {
        deployment(
            "api",
            &format!(
                "      initContainers:\n{}        {restart}\n      containers:\n{}",
                container("migrate", "api:1", &url(2)),
                container("web", "api:1", &url(7)),
            ),
        )
    };
    // It ends before the others start.
    assert_eq!(planned(&[("a.yaml", &init(""))]), "api direct 3x7");
    let both = "api-migrate direct 3x2, api-web direct 3x7";
    assert_eq!(planned(&[("a.yaml", &init("restartPolicy: Always"))]), both);
}

#[test]
fn a_pooler_beside_the_program_has_as_many_instances() {
    let pod = |host: &str, pooler: &str| {
        deployment(
            "shop",
            &format!(
                "      containers:\n{}{}",
                container(
                    "web",
                    "shop:1",
                    &format!("env: [{{name: DATABASE_URL, value: 'postgres://u@{host}/x'}}]")
                ),
                container(
                    "side",
                    pooler,
                    "env: [{name: DB_HOST, value: db.example}, {name: DEFAULT_POOL_SIZE, value: '4'}]"
                ),
            ),
        )
    };
    for (host, pooler, expected) in [
        (
            "localhost:5432",
            "edoburu/pgbouncer:1.24",
            "shop pooler 3x10 through 3",
        ),
        (
            "127.0.0.1:6432",
            "bitnami/pgbouncer:1.24",
            "shop pooler 3x10 through 3",
        ),
        (
            "db.example:5432",
            "bitnami/pgbouncer:1.24",
            "shop direct 3x10 through 3",
        ),
    ] {
        assert_eq!(
            planned(&[("a.yaml", &pod(host, pooler))]),
            expected,
            "{host}"
        );
    }
}

#[test]
fn operators_are_read() {
    let app = |host: &str| {
        deployment(
            "api",
            &format!(
                "      containers: [{{name: a, image: a, env: [{{name: DB_HOST, value: {host}}}]}}]\n"
            ),
        )
    };
    let cloud_native = "---\napiVersion: postgresql.cnpg.io/v1\nkind: Cluster\nmetadata: {name: pg}\nspec: {instances: 3, postgresql: \
                        {parameters: {max_connections: '60'}}}\n---\napiVersion: postgresql.cnpg.io/v1\nkind: Pooler\nmetadata: {name: \
                        pool}\nspec: {cluster: {name: pg}, instances: 2, pgbouncer: {poolMode: transaction, parameters: \
                        {default_pool_size: '9'}}}\n";
    let zalando = "---\napiVersion: acid.zalan.do/v1\nkind: postgresql\nmetadata: {name: pg}\nspec: {enableConnectionPooler: true, \
                   numberOfInstances: 2, postgresql: {version: '16', parameters: {max_connections: '60'}}}\n";
    let crunchy = "---\napiVersion: postgres-operator.crunchydata.com/v1beta1\nkind: PostgresCluster\nmetadata: {name: pg}\nspec: \
                   {postgresVersion: 16, proxy: {pgBouncer: {replicas: 2}}}\n";
    for (operator, host, expected) in [
        (cloud_native, "pool", "api pooler 3x10 through 2"),
        (
            cloud_native,
            "pg-rw.default.svc",
            "api direct 3x10 through 2",
        ),
        (zalando, "pg-pooler", "api pooler 3x10"),
        (zalando, "pg", "api direct 3x10"),
        (crunchy, "pg-pgbouncer", "api pooler 3x10 through 2"),
        (
            crunchy,
            "pg-primary.default.svc.cluster.local",
            "api direct 3x10 through 2",
        ),
    ] {
        let found = planned(&[("a.yaml", &app(host)), ("pg.yaml", operator)]);
        assert!(found.starts_with(expected), "{found}: {host}");
    }
    let by_secret = deployment(
        "api",
        "      containers: [{name: a, image: a, env: [{name: URI, valueFrom: {secretKeyRef: {name: pg-app, key: uri}}}]}]\n",
    );
    let found = planned(&[("a.yaml", &by_secret), ("pg.yaml", cloud_native)]);
    assert_eq!(found, "api direct 3x10 through 2");
}

#[test]
fn each_postgresql_has_a_plan_of_its_own() {
    let app = |name: &str, host: &str| {
        deployment(
            name,
            &format!(
                "      containers: [{{name: a, image: a, env: [{{name: DB_HOST, value: {host}}}]}}]\n"
            ),
        )
    };
    let text =
        app("a", "one.example.com") + &app("b", "two.example.com") + &app("c", "one.example.com");
    assert_eq!(
        planned(&[("a.yaml", &text)]),
        "a direct 3x10, c direct 3x10 | b direct 3x10"
    );
    // A name of the cluster that no file has may be anything: it is counted with the others.
    let text = app("a", "one.example.com") + &app("b", "pool");
    let files = [("a.yaml", text.as_str())];
    assert_eq!(planned(&files), "a direct 3x10, b direct 3x10");
    assert_eq!(
        told(&files),
        ["DB_HOST of b leads to pool, which is in none of the files"]
    );
}
