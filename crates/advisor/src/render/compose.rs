//! docker-compose: PostgreSQL, the pooler and the services.

use serde_json::{Value, json};

use super::connect::{address, database_url, distinct, pairs, password_variable, shares_servers};
use super::file::{File, header};
use super::{pgweir, yaml};
use crate::facts::{Kind, PoolerKind, Service, Via};
use crate::plan::Plan;
use crate::units::whole_seconds;

pub(super) fn files(plan: &Plan) -> Vec<File> {
    let mut services = serde_json::Map::new();
    services.insert(plan.facts.database.host.clone(), postgres(plan));
    if let Some((name, pooler)) = pooler(plan) {
        services.insert(name, pooler);
    }
    for each in &plan.facts.services {
        // Functions run elsewhere.
        if each.kind != Kind::Serverless {
            services.insert(each.name.clone(), service(plan, each));
        }
    }
    let document = json!({
        "services": services,
        "volumes": { "postgres-data": {} },
    });
    let mut text = header(plan, "compose", "#");
    text.push_str(
        "# Passwords come from the environment or from .env next to this file. `pgweir render all`\n\
         # writes the pooler's files into the folder above.\n",
    );
    text.push_str(&yaml::document(&document));
    vec![File {
        path: "compose/docker-compose.yml".to_owned(),
        content: text,
    }]
}

/// A reference that keeps compose from starting while it is not set.
fn required(variable: &str) -> String {
    format!("${{{variable}:?set {variable}}}")
}

fn postgres(plan: &Plan) -> Value {
    let database = &plan.facts.database;
    // From 18 on the image keeps each version's data in a folder of its own below.
    let data = if database.version >= 18 {
        "/var/lib/postgresql"
    } else {
        "/var/lib/postgresql/data"
    };
    let mut command = vec!["postgres".to_owned()];
    for setting in super::postgresql::settings(plan) {
        command.push("-c".to_owned());
        command.push(format!("{}={}", setting.name, setting.value));
    }
    json!({
        "image": format!("postgres:{}", database.version),
        // The image has no variables for settings: they are arguments.
        "command": command,
        "environment": {
            "POSTGRES_DB": escaped(&database.name),
            "POSTGRES_PASSWORD": required("POSTGRES_PASSWORD"),
        },
        "healthcheck": {
            "test": ["CMD-SHELL", "pg_isready -U postgres"],
            "interval": "5s",
            "timeout": "3s",
            "retries": 12,
        },
        // Parallel queries share memory through it.
        "shm_size": "256mb",
        "volumes": [format!("postgres-data:{data}")],
        "stop_grace_period": "60s",
    })
}

fn pooler(plan: &Plan) -> Option<(String, Value)> {
    let (settings, sizes) = (plan.facts.pooler.as_ref()?, plan.pooler.as_ref()?);
    let pairs = pairs(plan, true);
    let users = distinct(pairs.iter().map(|(user, _)| *user));
    let passwords: serde_json::Map<String, Value> = users
        .iter()
        .map(|user| {
            let variable = password_variable(user);
            (variable.clone(), required(&variable).into())
        })
        .collect();
    let mut service = json!({
        "depends_on": { plan.facts.database.host.clone(): { "condition": "service_healthy" } },
        "deploy": { "replicas": sizes.instances },
        "ulimits": { "nofile": { "soft": sizes.descriptors, "hard": sizes.descriptors } },
        "stop_grace_period": format!("{}s", whole_seconds(plan.facts.operations.termination_grace)),
    });
    match settings.kind {
        PoolerKind::Pgweir => {
            service["image"] = "pgweir:latest".into();
            service["command"] = json!(["serve", "/etc/pgweir/pgweir.toml"]);
            service["environment"] = passwords.into();
            service["volumes"] = json!(["../pgweir/pgweir.toml:/etc/pgweir/pgweir.toml:ro"]);
            let port = pgweir::http_port(settings.port);
            service["expose"] = json!([settings.port.to_string(), port.to_string()]);
        }
        PoolerKind::Pgbouncer => {
            service["image"] = "edoburu/pgbouncer:latest".into();
            service["volumes"] = json!([
                "../pgbouncer/pgbouncer.ini:/etc/pgbouncer/pgbouncer.ini:ro",
                "../pgbouncer/userlist.txt:/etc/pgbouncer/userlist.txt:ro",
            ]);
            service["expose"] = json!([settings.port.to_string()]);
        }
    }
    Some((settings.host.clone(), service))
}

/// To compose, a dollar sign begins a reference.
fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

fn service(plan: &Plan, service: &Service) -> Value {
    let (host, port) = address(plan, service);
    let behind = match (&plan.facts.pooler, service.via) {
        (Some(pooler), Via::Pooler) => json!({ &pooler.host: { "condition": "service_started" } }),
        _ => json!({ &plan.facts.database.host: { "condition": "service_healthy" } }),
    };
    let variable = password_variable(&service.user);
    let mut environment = json!({ &variable: required(&variable) });
    match service.kind {
        Kind::Prisma6 | Kind::Serverless => {
            let url = url(service, host, port);
            let parameters = super::prisma::parameters(plan, service);
            environment["DATABASE_URL"] = format!("{url}?{parameters}").into();
        }
        Kind::Prisma7 | Kind::Sqlx | Kind::Generic => {
            environment["DATABASE_URL"] = url(service, host, port).into();
        }
        Kind::PhpFpm | Kind::Octane | Kind::Queue => {
            environment["DB_HOST"] = escaped(host).into();
            environment["DB_PORT"] = port.to_string().into();
            environment["DB_DATABASE"] = escaped(&service.database).into();
            environment["DB_USERNAME"] = escaped(&service.user).into();
            environment["DB_PASSWORD"] = required(&variable).into();
            let pooled = shares_servers(plan, service);
            environment["DB_POOLED"] = pooled.to_string().into();
        }
    }
    if service.kind == Kind::PhpFpm {
        for (variable, _, value) in super::php_fpm::variables(service) {
            environment[variable] = value.to_string().into();
        }
    }
    if service.kind == Kind::Sqlx {
        environment["DB_MAX_CONNECTIONS"] = service.pool.to_string().into();
    }
    json!({
        "image": escaped(&service.image),
        "deploy": { "replicas": service.replicas },
        "environment": environment,
        "depends_on": behind,
        "stop_grace_period": format!("{}s", whole_seconds(plan.facts.operations.termination_grace)),
    })
}

fn url(service: &Service, host: &str, port: u16) -> String {
    let variable = password_variable(&service.user);
    database_url(&service.user, host, port, &service.database)
        .replace(&format!("${{{variable}}}"), &required(&variable))
}
