//! What a client is told when it has logged in.

use pgweir_wire::backend::TxStatus;
use pgweir_wire::encode;

use super::Identity;

/// Ends a login: what the session is like, how it is cancelled, and that commands may come.
pub fn greeting(identity: &Identity, secret: &[u8], out: &mut Vec<u8>) {
    encode::authentication_ok(out);
    let version = server_version(identity);
    for (name, value) in [
        ("server_version", version.as_str()),
        ("client_encoding", "UTF8"),
        ("server_encoding", "UTF8"),
        ("DateStyle", "ISO"),
        ("TimeZone", "GMT"),
        ("is_superuser", "on"),
        ("standard_conforming_strings", "on"),
        ("integer_datetimes", "on"),
        ("IntervalStyle", "postgres"),
        ("session_authorization", &identity.user),
        ("default_transaction_read_only", "off"),
        ("in_hot_standby", "off"),
    ] {
        encode::parameter_status(out, name, value);
    }
    encode::backend_key_data(out, identity.pid, secret);
    encode::ready_for_query(out, TxStatus::Idle);
}

/// The version in PgBouncer's form, by which programs know a pooler's console.
pub(super) fn server_version(identity: &Identity) -> String {
    format!("{}/bouncer", identity.version)
}

/// What `version()` says: in the form that libraries read, some of which go no further without.
pub(super) fn version(identity: &Identity) -> String {
    format!(
        "PostgreSQL 9.6 (pgweir {}, admin console)",
        identity.version
    )
}
