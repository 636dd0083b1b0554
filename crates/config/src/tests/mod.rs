//! Tests of the configuration: what a text resolves to, and which problems it has.

mod docs;
mod doors;
mod environment;
mod http;
mod inheritance;
mod problems;
mod properties;
mod server_passwords;
mod sources;
mod tls;
mod values;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use pgweir_settings::{Origin, Problem};

use super::{Outside, Resolved, TlsPart, Unfit, Unusable, env, raw, resolve_all};

/// A verifier of the right form.
const SCRAM: &str = "SCRAM-SHA-256$4096:AAAAAAAAAAAAAAAAAAAAAA==$\
                     AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:\
                     AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const MD5: &str = "md50123456789abcdef0123456789ABCDEF";

/// The rest of a file that a test is not about: a database and a user.
const REST: &str = "\n[databases.app]\n[users.bob]\npassword = \"secret\"\n";

/// What tests see of the world outside the configuration.
pub(crate) const OUTSIDE: Outside<'static> = Outside {
    variable: &|name| match name {
        "BOB_PASSWORD" => Some("from a variable".to_owned()),
        "JWT_SECRET" => Some("0123456789abcdef0123456789abcdef".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    },
    file: &|path| {
        match path.to_str() {
        Some("conf/bob.secret" | "conf/open.secret") => Ok("from a file\n".to_owned()),
        Some("conf/userlist.txt" | "conf/open.txt") => Ok(format!(
            "; users\n\"bob\" \"the \"\"list\"\"\"\n\n\"eve\" \"{SCRAM}\" \"\"\n"
        )),
        Some("conf/broken.txt") => Ok([
            "\"ann\" \"1\"",
            "bob secret",
            "\"eve\" \"unclosed",
            "\"ann\" \"2\"",
            "\"\" \"3\"",
            "\"kim\" \"SCRAM-SHA-256$nonsense\"",
        ]
        .join("\n")),
        Some("conf/hba.conf") => Ok(
            "local all all peer map=staff\nhost all all 127.0.0.1/32 trust\nhost all ann all trust\n".to_owned()
        ),
        Some("conf/members.conf") => Ok("host all all all md5\nhost all +admins all md5\n".to_owned()),
        Some("conf/ident.conf") => Ok("staff root ann\n".to_owned()),
        Some("conf/pgpass" | "conf/shared.pgpass") => Ok(
            "# of the app\nlocalhost:5432:app:bob:x\n127.0.0.1:5432:app:bob:from a passfile\n"
                .to_owned(),
        ),
        Some("conf/jwks.json") => Ok("{}".to_owned()),
        Some("conf/cert.pem") => Ok("certificate".to_owned()),
        Some("conf/key.pem") => Ok("key".to_owned()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    }
    },
    folder: &|_| Err(io::Error::from(io::ErrorKind::NotFound)),
    is_open: &|path| path.to_string_lossy().contains("open"),
    is_shared: &|path| path.to_string_lossy().contains("shared"),
    token_secret: &|secret| match secret.len() {
        32.. => Ok(()),
        len => Err(format!("holds a secret of {len} bytes")),
    },
    token_set: &|text| match text.starts_with('{') {
        true => Ok(()),
        false => Err("is no JSON Web Key Set".to_owned()),
    },
    pem: &|pem| match (pem.certificate.as_str(), pem.key.as_str()) {
        ("certificate", "key") => Ok(()),
        ("certificate", _) => Err(Unusable::Key("does not fit".to_owned())),
        _ => Err(Unusable::Certificate("has no certificate".to_owned())),
    },
    tls: &|_, tls| {
        let unfit = |part, message: &str| {
            let message = message.to_owned();
            Err(Unfit { part, message })
        };
        match (&tls.identity, &tls.ciphers) {
            (Some(pem), _) if pem.key != "key" => unfit(TlsPart::Key, "does not fit"),
            (_, Some(names)) if names.contains(&"RC4".to_owned()) => {
                unfit(TlsPart::Ciphers, "names RC4, which is not spoken")
            }
            _ => Ok(()),
        }
    },
};

fn read(text: &str) -> Result<Resolved, Vec<Problem>> {
    let (raw, problems) = raw::read_file(Path::new("conf/pgweir.toml"), text);
    resolve_all(&raw, problems, &OUTSIDE)
}

fn read_env(variables: &[(&str, &str)]) -> Result<Resolved, Vec<Problem>> {
    let variables: BTreeMap<String, String> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let (raw, problems) = env::read(&variables);
    resolve_all(&raw, problems, &OUTSIDE)
}

/// The warnings, in order, without the folder of the file.
fn warnings(text: &str) -> Vec<String> {
    let resolved = read(text).unwrap_or_else(|problems| panic!("{}", lines(&problems).join("\n")));
    lines(&resolved.warnings)
}

/// `setting = value @ origin` of each named setting.
#[track_caller]
fn check_shown(resolved: Result<Resolved, Vec<Problem>>, expected: &[&str]) {
    let settings = resolved.unwrap_or_else(|problems| panic!("{}", lines(&problems).join("\n")));
    for line in expected {
        let path = line.split(" = ").next().unwrap();
        let shown: Vec<String> = settings
            .settings
            .iter()
            .filter(|shown| shown.path == path)
            .map(|shown| {
                let origin = match &shown.origin {
                    Origin::File { line, .. } => format!("line {line}"),
                    other => other.to_string(),
                };
                let from = match &shown.inherited_from {
                    Some(from) => format!(" ({from})"),
                    None => String::new(),
                };
                format!("{path} = {} @ {origin}{from}", shown.value)
            })
            .collect();
        assert_eq!(shown, [*line], "values of {path}");
    }
}

/// All problems, in order, without the folder of the file.
#[track_caller]
fn check_problems(resolved: Result<Resolved, Vec<Problem>>, expected: &[&str]) {
    match resolved {
        Ok(_) => panic!("no problem found, expected {expected:#?}"),
        Err(problems) => assert_eq!(lines(&problems), expected),
    }
}

fn lines(problems: &[Problem]) -> Vec<String> {
    let lines = problems.iter().map(|problem| problem.to_string());
    lines.map(|line| line.replace("conf/", "")).collect()
}
