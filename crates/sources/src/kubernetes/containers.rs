//! Containers of pods: their variables and files.

use super::Objects;
use super::text;
use crate::inventory::{Container, Mounted, Role, Text, Variable, last_of_each};
use crate::reference::{expanded, in_parentheses};
use crate::yaml::Node;

/// The containers of a pod, those that start first before the others.
pub(super) fn containers(pod: &Node, namespace: &str, objects: &Objects<'_>) -> Vec<Container> {
    let init = pod.entries_at(&["initContainers"]).iter();
    let init = init.map(|container| {
        // One that is always restarted runs beside the others.
        let beside = text(container, &["restartPolicy"]) == "Always";
        (container, if beside { Role::Main } else { Role::Init })
    });
    let main = pod.entries_at(&["containers"]).iter();
    let main = main.map(|container| (container, Role::Main));
    init.chain(main)
        .map(|(container, role)| read(container, role, pod, namespace, objects))
        .collect()
}

fn read(
    container: &Node,
    role: Role,
    pod: &Node,
    namespace: &str,
    objects: &Objects<'_>,
) -> Container {
    let mut missing = Vec::new();
    let mut variables = from_maps(container, namespace, objects, &mut missing);
    variables.extend(own(container, namespace, objects));
    let variables = with_references(last_of_each(variables));
    let mut lookup = |name: &str| find(&variables, name);
    let words = ["command", "args"].iter();
    let words = words.flat_map(|field| container.entries_at(&[field]));
    let command = words.filter_map(|word| {
        let value = value(word.text()?, word);
        Some(in_parentheses(&value, &mut lookup))
    });
    let command: Vec<Text> = command.collect();
    let ports = container.entries_at(&["ports"]).iter();
    let memory = container.at(&["resources", "limits", "memory"]);
    let image = container.get("image");
    Container {
        name: text(container, &["name"]).to_owned(),
        image: image.map_or_else(Text::default, |image| {
            value(image.text().unwrap_or_default(), image)
        }),
        command,
        variables: variables.clone(),
        missing,
        files: files(container, pod, namespace, objects),
        ports: ports
            .map(|port| {
                let number = text(port, &["containerPort"]);
                (text(port, &["name"]).to_owned(), number.to_owned())
            })
            .collect(),
        memory: memory.and_then(|node| Some((node.text()?.to_owned(), node.origin()))),
        needs: Vec::new(),
        role,
        origin: container.origin(),
    }
}

/// A value of a manifest. What a tool or a shell is to replace has a gap.
pub(super) fn value(text: &str, node: &Node) -> Text {
    let braced = text.contains("${") || text.contains("{{");
    if braced && text.len() <= EXPANDED_MAX {
        // A dollar sign without a brace is one, and so are two.
        let protected = text
            .replace("${", "\u{1}")
            .replace('$', "$$")
            .replace('\u{1}', "${");
        return expanded(&protected, &node.origin(), &mut |_| None);
    }
    Text::plain(text, node.origin())
}

fn find(variables: &[Variable], name: &str) -> Option<Text> {
    let found = variables.iter().find(|variable| variable.name == name)?;
    Some(found.value.clone())
}

/// Variables may refer to those before them.
fn with_references(variables: Vec<Variable>) -> Vec<Variable> {
    let mut done: Vec<Variable> = Vec::with_capacity(variables.len());
    for variable in variables {
        let refers = variable.value.with_gaps().contains("$(");
        let value = if refers {
            in_parentheses(&variable.value, &mut |name| find(&done, name))
        } else {
            variable.value
        };
        let name = variable.name;
        done.push(Variable { name, value });
    }
    done
}

fn from_maps(
    container: &Node,
    namespace: &str,
    objects: &Objects<'_>,
    missing: &mut Vec<(String, pgweir_advisor::facts::Origin)>,
) -> Vec<Variable> {
    let mut found = Vec::new();
    for from in container.entries_at(&["envFrom"]) {
        let prefix = text(from, &["prefix"]);
        for (field, kind) in [("configMapRef", "ConfigMap"), ("secretRef", "Secret")] {
            let Some(reference) = from.get(field) else {
                continue;
            };
            let name = text(reference, &["name"]);
            match objects.maps.get(kind, namespace, name) {
                Some(values) => found.extend(values.iter().map(|variable| Variable {
                    name: format!("{prefix}{}", variable.name),
                    value: variable.value.clone(),
                })),
                None if text(reference, &["optional"]) == "true" => {}
                None => missing.push((format!("the {kind} {name}"), reference.origin())),
            }
        }
    }
    found
}

fn own(container: &Node, namespace: &str, objects: &Objects<'_>) -> Vec<Variable> {
    let entries = container.entries_at(&["env"]).iter();
    let variables = entries.filter_map(|entry| {
        let name = entry.get("name")?.text()?.to_owned();
        let value = match (entry.get("value"), entry.get("valueFrom")) {
            (Some(node), _) => value(node.text().unwrap_or_default(), node),
            (None, Some(from)) => referred(from, namespace, objects),
            (None, None) => return None,
        };
        Some(Variable { name, value })
    });
    variables.collect()
}

/// What `valueFrom` stands for.
fn referred(from: &Node, namespace: &str, objects: &Objects<'_>) -> Text {
    for (field, kind) in [("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")] {
        let Some(reference) = from.get(field) else {
            continue;
        };
        let (map, key) = (text(reference, &["name"]), text(reference, &["key"]));
        let values = objects.maps.get(kind, namespace, map);
        let value = values.and_then(|values| find(values, key));
        return value.unwrap_or_else(|| {
            Text::gap(format!("the key {key} of the {kind} {map}"), from.origin())
        });
    }
    Text::gap("a fact of the pod", from.origin())
}

/// Files of ConfigMaps and Secrets that are mounted.
fn files(container: &Node, pod: &Node, namespace: &str, objects: &Objects<'_>) -> Vec<Mounted> {
    let mut found = Vec::new();
    for mount in container.entries_at(&["volumeMounts"]) {
        let name = text(mount, &["name"]);
        let mut volumes = pod.entries_at(&["volumes"]).iter();
        let Some(volume) = volumes.find(|volume| text(volume, &["name"]) == name) else {
            continue;
        };
        let projected = volume.entries_at(&["projected", "sources"]).iter();
        for source in projected.chain([volume]) {
            let maps = [
                ("ConfigMap", text(source, &["configMap", "name"])),
                ("Secret", text(source, &["secret", "secretName"])),
                ("Secret", text(source, &["secret", "name"])),
            ];
            for (kind, map) in maps.into_iter().filter(|(_, map)| !map.is_empty()) {
                let values = objects.maps.get(kind, namespace, map).unwrap_or_default();
                found.extend(
                    values
                        .iter()
                        .filter_map(|value| mounted(mount, kind, map, value)),
                );
            }
        }
    }
    found
}

fn mounted(mount: &Node, kind: &str, map: &str, value: &Variable) -> Option<Mounted> {
    let key = &value.name;
    let part = text(mount, &["subPath"]);
    let folder = text(mount, &["mountPath"]);
    let at = match part {
        "" => format!("{folder}/{key}"),
        part if part == key => folder.to_owned(),
        _ => return None,
    };
    let place = &value.value.origin;
    Some(Mounted {
        at,
        name: format!("{place} ({kind} {map})/{key}"),
        text: value.value.with_gaps().to_owned(),
    })
}

/// Values beyond this size, in bytes, are files, and references in them are theirs.
const EXPANDED_MAX: usize = 4096;
