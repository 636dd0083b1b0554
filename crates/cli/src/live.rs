//! `--from-database`: what a running PostgreSQL knows about its fleet.
//!
//! Its version and settings, the time limits that application roles get, its standbys, and who is
//! connected: one service for each application name, with the number of its client addresses as replicas.
//! Queries only read; nothing is changed.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use pgweir_advisor::facts::{Observation, Origin, Ruling};
use pgweir_advisor::fleet::{Draft, Section, Value};
use pgweir_sources::{Names, server_setting};
use tokio_postgres::{Client, Config, NoTls};

const DATABASE: Origin = Origin::named("the database");

/// Asks the database at `url`.
///
/// # Errors
/// It cannot be reached, asks for TLS, or does not answer. No message has the URL.
pub(crate) fn read(url: &str) -> anyhow::Result<Draft> {
    let mut config: Config = url.parse().ok().context(
        "--from-database: not the URL of a database; write postgres://user:password@host/database",
    )?;
    if config.get_ssl_mode() == tokio_postgres::config::SslMode::Require {
        bail!("--from-database: TLS is not supported; use a tunnel and sslmode=disable");
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
            // The connection ends with its client. How it ends does not matter: the answers are here.
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
        database: Section::new(DATABASE),
        ..Draft::default()
    };
    server(client, &mut draft.database).await?;
    time_limits(client, &mut draft).await?;
    services(client, &mut draft).await?;
    draft.observations.extend(unseen(client).await?);
    Ok(draft)
}

/// Version, settings, name, cache hits and standbys.
async fn server(client: &Client, database: &mut Section) -> Result<(), tokio_postgres::Error> {
    for row in client.query(SETTINGS, &[]).await? {
        let (name, value): (String, String) = (row.get(0), row.get(1));
        match name.as_str() {
            "server_version_num" => {
                // 150018 is 15.18.
                let number: u64 = value.parse().unwrap_or_default();
                database.set("version", number / 10_000);
            }
            // Whether there are any; only 17 and later know.
            "huge_pages_status" => match value.as_str() {
                "on" => database.set("huge_pages", true),
                "off" => database.set("huge_pages", false),
                _ => {}
            },
            _ => server_setting(database, &name, &value, &DATABASE),
        }
    }
    let name = client.query_one("SELECT current_database()::text", &[]);
    database.set("name", name.await?.get::<_, String>(0));
    let hit: Option<f64> = client.query_one(CACHE_HIT, &[]).await?.get(0);
    if let Some(hit) = hit {
        database.set("cache_hit", (hit * 1000.0).round() / 1000.0);
    }
    let standbys = client.query(STANDBYS, &[]).await?;
    if !standbys.is_empty() {
        let names = standbys
            .iter()
            .map(|row| Value::from(row.get::<_, String>(0)));
        database.set("standbys", Value::List(names.collect()));
    }
    Ok(())
}

async fn time_limits(client: &Client, draft: &mut Draft) -> Result<(), tokio_postgres::Error> {
    let mut limits: BTreeMap<String, Vec<Limit>> = BTreeMap::new();
    for row in client.query(LIMITS, &[]).await? {
        let (role, millis) = (row.get(1), row.get(2));
        limits
            .entry(row.get(0))
            .or_default()
            .push(Limit { role, millis });
    }
    for (name, limits) in limits {
        draft
            .observations
            .extend(time_limit(&mut draft.database, &name, limits));
    }
    Ok(())
}

/// One service for each application name.
async fn services(client: &Client, draft: &mut Draft) -> Result<(), tokio_postgres::Error> {
    let mut names = Names::default();
    for row in client.query(SERVICES, &[]).await? {
        let (application, user, name): (String, String, String) =
            (row.get(0), row.get(1), row.get(2));
        let (addresses, connections): (i64, i64) = (row.get(3), row.get(4));
        let with_user = format!("{application}-{user}");
        let service = names.take(&[&application, &with_user]);
        let service = draft.service(&service, DATABASE);
        let instances = u64::try_from(addresses).unwrap_or(1).max(1);
        let connections = u64::try_from(connections).unwrap_or_default();
        service.set("replicas", instances);
        // What is open now, not what may be: a lower bound of the pool.
        service.set("pool", connections.div_ceil(instances).clamp(1, 10_000));
        service.set("user", user);
        service.set("database", name);
    }
    Ok(())
}

/// What the database shows only for this moment, or not at all.
async fn unseen(client: &Client) -> Result<Vec<Observation>, tokio_postgres::Error> {
    let counts = client.query_one(COUNTS, &[]).await?;
    let (active, hidden): (i64, i64) = (counts.get(0), counts.get(1));
    let mut observations = Vec::new();
    if active > 0 {
        observations.push(Observation {
            ruling: Ruling::Left("set measured.active to what monitoring saw over a day or more"),
            what: format!(
                "connections active at this moment: {active}, which is not a 99th percentile"
            ),
            origin: DATABASE,
        });
    }
    if hidden > 0 {
        observations.push(Observation {
            ruling: Ruling::Wrong("connect as a member of pg_monitor"),
            what: format!("connections of other roles that are hidden and not counted: {hidden}"),
            origin: DATABASE,
        });
    }
    Ok(observations)
}

/// A time limit that sessions of a role get; 0 is none.
struct Limit {
    role: String,
    millis: f64,
}

/// Sets the longest limit: a plan must not rely on a limit that some role does not have.
fn time_limit(database: &mut Section, name: &str, limits: Vec<Limit>) -> Option<Observation> {
    let length = |limit: &Limit| match limit.millis {
        0.0 => f64::INFINITY,
        millis => millis,
    };
    let by_length = |a: &&Limit, b: &&Limit| length(a).total_cmp(&length(b));
    let longest = limits.iter().max_by(by_length)?;
    let shortest = limits.iter().min_by(by_length)?;
    server_setting(
        database,
        name,
        // `as` clamps to the range of u64, and PostgreSQL's limits end at 24 days.
        &(longest.millis.ceil() as u64).to_string(),
        &DATABASE,
    );
    (length(longest) > length(shortest)).then(|| Observation {
        ruling: Ruling::Left("set the limit that you mean in fleet.toml"),
        what: format!(
            "{name} is {} for {} and {} for {}: the longer counts",
            shown(shortest.millis),
            shortest.role,
            shown(longest.millis),
            longest.role
        ),
        origin: DATABASE,
    })
}

fn shown(millis: f64) -> String {
    if millis == 0.0 {
        "none".to_owned()
    } else {
        format!("{millis} ms")
    }
}

/// Settings in the units that `SHOW` has, as the planner reads them. Ordered by name, so that
/// `huge_pages_status` comes after `huge_pages` and wins.
const SETTINGS: &str = "\
SELECT name::text, current_setting(name)::text FROM pg_settings WHERE name IN (\
'server_version_num', 'max_connections', 'superuser_reserved_connections', 'reserved_connections', \
'work_mem', 'hash_mem_multiplier', 'shared_buffers', 'maintenance_work_mem', 'autovacuum_work_mem', \
'autovacuum_max_workers', 'max_parallel_workers', 'max_parallel_workers_per_gather', \
'max_worker_processes', 'huge_pages', 'huge_pages_status', 'tcp_keepalives_idle', \
'tcp_keepalives_interval', 'tcp_keepalives_count') ORDER BY name COLLATE \"C\"";

/// Time limits in milliseconds that each application role gets in the database it uses: those of the
/// role there, of the role, of the database, of all roles, of the server, in this order. Application
/// roles are those that are connected and not superusers; where there are none, those that may log in.
/// The server's own value is visible only where our session has no other.
const LIMITS: &str = r"
WITH connected AS (
    SELECT DISTINCT usesysid AS role, datid AS database
    FROM pg_stat_activity JOIN pg_roles ON oid = usesysid
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND NOT rolsuper
), application AS (
    SELECT role, database FROM connected
    UNION ALL
    SELECT r.oid, d.oid FROM pg_roles r, pg_database d
    WHERE r.rolcanlogin AND NOT r.rolsuper AND NOT r.rolreplication
      AND d.datname = current_database() AND NOT EXISTS (SELECT FROM connected)
), server AS (
    SELECT name, CASE WHEN source NOT IN ('database', 'user', 'database user', 'client', 'session')
                      THEN reset_val END AS value
    FROM pg_settings
    WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout',
                   'transaction_timeout', 'idle_session_timeout')
), effective AS (
    SELECT server.name, rolname, coalesce(own.value, server.value) AS value
    FROM application JOIN pg_roles ON pg_roles.oid = application.role CROSS JOIN server
    LEFT JOIN LATERAL (
        SELECT substr(setting, length(server.name) + 2) AS value
        FROM pg_db_role_setting, unnest(setconfig) AS setting
        WHERE setrole IN (application.role, 0) AND setdatabase IN (application.database, 0)
          AND starts_with(setting, server.name || '=')
        ORDER BY setrole = 0, setdatabase = 0 LIMIT 1
    ) AS own ON true
)
SELECT name::text, rolname::text,
       (1000 * extract(epoch FROM
            (CASE WHEN value ~ '^\d+$' THEN value || 'ms' ELSE value END)::interval))::float8
FROM effective
WHERE value ~ '^\s*\d+(\.\d+)?\s*(us|ms|s|min|h|d)?\s*$'
ORDER BY name, rolname LIMIT 10000";

/// Standbys that serve clients: pg_basebackup and pg_receivewal do not. The address tells apart those
/// that share a name.
const STANDBYS: &str = "\
SELECT CASE WHEN count(*) OVER (PARTITION BY r.application_name) > 1 \
            THEN concat_ws(' at ', r.application_name, host(r.client_addr)) \
            ELSE r.application_name END \
FROM pg_stat_replication r JOIN pg_stat_activity a USING (pid) \
WHERE a.datid IS NULL AND coalesce(r.application_name, '') NOT IN ('', 'pg_basebackup', 'pg_receivewal') \
ORDER BY 1 LIMIT 1000";

const CACHE_HIT: &str = "\
SELECT (sum(blks_hit) / nullif(sum(blks_hit) + sum(blks_read), 0))::float8 FROM pg_stat_database";

/// Clients without ourselves: background processes and walsenders take none of these connections.
const SERVICES: &str = "\
SELECT coalesce(nullif(application_name, ''), usename::text, 'app'), \
       min(usename::text), min(datname::text), count(DISTINCT client_addr), count(*) \
FROM pg_stat_activity \
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND usename IS NOT NULL \
GROUP BY 1 ORDER BY 1 LIMIT 1000";

/// How many are active, and how many are hidden from us: PostgreSQL shows only their role.
const COUNTS: &str = "\
SELECT count(*) FILTER (WHERE backend_type = 'client backend' AND state = 'active'), \
       count(*) FILTER (WHERE backend_type IS NULL AND usesysid IS NOT NULL AND datid IS NOT NULL) \
FROM pg_stat_activity WHERE pid <> pg_backend_pid()";

const PATIENCE: Duration = Duration::from_secs(15);
