//! PostgreSQL as operators have it: CloudNativePG, Zalando's and Crunchy Data's.

use pgweir_advisor::facts::Origin;
use pgweir_advisor::fleet::{Section, Value};

use super::{Objects, kind, name, place, text};
use crate::inventory::{
    Address, Count, Endpoint, Inventory, Pooler, Scheme, Server, Target, Text, Variable,
};
use crate::postgresql::server_setting;
use crate::yaml::Node;

/// Adds what an object of an operator says; returns whether it is one.
pub(super) fn read(object: &Node, _: &Objects<'_>, inventory: &mut Inventory) -> bool {
    let group = text(object, &["apiVersion"]).split('/').next();
    match (group.unwrap_or_default(), kind(object)) {
        ("postgresql.cnpg.io", "Cluster") => cloud_native(object, inventory),
        ("postgresql.cnpg.io", "Pooler") => cloud_native_pooler(object, inventory),
        ("acid.zalan.do", "postgresql") => zalando(object, inventory),
        ("postgres-operator.crunchydata.com", "PostgresCluster") => crunchy(object, inventory),
        _ => return false,
    }
    true
}

/// Secrets that an operator makes: kind, name and values, of which the passwords are not known.
pub(super) fn secrets(object: &Node) -> Vec<(&'static str, String, Vec<Variable>)> {
    let own = name(object);
    let group = text(object, &["apiVersion"]).split('/').next();
    match (group.unwrap_or_default(), kind(object)) {
        ("postgresql.cnpg.io", "Cluster") => {
            let (database, user) = initial(object);
            let host = format!("{own}-rw");
            let values = made(object, &host, &database, &user);
            vec![("Secret", format!("{own}-app"), values)]
        }
        ("postgres-operator.crunchydata.com", "PostgresCluster") => {
            let users = object.entries_at(&["spec", "users"]);
            let users = users.iter().map(|user| {
                let database = user.entries_at(&["databases"]).first();
                let database = database.and_then(Node::text).unwrap_or(own);
                (text(user, &["name"]).to_owned(), database.to_owned())
            });
            let mut users: Vec<(String, String)> = users.collect();
            if users.is_empty() {
                users.push((own.to_owned(), own.to_owned()));
            }
            let users = users.into_iter().map(|(user, database)| {
                let host = format!("{own}-primary");
                let mut values = made(object, &host, &database, &user);
                let pooler = made(object, &format!("{own}-pgbouncer"), &database, &user);
                values.extend(pooler.into_iter().map(|variable| Variable {
                    name: format!("pgbouncer-{}", variable.name),
                    value: variable.value,
                }));
                ("Secret", format!("{own}-pguser-{user}"), values)
            });
            users.collect()
        }
        _ => Vec::new(),
    }
}

/// What operators write into such a Secret.
fn made(object: &Node, host: &str, database: &str, user: &str) -> Vec<Variable> {
    let origin = object.origin();
    let plain = |name: &str, value: &str| Variable::new(name, value, origin.clone());
    let password = || Text::gap("a password", origin.clone());
    let url = |name: &str, start: &str| {
        let mut value = Text::plain(format!("{start}{user}:"), origin.clone());
        value.push(&password());
        value.push_str(&format!("@{host}:5432/{database}"));
        let name = name.to_owned();
        Variable { name, value }
    };
    let mut jdbc = Text::plain(
        format!("jdbc:postgresql://{host}:5432/{database}?user={user}&password="),
        origin.clone(),
    );
    jdbc.push(&password());
    vec![
        plain("host", host),
        plain("port", "5432"),
        plain("dbname", database),
        plain("user", user),
        plain("username", user),
        Variable {
            name: "password".to_owned(),
            value: password(),
        },
        url("uri", "postgresql://"),
        Variable {
            name: "jdbc-uri".to_owned(),
            value: jdbc,
        },
    ]
}

/// The database and the role that CloudNativePG makes first.
fn initial(object: &Node) -> (String, String) {
    let or = |given: &str, default: &str| match given {
        "" => default.to_owned(),
        given => given.to_owned(),
    };
    let database = or(
        text(object, &["spec", "bootstrap", "initdb", "database"]),
        "app",
    );
    let owner = or(
        text(object, &["spec", "bootstrap", "initdb", "owner"]),
        &database,
    );
    (database, owner)
}

fn section(object: &Node, host: &str, parameters: &[(String, Node)]) -> Section {
    let mut section = Section::new(object.origin());
    section.give("host", host.into(), object.origin());
    for (name, node) in parameters {
        if let Some(value) = node.text() {
            server_setting(&mut section, name, value, &node.origin());
        }
    }
    section
}

fn version(section: &mut Section, version: &str, origin: Origin) {
    let end = version.find(|c: char| !c.is_ascii_digit());
    let major = &version[..end.unwrap_or(version.len())];
    if !major.is_empty() {
        section.give("version", Value::from_text(major), origin);
    }
}

fn endpoints(object: &Node, suffixes: &[&str], target: &Target, inventory: &mut Inventory) {
    for suffix in suffixes {
        inventory.endpoints.push(Endpoint {
            place: place(object),
            name: format!("{}{suffix}", name(object)),
            target: target.clone(),
            ports: Vec::new(),
            origin: object.origin(),
        });
    }
}

fn standbys(section: &mut Section, object: &Node, path: &[&str]) {
    let Some(node) = object.at(path) else { return };
    let count: u64 = node.text().and_then(|text| text.parse().ok()).unwrap_or(1);
    let own = name(object);
    let names = (2..=count.min(STANDBYS_MAX)).map(|number| format!("{own}-{number}"));
    let names: Vec<Value> = names.map(Value::from).collect();
    if !names.is_empty() {
        section.give("standbys", Value::List(names), node.origin());
    }
}

fn cloud_native(object: &Node, inventory: &mut Inventory) {
    let own = name(object);
    let parameters = object.fields_at(&["spec", "postgresql", "parameters"]);
    let mut section = section(object, &format!("{own}-rw"), parameters);
    let (database, _) = initial(object);
    section.give("name", database.into(), object.origin());
    if let crate::image::Image::Postgres(Some(major)) =
        crate::image::image(text(object, &["spec", "imageName"]))
    {
        section.give("version", Value::from(u64::from(major)), object.origin());
    }
    standbys(&mut section, object, &["spec", "instances"]);
    memory(
        &mut section,
        object,
        &["spec", "resources", "limits", "memory"],
    );
    let target = Target::Server(own.to_owned());
    endpoints(object, &["-rw", "-ro", "-r"], &target, inventory);
    server(object, section, inventory);
}

fn server(object: &Node, section: Section, inventory: &mut Inventory) {
    inventory.servers.push(Server {
        place: place(object),
        name: name(object).to_owned(),
        section,
    });
}

fn memory(section: &mut Section, object: &Node, path: &[&str]) {
    if let Some(node) = object.at(path)
        && let Some(size) = node.text().and_then(crate::resolve::memory)
    {
        section.give("ram", size.into(), node.origin());
    }
}

fn cloud_native_pooler(object: &Node, inventory: &mut Inventory) {
    let mut section = Section::new(object.origin());
    let mode = object.at(&["spec", "pgbouncer", "poolMode"]);
    // Its default.
    section.give(
        "pool_mode",
        mode.and_then(Node::text).unwrap_or("session").into(),
        mode.map_or(object.origin(), Node::origin),
    );
    let parameters = object.fields_at(&["spec", "pgbouncer", "parameters"]);
    pooler(&mut section, object, parameters);
    let cluster = text(object, &["spec", "cluster", "name"]);
    let upstream = format!("{cluster}-rw");
    let replicas = object.at(&["spec", "instances"]);
    add_pooler(object, "", section, &upstream, replicas, inventory);
}

fn pooler(section: &mut Section, object: &Node, parameters: &[(String, Node)]) {
    section.give("kind", "pgbouncer".into(), object.origin());
    section.give("port", Value::Integer(5432), object.origin());
    for (name, node) in parameters {
        if let Some((key, value)) = node
            .text()
            .and_then(|value| crate::pgbouncer::setting(name, value))
        {
            section.give(key, value, node.origin());
        }
    }
}

fn add_pooler(
    object: &Node,
    suffix: &str,
    mut section: Section,
    upstream: &str,
    replicas: Option<&Node>,
    inventory: &mut Inventory,
) {
    let own = format!("{}{suffix}", name(object));
    section.give("host", own.as_str().into(), object.origin());
    endpoints(object, &[suffix], &Target::Pooler(own.clone()), inventory);
    let max = replicas.and_then(|node| Some(Text::plain(node.text()?, node.origin())));
    inventory.poolers.push(Pooler {
        place: place(object),
        name: own,
        replicas: Count {
            max,
            ..Count::default()
        },
        section,
        upstream: vec![address(upstream, object)],
    });
}

fn address(host: &str, object: &Node) -> Address {
    let mut address = Address::of_kind(Scheme::Postgres, "its cluster", object.origin());
    address.host = Text::plain(host, object.origin());
    address
}

fn zalando(object: &Node, inventory: &mut Inventory) {
    let own = name(object);
    let parameters = object.fields_at(&["spec", "postgresql", "parameters"]);
    let mut section = section(object, own, parameters);
    let told = object.at(&["spec", "postgresql", "version"]);
    if let Some(node) = told {
        version(&mut section, node.text().unwrap_or_default(), node.origin());
    }
    standbys(&mut section, object, &["spec", "numberOfInstances"]);
    memory(
        &mut section,
        object,
        &["spec", "resources", "limits", "memory"],
    );
    endpoints(
        object,
        &["", "-repl"],
        &Target::Server(own.to_owned()),
        inventory,
    );
    server(object, section, inventory);
    let described = object.at(&["spec", "connectionPooler"]);
    let enabled = text(object, &["spec", "enableConnectionPooler"]) == "true";
    if !enabled && described.is_none() {
        return;
    }
    let mut section = Section::new(object.origin());
    pooler(&mut section, object, &[]);
    let get = |field: &str| described.and_then(|described| described.get(field));
    if let Some(mode) = get("mode") {
        let value = mode.text().unwrap_or_default();
        section.give("pool_mode", value.into(), mode.origin());
    }
    // The operator's default, for all instances together.
    let most = get("maxDBConnections");
    let instances = get("numberOfInstances");
    let number = |node: Option<&Node>, default: u64| {
        let text = node.and_then(Node::text);
        text.and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let each = number(most, 60).div_ceil(number(instances, 2).max(1));
    let origin = most.map_or(object.origin(), Node::origin);
    section.give("max_db_connections", Value::from(each), origin.clone());
    section.give("default_pool_size", Value::from(each.div_ceil(2)), origin);
    add_pooler(object, "-pooler", section, own, instances, inventory);
}

fn crunchy(object: &Node, inventory: &mut Inventory) {
    let own = name(object);
    let path = [
        "spec",
        "patroni",
        "dynamicConfiguration",
        "postgresql",
        "parameters",
    ];
    let mut section = section(object, &format!("{own}-primary"), object.fields_at(&path));
    if let Some(node) = object.at(&["spec", "postgresVersion"]) {
        version(&mut section, node.text().unwrap_or_default(), node.origin());
    }
    let target = Target::Server(own.to_owned());
    endpoints(
        object,
        &["-primary", "-ha", "-replicas"],
        &target,
        inventory,
    );
    server(object, section, inventory);
    let Some(described) = object.at(&["spec", "proxy", "pgBouncer"]) else {
        return;
    };
    let mut section = Section::new(described.origin());
    let global = described.fields_at(&["config", "global"]);
    pooler(&mut section, object, global);
    let upstream = format!("{own}-primary");
    let replicas = described.get("replicas");
    add_pooler(
        object,
        "-pgbouncer",
        section,
        &upstream,
        replicas,
        inventory,
    );
}

/// More standbys are not named.
const STANDBYS_MAX: u64 = 20;
