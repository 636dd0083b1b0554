//! The pooler: its configuration, its pods, and who may reach it.

use serde_json::{Value, json};

use super::super::connect::{distinct, pairs, password_variable};
use super::super::container;
use super::super::pgweir::{self, Passwords};
use super::super::{pgbouncer, secrets};
use super::{Workload, budget, checksum, deployment, metadata, mount, pre_stop};
use crate::facts::{Kind, Pooler, PoolerKind, Via};
use crate::formula::demand::Surge;
use crate::plan::{Plan, PoolerPlan};

/// Where pgweir finds the passwords of its users, each in a file.
const PASSWORDS: &str = "/run/pgweir";

pub(super) fn documents(plan: &Plan, pooler: &Pooler, sizes: &PoolerPlan) -> Vec<Value> {
    let name = pooler.host.split('.').next().unwrap_or("pooler");
    let (file, content) = match pooler.kind {
        PoolerKind::Pgweir => (
            "pgweir.toml",
            pgweir::toml(plan, sizes, Passwords::Files(PASSWORDS)),
        ),
        PoolerKind::Pgbouncer => ("pgbouncer.ini", pgbouncer::ini(plan, sizes)),
    };
    let settings = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(name, name),
        "data": { file: content },
    });
    let workload = Workload {
        name,
        replicas: Some(sizes.instances),
        // One more instance would open servers of its own, so an old one goes before a new one comes.
        surge: Surge::Instances(0),
        container: container(pooler, sizes, name),
        volumes: volumes(plan, pooler, name),
        user: Some(container::pooler_user(pooler.kind)),
        checksum: checksum(&[&settings]),
    };
    let mut ports = vec![json!({
        "name": "postgres", "port": pooler.port, "targetPort": "postgres",
    })];
    if pooler.kind == PoolerKind::Pgweir {
        let http = pgweir::http_port(pooler.port);
        ports.push(json!({ "name": "http", "port": http, "targetPort": "http" }));
    }
    vec![
        settings,
        deployment(plan, workload),
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata(name, name),
            "spec": { "selector": { "app.kubernetes.io/name": name }, "ports": ports },
        }),
        policy(plan, pooler, name),
        budget(name),
    ]
}

/// Only services that are planned to go through the pooler reach it. Its HTTP port, which shows figures only
/// with a token, is open to probes and to monitoring in any namespace.
fn policy(plan: &Plan, pooler: &Pooler, name: &str) -> Value {
    let services = plan.facts.services.iter();
    let clients: Vec<&str> = services
        .filter(|service| service.via == Via::Pooler && service.kind != Kind::Serverless)
        .map(|service| service.name.as_str())
        .collect();
    let mut rules = vec![json!({
        "from": [{ "podSelector": { "matchExpressions": [{
            "key": "app.kubernetes.io/name", "operator": "In", "values": clients,
        }] } }],
        "ports": [{ "port": pooler.port }],
    })];
    // Functions come from outside of the cluster, through whatever lets them in.
    let outside = plan.facts.services.iter();
    let mut outside =
        outside.filter(|service| service.via == Via::Pooler && service.kind == Kind::Serverless);
    if clients.is_empty() || outside.next().is_some() {
        rules = vec![json!({ "ports": [{ "port": pooler.port }] })];
    }
    if pooler.kind == PoolerKind::Pgweir {
        rules.push(json!({ "ports": [{ "port": pgweir::http_port(pooler.port) }] }));
    }
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(name, name),
        "spec": {
            "podSelector": { "matchLabels": { "app.kubernetes.io/name": name } },
            "policyTypes": ["Ingress"],
            "ingress": rules,
        },
    })
}

fn volumes(plan: &Plan, pooler: &Pooler, name: &str) -> Vec<Value> {
    let config = json!({ "name": "config", "configMap": { "name": name } });
    let users = match pooler.kind {
        PoolerKind::Pgweir => {
            let pairs = pairs(plan, true);
            let users = distinct(pairs.iter().map(|(user, _)| *user));
            let item = |user: &str| {
                let key = password_variable(user);
                json!({ "key": key, "path": key })
            };
            let items: Vec<Value> = users.into_iter().map(item).collect();
            json!({ "secretName": secrets::SECRET, "items": items, "defaultMode": 0o440 })
        }
        PoolerKind::Pgbouncer => json!({ "secretName": secrets::USERLIST, "defaultMode": 0o440 }),
    };
    vec![
        config,
        json!({ "name": "users", "secret": users }),
        json!({ "name": "tmp", "emptyDir": {} }),
    ]
}

fn container(pooler: &Pooler, sizes: &PoolerPlan, name: &str) -> Value {
    let (likely, most) = container::pooler_memory(sizes);
    let mut container = json!({
        "name": name,
        "image": pooler.image,
        "lifecycle": pre_stop(),
        // No limit on CPU: it would stop everybody's queries for a part of each tenth of a second.
        "resources": {
            "requests": { "cpu": "250m", "memory": format!("{}Mi", likely.whole_mib()) },
            "limits": { "memory": format!("{}Mi", most.whole_mib()) },
        },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": { "drop": ["ALL"] },
            "readOnlyRootFilesystem": true,
        },
    });
    let tmp = json!({ "name": "tmp", "mountPath": "/tmp" });
    match pooler.kind {
        PoolerKind::Pgweir => {
            container["args"] = json!(["serve", "/etc/pgweir/pgweir.toml"]);
            container["readinessProbe"] = json!({
                "httpGet": { "path": "/readyz", "port": "http" }, "periodSeconds": 5,
            });
            container["livenessProbe"] = json!({
                "httpGet": { "path": "/livez", "port": "http" }, "periodSeconds": 10,
                "failureThreshold": 6,
            });
            container["ports"] = json!([
                { "name": "postgres", "containerPort": pooler.port },
                { "name": "http", "containerPort": pgweir::http_port(pooler.port) },
            ]);
            container["volumeMounts"] = json!([
                mount("config", "/etc/pgweir/pgweir.toml", "pgweir.toml"),
                // The whole folder, so that a changed password arrives.
                { "name": "users", "mountPath": PASSWORDS, "readOnly": true },
                tmp,
            ]);
        }
        PoolerKind::Pgbouncer => {
            container["readinessProbe"] = json!({
                "tcpSocket": { "port": "postgres" }, "periodSeconds": 5,
            });
            container["livenessProbe"] = json!({
                "tcpSocket": { "port": "postgres" }, "periodSeconds": 10, "failureThreshold": 6,
            });
            container["ports"] = json!([{ "name": "postgres", "containerPort": pooler.port }]);
            container["volumeMounts"] = json!([
                mount("config", "/etc/pgbouncer/pgbouncer.ini", "pgbouncer.ini"),
                mount("users", "/etc/pgbouncer/userlist.txt", "userlist.txt"),
                tmp,
            ]);
        }
    }
    container
}
