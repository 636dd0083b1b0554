//! docker-compose files, after the Compose specification.
//!
//! The files of one folder are one project, as docker takes them: laid over each other, with the
//! variables of the `.env` beside them.

mod project;
mod service;

use crate::file::{Library, SourceFile, folder};
use crate::inventory::{Inventory, Variable};
use crate::yaml::Node;

/// A file of docker-compose: its name and its content.
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) node: Node,
}

/// Whether a document is one.
pub(crate) fn is_compose(document: &Node) -> bool {
    let services = document.get("services").is_some_and(|services| {
        let mut fields = services.fields().iter();
        services.text().is_none() && fields.all(|(_, service)| service.text().is_none())
    });
    let included = document.get("include").is_some() && document.get("kind").is_none();
    (services && document.get("apiVersion").is_none()) || included
}

/// Adds what the files say. Names of services are looked up in their project.
pub(crate) fn read(mut files: Vec<File>, library: &mut Library<'_>, inventory: &mut Inventory) {
    files.sort_by_key(|file| order(&file.name));
    while !files.is_empty() {
        let home = folder(&files[0].name).to_owned();
        let (own, others): (Vec<File>, Vec<File>) = files
            .into_iter()
            .partition(|file| folder(&file.name) == home);
        files = others;
        let mut project = project::Project::new(home, library, inventory);
        for file in own {
            project.add(&file.node);
        }
        project.finish();
    }
}

/// The order in which files of a folder are laid over each other: docker's own first, overrides last.
fn order(name: &str) -> (String, u8, String) {
    let file = name.rsplit('/').next().unwrap_or(name);
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let rank = match stem {
        "compose" | "docker-compose" => 0,
        stem if stem.ends_with(".override") => 2,
        _ => 1,
    };
    (folder(name).to_owned(), rank, file.to_owned())
}

/// The variables of a file beside the project, if there is one.
fn variables_of(name: &str, text: &str) -> Vec<Variable> {
    crate::apps::dotenv::variables(&SourceFile { name, text }, &mut |_| None)
}
