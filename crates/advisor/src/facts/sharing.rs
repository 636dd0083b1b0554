//! Among what a service's load is shared: pools, or processes that serve one request at a time.

use super::{Kind, Service, Work};
use crate::formula::queueing::{Load, survivors};
use crate::units::Connections;

/// Among what a service's load is shared, and how many of them there are while one instance is gone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sharing {
    /// The load.
    pub load: Load,
    /// Pools, or groups of processes, at full strength.
    pub parts: u64,
    /// The same with one instance gone.
    pub parts_left: u64,
}

impl Kind {
    /// How a load is shared: by pools where they are shared by the requests of a process, else by
    /// the processes of an instance. `None`: the load is not known.
    pub fn sharing(self, work: &Work, replicas: u64, processes: u64) -> Option<Sharing> {
        let load = if self.one_per_process() {
            work.requests()?
        } else {
            work.checkouts()?
        };
        let (parts, parts_left) = match self {
            // Each function is an instance of its own, and all of them take what comes.
            Self::Serverless => (1, 1),
            Self::Octane | Self::Queue => (replicas.max(1), survivors(replicas)),
            Self::PhpFpm | Self::Prisma6 | Self::Prisma7 | Self::Sqlx | Self::Generic => (
                replicas.max(1).saturating_mul(processes),
                survivors(replicas).saturating_mul(processes),
            ),
        };
        Some(Sharing {
            load,
            parts,
            parts_left,
        })
    }
}

impl Service {
    /// How its load is shared; `None`: it is not known.
    pub fn sharing(&self) -> Option<Sharing> {
        self.kind.sharing(&self.work, self.replicas, self.processes)
    }

    /// What serves one part of its load: connections of a pool, or processes.
    pub fn servers_of_part(&self) -> Connections {
        match self.kind {
            Kind::Serverless => Connections(self.replicas),
            Kind::Octane | Kind::Queue => Connections(self.processes),
            _ => self.pool,
        }
    }

    /// The setting that says how many that are.
    pub fn size_setting(&self) -> &'static str {
        match self.kind {
            Kind::Serverless => "replicas",
            Kind::Octane | Kind::Queue => "processes",
            _ => "pool",
        }
    }
}
