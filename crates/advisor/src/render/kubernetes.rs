//! Kubernetes: manifests of the services and the pooler that survive rollouts and drained nodes, and the
//! same numbers as Helm values.

use serde_json::{Value, json};

use super::connect::{address, database_url, distinct, pairs, password_variable, shares_servers};
use super::file::{File, header};
use super::yaml;
use crate::facts::{Kind, Pooler, PoolerKind, Service};
use crate::formula::demand::Surge;
use crate::plan::{Plan, PoolerPlan};
use crate::units::whole_seconds;

pub(super) fn manifests(plan: &Plan) -> Vec<File> {
    let mut files = Vec::new();
    if let (Some(pooler), Some(sizes)) = (&plan.facts.pooler, &plan.pooler) {
        files.push(file(plan, "pooler", &pooler_documents(plan, pooler, sizes)));
    }
    for service in &plan.facts.services {
        // Functions run elsewhere.
        if service.kind != Kind::Serverless {
            let documents = service_documents(plan, service);
            files.push(file(plan, &format!("service-{}", service.name), &documents));
        }
    }
    files
}

fn file(plan: &Plan, name: &str, documents: &[Value]) -> File {
    let mut text = header(plan, "kubernetes", "#");
    text.push_str(&format!(
        "# Create the Secret {} elsewhere, with a key for each role.\n",
        SECRET
    ));
    for document in documents {
        text.push_str("---\n");
        text.push_str(&yaml::document(document));
    }
    File {
        path: format!("kubernetes/{name}.yaml"),
        content: text,
    }
}

fn service_documents(plan: &Plan, service: &Service) -> Vec<Value> {
    let name = service.name.as_str();
    let serves = !matches!(service.kind, Kind::Queue);
    let mut container = json!({
        "name": name,
        "image": service.image,
        "envFrom": [{ "configMapRef": { "name": format!("{name}-database") } }],
        "env": environment(plan, service),
    });
    if serves {
        container["ports"] = json!([{ "name": PORT, "containerPort": port(service) }]);
        // All that is known about an application is that its port accepts connections.
        container["readinessProbe"] = json!({
            "tcpSocket": { "port": PORT }, "periodSeconds": 5, "failureThreshold": 3,
        });
        container["livenessProbe"] = json!({
            "tcpSocket": { "port": PORT }, "periodSeconds": 10, "failureThreshold": 6,
        });
        container["lifecycle"] = pre_stop();
    }
    let scales = service.replicas > service.replicas_min;
    // The next apply must not undo what the autoscaler decides.
    let replicas = (!scales).then_some(service.replicas);
    if scales {
        // Utilisation is a share of what was requested.
        container["resources"] = json!({ "requests": { "cpu": "250m" } });
    }
    let mut documents = vec![
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata(&format!("{name}-database"), name),
            "data": settings(plan, service),
        }),
        deployment(plan, name, replicas, service.surge, &container, &json!([])),
    ];
    if serves {
        documents.push(json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata(name, name),
            "spec": {
                "selector": { "app.kubernetes.io/name": name },
                "ports": [{ "name": PORT, "port": port(service), "targetPort": PORT }],
            },
        }));
    }
    documents.push(budget(name));
    if scales {
        documents.push(autoscaler(service));
    }
    documents
}

fn autoscaler(service: &Service) -> Value {
    let name = service.name.as_str();
    json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(name, name),
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": name },
            "minReplicas": service.replicas_min.max(1),
            // The plan counts the connections of this many.
            "maxReplicas": service.replicas,
            "metrics": [{
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": { "type": "Utilization", "averageUtilization": 70 },
                },
            }],
        },
    })
}

/// The port a service listens on: PHP-FPM speaks FastCGI to a web server that is not part of the plan.
fn port(service: &Service) -> u16 {
    match service.kind {
        Kind::PhpFpm => 9000,
        Kind::Prisma6
        | Kind::Prisma7
        | Kind::Sqlx
        | Kind::Octane
        | Kind::Queue
        | Kind::Serverless
        | Kind::Generic => service.http_port,
    }
}

fn pooler_documents(plan: &Plan, pooler: &Pooler, sizes: &PoolerPlan) -> Vec<Value> {
    let name = pooler.host.split('.').next().unwrap_or("pooler");
    let (file, content) = match pooler.kind {
        PoolerKind::Pgweir => ("pgweir.toml", super::pgweir::toml(plan, sizes)),
        PoolerKind::Pgbouncer => ("pgbouncer.ini", super::pgbouncer::ini(plan, sizes)),
    };
    let mut volumes = vec![json!({ "name": "config", "configMap": { "name": name } })];
    let container = match pooler.kind {
        PoolerKind::Pgweir => pgweir_container(plan, pooler, name),
        PoolerKind::Pgbouncer => {
            volumes
                .push(json!({ "name": "users", "secret": { "secretName": "pgbouncer-userlist" } }));
            pgbouncer_container(pooler, name)
        }
    };
    vec![
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata(name, name),
            "data": { file: content },
        }),
        // One more instance would open servers of its own, so an old one goes before a new one comes.
        deployment(
            plan,
            name,
            Some(sizes.instances),
            Surge::Instances(0),
            &container,
            &volumes.into(),
        ),
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata(name, name),
            "spec": {
                "selector": { "app.kubernetes.io/name": name },
                "ports": [{ "name": "postgres", "port": pooler.port, "targetPort": "postgres" }],
            },
        }),
        budget(name),
    ]
}

fn pgweir_container(plan: &Plan, pooler: &Pooler, name: &str) -> Value {
    let pairs = pairs(plan, true);
    let users = distinct(pairs.iter().map(|(user, _)| *user));
    let environment: Vec<Value> = users.iter().map(|user| secret(user, None)).collect();
    json!({
        "name": name,
        "image": "pgweir:latest",
        "lifecycle": pre_stop(),
        "env": environment,
        "args": ["serve", "/etc/pgweir/pgweir.toml"],
        "readinessProbe": {
            "httpGet": { "path": "/readyz", "port": "http" }, "periodSeconds": 5,
        },
        "livenessProbe": {
            "httpGet": { "path": "/livez", "port": "http" }, "periodSeconds": 10,
            "failureThreshold": 6,
        },
        "ports": [
            { "name": "postgres", "containerPort": pooler.port },
            { "name": "http", "containerPort": super::pgweir::http_port(pooler.port) },
        ],
        "volumeMounts": [mount("config", "/etc/pgweir", "pgweir.toml")],
    })
}

fn pgbouncer_container(pooler: &Pooler, name: &str) -> Value {
    json!({
        "name": name,
        "image": "edoburu/pgbouncer:latest",
        "lifecycle": pre_stop(),
        "readinessProbe": {
            "tcpSocket": { "port": "postgres" }, "periodSeconds": 5,
        },
        "livenessProbe": {
            "tcpSocket": { "port": "postgres" }, "periodSeconds": 10, "failureThreshold": 6,
        },
        "ports": [{ "name": "postgres", "containerPort": pooler.port }],
        "volumeMounts": [
            mount("config", "/etc/pgbouncer", "pgbouncer.ini"),
            mount("users", "/etc/pgbouncer", "userlist.txt"),
        ],
    })
}

/// One file of a volume.
fn mount(volume: &str, folder: &str, file: &str) -> Value {
    json!({
        "name": volume, "mountPath": format!("{folder}/{file}"), "subPath": file, "readOnly": true,
    })
}

fn metadata(name: &str, part: &str) -> Value {
    json!({ "name": name, "labels": { "app.kubernetes.io/name": part } })
}

/// Serves connections that arrive while the endpoints change.
fn pre_stop() -> Value {
    json!({ "preStop": { "exec": { "command": ["sleep", "5"] } } })
}

fn deployment(
    plan: &Plan,
    name: &str,
    replicas: Option<u64>,
    surge: Surge,
    container: &Value,
    volumes: &Value,
) -> Value {
    let surge = match surge {
        Surge::Percent(percent) => Value::from(format!("{percent}%")),
        Surge::Instances(count) => count.into(),
    };
    // One of the two must not be zero, or nothing would ever be replaced.
    let none = surge == json!(0) || surge == json!("0%");
    let mut spec = json!({
        "containers": [container],
        // Time for the pool to close, and a little for preStop.
        "terminationGracePeriodSeconds":
            whole_seconds(plan.facts.operations.termination_grace).saturating_add(5),
    });
    if volumes
        .as_array()
        .is_some_and(|volumes| !volumes.is_empty())
    {
        spec["volumes"] = volumes.clone();
    }
    let mut deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(name, name),
        "spec": {
            "selector": { "matchLabels": { "app.kubernetes.io/name": name } },
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": { "maxSurge": surge, "maxUnavailable": if none { 1 } else { 0 } },
            },
            "template": {
                "metadata": { "labels": { "app.kubernetes.io/name": name } },
                "spec": spec,
            },
        },
    });
    if let Some(replicas) = replicas {
        deployment["spec"]["replicas"] = replicas.into();
    }
    deployment
}

fn budget(name: &str) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(name, name),
        "spec": {
            "maxUnavailable": 1,
            "selector": { "matchLabels": { "app.kubernetes.io/name": name } },
        },
    })
}

/// A variable with the password of a role, from the Secret.
fn secret(user: &str, variable: Option<&str>) -> Value {
    let own = password_variable(user);
    json!({
        "name": variable.unwrap_or(&own),
        "valueFrom": { "secretKeyRef": { "name": SECRET, "key": own } },
    })
}

/// Variables that hold secrets or contain them.
fn environment(plan: &Plan, service: &Service) -> Value {
    let (host, port) = address(plan, service);
    let variable = password_variable(&service.user);
    // Kubernetes expands $(NAME) if that variable comes first.
    let url = database_url(&service.user, host, port, &service.database)
        .replace(&format!("${{{variable}}}"), &format!("$({variable})"));
    match service.kind {
        Kind::PhpFpm | Kind::Octane | Kind::Queue => {
            json!([secret(&service.user, Some("DB_PASSWORD"))])
        }
        Kind::Prisma6 | Kind::Serverless => {
            let parameters = super::prisma::parameters(plan, service);
            let url = format!("{url}?{parameters}");
            json!([secret(&service.user, None), { "name": "DATABASE_URL", "value": url }])
        }
        Kind::Prisma7 | Kind::Sqlx | Kind::Generic => {
            json!([secret(&service.user, None), { "name": "DATABASE_URL", "value": url }])
        }
    }
}

/// Variables that hold no secrets.
fn settings(plan: &Plan, service: &Service) -> Value {
    let (host, port) = address(plan, service);
    let mut data = json!({});
    match service.kind {
        Kind::PhpFpm | Kind::Octane | Kind::Queue => {
            let pooled = shares_servers(plan, service);
            for (name, value) in [
                ("DB_HOST", host.to_owned()),
                ("DB_PORT", port.to_string()),
                ("DB_DATABASE", service.database.clone()),
                ("DB_USERNAME", service.user.clone()),
                ("DB_POOLED", pooled.to_string()),
                ("DB_DIRECT_HOST", plan.facts.database.host.clone()),
                ("DB_DIRECT_PORT", plan.facts.database.port.to_string()),
            ] {
                data[name] = value.into();
            }
        }
        Kind::Prisma6 | Kind::Prisma7 | Kind::Serverless | Kind::Generic => {}
        Kind::Sqlx => {
            data["DB_MAX_CONNECTIONS"] = service.pool.to_string().into();
            data["DB_MIN_CONNECTIONS"] = service.pool_min.to_string().into();
        }
    }
    if service.kind == Kind::PhpFpm {
        for (variable, _, value) in super::php_fpm::variables(service) {
            data[variable] = value.to_string().into();
        }
    }
    data
}

pub(super) fn helm_values(plan: &Plan) -> Vec<File> {
    let services: serde_json::Map<String, Value> = plan
        .facts
        .services
        .iter()
        .filter(|service| service.kind != Kind::Serverless)
        .map(|service| {
            let values = json!({
                "image": service.image,
                "replicaCount": service.replicas_min,
                "autoscaling": {
                    "enabled": service.replicas > service.replicas_min,
                    "minReplicas": service.replicas_min,
                    "maxReplicas": service.replicas,
                },
                "service": { "port": service.http_port },
                "database": {
                    "settings": settings(plan, service),
                    "existingSecret": SECRET,
                    "secretKey": password_variable(&service.user),
                },
                "terminationGracePeriodSeconds":
                    whole_seconds(plan.facts.operations.termination_grace),
                "podDisruptionBudget": { "maxUnavailable": 1 },
            });
            (service.name.clone(), values)
        })
        .collect();
    let mut values = json!({
        "services": services,
        "postgresql": {
            "maxConnections": plan.facts.database.max_connections.0,
            "settings": super::postgresql::settings(plan)
                .into_iter()
                .map(|setting| (setting.name.to_owned(), Value::from(setting.value)))
                .collect::<serde_json::Map<_, _>>(),
        },
    });
    if let (Some(pooler), Some(sizes)) = (&plan.facts.pooler, &plan.pooler) {
        values["pooler"] = json!({
            "kind": sizes.kind,
            "replicaCount": sizes.instances,
            "port": pooler.port,
            "poolMode": sizes.pool_mode,
            "defaultPoolSize": sizes.default_pool_size,
            "reservePoolSize": sizes.reserve_pool_size,
            "maxDbConnections": sizes.max_db_connections,
            "maxClientConn": sizes.max_client_conn,
            "existingSecret": SECRET,
        });
    }
    vec![File {
        path: "helm/values.yaml".to_owned(),
        content: header(plan, "helm", "#") + &yaml::document(&values),
    }]
}

/// Name of a service's port.
const PORT: &str = "main";
/// The Secret with a key for each role.
const SECRET: &str = "database-passwords";
