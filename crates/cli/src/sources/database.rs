//! `--from-database`: what a running PostgreSQL knows of its fleet.
//!
//! Its version and settings, and who is connected: one service for each application name, with the number
//! of its client addresses as replicas. Queries only read; nothing is changed.

use std::time::Duration;

use anyhow::{Context, bail};
use pgweir_advisor::facts::Origin;
use pgweir_advisor::fleet::{Draft, Section, Value};
use tokio_postgres::{Client, Config, NoTls};

use super::postgresql::server_setting;
use super::service_name;

/// Asks the database at `url`.
///
/// # Errors
/// It cannot be reached, asks for TLS, or does not answer. The URL is in no message.
pub(crate) fn read(url: &str) -> anyhow::Result<Draft> {
    let mut config: Config = url
        .parse()
        .ok()
        .context("--from-database: this is no URL of a database; write postgres://user:password@host/database")?;
    if config.get_ssl_mode() == tokio_postgres::config::SslMode::Require {
        bail!("--from-database: TLS is not supported; use a tunnel, and sslmode=disable");
    }
    config.connect_timeout(PATIENCE);
    config.application_name("pgweir plan");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let asked = tokio::time::timeout(PATIENCE, async {
            let (client, connection) = config
                .connect(NoTls)
                .await
                .context("--from-database: cannot connect")?;
            let driven = tokio::spawn(connection);
            let draft = ask(&client)
                .await
                .context("--from-database: the database refused");
            drop(client);
            // The connection ends with its client; how is of no interest any more.
            let _ = driven.await;
            draft
        });
        asked
            .await
            .context("--from-database: no answer within 15 seconds")?
    })
}

async fn ask(client: &Client) -> Result<Draft, tokio_postgres::Error> {
    let mut draft = Draft {
        database: Section::new(Origin::Database),
        ..Draft::default()
    };
    let database = &mut draft.database;
    for row in client.query(SETTINGS, &[]).await? {
        let (name, value): (String, String) = (row.get(0), row.get(1));
        match name.as_str() {
            "server_version_num" => {
                // 150018 is 15.18.
                let number: u64 = value.parse().unwrap_or_default();
                database.set("version", number / 10_000);
            }
            // Application roles have their own; the server's are no answer.
            _ => server_setting(database, &name, &value, &Origin::Database),
        }
    }
    let name: String = client
        .query_one("SELECT current_database()::text", &[])
        .await?
        .get(0);
    database.set("name", name);
    if let Some(hit) = client
        .query_one(CACHE_HIT, &[])
        .await?
        .get::<_, Option<f64>>(0)
    {
        database.set("cache_hit", (hit * 1000.0).round() / 1000.0);
    }
    for row in client.query(SERVICES, &[]).await? {
        let (application, user, name): (String, String, String) =
            (row.get(0), row.get(1), row.get(2));
        let (addresses, connections): (i64, i64) = (row.get(3), row.get(4));
        let service = draft.service(&service_name(&application), Origin::Database);
        let instances = u64::try_from(addresses).unwrap_or(1).max(1);
        let connections = u64::try_from(connections).unwrap_or_default();
        service.set("replicas", instances);
        // What is open now, not what may be: a lower bound of the pool.
        service.set("pool", connections.div_ceil(instances).clamp(1, 10_000));
        service.set("user", user);
        service.set("database", name);
    }
    let active: i64 = client.query_one(ACTIVE, &[]).await?.get(0);
    if active > 0 {
        draft.measured = Section::new(Origin::Database);
        draft.measured.set("active", Value::Integer(active.into()));
    }
    Ok(draft)
}

/// Settings in the units that `SHOW` has, as the planner reads them.
const SETTINGS: &str = "\
SELECT name::text, current_setting(name)::text FROM pg_settings WHERE name IN (\
'server_version_num', 'max_connections', 'superuser_reserved_connections', 'reserved_connections', \
'work_mem', 'hash_mem_multiplier', 'shared_buffers', 'maintenance_work_mem', 'autovacuum_work_mem', \
'autovacuum_max_workers', 'max_parallel_workers', 'max_parallel_workers_per_gather', \
'max_worker_processes', 'tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count')";

const CACHE_HIT: &str = "\
SELECT (sum(blks_hit) / nullif(sum(blks_hit) + sum(blks_read), 0))::float8 FROM pg_stat_database";

/// Clients only, without ourselves: background processes and walsenders take none of these
/// connections.
const SERVICES: &str = "\
SELECT coalesce(nullif(application_name, ''), usename::text, 'app'), \
       min(usename::text), min(datname::text), count(DISTINCT client_addr), count(*) \
FROM pg_stat_activity \
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND usename IS NOT NULL \
GROUP BY 1 ORDER BY 1 LIMIT 1000";

const ACTIVE: &str = "\
SELECT count(*) FROM pg_stat_activity \
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND state = 'active'";

const PATIENCE: Duration = Duration::from_secs(15);
