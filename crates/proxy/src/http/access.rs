//! Keys and certificate of the configuration that runs, ready for use.

use std::sync::{Arc, Mutex};

use pgweir_config::Config;

use super::{Keys, Tls};
use crate::registry::Registry;

/// Makes them once for each configuration, not for each request.
pub(super) struct Access {
    registry: Arc<Registry>,
    ready: Mutex<Ready>,
}

#[derive(Clone)]
struct Ready {
    config: Arc<Config>,
    keys: Arc<Keys>,
    tls: Option<Tls>,
}

impl Ready {
    fn new(config: Arc<Config>) -> Self {
        let tls = config.http.tls.as_ref().map(|pem| {
            let tls = Tls::new(&pem.certificate, &pem.key);
            tls.expect("was found good when the configuration was read")
        });
        let keys = Arc::new(Keys::of(&config.http.keys));
        Self { config, keys, tls }
    }
}

impl Access {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        let ready = Mutex::new(Ready::new(registry.config()));
        Self { registry, ready }
    }

    /// Keys of the tokens that are accepted.
    pub(super) fn keys(&self) -> Arc<Keys> {
        self.ready().keys
    }

    /// What connections are encrypted with, if they are.
    pub(super) fn tls(&self) -> Option<Tls> {
        self.ready().tls
    }

    fn ready(&self) -> Ready {
        let config = self.registry.config();
        let mut ready = self.ready.lock().expect("no panic under the lock");
        if !Arc::ptr_eq(&ready.config, &config) {
            *ready = Ready::new(config);
        }
        ready.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Access;
    use crate::http::tests::world;

    #[test]
    fn keys_are_those_of_the_configuration_that_runs() {
        let world = world("http_jwt_secret_file = \"secret\"");
        let access = Access::new(world.registry.clone());
        assert!(!access.keys().is_empty());
        assert!(Arc::ptr_eq(&access.keys(), &access.keys()));
        let mut config = (*world.registry.config()).clone();
        config.http.keys = Default::default();
        world.registry.reload(config);
        assert!(access.keys().is_empty());
        assert!(access.tls().is_none());
    }
}
