//! F1 and F7: how many connections are useful at once, and how few are too few.

use crate::units::Connections;

/// Where the database keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// Flash on SATA or SAS.
    Ssd,
    /// Flash on PCI Express.
    Nvme,
    /// A provider's volume.
    Cloud,
    /// Rotating disks.
    Hdd {
        /// How many can seek independently.
        spindles: u32,
    },
}

/// Spindles that add to concurrency: those whose seeks overlap with the cores' work. 0 where nothing
/// rotates, or where 99 % of reads are cached.
pub fn effective_spindles(storage: Storage, cache_hit: f64) -> u64 {
    match storage {
        Storage::Hdd { spindles } if cache_hit < FULLY_CACHED => {
            (f64::from(spindles) * (1.0 - cache_hit.max(0.0))).round() as u64
        }
        Storage::Hdd { .. } | Storage::Ssd | Storage::Nvme | Storage::Cloud => 0,
    }
}

/// F1: connections of the whole database that can usefully be active at once. Cores are physical
/// ones of the database machine; hyper-threads do not count.
pub fn active_optimum(physical_cores: u32, effective_spindles: u64) -> Connections {
    Connections(2 * u64::from(physical_cores) + effective_spindles)
}

/// F1 as both documents read it: one spindle always.
pub fn active_optimum_of_documents(physical_cores: u32) -> Connections {
    active_optimum(physical_cores, 1)
}

/// What S1's quick formula proposes for a machine with this many cores, lowest and highest. It is a
/// table of three rows, not a formula: other machines have no entry.
pub fn prisma_guide_use(physical_cores: u32) -> Option<(Connections, Connections)> {
    let (low, high) = match physical_cores {
        2 => (10, 10),
        4 => (20, 20),
        8 => (30, 50),
        _ => return None,
    };
    Some((Connections(low), Connections(high)))
}

/// The next multiple of ten, which is how S2 and the best practices of S1 round (9 becomes 10).
pub fn up_to_ten(connections: Connections) -> Connections {
    Connections(connections.0.div_ceil(10).saturating_mul(10))
}

/// F7: the smallest pool in which `tasks` tasks that each hold `connections_per_task` connections
/// at once cannot all wait for their last one.
pub fn deadlock_floor(tasks: u64, connections_per_task: u64) -> Connections {
    Connections(
        tasks
            .saturating_mul(connections_per_task.saturating_sub(1))
            .saturating_add(1),
    )
}

/// From this share of reads found in memory on, disks do not matter.
const FULLY_CACHED: f64 = 0.99;
