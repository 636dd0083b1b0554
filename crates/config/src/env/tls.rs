//! What a `DATABASE_URL` says of TLS, in libpq's words and in Prisma's.

use std::collections::BTreeMap;

use pgweir_settings::{Origin, Problem, Section, Value};

use crate::settings::TLS_MODES;

/// Parameters that concern TLS, by name.
pub(super) type Parameters = BTreeMap<String, (String, Origin)>;

/// Parameters that are settings of the database under another name.
const SAME: [(&str, &str); 6] = [
    ("sslrootcert", "server_tls_ca_file"),
    ("sslcert", "server_tls_cert_file"),
    ("sslkey", "server_tls_key_file"),
    ("sslcrl", "server_tls_crl_file"),
    ("sslnegotiation", "server_tls_negotiation"),
    ("channel_binding", "server_channel_binding"),
];

/// Gives the database what the parameters say.
pub(super) fn give(
    database: &mut Section,
    mut parameters: Parameters,
    problems: &mut Vec<Problem>,
) {
    if let Some(mode) = mode(&mut parameters, problems) {
        let (mode, origin) = mode;
        database.give("server_tls_sslmode", mode.into(), origin);
    }
    // Prisma calls the authority's certificate by the name that libpq has for one's own, which needs a key.
    if !parameters.contains_key("sslkey")
        && !parameters.contains_key("sslrootcert")
        && let Some(authority) = parameters.remove("sslcert")
    {
        parameters.insert("sslrootcert".to_owned(), authority);
    }
    for (name, setting) in SAME {
        if let Some((value, origin)) = parameters.remove(name) {
            database.give(setting, Value::from(value), origin);
        }
    }
    if let Some((value, origin)) = parameters.remove("ssl_min_protocol_version") {
        let value = value.to_ascii_lowercase();
        match value.as_str() {
            // Nothing older is spoken in any case.
            "tlsv1" | "tlsv1.1" | "tlsv1.2" => {}
            "tlsv1.3" => database.give("server_tls_protocols", value.into(), origin),
            _ => problems.push(Problem::new(&origin, "", "must be TLSv1.2 or TLSv1.3")),
        }
    }
    if let Some((value, origin)) = parameters.remove("gssencmode")
        && !["disable", "prefer"].contains(&value.as_str())
    {
        let message = "asks for GSSAPI encryption, which is not spoken here; remove it";
        problems.push(Problem::new(&origin, "", message));
    }
}

/// How far TLS is insisted on, from `sslmode` and what changes its meaning.
fn mode(
    parameters: &mut Parameters,
    problems: &mut Vec<Problem>,
) -> Option<(&'static str, Origin)> {
    let accept = parameters.remove("sslaccept");
    let is_strict = match &accept {
        None => false,
        Some((value, origin)) => match value.as_str() {
            "strict" => true,
            "accept_invalid_certs" => false,
            _ => {
                let message = "must be strict or accept_invalid_certs";
                problems.push(Problem::new(origin, "", message));
                false
            }
        },
    };
    let authority = parameters.get("sslrootcert").cloned();
    let trusts_system = authority
        .as_ref()
        .is_some_and(|(value, _)| value == "system");
    let Some((value, origin)) = parameters.remove("sslmode") else {
        // libpq: whom the system trusts may sign for any host, so the host is looked at.
        let (_, origin) = authority.filter(|_| trusts_system)?;
        return Some(("verify-full", origin));
    };
    let Some(mode) = TLS_MODES.into_iter().find(|name| *name == value) else {
        let message = format!("must be one of {}", TLS_MODES.join(", "));
        problems.push(Problem::new(&origin, "", message));
        return None;
    };
    if trusts_system && mode != "verify-full" {
        let message = "must be verify-full beside sslrootcert=system, for the system's authorities sign for anybody";
        problems.push(Problem::new(&origin, "", message));
    }
    let mode = match (mode, authority.is_some()) {
        ("require", _) if is_strict => "verify-full",
        // As libpq has it: who names an authority means to ask it.
        ("require", true) => "verify-ca",
        (mode, _) => mode,
    };
    Some((mode, origin))
}
