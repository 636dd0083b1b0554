//! PostgreSQL, and the roles that tests use there.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use pgweir_cluster::{Cluster, ClusterOptions};

use crate::authority::{Identity, write};
use crate::client::{Client, Target};
use crate::config::Config;
use crate::pooler::Pooler;
use crate::transcript::Transcript;
use crate::wait::eventually;

/// A running PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    cluster: Cluster,
    admin: Mutex<Option<Client>>,
    roles: AtomicU32,
}

/// A role with a schema of its own in the database `postgres`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name, which no other test uses.
    pub name: String,
    /// Its password.
    pub password: String,
    port: u16,
}

/// The PostgreSQL that tests share. It must not be stopped, nor its processes killed: tests that
/// do such things start their own.
pub fn shared() -> &'static Postgres {
    static SHARED: OnceLock<Postgres> = OnceLock::new();
    // A static is never dropped; the cluster's watchdog removes it when this process ends.
    SHARED.get_or_init(Postgres::start)
}

impl Postgres {
    /// Starts one that the caller may maltreat.
    ///
    /// # Panics
    /// If PostgreSQL cannot be found, installed or started.
    pub fn start() -> Self {
        let postgres = pgweir_cluster::Postgres::find_or_install(&mut |step| eprintln!("{step}"))
            .unwrap_or_else(|missing| panic!("{missing}"));
        let options = ClusterOptions {
            settings: [
                ("max_connections", CONNECTIONS_MAX),
                ("timezone", "UTC"),
                ("wal_level", "logical"),
                ("max_wal_senders", "20"),
                // Streams that nobody reads for seconds find what they have not been sent yet, whatever
                // the tests beside them write.
                ("wal_keep_size", "1GB"),
                ("log_connections", "on"),
                ("log_disconnections", "on"),
                ("log_line_prefix", "%m [%p] %u@%d %a "),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            hba: HBA.iter().map(|&line| line.to_owned()).collect(),
        };
        let cluster = Cluster::start(&postgres, &options).unwrap_or_else(|error| panic!("{error}"));
        let server = Self {
            cluster,
            admin: Mutex::new(None),
            roles: AtomicU32::new(0),
        };
        for method in ["clear", "md5", "trust"] {
            server.sql(&format!("CREATE ROLE by_{method}"));
        }
        server
    }

    /// Stops and starts it on the same port; running sessions are ended.
    ///
    /// # Panics
    /// If it does not start again.
    pub fn restart(&mut self) {
        *self.admin() = None;
        self.cluster
            .restart()
            .unwrap_or_else(|error| panic!("{error}"));
    }

    /// Stops it; running sessions are ended.
    ///
    /// # Panics
    /// If it does not stop.
    pub fn stop(&mut self) {
        *self.admin() = None;
        self.cluster
            .stop()
            .unwrap_or_else(|error| panic!("{error}"));
    }

    /// A new role that logs in with SCRAM and may replicate.
    pub fn replicator(&self) -> Role {
        let role = self.role();
        self.sql(&format!("ALTER ROLE {} REPLICATION", role.name));
        role
    }

    /// A new role that logs in with SCRAM.
    pub fn role(&self) -> Role {
        self.role_by("", "scram-sha-256")
    }

    /// A new role. `group` decides what it is asked for at login: `by_clear` its password,
    /// `by_md5` the md5 challenge, `by_trust` nothing, none SCRAM. `encryption` is that of its
    /// stored password.
    pub fn role_by(&self, group: &str, encryption: &str) -> Role {
        let number = self.roles.fetch_add(1, Ordering::Relaxed);
        let role = Role {
            name: format!("role_{number}"),
            password: format!("hush {number} of \"it's\""),
            port: self.port(),
        };
        let (name, password) = (&role.name, role.password.replace('\'', "''"));
        let group = if group.is_empty() {
            String::new()
        } else {
            format!("IN ROLE {group}")
        };
        self.sql(&format!(
            "SET password_encryption = '{encryption}'; \
             CREATE ROLE {name} LOGIN PASSWORD '{password}' {group}; \
             CREATE SCHEMA AUTHORIZATION {name}"
        ));
        role
    }

    /// Runs SQL as the superuser.
    ///
    /// # Panics
    /// If it fails.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> Transcript {
        let mut admin = self.admin();
        let client = admin.get_or_insert_with(|| Client::log_in(&self.superuser()));
        client.query(sql).success()
    }

    /// Runs SQL as the superuser, which may fail: the server may be down.
    pub fn try_value(&self, sql: &str) -> Option<String> {
        let mut admin = self.admin();
        if admin.is_none() {
            Client::connect(&self.superuser()).ok()?;
            *admin = Client::try_log_in(&self.superuser(), &[]).ok();
        }
        let answer = admin.as_mut()?.query(sql);
        if answer.ended {
            *admin = None;
        }
        answer.rows().first()?.first().cloned()
    }

    /// Process numbers of the server processes of a role.
    pub fn pids(&self, role: &Role) -> Vec<u32> {
        let sql = format!(
            "SELECT pid FROM pg_stat_activity \
             WHERE usename = '{}' AND backend_type = 'client backend' ORDER BY backend_start",
            role.name
        );
        self.sql(&sql)
            .rows()
            .iter()
            .map(|row| row[0].parse().expect("a number"))
            .collect()
    }

    /// The text of a field of the activity of a role's only server.
    pub fn activity(&self, role: &Role, field: &str) -> Option<String> {
        let sql = format!(
            "SELECT {field} FROM pg_stat_activity WHERE usename = '{}'",
            role.name
        );
        self.sql(&sql).rows().first().map(|row| row[0].clone())
    }

    /// The superuser, without a pooler.
    pub fn superuser(&self) -> Target {
        Target {
            host: LOCALHOST.to_owned(),
            port: self.port(),
            user: self.cluster.superuser().to_owned(),
            password: self.cluster.superuser_password().to_owned(),
            database: DATABASE.to_owned(),
        }
    }

    /// Has it speak TLS with this certificate from its next connection on; `None` switches TLS off.
    ///
    /// # Panics
    /// If it does not take it.
    pub fn speak_tls(&self, identity: Option<&Identity>, authority: Option<&str>) {
        let folder = self.cluster.data_dir();
        let settings = match identity {
            None => "ALTER SYSTEM SET ssl = off".to_owned(),
            Some(identity) => {
                // A new name each time, so that the old files stay good until the new ones are read.
                let number = self.roles.fetch_add(1, Ordering::Relaxed);
                let (certificate, key) = identity.write(&folder, &format!("server{number}"));
                let authority = authority.map_or(String::new(), |text| {
                    let path = write(&folder, &format!("authority{number}.crt"), text);
                    path.display().to_string()
                });
                format!(
                    "ALTER SYSTEM SET ssl_cert_file = '{}'; ALTER SYSTEM SET ssl_key_file = '{}'; \
                     ALTER SYSTEM SET ssl_ca_file = '{authority}'; ALTER SYSTEM SET ssl = on",
                    certificate.display(),
                    key.display(),
                )
            }
        };
        for sql in settings.split("; ") {
            self.sql(sql);
        }
        self.sql("SELECT pg_reload_conf()");
        let expected = if identity.is_some() { "on" } else { "off" };
        // The postmaster has read it by the time that its new processes show it.
        eventually("PostgreSQL has read its settings", || {
            *self.admin() = None;
            let shown = self.sql("SELECT current_setting('ssl')").value();
            (shown == expected).then_some(())
        });
        *self.admin() = None;
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.cluster.port()
    }

    /// The folder of its unix socket.
    pub fn socket_dir(&self) -> String {
        self.cluster.socket_dir().display().to_string()
    }

    /// Process number of the postmaster.
    ///
    /// # Panics
    /// While it is stopped.
    pub fn pid(&self) -> u32 {
        self.cluster.pid().expect("it runs")
    }

    fn admin(&self) -> MutexGuard<'_, Option<Client>> {
        // A failed query of another test leaves the connection usable, or it is opened anew.
        self.admin.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Role {
    /// This role, without a pooler.
    pub fn direct(&self) -> Target {
        Target {
            host: LOCALHOST.to_owned(),
            port: self.port,
            user: self.name.clone(),
            password: self.password.clone(),
            database: DATABASE.to_owned(),
        }
    }

    /// This role, through a pooler that has its [`Role::config`].
    pub fn through(&self, pooler: &Pooler) -> Target {
        Target {
            port: pooler.port(),
            database: "app".to_owned(),
            ..self.direct()
        }
    }

    /// A pooler's configuration for this role: transaction mode, no proof asked of clients, the
    /// database `app`, the role's plain password for the server.
    pub fn config(&self) -> Config {
        Config::new()
            .set("pool_mode", "transaction")
            .set("auth_type", "trust")
            .set("workers", 2)
            .database("app", "host", LOCALHOST)
            .database("app", "port", self.port)
            .database("app", "dbname", DATABASE)
            .user(&self.name, "password", &self.password)
    }
}

const LOCALHOST: &str = "127.0.0.1";
const DATABASE: &str = "postgres";
const CONNECTIONS_MAX: &str = "400";
/// Members of these roles are asked for other proofs than SCRAM.
const HBA: &[&str] = &[
    "host all +by_clear 127.0.0.1/32 password",
    "host all +by_md5 127.0.0.1/32 md5",
    "host all +by_trust 127.0.0.1/32 trust",
];
