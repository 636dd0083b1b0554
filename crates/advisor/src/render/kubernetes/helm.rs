//! The numbers of a plan as values for a chart of one's own.

use serde_json::{Value, json};

use super::super::connect::{password_in_url, password_variable};
use super::super::file::{File, header};
use super::super::{container, postgresql, secrets, yaml};
use crate::facts::Kind;
use crate::plan::Plan;
use crate::units::whole_seconds;

pub(crate) fn values(plan: &Plan) -> Vec<File> {
    let services: serde_json::Map<String, Value> = plan
        .facts
        .services
        .iter()
        .filter(|service| service.kind != Kind::Serverless)
        .map(|service| {
            let settings: serde_json::Map<String, Value> = container::settings(plan, service)
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect();
            let (least, most) = container::replicas(service);
            let values = json!({
                "image": service.image,
                "command": container::command(service),
                "replicaCount": least,
                "autoscaling": {
                    "enabled": most > least,
                    "minReplicas": least,
                    "maxReplicas": most,
                },
                "service": { "port": container::port(service) },
                "database": {
                    "settings": settings,
                    "existingSecret": secrets::SECRET,
                    "secretKey": password_variable(&service.user),
                    "secretKeyInUrl": password_in_url(&service.user),
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
            "settings": postgresql::settings(plan)
                .into_iter()
                .map(|setting| (setting.name.to_owned(), Value::from(setting.value)))
                .collect::<serde_json::Map<_, _>>(),
        },
    });
    if let (Some(pooler), Some(sizes)) = (&plan.facts.pooler, &plan.pooler) {
        values["pooler"] = json!({
            "kind": sizes.kind,
            "image": pooler.image,
            "replicaCount": sizes.instances,
            "port": pooler.port,
            "poolMode": sizes.pool_mode,
            "defaultPoolSize": sizes.default_pool_size,
            "reservePoolSize": sizes.reserve_pool_size,
            "maxDbConnections": sizes.max_db_connections,
            "maxClientConn": sizes.max_client_conn,
            "existingSecret": secrets::SECRET,
        });
    }
    vec![File {
        path: "helm/values.yaml".to_owned(),
        content: header(plan, "helm", "#") + &yaml::document(&values),
    }]
}
