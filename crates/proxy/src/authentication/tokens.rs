//! Keys of the tokens that clients log in with, made ready once for each configuration.

use std::sync::{Arc, Mutex};

use pgweir_config::Config;
use pgweir_http::Keys;

use crate::access::token_keys;

/// The keys of the configuration that was asked about last.
#[derive(Default)]
pub(super) struct Tokens(Mutex<Option<(Arc<Config>, Arc<Keys>)>>);

impl Tokens {
    /// Those of this configuration.
    pub(super) fn of(&self, config: &Arc<Config>) -> Arc<Keys> {
        let mut ready = self.0.lock().expect("no panic under the lock");
        match &*ready {
            Some((of, keys)) if Arc::ptr_eq(of, config) => keys.clone(),
            _ => {
                let keys = Arc::new(token_keys(&config.token_keys));
                *ready = Some((config.clone(), keys.clone()));
                keys
            }
        }
    }
}
