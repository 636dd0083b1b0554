//! Names of hosts, which the system's resolver knows.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::warn;

/// Names that are looked for at once, each on a thread that waits for it.
const LOOKUPS_MAX: usize = 8;

/// Time for one. The resolver may go on behind it, and keeps its place for so long.
const TIME_MAX: Duration = Duration::from_secs(10);

/// See the module's description.
pub(super) struct Hosts(Arc<Semaphore>);

impl Default for Hosts {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LOOKUPS_MAX)))
    }
}

impl Hosts {
    /// The name of the host at an address, or the address where it has none; `None` if nobody says that in time,
    /// which is in the log.
    pub(super) async fn name(&self, address: IpAddr) -> Option<String> {
        let looking = async {
            let turn = self.0.clone().acquire_owned().await;
            let turn = turn.expect("it is never closed");
            let look = move || {
                let _turn = turn;
                dns_lookup::lookup_addr(&address).unwrap_or_else(|_| address.to_string())
            };
            let looked = tokio::task::spawn_blocking(look).await;
            looked.expect("it does not panic")
        };
        let name = timeout(TIME_MAX, looking).await;
        if name.is_err() {
            warn!(%address, "the name of the host is not known in time, which pam_use_hostname asks for");
        }
        name.ok()
    }
}
