//! Kubernetes manifests: Deployments, StatefulSets, autoscalers and the ConfigMaps they take variables
//! from.

use pgweir_advisor::facts::Origin;
use pgweir_advisor::fleet::{Draft, Value};

use super::container::Container;
use super::yaml::Node;
use super::{Source, service_name};

pub(super) fn read(source: &Source<'_>, documents: &[Node]) -> Draft {
    let mut draft = Draft::default();
    let kind = |document: &Node, kinds: &[&str]| {
        let found = document
            .get("kind")
            .and_then(Node::text)
            .unwrap_or_default();
        kinds.contains(&found)
    };
    let mut behind = Vec::new();
    let workloads = ["Deployment", "StatefulSet", "ReplicaSet", "DaemonSet"];
    for document in documents
        .iter()
        .filter(|document| kind(document, &workloads))
    {
        let name = document
            .at(&["metadata", "name"])
            .and_then(Node::text)
            .unwrap_or("app");
        let replicas = document
            .at(&["spec", "replicas"])
            .and_then(|node| Some((node.text()?, source.line(node.line))));
        let containers = document
            .at(&["spec", "template", "spec", "containers"])
            .map_or(&[][..], Node::entries);
        for container in containers {
            let image = container.get("image").and_then(Node::text).unwrap_or(name);
            let arguments = ["command", "args"]
                .iter()
                .filter_map(|field| container.get(field))
                .flat_map(Node::entries)
                .filter_map(Node::text);
            let container = Container {
                name,
                image,
                variables: variables(source, container, documents),
                command: arguments.collect(),
                replicas: replicas.clone(),
                origin: source.line(document.line),
            };
            let Some(added) = container.add(&mut draft) else {
                continue;
            };
            let surge = document.at(&["spec", "strategy", "rollingUpdate", "maxSurge"]);
            if let Some((surge, node)) = surge.and_then(|node| Some((node.text()?, node))) {
                let section = draft.service(&added, source.line(document.line));
                section.give("surge", Value::from_text(surge), source.line(node.line));
            }
            let hosts = container
                .variables
                .iter()
                .filter(|(name, ..)| ["DATABASE_URL", "DB_HOST"].contains(&name.as_str()))
                .map(|(_, value, _)| value.clone());
            behind.push((added, hosts.collect::<Vec<_>>()));
        }
    }
    for document in documents
        .iter()
        .filter(|document| kind(document, &["HorizontalPodAutoscaler"]))
    {
        autoscaler(source, document, &mut draft);
    }
    via(&mut draft, &behind);
    draft
}

fn autoscaler(source: &Source<'_>, document: &Node, draft: &mut Draft) {
    let target = document
        .at(&["spec", "scaleTargetRef", "name"])
        .and_then(Node::text);
    let Some(name) = target.map(service_name) else {
        return;
    };
    if !draft.services.iter().any(|(known, _)| *known == name) {
        return;
    }
    let section = draft.service(&name, source.line(document.line));
    for (field, key) in [("maxReplicas", "replicas"), ("minReplicas", "replicas_min")] {
        if let Some(node) = document.at(&["spec", field])
            && let Some(text) = node.text()
        {
            section.give(key, Value::from_text(text), source.line(node.line));
        }
    }
}

fn variables(
    source: &Source<'_>,
    container: &Node,
    documents: &[Node],
) -> Vec<(String, String, Origin)> {
    let mut found = Vec::new();
    let maps = container.get("envFrom").map_or(&[][..], Node::entries);
    for reference in maps {
        let name = reference.at(&["configMapRef", "name"]).and_then(Node::text);
        let map = documents.iter().find(|document| {
            document.get("kind").and_then(Node::text) == Some("ConfigMap")
                && document.at(&["metadata", "name"]).and_then(Node::text) == name
        });
        let data = map
            .and_then(|map| map.get("data"))
            .map_or(&[][..], Node::fields);
        found.extend(data.iter().filter_map(|(name, node)| {
            Some((
                name.clone(),
                node.text()?.to_owned(),
                source.line(node.line),
            ))
        }));
    }
    let own = container.get("env").map_or(&[][..], Node::entries);
    found.extend(own.iter().filter_map(|entry| {
        let name = entry.get("name")?.text()?.to_owned();
        let value = entry.get("value")?;
        Some((name, value.text()?.to_owned(), source.line(value.line)))
    }));
    found
}

/// A service whose host is the pooler's goes through it.
pub(super) fn via(draft: &mut Draft, behind: &[(String, Vec<String>)]) {
    let Some(pooler) = &draft.pooler else { return };
    let host = match pooler.get("host").map(|given| &given.value) {
        Some(Value::Text(host)) => host.to_string(),
        _ => return,
    };
    for (name, addresses) in behind {
        let goes = addresses.iter().any(|address| {
            let after = address.rsplit('@').next().unwrap_or(address);
            let end = after.find([':', '/', '?', '.']).unwrap_or(after.len());
            after[..end] == host
        });
        let section = draft.service(name, Origin::Nowhere);
        let origin = section.origin.clone();
        let via = if goes { "pooler" } else { "direct" };
        section.give("via", via.into(), origin);
    }
}
