//! ConfigMaps, Secrets, and what makes Secrets.

use std::collections::HashMap;

use super::{kind, name, namespace, text};
use crate::inventory::{Text, Variable};
use crate::yaml::Node;

/// The maps of all objects, by kind, namespace and name.
pub(super) struct Maps(HashMap<(&'static str, String, String), Vec<Variable>>);

impl Maps {
    pub(super) fn of(objects: &[&Node]) -> Self {
        let mut maps = HashMap::new();
        for object in objects {
            for (kind, name, values) in super::operators::secrets(object) {
                maps.insert((kind, namespace(object).to_owned(), name), values);
            }
            if let Some((kind, name, values)) = map(object) {
                maps.insert((kind, namespace(object).to_owned(), name), values);
            }
        }
        Self(maps)
    }

    /// The values of a map.
    pub(super) fn get(
        &self,
        kind: &'static str,
        namespace: &str,
        name: &str,
    ) -> Option<&[Variable]> {
        let found = self.0.get(&(kind, namespace.to_owned(), name.to_owned()))?;
        Some(found)
    }
}

/// A ConfigMap or Secret: what it is, its name, its values.
fn map(object: &Node) -> Option<(&'static str, String, Vec<Variable>)> {
    let own = name(object);
    let secret = |name: &str| format!("the Secret {name}");
    let unknown = |fields: &[(String, Node)], of: &str| -> Vec<Variable> {
        let fields = fields.iter();
        let fields = fields.map(|(key, node)| Variable {
            name: key.clone(),
            value: Text::gap(format!("the key {key} of {}", secret(of)), node.origin()),
        });
        fields.collect()
    };
    Some(match kind(object) {
        "ConfigMap" => (
            "ConfigMap",
            own.to_owned(),
            plain(object.fields_at(&["data"])),
        ),
        "Secret" => {
            let mut values: Vec<Variable> = object
                .fields_at(&["data"])
                .iter()
                .filter_map(|(key, node)| {
                    let value = match base64(node.text()?) {
                        Some(value) => Text::plain(value, node.origin()),
                        None => {
                            Text::gap(format!("the key {key} of {}", secret(own)), node.origin())
                        }
                    };
                    let name = key.clone();
                    Some(Variable { name, value })
                })
                .collect();
            values.extend(plain(object.fields_at(&["stringData"])));
            (
                "Secret",
                own.to_owned(),
                crate::inventory::last_of_each(values),
            )
        }
        "SealedSecret" => {
            let made = match text(object, &["spec", "template", "metadata", "name"]) {
                "" => own,
                name => name,
            };
            let fields = object.fields_at(&["spec", "encryptedData"]);
            ("Secret", made.to_owned(), unknown(fields, made))
        }
        "ExternalSecret" => {
            let made = match text(object, &["spec", "target", "name"]) {
                "" => own,
                name => name,
            };
            let data = object.entries_at(&["spec", "data"]).iter();
            let keys = data.map(|entry| (text(entry, &["secretKey"]).to_owned(), entry.clone()));
            let mut keys: Vec<(String, Node)> = keys.collect();
            let template = object.fields_at(&["spec", "target", "template", "data"]);
            keys.extend(template.iter().cloned());
            // With `dataFrom` only the vault knows the keys.
            if object.at(&["spec", "dataFrom"]).is_some() {
                return None;
            }
            ("Secret", made.to_owned(), unknown(&keys, made))
        }
        _ => return None,
    })
}

fn plain(fields: &[(String, Node)]) -> Vec<Variable> {
    let fields = fields.iter();
    fields
        .filter_map(|(name, node)| {
            let name = name.clone();
            let value = super::containers::value(node.text()?, node);
            Some(Variable { name, value })
        })
        .collect()
}

/// RFC 4648, with or without padding; `None` where it is no base64 or no text.
fn base64(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut bits = 0_u32;
    let mut count = 0_u32;
    for c in text.bytes().filter(|c| !c.is_ascii_whitespace()) {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => break,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xfff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn secrets_are_base64() {
        for (text, expected) in [
            ("cG9zdGdyZXM6Ly91OnBAZGIvYQ==", Some("postgres://u:p@db/a")),
            ("cG9z\ndGdyZXM=", Some("postgres")),
            ("YQ", Some("a")),
            ("", Some("")),
            ("a b!", None),
            ("/w==", None),
        ] {
            assert_eq!(base64(text).as_deref(), expected, "{text}");
        }
    }
}
