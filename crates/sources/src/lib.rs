//! Reads files of other programs (docker-compose, Kubernetes, settings of applications) into a draft of
//! a fleet: text in, draft out.
//!
//! Each format has its own reader, which sees text alone. Only plain values count: references to
//! variables are left out.

pub mod apps;
mod compose;
mod container;
mod file;
pub mod inventory;
mod kubernetes;
mod lines;
mod names;
mod pgbouncer;
mod postgresql;
mod said;
mod sqlx_code;
mod url;
mod yaml;

use std::path::Path;

use pgweir_advisor::fleet::{self, Draft, Problem};

use file::SourceFile;
pub use names::{Names, service_name};
pub use postgresql::server_setting;

/// Reads a file by its name and content.
pub fn read(name: &str, text: &str) -> (Draft, Vec<Problem>) {
    let source = SourceFile { name, text };
    let path = Path::new(name);
    let file = path
        .file_name()
        .and_then(|file| file.to_str())
        .unwrap_or_default();
    let extension = path.extension().and_then(|extension| extension.to_str());
    let draft = match extension {
        Some("toml") => return fleet::read(name, text),
        Some("prisma") => lines::prisma_schema(&source),
        Some("ini") => pgbouncer::read(&source),
        Some("conf") if text.contains("pm.max_children") => lines::php_fpm(&source),
        Some("conf") => postgresql::read(&source),
        Some("rs") => sqlx_code::read(&source),
        Some("env") => lines::environment(&source),
        _ if file.starts_with(".env") => lines::environment(&source),
        Some("yml" | "yaml") => {
            let documents = match yaml::documents(text) {
                Ok(documents) => documents,
                Err((line, message)) => {
                    let origin = source.line(line);
                    return (torn(), vec![Problem::new(&origin, "", message)]);
                }
            };
            if documents
                .iter()
                .any(|document| document.get("services").is_some())
            {
                compose::read(&source, &documents)
            } else {
                kubernetes::read(&source, &documents)
            }
        }
        _ => {
            let problem = Problem::new(&source.line(0), "", "is not a known kind of file")
                .with_suggestion(
                    "known are docker-compose and Kubernetes (.yaml), .env, php-fpm and PostgreSQL (.conf), \
                     pgbouncer.ini, schema.prisma, Rust with SQLx (.rs) and fleet.toml",
                );
            return (torn(), vec![problem]);
        }
    };
    (draft, Vec::new())
}

fn torn() -> Draft {
    Draft {
        torn: true,
        ..Draft::default()
    }
}

#[cfg(test)]
mod tests;
