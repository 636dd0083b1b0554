//! File descriptors: every client is one here and one in pgweir.

use anyhow::{Context, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises this process's limit, which pgweir inherits, to what the demo needs.
///
/// # Errors
/// The system allows fewer; the error names a number of clients that works.
pub(crate) fn raise(clients: u32, servers: u32) -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let needed = needed(clients, servers);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if let Some(maximum) = limit.maximum.filter(|&maximum| maximum < needed) {
        let fit = maximum.saturating_sub(self::needed(0, servers));
        bail!(
            "{clients} clients need {needed} open files, and the system allows {maximum} \
             (ulimit -Hn); raise that limit{}",
            if fit > 0 {
                format!(", or try --clients {fit}")
            } else {
                String::new()
            }
        );
    }
    let raised = Rlimit {
        current: Some(needed),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised)
        .with_context(|| format!("cannot raise the limit of open files to {needed}"))
}

/// Open files of pgweir, which needs more than the demo: clients, servers, and far fewer than 128 for
/// listeners, epolls and logs.
fn needed(clients: u32, servers: u32) -> u64 {
    u64::from(clients) + u64::from(servers) + 128
}
