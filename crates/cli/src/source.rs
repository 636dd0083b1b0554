//! Where the configuration comes from: a file or the environment.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;

use clap::Args;
use clap::error::ErrorKind;
use pgweir_config::Source;

/// The argument that names the configuration.
#[derive(Debug, Args)]
pub(crate) struct Configuration {
    /// Configuration file: TOML, or PgBouncer's form where its name ends in .ini; without it,
    /// DATABASE_URL and the pool's variables count
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Configuration {
    /// The source, without reading it.
    ///
    /// # Errors
    /// There is neither a file nor a `DATABASE_URL`.
    pub(crate) fn source(&self) -> Result<Source, clap::Error> {
        // Names and values that are not UTF-8 belong to other programs.
        let variables = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        source(self.file.clone(), variables)
    }
}

fn source(
    file: Option<PathBuf>,
    variables: BTreeMap<String, String>,
) -> Result<Source, clap::Error> {
    if let Some(file) = file {
        let is_ini = file
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("ini"));
        return Ok(match is_ini {
            true => Source::Ini(file),
            false => Source::File(file),
        });
    }
    if !variables.contains_key("DATABASE_URL") {
        return Err(clap::Error::raw(
            ErrorKind::MissingRequiredArgument,
            "no configuration: name a file (pgweir serve FILE.toml), or set DATABASE_URL \
             (postgres://user:password@host:5432/database?connection_limit=20)\n",
        ));
    }
    Ok(Source::Environment(variables))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_wins_over_the_environment_and_one_of_both_is_needed() {
        let url = BTreeMap::from([("DATABASE_URL".to_owned(), "postgres://h/d".to_owned())]);
        let file = Some(PathBuf::from("a.toml"));
        assert!(matches!(source(file, url.clone()), Ok(Source::File(_))));
        let file = Some(PathBuf::from("a.ini"));
        assert!(matches!(source(file, url.clone()), Ok(Source::Ini(_))));
        assert!(matches!(source(None, url), Ok(Source::Environment(_))));
        let error = source(None, BTreeMap::new()).err().unwrap().to_string();
        assert!(error.contains("set DATABASE_URL"));
    }
}
