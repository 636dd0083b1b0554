//! The demo's PostgreSQL: a throw-away cluster with a database, its owner and the load's tables.

use std::net::Ipv4Addr;

use anyhow::Context;
use pgweir_cluster::{Cluster, ClusterOptions, Postgres, random_hex};

use super::progress::Progress;
use crate::load::client::{Client, Target};
use crate::load::mix;

/// The demo's PostgreSQL.
pub(crate) struct DemoServer {
    cluster: Cluster,
    pub(crate) version: String,
    pub(crate) database: &'static str,
    pub(crate) user: &'static str,
    pub(crate) password: String,
}

impl DemoServer {
    pub(crate) async fn start(progress: &Progress) -> anyhow::Result<Self> {
        let shown = progress.clone();
        let (version, cluster) = tokio::task::spawn_blocking(move || {
            shown.step("looking for PostgreSQL");
            let postgres = Postgres::find_or_install(&mut |step| shown.step(step))?;
            shown.step(&format!("starting PostgreSQL {}", postgres.version()));
            let settings = [("max_connections", CONNECTIONS_MAX.to_string())];
            let cluster = Cluster::start(
                &postgres,
                &ClusterOptions {
                    settings: settings
                        .map(|(name, value)| (name.to_owned(), value))
                        .into(),
                    hba: Vec::new(),
                },
            )?;
            anyhow::Ok((postgres.version().to_owned(), cluster))
        })
        .await??;
        let server = Self {
            cluster,
            version,
            database: "demo",
            user: "demo",
            password: random_hex(16)?,
        };
        progress.step("filling the database");
        server.fill().await.context("cannot fill the database")?;
        Ok(server)
    }

    pub(crate) fn port(&self) -> u16 {
        self.cluster.port()
    }

    /// Connects as the load's user to this port of this machine.
    pub(crate) fn target(&self, port: u16) -> Target {
        Target::new(
            (Ipv4Addr::LOCALHOST, port),
            self.database,
            self.user,
            &self.password,
        )
    }

    /// Connects as the superuser, directly to PostgreSQL.
    pub(crate) fn superuser_target(&self) -> Target {
        Target::new(
            (Ipv4Addr::LOCALHOST, self.port()),
            "postgres",
            self.cluster.superuser(),
            self.cluster.superuser_password(),
        )
    }

    async fn fill(&self) -> anyhow::Result<()> {
        let (user, database) = (self.user, self.database);
        let mut superuser = Client::connect(&self.superuser_target()).await?;
        // The password is made of hex digits, so it needs no quoting.
        let role = format!("CREATE ROLE {user} LOGIN PASSWORD '{}'", self.password);
        superuser.value(&role).await?;
        let create = format!("CREATE DATABASE {database} OWNER {user}");
        superuser.value(&create).await?;
        superuser.close().await;

        let mut owner = Client::connect(&self.target(self.port())).await?;
        for sql in mix::schema() {
            owner.value(&sql).await?;
        }
        owner.close().await;
        Ok(())
    }
}

/// PostgreSQL's default.
pub(crate) const CONNECTIONS_MAX: u32 = 100;
