//! Which services use the pools: clients by what they call themselves (`application_name`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pgweir_pool::budget::PoolId;

use crate::names::Names;

/// Services that are told apart.
pub const SERVICES_MAX: usize = 100;

/// The clients of one service in one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceClients {
    /// Where they are.
    pub pool: PoolId,
    /// What they call themselves.
    pub service: Arc<str>,
    /// Those that hold a server.
    pub active: u32,
    /// Those that wait for one.
    pub waiting: u32,
}

/// A service and what it has of its pools.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceSnapshot {
    /// Its name; [`crate::pools::OTHER`] for all beyond [`SERVICES_MAX`].
    pub service: Arc<str>,
    /// Servers that the pools of its clients may have; without a limit, those they have.
    pub size: u32,
    /// Servers that its clients hold.
    pub active: u32,
    /// Servers in the pools of its clients that are free.
    pub idle: u32,
    /// Its clients that wait for a server.
    pub waiting: u32,
}

/// The services that were seen; those without clients stay, so that their figures fall to 0.
#[derive(Debug)]
pub struct Services {
    names: Names,
}

impl Default for Services {
    fn default() -> Self {
        Self {
            names: Names::new(SERVICES_MAX),
        }
    }
}

impl Services {
    /// Adds up what the workers counted; `pool` says how many servers a pool may have and how many are
    /// free.
    pub fn sum(
        &mut self,
        counted: &[ServiceClients],
        pool: impl Fn(PoolId) -> (u32, u32),
    ) -> Vec<ServiceSnapshot> {
        let mut sums: BTreeMap<Arc<str>, (ServiceSnapshot, BTreeSet<PoolId>)> = BTreeMap::new();
        for known in self.names.known() {
            sums.insert(known.clone(), Default::default());
        }
        for clients in counted {
            let service = self.names.label(&clients.service);
            let (sum, pools) = sums.entry(service).or_default();
            sum.active += clients.active;
            sum.waiting += clients.waiting;
            if pools.insert(clients.pool) {
                let (size, idle) = pool(clients.pool);
                sum.size += size;
                sum.idle += idle;
            }
        }
        let sums = sums.into_iter();
        sums.map(|(service, (sum, _))| ServiceSnapshot { service, ..sum })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use pgweir_pool::budget::PoolId;

    use super::{SERVICES_MAX, ServiceClients, ServiceSnapshot, Services};

    fn clients(pool: u32, service: &str, active: u32, waiting: u32) -> ServiceClients {
        ServiceClients {
            pool: PoolId(pool),
            service: service.into(),
            active,
            waiting,
        }
    }

    #[test]
    fn a_service_has_what_its_clients_hold_and_the_servers_of_their_pools() {
        let mut services = Services::default();
        let pool = |id: PoolId| (10 * id.0, id.0);
        let counted = [
            clients(1, "web", 2, 1),
            clients(1, "web", 3, 0),
            clients(2, "web", 1, 4),
            clients(1, "jobs", 1, 0),
        ];
        let service = |service: &str, [size, active, idle, waiting]: [u32; 4]| ServiceSnapshot {
            service: service.into(),
            size,
            active,
            idle,
            waiting,
        };
        let expected = [
            service("jobs", [10, 1, 1, 0]),
            service("web", [30, 6, 3, 5]),
        ];
        assert_eq!(services.sum(&counted, pool), expected);
        let gone = [service("jobs", [0; 4]), service("web", [0; 4])];
        assert_eq!(services.sum(&[], pool), gone, "0, and not missing");
    }

    #[test]
    fn names_that_are_made_up_are_one_service() {
        let mut services = Services::default();
        let counted: Vec<_> = (0..SERVICES_MAX + 50)
            .map(|name| clients(1, &format!("job-{name:04}"), 1, 0))
            .collect();
        let sums = services.sum(&counted, |_| (5, 0));
        assert_eq!(sums.len(), SERVICES_MAX + 1);
        assert_eq!((&*sums[0].service, sums[0].active), ("(other)", 50));
    }
}
