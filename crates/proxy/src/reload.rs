//! Taking over a changed configuration while serving.

use tracing::{Level, enabled, error, info, warn};

use crate::outside::load;
use crate::registry::Registry;
use crate::run::SetLogLevel;
use pgweir_config::{Source, reload::merge};

/// Reads the configuration again. With any mistake in it, all of it stays as it was.
pub(crate) fn reload(source: &Source, registry: &Registry, set_log_level: &SetLogLevel) {
    match load(source) {
        Ok(resolved) => {
            let (config, reload) = merge(&registry.config(), resolved.config);
            for setting in reload.needs_restart {
                warn!("{setting} changed; it takes effect after a restart");
            }
            let level = config.log.level;
            registry.reload(config);
            // Told under whichever level lets it through, the old or the new one.
            let is_told = enabled!(Level::INFO);
            if is_told {
                info!("configuration reloaded");
            }
            set_log_level(level);
            if !is_told {
                info!("configuration reloaded");
            }
        }
        Err(problems) => {
            for problem in &problems {
                error!("{problem}");
            }
            error!(
                "reload failed, problems: {}; the configuration stays as it was",
                problems.len()
            );
        }
    }
}
