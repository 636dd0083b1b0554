//! Who is shown what over HTTP, and the keys of tokens.

use std::sync::Arc;

use pgweir_config::{Config, Pem, TokenKeys};
use pgweir_http::{Access, Keys, Tls};
use pgweir_telemetry::compat::ApplicationNames;

const READ: &str = "was found good when the configuration was read";

/// Who is shown what while this configuration runs: keys and certificate as HTTP takes them.
pub(crate) fn access(config: &Config) -> Access {
    let http = &config.http;
    let tls = |pem: &Pem| Tls::new(&pem.certificate, &pem.key).expect(READ);
    Access {
        keys: Arc::new(token_keys(&http.keys)),
        admin_scope: http.admin_scope.clone(),
        tls: http.tls.as_ref().map(tls),
        names: ApplicationNames {
            prisma: http.compat.prisma,
            sqlx: http.compat.sqlx,
            postgres_exporter: http.compat.postgres_exporter,
        },
    }
}

/// Keys that check and sign tokens.
///
/// # Panics
/// If they do not come from a configuration, for there they were found good.
pub fn token_keys(written: &TokenKeys) -> Keys {
    let mut keys = Keys::new(written.audience.clone());
    if let Some(secret) = &written.secret {
        keys.add_secret(secret.as_bytes()).expect(READ);
    }
    if let Some(set) = &written.set {
        keys.add_set(set).expect(READ);
    }
    keys
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::access;
    use crate::latest::Latest;
    use crate::world::world;

    #[test]
    fn keys_are_those_of_the_configuration_that_runs() {
        let ready = Latest::default();
        let config = world("http_jwt_secret_file = \"secret\"").registry.config();
        let first = ready.of(&config, access);
        assert!(!first.keys.is_empty());
        assert!(Arc::ptr_eq(&first.keys, &ready.of(&config, access).keys));
        let mut without = (*config).clone();
        without.http.keys = Default::default();
        assert!(ready.of(&Arc::new(without), access).keys.is_empty());
    }
}
