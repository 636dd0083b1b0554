//! What a container's image is, by its name and tag.

/// An image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Image {
    /// PostgreSQL, and its major version where the name or the tag says it.
    Postgres(Option<u32>),
    /// A pooler of PostgreSQL, by the name of its program.
    Pooler(&'static str),
    /// Another database, by its name.
    OtherDatabase(&'static str),
    /// A program that opens no connection to PostgreSQL of its own accord.
    Harmless,
    /// PHP's process manager.
    PhpFpm,
    /// Anything else.
    Unknown,
}

/// What an image is.
pub(crate) fn image(name: &str) -> Image {
    let (path, tag) = parts(name);
    let path = path.to_ascii_lowercase();
    let last = path.rsplit('/').next().unwrap_or(&path);
    let words: Vec<&str> = last.split(['-', '_', '.']).collect();
    let has = |known: &[&str]| words.iter().any(|word| known.contains(word));
    if let Some(pooler) = POOLERS
        .iter()
        .find(|pooler| has(&[pooler]) || last == **pooler)
    {
        let exports = has(&["exporter"]);
        return if exports {
            Image::Harmless
        } else {
            Image::Pooler(pooler)
        };
    }
    if has(&BESIDE) || HARMLESS.contains(&last) || HARMLESS.contains(&words[0]) {
        return Image::Harmless;
    }
    if POSTGRES.iter().any(|known| words[0] == *known)
        || has(&[
            "postgres",
            "postgresql",
            "postgis",
            "pgvector",
            "timescaledb",
        ])
    {
        return Image::Postgres(version(last, tag));
    }
    let other = OTHERS.iter().find(|(words, _)| has(words));
    if let Some((_, title)) = other {
        return Image::OtherDatabase(title);
    }
    if tag.contains("fpm") || has(&["fpm"]) {
        return Image::PhpFpm;
    }
    Image::Unknown
}

/// Path and tag of `registry.example:5000/library/postgres:17@sha256:…`.
fn parts(name: &str) -> (&str, &str) {
    let name = name.split('@').next().unwrap_or(name);
    match name.rsplit_once(':') {
        // The colon of a registry's port has a path behind it.
        Some((path, tag)) if !tag.contains('/') => (path, tag),
        _ => (name, ""),
    }
}

/// PostgreSQL's major version: behind `pg` or `postgres` wherever it stands, else the number that a tag of
/// PostgreSQL's own numbering begins with.
fn version(last: &str, tag: &str) -> Option<u32> {
    let tag = tag.to_ascii_lowercase();
    let said = [tag.as_str(), last].into_iter().find_map(|text| {
        ["postgresql", "postgres", "pg", "spilo"]
            .iter()
            .find_map(|word| {
                let mut places = text.match_indices(word);
                places.find_map(|(at, _)| {
                    let after = &text[at + word.len()..];
                    number(after.trim_start_matches(['-', '_']))
                })
            })
    });
    // Others number their own releases.
    let own = OWN_NUMBERS.iter().any(|name| last.starts_with(name));
    said.or_else(|| {
        let mut parts = tag.split(['-', '_']).filter(|_| !own);
        parts.find_map(number)
    })
}

fn number(text: &str) -> Option<u32> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number: u32 = text[..end].parse().ok()?;
    (8..=30).contains(&number).then_some(number)
}

const POOLERS: [&str; 10] = [
    "pgbouncer",
    "pgweir",
    "pgcat",
    "pgdog",
    "odyssey",
    "supavisor",
    "pgpool",
    "pgpool2",
    "pgagroal",
    "doorman",
];

/// First words of images of PostgreSQL.
const POSTGRES: [&str; 12] = [
    "postgres",
    "postgresql",
    "postgis",
    "timescaledb",
    "timescale",
    "pgvector",
    "citus",
    "spilo",
    "paradedb",
    "pgvecto",
    "vectorchord",
    "cloudnativepg",
];

/// Images of PostgreSQL whose tags begin with another number.
const OWN_NUMBERS: [&str; 5] = ["timescale", "citus", "paradedb", "pgvector", "spilo"];

/// Words of names of what stands beside a database.
const BESIDE: [&str; 11] = [
    "proxy",
    "proxyv2",
    "collector",
    "exporter",
    "backup",
    "backups",
    "operator",
    "dump",
    "walg",
    "barman",
    "pgbackrest",
];

/// Programs that open no connections to PostgreSQL unless they are told of one.
const HARMLESS: [&str; 55] = [
    "redis",
    "valkey",
    "keydb",
    "dragonfly",
    "memcached",
    "nginx",
    "openresty",
    "traefik",
    "caddy",
    "haproxy",
    "envoy",
    "httpd",
    "apache",
    "varnish",
    "rabbitmq",
    "nats",
    "kafka",
    "zookeeper",
    "mosquitto",
    "elasticsearch",
    "opensearch",
    "kibana",
    "logstash",
    "fluentd",
    "fluent",
    "filebeat",
    "promtail",
    "loki",
    "tempo",
    "jaeger",
    "prometheus",
    "alertmanager",
    "cadvisor",
    "minio",
    "mailhog",
    "mailpit",
    "maildev",
    "busybox",
    "alpine",
    "pause",
    "etcd",
    "consul",
    "vault",
    "meilisearch",
    "typesense",
    "qdrant",
    "registry",
    "certbot",
    "watchtower",
    "localstack",
    "imgproxy",
    "agent",
    "datadog",
    "pushgateway",
    "reloader",
];

/// Words of names of other databases.
const OTHERS: [(&[&str], &str); 9] = [
    (&["mysql", "percona"], "MySQL"),
    (&["mariadb"], "MariaDB"),
    (&["mongo", "mongodb", "mongod"], "MongoDB"),
    (&["mssql", "sqlserver", "sqledge"], "SQL Server"),
    (&["clickhouse"], "ClickHouse"),
    (&["cockroach", "cockroachdb"], "CockroachDB"),
    (&["cassandra", "scylla", "scylladb"], "Cassandra"),
    (&["oracle", "oracledb"], "Oracle"),
    (
        &["neo4j", "arangodb", "couchdb", "influxdb"],
        "another database",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_known_by_its_name_and_tag() {
        let pg = |version: u32| Image::Postgres(Some(version));
        for (name, expected) in [
            ("postgres", Image::Postgres(None)),
            ("postgres:17", pg(17)),
            ("postgres:16.4-alpine3.20", pg(16)),
            ("docker.io/library/postgres:15-alpine", pg(15)),
            ("postgres:16-alpine@sha256:9f00", pg(16)),
            ("localhost:5000/postgres", Image::Postgres(None)),
            ("registry.example:5000/a/postgresql:14", pg(14)),
            ("timescale/timescaledb:2.17.2-pg16", pg(16)),
            ("timescale/timescaledb-ha:pg17.2-ts2.17", pg(17)),
            ("timescale/timescaledb:2.17.2", Image::Postgres(None)),
            ("pgvector/pgvector:pg16", pg(16)),
            ("pgvector/pgvector:0.8.0-pg17", pg(17)),
            ("postgis/postgis:16-3.4", pg(16)),
            ("supabase/postgres:15.8.1.040", pg(15)),
            ("bitnami/postgresql:16.4.0-debian-12-r2", pg(16)),
            ("bitnami/postgresql-repmgr:15", pg(15)),
            (
                "ghcr.io/immich-app/postgres:14-vectorchord0.3.0-pgvectors0.2.0",
                pg(14),
            ),
            ("tensorchord/pgvecto-rs:pg16-v0.2.0", pg(16)),
            ("ghcr.io/zalando/spilo-16:3.2-p2", pg(16)),
            ("crunchydata/crunchy-postgres:ubi8-16.2-0", pg(16)),
            ("ghcr.io/cloudnative-pg/postgresql:16.2", pg(16)),
            ("edoburu/pgbouncer:v1.24.1-p1", Image::Pooler("pgbouncer")),
            ("bitnami/pgbouncer:1.23.1", Image::Pooler("pgbouncer")),
            ("ghcr.io/example/pg-pgbouncer", Image::Pooler("pgbouncer")),
            ("supabase/supavisor:1.1", Image::Pooler("supavisor")),
            ("prometheuscommunity/postgres-exporter", Image::Harmless),
            ("prometheuscommunity/pgbouncer-exporter", Image::Harmless),
            ("prodrigestivill/postgres-backup-local:16", Image::Harmless),
            ("redis:7-alpine", Image::Harmless),
            (
                "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2",
                Image::Harmless,
            ),
            ("istio/proxyv2", Image::Harmless),
            ("mysql:8", Image::OtherDatabase("MySQL")),
            ("bitnami/mariadb:11", Image::OtherDatabase("MariaDB")),
            ("php:8.3-fpm-alpine", Image::PhpFpm),
            ("postgrest/postgrest", Image::Unknown),
            ("registry.example/shop:3", Image::Unknown),
            ("", Image::Unknown),
        ] {
            assert_eq!(image(name), expected, "{name}");
        }
    }
}
