//! Taking over a changed configuration while serving.

use tracing::{error, info, warn};

use crate::config::{self, Source};
use crate::registry::Registry;

/// Reads the configuration again. With any mistake in it, all of it stays as it was.
pub(crate) fn reload(source: &Source, registry: &Registry) {
    match config::load(source) {
        Ok(resolved) => {
            let (config, reload) = config::reload::merge(&registry.config(), resolved.config);
            for setting in reload.needs_restart {
                warn!("{setting} changed; it takes effect after a restart");
            }
            registry.reload(config);
            info!("configuration reloaded");
        }
        Err(problems) => {
            for problem in &problems {
                error!("{problem}");
            }
            error!(
                "reload failed with {} problems; the configuration stays as it was",
                problems.len()
            );
        }
    }
}
