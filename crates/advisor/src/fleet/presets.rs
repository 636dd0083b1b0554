//! The sizing table of S1 as fleets.

use pgweir_settings::{Origin, Section};

use super::Draft;

/// A column of S1's sizing table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// Requests per second, from and below; `None`: no upper end.
    pub requests: (u64, Option<u64>),
    /// Instances, fewest and most; the table gives no most for the last column, which its total is
    /// computed with the fewest.
    pub replicas: (u64, u64),
    /// Connections of one instance, fewest and most.
    pub pool: (u64, u64),
    /// `max_connections`.
    pub max_connections: u64,
    /// What the table says of a pooler.
    pub pooler: &'static str,
    /// Physical cores; the table has none, these are ours.
    pub cores: u64,
}

/// The columns in the order of the table.
pub const PRESETS: [Preset; 4] = [
    Preset {
        name: "small",
        requests: (0, Some(10)),
        replicas: (1, 2),
        pool: (10, 10),
        max_connections: 50,
        pooler: "optional",
        cores: 2,
    },
    Preset {
        name: "medium",
        requests: (10, Some(100)),
        replicas: (2, 4),
        pool: (20, 30),
        max_connections: 150,
        pooler: "recommended",
        cores: 4,
    },
    Preset {
        name: "large",
        requests: (100, Some(500)),
        replicas: (4, 8),
        pool: (30, 50),
        max_connections: 500,
        pooler: "required",
        cores: 8,
    },
    Preset {
        name: "enterprise",
        requests: (500, None),
        replicas: (8, 8),
        pool: (50, 100),
        max_connections: 1000,
        pooler: "required",
        cores: 16,
    },
];

impl Preset {
    /// The preset of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// The preset for so many requests per second; each begins with its lower end.
    pub fn for_requests(requests: f64) -> &'static Self {
        PRESETS
            .iter()
            .rev()
            .find(|preset| requests >= preset.requests.0 as f64)
            .unwrap_or(&PRESETS[0])
    }

    /// Connections in all, fewest and most.
    pub fn total(&self) -> (u64, u64) {
        (self.replicas.0 * self.pool.0, self.replicas.1 * self.pool.1)
    }

    /// The column at its upper end, as a fleet of one service. The table knows no rollouts.
    pub fn draft(&'static self) -> Draft {
        let origin = Origin::Named(format!("preset {}", self.name).into());
        let mut draft = Draft {
            database: Section::new(origin.clone()),
            operations: Section::new(origin.clone()),
            ..Draft::default()
        };
        draft.database.set("physical_cores", self.cores);
        draft.database.set("max_connections", self.max_connections);
        draft.operations.set("surge", false);
        let service = draft.service("app", origin);
        service.set("kind", "prisma6");
        service.set("replicas", self.replicas.1);
        service.set("replicas_min", self.replicas.0);
        service.set("pool", self.pool.1);
        // Just below the upper end, which belongs to the next column.
        let requests = self
            .requests
            .1
            .map_or(2 * self.requests.0, |below| below - 1);
        service.set("requests", requests);
        draft
    }
}
