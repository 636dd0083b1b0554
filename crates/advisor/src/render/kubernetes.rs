//! Kubernetes: manifests of the services and the pooler that survive rollouts and drained nodes, a script
//! that makes their Secrets, and the same numbers as Helm values.

mod helm;
mod pooler;
mod service;

use serde_json::{Value, json};

use super::container;
use super::file::{File, header};
use super::secrets;
use super::yaml;
use crate::facts::Kind;
use crate::formula::demand::Surge;
use crate::plan::Plan;
use crate::units::whole_seconds;

pub(super) use helm::values as helm_values;

pub(super) fn manifests(plan: &Plan) -> Vec<File> {
    let mut files = Vec::new();
    if let (Some(pooler), Some(sizes)) = (&plan.facts.pooler, &plan.pooler) {
        files.push(file(
            plan,
            "pooler",
            &pooler::documents(plan, pooler, sizes),
        ));
    }
    for service in &plan.facts.services {
        // Functions run elsewhere.
        if service.kind != Kind::Serverless {
            let documents = service::documents(plan, service);
            files.push(file(plan, &format!("service-{}", service.name), &documents));
        }
    }
    files.push(File {
        path: "kubernetes/secrets.sh".to_owned(),
        content: secrets::for_kubernetes(plan),
    });
    files
}

fn file(plan: &Plan, name: &str, documents: &[Value]) -> File {
    let mut text = header(plan, "kubernetes", "#");
    text.push_str("# For Kubernetes 1.30 and later. First: sh secrets.sh | kubectl apply -f -\n");
    for document in documents {
        text.push_str("---\n");
        text.push_str(&yaml::document(document));
    }
    File {
        path: format!("kubernetes/{name}.yaml"),
        content: text,
    }
}

fn metadata(name: &str, part: &str) -> Value {
    json!({ "name": name, "labels": { "app.kubernetes.io/name": part } })
}

/// Serves connections that arrive while the endpoints change. The kubelet waits, so the image needs no
/// shell; from 1.30 on.
fn pre_stop() -> Value {
    json!({ "preStop": { "sleep": { "seconds": PRE_STOP } } })
}

/// Seconds until the endpoints have changed everywhere.
const PRE_STOP: u64 = 5;

/// A variable with this key of the Secret.
fn secret(name: &str, key: &str) -> Value {
    json!({
        "name": name,
        "valueFrom": { "secretKeyRef": { "name": secrets::SECRET, "key": key } },
    })
}

/// One file of a volume.
fn mount(volume: &str, path: &str, file: &str) -> Value {
    json!({ "name": volume, "mountPath": path, "subPath": file, "readOnly": true })
}

/// What a Deployment is made of.
struct Workload<'a> {
    name: &'a str,
    /// `None` where an autoscaler decides.
    replicas: Option<u64>,
    surge: Surge,
    container: Value,
    volumes: Vec<Value>,
    /// Who its processes are; `None` leaves it to the image.
    user: Option<u32>,
    /// Changes with everything that the pods read at their start.
    checksum: String,
}

fn deployment(plan: &Plan, workload: Workload<'_>) -> Value {
    let name = workload.name;
    let surge = match workload.surge {
        Surge::Percent(percent) => Value::from(format!("{percent}%")),
        Surge::Instances(count) => count.into(),
    };
    // One of the two must not be zero, or nothing would ever be replaced.
    let none = surge == json!(0) || surge == json!("0%");
    let mut security = json!({ "seccompProfile": { "type": "RuntimeDefault" } });
    if let Some(user) = workload.user {
        security["runAsNonRoot"] = true.into();
        for field in ["runAsUser", "runAsGroup", "fsGroup"] {
            security[field] = user.into();
        }
    }
    let mut spec = json!({
        "automountServiceAccountToken": false,
        "containers": [workload.container],
        "securityContext": security,
        // Time for the pool to close, and preStop before.
        "terminationGracePeriodSeconds":
            whole_seconds(plan.facts.operations.termination_grace).saturating_add(PRE_STOP),
        // One node that fails takes one of them.
        "topologySpreadConstraints": [{
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": { "matchLabels": { "app.kubernetes.io/name": name } },
        }],
    });
    if !workload.volumes.is_empty() {
        spec["volumes"] = workload.volumes.into();
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
                "metadata": {
                    "labels": { "app.kubernetes.io/name": name },
                    // A changed ConfigMap alone starts no pod again.
                    "annotations": { "checksum/config": workload.checksum },
                },
                "spec": spec,
            },
        },
    });
    if let Some(replicas) = workload.replicas {
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

/// A checksum of several texts.
fn checksum(documents: &[&Value]) -> String {
    let texts: Vec<String> = documents.iter().map(|value| value.to_string()).collect();
    container::checksum(&texts.join("\n"))
}
