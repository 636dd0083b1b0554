//! A service: its settings, its pods, how they are reached, and how many there may be.

use serde_json::{Value, json};

use super::super::connect::{password_in_url, password_variable};
use super::super::container::{self, Password};
use super::super::php_fpm;
use super::{Workload, budget, checksum, deployment, metadata, mount, pre_stop, secret};
use crate::facts::{Kind, Service};
use crate::plan::Plan;

/// Name of a service's port.
const PORT: &str = "main";

pub(super) fn documents(plan: &Plan, service: &Service) -> Vec<Value> {
    let name = service.name.as_str();
    let settings = config_map(plan, service);
    let (least, most) = container::replicas(service);
    let scales = most > least;
    let workload = Workload {
        name,
        // The next apply must not undo what the autoscaler decides.
        replicas: (!scales).then_some(most),
        surge: container::surge(service),
        container: container(plan, service),
        volumes: volumes(service),
        user: None,
        checksum: checksum(&[&settings]),
    };
    let mut deployment = deployment(plan, workload);
    deployment["spec"]["template"]["metadata"]["labels"][container::KIND] =
        service.kind.name().into();
    let mut documents = vec![settings, deployment];
    if let Some(port) = container::port(service) {
        documents.push(json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata(name, name),
            "spec": {
                "selector": { "app.kubernetes.io/name": name },
                "ports": [{ "name": PORT, "port": port, "targetPort": PORT }],
            },
        }));
    }
    documents.push(budget(name));
    if scales {
        documents.push(autoscaler(name, least, most));
    }
    documents
}

/// The file of PHP-FPM in the ConfigMap.
const FPM: &str = "php-fpm.conf";

fn config_map(plan: &Plan, service: &Service) -> Value {
    let data: serde_json::Map<String, Value> = container::settings(plan, service)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let name = service.name.as_str();
    let mut map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(&format!("{name}-database"), name),
        "data": data,
    });
    if service.kind == Kind::PhpFpm {
        // `envFrom` passes over a key that cannot be a variable.
        map["data"][FPM] = php_fpm::pool(service, php_fpm::Numbers::Written).into();
    }
    map
}

fn volumes(service: &Service) -> Vec<Value> {
    if service.kind != Kind::PhpFpm {
        return Vec::new();
    }
    let map = format!("{}-database", service.name);
    vec![json!({
        "name": "php-fpm",
        "configMap": { "name": map, "items": [{ "key": FPM, "path": FPM }] },
    })]
}

fn container(plan: &Plan, service: &Service) -> Value {
    let name = service.name.as_str();
    let mut container = json!({
        "name": name,
        "image": service.image,
        "envFrom": [{ "configMapRef": { "name": format!("{name}-database") } }],
        "env": environment(plan, service),
        // An autoscaler's utilisation is a share of what is requested. A guess: measure it.
        "resources": { "requests": { "cpu": "250m", "memory": "128Mi" } },
        "securityContext": { "allowPrivilegeEscalation": false },
    });
    if let Some(command) = container::command(service) {
        container["command"] = command.into();
    }
    if service.kind == Kind::PhpFpm {
        container["volumeMounts"] = json!([mount("php-fpm", php_fpm::MOUNTED, FPM)]);
    }
    if let Some(port) = container::port(service) {
        container["ports"] = json!([{ "name": PORT, "containerPort": port }]);
        // All that is known about an application is that its port accepts connections.
        container["readinessProbe"] = json!({
            "tcpSocket": { "port": PORT }, "periodSeconds": 5, "failureThreshold": 3,
        });
        container["livenessProbe"] = json!({
            "tcpSocket": { "port": PORT }, "periodSeconds": 10, "failureThreshold": 6,
        });
        container["lifecycle"] = pre_stop();
    }
    container
}

/// Variables that hold secrets or contain them.
fn environment(plan: &Plan, service: &Service) -> Value {
    match container::password(service) {
        Password::Alone => {
            json!([secret("DB_PASSWORD", &password_variable(&service.user))])
        }
        Password::InUrl => {
            let key = password_in_url(&service.user);
            // Kubernetes expands $(NAME) if that variable comes first.
            let url = container::url(plan, service, &format!("$({key})"));
            json!([secret(&key, &key), { "name": "DATABASE_URL", "value": url }])
        }
    }
}

fn autoscaler(name: &str, least: u64, most: u64) -> Value {
    json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(name, name),
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": name },
            "minReplicas": least.max(1),
            // The plan counts the connections of this many.
            "maxReplicas": most,
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
