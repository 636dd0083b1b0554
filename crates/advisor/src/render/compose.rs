//! docker-compose: PostgreSQL, the pooler and the services, and a script that makes their passwords.

use serde_json::{Value, json};

use super::connect::{distinct, pairs, password_in_url, password_variable};
use super::container::{self, Password};
use super::file::{File, header};
use super::pgweir::{self, Passwords};
use super::{php_fpm, secrets, yaml};
use crate::facts::{Kind, Pooler, PoolerKind, Service, Via};
use crate::plan::{Plan, PoolerPlan};
use crate::units::{Bytes, whole_seconds};

pub(super) fn files(plan: &Plan) -> Vec<File> {
    let mut services = serde_json::Map::new();
    services.insert(plan.facts.database.host.clone(), postgres(plan));
    let mut files = Vec::new();
    if let (Some(settings), Some(sizes)) = (&plan.facts.pooler, &plan.pooler) {
        services.insert(settings.host.clone(), pooler(plan, settings, sizes));
        if settings.kind == PoolerKind::Pgweir {
            files.push(File {
                path: "compose/pgweir.toml".to_owned(),
                content: header(plan, "compose", "#")
                    + &pgweir::toml(plan, sizes, Passwords::Files(FOLDER)),
            });
        }
    }
    for each in &plan.facts.services {
        // Functions run elsewhere.
        if each.kind != Kind::Serverless {
            services.insert(each.name.clone(), service(plan, each));
        }
    }
    let document = json!({
        "services": services,
        "secrets": passwords(plan),
        "volumes": { "postgres-data": {} },
    });
    let mut text = header(plan, "compose", "#");
    text.push_str(
        "# sh secrets.sh makes the passwords, in secrets/ and .env. `pgweir render all` writes the files in the\n\
         # folders beside this one.\n",
    );
    text.push_str(&yaml::document(&document));
    files.push(File {
        path: "compose/docker-compose.yml".to_owned(),
        content: text,
    });
    files.push(File {
        path: "compose/secrets.sh".to_owned(),
        content: secrets::for_compose(plan),
    });
    files
}

/// Where a container finds its secrets.
const FOLDER: &str = "/run/secrets";

/// The password of PostgreSQL's superuser.
const SUPERUSER: &str = "POSTGRES_PASSWORD";

/// The secrets of the file, each a file in `secrets/`.
fn passwords(plan: &Plan) -> Value {
    let mut names = vec![SUPERUSER.to_owned()];
    names.extend(of_roles(plan));
    let secret = |name: String| {
        let file = json!({ "file": format!("./secrets/{name}") });
        (name, file)
    };
    names
        .into_iter()
        .map(secret)
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// The variables of the roles in PostgreSQL.
fn of_roles(plan: &Plan) -> Vec<String> {
    let users = secrets::users(plan).into_iter();
    let mut names: Vec<String> = users.map(password_variable).collect();
    let monitoring = password_variable(super::postgresql::MONITORING);
    if !names.contains(&monitoring) {
        names.push(monitoring);
    }
    names
}

/// A reference that keeps compose from starting while it is not set.
fn required(variable: &str) -> String {
    format!("${{{variable}:?run secrets.sh}}")
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
    let port = format!("port={}", database.port);
    let settings = super::postgresql::settings(plan);
    let settings = settings
        .iter()
        .map(|setting| format!("{}={}", setting.name, setting.value));
    for setting in settings.chain([port]) {
        command.extend(["-c".to_owned(), setting]);
    }
    let file = |name: &str| Value::from(format!("{FOLDER}/{name}"));
    let roles = of_roles(plan);
    let mut environment = json!({
        "POSTGRES_DB": escaped(&database.name),
        "POSTGRES_PASSWORD_FILE": file(SUPERUSER),
    });
    for name in &roles {
        environment[format!("{name}_FILE")] = file(name);
    }
    let mut secrets = vec![SUPERUSER.to_owned()];
    secrets.extend(roles);
    let mut service = json!({
        "image": format!("postgres:{}", database.version),
        "restart": RESTART,
        // The image has no variables for settings: they are arguments.
        "command": command,
        "environment": environment,
        "secrets": secrets,
        "healthcheck": {
            // Over TCP: while the image initialises it listens on its socket alone.
            "test": ["CMD", "pg_isready", "-h", "127.0.0.1", "-p", database.port.to_string(), "-U", "postgres"],
            "interval": "5s",
            "timeout": "3s",
            "retries": 12,
            "start_period": "30s",
        },
        // Parallel queries share memory through it.
        "shm_size": "256mb",
        "volumes": [
            format!("postgres-data:{data}"),
            // Run when the volume is empty; later by hand.
            "../sql/3-roles.sql:/docker-entrypoint-initdb.d/3-roles.sql:ro",
        ],
        "stop_grace_period": "60s",
    });
    if !plan.memory.ram_assumed {
        service["deploy"] = limit(database.ram);
    }
    service
}

/// Starts again what ended, but for what somebody stopped.
const RESTART: &str = "unless-stopped";

fn limit(memory: Bytes) -> Value {
    json!({ "resources": { "limits": { "memory": format!("{}M", memory.whole_mib()) } } })
}

fn pooler(plan: &Plan, settings: &Pooler, sizes: &PoolerPlan) -> Value {
    let (_, most) = container::pooler_memory(sizes);
    let mut deploy = limit(most);
    deploy["replicas"] = sizes.instances.into();
    let mut service = json!({
        "image": escaped(&settings.image),
        "restart": RESTART,
        "depends_on": { plan.facts.database.host.clone(): { "condition": "service_healthy" } },
        "deploy": deploy,
        "ulimits": { "nofile": { "soft": sizes.descriptors, "hard": sizes.descriptors } },
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "stop_grace_period": format!("{}s", whole_seconds(plan.facts.operations.termination_grace)),
    });
    let check = |command: &[&str]| {
        json!({
            "test": command, "interval": "5s", "timeout": "3s", "retries": 6, "start_period": "10s",
        })
    };
    match settings.kind {
        PoolerKind::Pgweir => {
            let http = pgweir::http_port(settings.port);
            if secrets::builds_image(plan) {
                service["build"] = "../pgweir".into();
            }
            service["command"] = json!(["serve", "/etc/pgweir/pgweir.toml"]);
            let pairs = pairs(plan, true);
            let users = distinct(pairs.iter().map(|(user, _)| *user));
            let names: Vec<String> = users.into_iter().map(password_variable).collect();
            service["secrets"] = names.into();
            service["volumes"] = json!(["./pgweir.toml:/etc/pgweir/pgweir.toml:ro"]);
            service["expose"] = json!([settings.port.to_string(), http.to_string()]);
            service["healthcheck"] = check(&[
                "CMD",
                "bash",
                "-c",
                &format!(
                    "exec 3<>/dev/tcp/127.0.0.1/{http} && echo -e 'GET /readyz HTTP/1.0\\r\\n\\r' >&3 && grep -q ' 200 ' <&3"
                ),
            ]);
        }
        PoolerKind::Pgbouncer => {
            service["volumes"] = json!([
                "../pgbouncer/pgbouncer.ini:/etc/pgbouncer/pgbouncer.ini:ro",
                "./secrets/userlist.txt:/etc/pgbouncer/userlist.txt:ro",
            ]);
            service["expose"] = json!([settings.port.to_string()]);
            service["healthcheck"] =
                check(&["CMD", "nc", "-z", "127.0.0.1", &settings.port.to_string()]);
        }
    }
    service
}

/// To compose, a dollar sign begins a reference.
fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

fn service(plan: &Plan, service: &Service) -> Value {
    let behind = match (&plan.facts.pooler, service.via) {
        (Some(pooler), Via::Pooler) => &pooler.host,
        (None, _) | (Some(_), Via::Direct) => &plan.facts.database.host,
    };
    let mut environment = json!({});
    for (name, value) in container::settings(plan, service) {
        environment[name] = escaped(&value).into();
    }
    match container::password(service) {
        Password::InUrl => {
            let reference = required(&password_in_url(&service.user));
            environment["DATABASE_URL"] = container::url(plan, service, &reference).into();
        }
        Password::Alone => {
            environment["DB_PASSWORD"] = required(&password_variable(&service.user)).into();
        }
    }
    let (_, most) = container::replicas(service);
    let mut document = json!({
        "image": escaped(&service.image),
        "restart": RESTART,
        "deploy": { "replicas": most },
        "environment": environment,
        "labels": { container::KIND: service.kind.name() },
        "depends_on": { behind: { "condition": "service_healthy" } },
        "security_opt": ["no-new-privileges:true"],
        "stop_grace_period": format!("{}s", whole_seconds(plan.facts.operations.termination_grace)),
    });
    if let Some(command) = container::command(service) {
        document["command"] = command.into();
    }
    if let Some(port) = container::port(service) {
        document["expose"] = json!([port.to_string()]);
    }
    if service.kind == Kind::PhpFpm {
        let file = format!("../php-fpm/{}.conf:{}:ro", service.name, php_fpm::MOUNTED);
        document["volumes"] = json!([file]);
    }
    document
}
