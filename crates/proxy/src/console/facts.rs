//! What the console's tables are rendered from, looked up when somebody asks.

use pgweir_console::facts::{Console, Facts, Memory, Needs};
use pgweir_telemetry::findings::Findings;

use crate::registry::Registry;
use crate::snapshot::{self, Extent};

/// Finds what a table needs.
pub(super) async fn gather(registry: &Registry, needs: Needs) -> Facts {
    let config = registry.config();
    Facts {
        snapshot: snapshot::take(registry, Extent::Whole),
        findings: Findings::default(),
        settings: Vec::new(),
        connections: Vec::new(),
        averages: registry.consoles.averages(),
        console: Console {
            port: config.listen.port,
            sessions: u32::try_from(registry.consoles.open().len()).expect("a few"),
            commands: registry.consoles.commands(),
            logins: 0,
            memory: Memory::default(),
        },
    }
}
