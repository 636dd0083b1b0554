//! `pgweir token`: makes tokens for users and administrators of a pooler's HTTP interface.

use std::time::{Duration, SystemTime};

use anyhow::bail;
use clap::Args;
use pgweir_proxy::token_keys;

use crate::exit::Exit;
use crate::mistakes::{self, Mistake};
use crate::output;
use crate::source::Configuration;

/// Longest life of a token: a lost token is valid until then.
const LIFE_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Makes a token that the pooler of this configuration accepts, signed with its secret.
///
/// The secret is that of http_jwt_secret_file or http_jwt_secret_env. Tokens for the keys of
/// http_jwks_file come from the issuer, who has the private keys.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgweir token /etc/pgweir.toml > token
  PGWEIR_TOKEN=$(pgweir token /etc/pgweir.toml --admin --subject alice --life 15m) pgweir top
  curl -H \"Authorization: Bearer $(cat token)\" http://127.0.0.1:6433/api/v1/stats/database")]
pub(crate) struct Options {
    #[command(flatten)]
    configuration: Configuration,
    /// Let its bearer cancel queries and end clients (http_admin_scope)
    #[arg(long)]
    admin: bool,
    /// Name of its bearer, for the log
    #[arg(long, value_name = "NAME", default_value = "pgweir-token", value_parser = parse_subject)]
    subject: String,
    /// How long it is valid: a number with s, m, h or d
    #[arg(long, value_name = "TIME", default_value = "12h", value_parser = parse_life)]
    life: Duration,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// Makes a token.
pub(crate) fn run(options: &Options) -> anyhow::Result<Exit> {
    let config = match pgweir_proxy::load(&options.configuration.source()?) {
        Ok(resolved) => resolved.config,
        Err(problems) => {
            let mistakes: Vec<Mistake> = problems.iter().map(Mistake::from).collect();
            output::note(&mistakes::text(&mistakes, output::stderr_terminal()));
            return Ok(Exit::Mistakes);
        }
    };
    let scope = config.http.admin_scope.as_deref().filter(|_| options.admin);
    if options.admin && scope.is_none() {
        bail!(
            "http_admin_scope is off: the pooler has no administrators; set it in the configuration"
        );
    }
    let expires = SystemTime::now() + options.life;
    let Some(token) = token_keys(&config.http.keys).sign(&options.subject, scope, expires) else {
        bail!(
            "the configuration has no secret to sign with: set http_jwt_secret_file \
             (openssl rand -hex 32 > FILE), or have the issuer of http_jwks_file make a token"
        );
    };
    let text = if options.json {
        let seconds = options.life.as_secs();
        let admin = options.admin;
        serde_json::json!({ "token": token, "admin": admin, "expires_in_seconds": seconds })
            .to_string()
    } else {
        token
    };
    output::print(&format!("{text}\n"))?;
    Ok(Exit::Done)
}

fn parse_subject(text: &str) -> Result<String, String> {
    let is_plain = |c: char| !c.is_control();
    if text.is_empty() || text.len() > 64 || !text.chars().all(is_plain) {
        return Err("must be 1 to 64 printable characters".to_owned());
    }
    Ok(text.to_owned())
}

fn parse_life(text: &str) -> Result<Duration, String> {
    let wrong = || "must be a number with s, m, h or d, such as 15m, and at most 366d".to_owned();
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let seconds = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let life = number.checked_mul(seconds).map(Duration::from_secs);
    let allowed = Duration::from_secs(1)..=LIFE_MAX;
    life.filter(|life| allowed.contains(life)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{parse_life, parse_subject};

    #[test]
    fn a_life_is_a_number_with_a_unit_and_bounded() {
        for (text, seconds) in [
            ("1s", Some(1)),
            ("15m", Some(900)),
            ("12h", Some(43_200)),
            ("366d", Some(31_622_400)),
            ("367d", None),
            ("0s", None),
            ("15", None),
            ("m", None),
            ("", None),
            ("-1h", None),
            ("1.5h", None),
            ("1 h", None),
            ("99999999999999999999d", None),
            ("999999999999999999d", None),
        ] {
            let life = parse_life(text).ok();
            assert_eq!(life, seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn a_subject_fits_into_a_log_line() {
        assert!(parse_subject("Alice Ops").is_ok());
        for wrong in ["", "a\nb", &"x".repeat(65)] {
            assert!(parse_subject(wrong).is_err(), "{wrong:?}");
        }
    }
}
