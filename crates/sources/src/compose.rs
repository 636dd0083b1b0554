//! docker-compose files.

use pgweir_advisor::facts::Origin;
use pgweir_advisor::fleet::Draft;

use super::container::{Container, HOSTS, via};
use super::file::SourceFile;
use super::names::Names;
use super::url::plain;
use super::yaml::{Data, Node};

pub(crate) fn read(source: &SourceFile<'_>, documents: &[Node]) -> Draft {
    let mut draft = Draft::default();
    let services = documents
        .iter()
        .filter_map(|document| document.get("services"));
    let mut behind = Vec::new();
    let mut names = Names::default();
    for (name, service) in services.flat_map(Node::fields) {
        let image = service.get("image").and_then(Node::text).unwrap_or(name);
        let replicas = service
            .at(&["deploy", "replicas"])
            .or_else(|| service.get("scale"))
            .and_then(|node| Some((node.text()?, source.line(node.line))));
        let container = Container {
            name,
            service: &names.take(&[name]),
            image,
            variables: variables(source, service),
            command: words(service.get("command")),
            replicas: replicas.filter(|(replicas, _)| plain(replicas)),
            origin: source.line(service.line.saturating_sub(1)),
        };
        if let Some(added) = container.add(&mut draft) {
            let hosts = HOSTS.iter().filter_map(|variable| {
                let found = container
                    .variables
                    .iter()
                    .find(|(name, ..)| name == variable);
                found.map(|(_, value, _)| value.clone())
            });
            behind.push((added, hosts.collect::<Vec<_>>()));
        }
    }
    via(&mut draft, &behind);
    draft
}

/// Variables as a mapping or as a list of `NAME=value`.
fn variables(source: &SourceFile<'_>, service: &Node) -> Vec<(String, String, Origin)> {
    let Some(environment) = service.get("environment") else {
        return Vec::new();
    };
    let listed = environment.entries().iter().filter_map(|entry| {
        let (name, value) = entry.text()?.split_once('=')?;
        Some((name.to_owned(), value.to_owned(), source.line(entry.line)))
    });
    let mapped = environment.fields().iter().filter_map(|(name, value)| {
        Some((
            name.clone(),
            value.text()?.to_owned(),
            source.line(value.line),
        ))
    });
    listed.chain(mapped).collect()
}

fn words(command: Option<&Node>) -> Vec<&str> {
    match command.map(|command| &command.data) {
        Some(Data::Text(text)) => text.split_whitespace().collect(),
        Some(Data::List(entries)) => entries.iter().filter_map(Node::text).collect(),
        Some(Data::Map(_)) | None => Vec::new(),
    }
}
