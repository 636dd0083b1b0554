//! What runs pods: kinds of Kubernetes, and others by their shape.

use super::containers::{containers, value};
use super::{Objects, kind, labels, name, namespace, place, text};
use crate::inventory::{Count, Inventory, Text, Unknown, Workload};
use crate::yaml::Node;

/// The workload that an object is, if it runs pods.
pub(super) fn workload(
    object: &Node,
    objects: &Objects<'_>,
    inventory: &mut Inventory,
) -> Option<Workload> {
    // Counted with what owns it.
    if object.at(&["metadata", "ownerReferences"]).is_some() {
        return None;
    }
    let (template, pod) = pod_of(object)?;
    let mut replicas = count(object);
    if let Some(scaler) = scaler(object, objects) {
        replicas = scaled(scaler);
    }
    if let Some(why) = replicas.unknown {
        inventory.unknown.push(Unknown {
            what: format!(
                "{} {} runs {why}: one is counted",
                kind(object),
                name(object)
            ),
            add: format!(
                "set replicas of [services.{}]",
                crate::service_name(name(object))
            ),
            key: Some("replicas"),
            origin: object.origin(),
        });
    }
    Some(Workload {
        place: place(object),
        kind: kind(object).to_owned(),
        name: match name(object) {
            "" => "app".to_owned(),
            name => name.to_owned(),
        },
        labels: labels(template.at(&["metadata", "labels"])),
        replicas,
        surge: surge(object),
        containers: containers(pod, namespace(object), objects),
        build: None,
        networks: Vec::new(),
        only_with: None,
        origin: object.origin(),
    })
}

/// The template of an object's pods, and its pod.
fn pod_of(object: &Node) -> Option<(&Node, &Node)> {
    if kind(object) == "Pod" {
        return Some((object, object.get("spec")?));
    }
    let job = object.at(&["spec", "jobTemplate", "spec", "template"]);
    let template = job.or_else(|| object.at(&["spec", "template"]));
    let usual = template.and_then(|template| Some((template, is_pod(template.get("spec")?)?)));
    usual.or_else(|| {
        let found = by_shape(object.get("spec")?, SHAPE_DEPTH)?;
        Some((object, found))
    })
}

fn is_pod(node: &Node) -> Option<&Node> {
    let containers = node.entries_at(&["containers"]);
    let looks = |container: &Node| {
        let fields = ["image", "env", "envFrom", "command", "args"];
        fields.iter().any(|field| container.get(field).is_some())
    };
    containers.iter().any(looks).then_some(node)
}

/// A pod somewhere in an object of a kind that is not known.
fn by_shape(node: &Node, depth: u32) -> Option<&Node> {
    if let Some(pod) = is_pod(node) {
        return Some(pod);
    }
    let depth = depth.checked_sub(1)?;
    let fields = node.fields().iter().map(|(_, node)| node);
    let mut below = fields.chain(node.entries());
    below.find_map(|node| by_shape(node, depth))
}

fn count(object: &Node) -> Count {
    let at = |path: &[&str]| {
        let node = object.at(path)?;
        Some(value(node.text()?, node))
    };
    let fixed = |max: Option<Text>| Count {
        max,
        ..Count::default()
    };
    match kind(object) {
        "DaemonSet" => Count {
            unknown: Some("once on each node"),
            ..Count::default()
        },
        "Job" => fixed(at(&["spec", "parallelism"])),
        "CronJob" => fixed(at(&["spec", "jobTemplate", "spec", "parallelism"])),
        "ScaledJob" => {
            let most = at(&["spec", "maxReplicaCount"]);
            fixed(Some(
                most.unwrap_or_else(|| Text::plain("100", object.origin())),
            ))
        }
        "Service" => knative(object),
        _ => fixed(at(&["spec", "replicas"])),
    }
}

/// A Knative Service scales as far as it is let.
fn knative(object: &Node) -> Count {
    let annotations = object.fields_at(&["spec", "template", "metadata", "annotations"]);
    let get = |names: [&str; 2]| {
        let mut all = annotations.iter();
        let (_, node) = all.find(|(name, _)| {
            name.strip_prefix("autoscaling.knative.dev/")
                .is_some_and(|name| names.contains(&name))
        })?;
        Some(value(node.text()?, node))
    };
    let max = get(["max-scale", "maxScale"]);
    let max = max.filter(|max| max.known() != Some("0"));
    Count {
        unknown: max.is_none().then_some("as often as there are requests"),
        max,
        min: get(["min-scale", "minScale"]),
    }
}

/// What scales an object.
fn scaler<'a>(object: &Node, objects: &Objects<'a>) -> Option<&'a Node> {
    let all = objects.scalers.get(&(namespace(object), name(object)))?;
    all.iter().rev().copied().find(|scaler| {
        let target = |field| text(scaler, &["spec", "scaleTargetRef", field]);
        (target("kind") == kind(object)
            || target("kind").is_empty()
                && kind(scaler) == "ScaledObject"
                && kind(object) == "Deployment"
            || target("kind").is_empty() && kind(scaler) != "ScaledObject")
            && (scaler.file == object.file || !twins(object, objects))
    })
}

/// Whether another file has an object of the same name.
fn twins(object: &Node, objects: &Objects<'_>) -> bool {
    objects.all.iter().any(|other| {
        other.file != object.file
            && kind(other) == kind(object)
            && name(other) == name(object)
            && namespace(other) == namespace(object)
    })
}

fn scaled(scaler: &Node) -> Count {
    let (max, min, most) = match kind(scaler) {
        // KEDA's defaults.
        "ScaledObject" => ("maxReplicaCount", "minReplicaCount", Some(("100", "0"))),
        _ => ("maxReplicas", "minReplicas", None),
    };
    let at = |field: &str| {
        let node = scaler.at(&["spec", field])?;
        Some(value(node.text()?, node))
    };
    let or = |given: Option<Text>, default: Option<&str>| {
        given.or_else(|| Some(Text::plain(default?, scaler.origin())))
    };
    Count {
        max: or(at(max), most.map(|(most, _)| most)),
        min: or(at(min), most.map(|(_, least)| least)),
        unknown: None,
    }
}

/// What a rollout adds. Only a Deployment runs old and new pods side by side; others, and a Deployment
/// of type Recreate, end a pod before they start its successor, unless they set maxSurge.
fn surge(object: &Node) -> Option<(String, pgweir_advisor::facts::Origin)> {
    if kind(object) == "Rollout" {
        if let Some(colours) = object.at(&["spec", "strategy", "blueGreen"]) {
            return Some(("100%".to_owned(), colours.origin()));
        }
        let canary = object.at(&["spec", "strategy", "canary", "maxSurge"]);
        return canary.and_then(|node| Some((node.text()?.to_owned(), node.origin())));
    }
    let strategy = match kind(object) {
        "Deployment" => "strategy",
        _ => "updateStrategy",
    };
    let told = object.at(&["spec", strategy, "rollingUpdate", "maxSurge"]);
    let manner = object.at(&["spec", strategy, "type"]);
    let recreates = manner
        .and_then(Node::text)
        .is_some_and(|text| text == "Recreate" || text == "OnDelete");
    let side_by_side = ["Deployment", "Service"].contains(&kind(object));
    match told.and_then(|node| Some((node.text()?, node))) {
        Some((surge, node)) if !recreates => Some((surge.to_owned(), node.origin())),
        _ if recreates || !side_by_side => {
            let origin = manner.map_or(object.origin(), Node::origin);
            Some(("0".to_owned(), origin))
        }
        _ => None,
    }
}

/// How deep a pod is looked for in an object of a kind that is not known.
const SHAPE_DEPTH: u32 = 6;
