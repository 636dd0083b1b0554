//! Which server is to be examined, from a URL that may leave things out.

use std::collections::BTreeMap;
use std::env;

use pgweir_config::{Config, Source};
use pgweir_settings::Origin;
use pgweir_settings::url::{self, Url};

/// A server and a login.
pub(super) struct Address {
    /// How to reach it.
    pub(super) config: Config,
    /// Whether there is a password.
    pub(super) has_password: bool,
    /// The database there.
    pub(super) database: String,
    /// Host, port and database, without secrets.
    pub(super) shown: String,
}

impl Address {
    /// Reads the URL of the command line, or `DATABASE_URL`.
    ///
    /// # Errors
    /// A sentence that does not quote the URL.
    pub(super) fn read(url: Option<&str>) -> Result<Self, String> {
        let (from, text) = match url {
            Some(url) if url != "-" => ("the URL", url.to_owned()),
            _ => match env::var("DATABASE_URL") {
                Ok(text) => ("DATABASE_URL", text),
                Err(_) => {
                    return Err(
                        "no server: give its URL (pgweir doctor postgres://USER:PASSWORD@HOST/DATABASE), or \
                         set DATABASE_URL"
                            .to_owned(),
                    );
                }
            },
        };
        let wrong = |why: String| format!("{from} {why}");
        let url = url::parse(&text).map_err(wrong)?;
        Self::of(
            url,
            env::var("PGPASSWORD").ok().filter(|text| !text.is_empty()),
        )
        .map_err(wrong)
    }

    /// Reads the URL of a console.
    ///
    /// # Errors
    /// A sentence that does not quote the URL.
    pub(super) fn of_console(text: &str) -> Result<Self, String> {
        let wrong = |why: String| format!("--console {why}");
        let mut url = url::parse(text).map_err(wrong)?;
        url.dbname.get_or_insert_with(|| "pgbouncer".to_owned());
        url.port.get_or_insert_with(|| "6432".to_owned());
        Self::of(url, None).map_err(wrong)
    }

    fn of(mut url: Url, fallback: Option<String>) -> Result<Self, String> {
        // Parameters of pools (connection_limit, pgbouncer …) mean nothing here, and an unknown one is no
        // reason not to look.
        url.parameters
            .retain(|(name, _)| KNOWN.contains(&name.as_str()));
        let mut parameter = |name: &str| {
            let at = url.parameters.iter().position(|(given, _)| given == name)?;
            Some(url.parameters.remove(at).1)
        };
        let (user, password) = (parameter("user"), parameter("password"));
        let user = url.user.take().or(user);
        let user = user.ok_or("names no user; write postgres://USER@HOST/DATABASE")?;
        let password = url.password.take().or(password).or(fallback);
        let database = url.dbname.take().unwrap_or_else(|| user.clone());
        let (host, port) = (url.host.take(), url.port.take());
        let mut text = format!(
            // Names of consoles are no databases of a configuration, so the real one is kept apart.
            "postgres://{}:{}@{}:{}/postgres?",
            encoded(&user),
            // The form asks for one. It is not sent: see has_password.
            encoded(password.as_deref().unwrap_or("none")),
            bracketed(host.as_deref().unwrap_or("localhost")),
            port.as_deref().unwrap_or("5432"),
        );
        for (name, value) in &url.parameters {
            text += &format!("{name}={}&", encoded(value));
        }
        let variables = BTreeMap::from([("DATABASE_URL".to_owned(), text)]);
        let resolved = pgweir_proxy::load(&Source::Environment(variables)).map_err(|problems| {
            let problems = problems.iter().map(|problem| match &problem.origin {
                Origin::UrlParameter(name) => format!("has {name}: {}", problem.message),
                _ => problem.message.clone(),
            });
            problems.collect::<Vec<_>>().join("; ")
        })?;
        let server = resolved.config.databases.values().next();
        let server = server.map_or(String::new(), |database| database.server.to_string());
        Ok(Self {
            shown: format!("{server}/{database}"),
            database,
            has_password: password.is_some(),
            config: resolved.config,
        })
    }
}

/// Parameters that say where and how to connect.
const KNOWN: &[&str] = &[
    "user",
    "password",
    "host",
    "port",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslaccept",
];

/// A part of a URL.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let bytes = text.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    bytes.collect()
}

fn bracketed(host: &str) -> String {
    match host.contains(':') {
        true => format!("[{host}]"),
        false => encoded(host),
    }
}

#[cfg(test)]
mod tests {
    use super::Address;
    use pgweir_settings::url;

    #[test]
    fn what_a_url_leaves_out_is_filled_in_and_what_it_hides_stays_hidden() {
        for (text, fallback, shown, has_password) in [
            (
                "postgres://app:s3cret@db:6543/shop",
                None,
                "db:6543/shop",
                true,
            ),
            ("postgres://app@db", None, "db:5432/app", false),
            ("postgres://app@db", Some("s3cret"), "db:5432/app", true),
            (
                "postgres://db/shop?user=app&connection_limit=5&odd=1",
                None,
                "db:5432/shop",
                false,
            ),
            (
                "postgres://app@[::1]:5433/shop?sslmode=disable",
                None,
                "[::1]:5433/shop",
                false,
            ),
            ("postgres://a%40b:p%2Fw@db/x%20y", None, "db:5432/x y", true),
        ] {
            let url = url::parse(text).unwrap();
            let address = Address::of(url, fallback.map(str::to_owned));
            let address = address.unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(address.shown, shown, "{text}");
            assert_eq!(address.has_password, has_password, "{text}");
        }
        let url = url::parse("postgres://db/shop").unwrap();
        let error = Address::of(url, None).err().unwrap();
        assert!(error.contains("names no user"), "{error}");
        let url = url::parse("postgres://app:s3cret@db/shop?sslmode=perhaps").unwrap();
        let error = Address::of(url, None).err().unwrap();
        assert!(
            error.contains("sslmode") && !error.contains("s3cret"),
            "{error}"
        );
    }
}
