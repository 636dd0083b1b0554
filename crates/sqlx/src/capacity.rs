//! The connections that the database allows, and whether they are enough for all replicas.

use std::fmt;

use crate::pool::Pool;
use crate::sqlx::{self, Row};

/// The connections that the database allows this role, and those that the service may open.
///
/// Source: <https://www.postgresql.org/docs/current/runtime-config-connection.html> for the reserved
/// connections, `CREATE ROLE` and `CREATE DATABASE` for the other limits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capacity {
    /// PostgreSQL's `max_connections`.
    pub max_connections: u32,
    /// Of those, kept for superusers and for `pg_use_reserved_connections`.
    pub reserved: u32,
    /// The role's `CONNECTION LIMIT`, if it has one.
    pub role_limit: Option<u32>,
    /// The database's `CONNECTION LIMIT`, if it has one.
    pub database_limit: Option<u32>,
    /// Connections that all replicas together may open: [`crate::PoolSettings::max_connections`]
    /// times [`crate::PoolSettings::replicas`].
    pub wanted: u32,
}

/// How [`Capacity::wanted`] compares with what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// At most four fifths of what is allowed.
    Enough,
    /// More than four fifths: little is left for a second service, a migration, a deployment that
    /// runs old and new replicas side by side.
    Tight,
    /// More than is allowed: connections will be refused with SQLSTATE 53300.
    TooMany,
}

impl Capacity {
    /// Connections that this role can have in this database if nobody else has any.
    pub fn usable(&self) -> u32 {
        let open = self.max_connections.saturating_sub(self.reserved);
        [self.role_limit, self.database_limit]
            .into_iter()
            .flatten()
            .fold(open, u32::min)
    }

    /// Whether it is enough.
    pub fn verdict(&self) -> Verdict {
        let (wanted, usable) = (u64::from(self.wanted), u64::from(self.usable()));
        if wanted > usable {
            Verdict::TooMany
        } else if 5 * wanted > 4 * usable {
            Verdict::Tight
        } else {
            Verdict::Enough
        }
    }

    pub(crate) async fn ask(pool: &Pool) -> Result<Self, sqlx::Error> {
        // reserved_connections came with PostgreSQL 16. A limit of -1 means none.
        let row = sqlx::query(
            "SELECT current_setting('max_connections')::int4, \
                    current_setting('superuser_reserved_connections')::int4 \
                        + coalesce(current_setting('reserved_connections', true)::int4, 0), \
                    (SELECT rolconnlimit FROM pg_catalog.pg_roles WHERE rolname = current_user), \
                    (SELECT datconnlimit FROM pg_catalog.pg_database \
                        WHERE datname = current_database())",
        )
        .fetch_one(pool)
        .await?;
        let number = |column| -> Result<Option<u32>, sqlx::Error> {
            let value: Option<i32> = row.try_get(column)?;
            Ok(value.and_then(|value| u32::try_from(value).ok()))
        };
        let settings = &pool.shared().settings;
        let replicas = settings.replicas.map_or(1, std::num::NonZeroU32::get);
        Ok(Self {
            max_connections: number(0)?.unwrap_or(0),
            reserved: number(1)?.unwrap_or(0),
            role_limit: number(2)?,
            database_limit: number(3)?,
            wanted: settings.max_connections.saturating_mul(replicas),
        })
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            max_connections,
            reserved,
            wanted,
            ..
        } = self;
        write!(
            f,
            "the replicas of this service may open {wanted} connections, and the database gives {} \
             (max_connections {max_connections}, {reserved} reserved",
            self.usable()
        )?;
        if let Some(limit) = self.role_limit {
            write!(f, ", the role's limit {limit}")?;
        }
        if let Some(limit) = self.database_limit {
            write!(f, ", the database's limit {limit}")?;
        }
        write!(f, ")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacity(max_connections: u32, wanted: u32) -> Capacity {
        Capacity {
            max_connections,
            reserved: 3,
            role_limit: None,
            database_limit: None,
            wanted,
        }
    }

    #[test]
    fn reserved_connections_do_not_count() {
        let verdicts = [30, 77, 78, 97, 98, 150].map(|wanted| capacity(100, wanted).verdict());
        use Verdict::{Enough, Tight, TooMany};
        assert_eq!(verdicts, [Enough, Enough, Tight, Tight, TooMany, TooMany]);
    }

    #[test]
    fn the_smallest_limit_counts() {
        let mut capacity = capacity(100, 15);
        capacity.database_limit = Some(50);
        capacity.role_limit = Some(10);
        assert_eq!(capacity.usable(), 10);
        assert_eq!(capacity.verdict(), Verdict::TooMany);
        assert_eq!(
            capacity.to_string(),
            "the replicas of this service may open 15 connections, and the database gives 10 \
             (max_connections 100, 3 reserved, the role's limit 10, the database's limit 50)"
        );
    }
}
