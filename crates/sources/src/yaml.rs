//! YAML as a tree with lines. Scalars stay text: the planner's table says what they mean.

use saphyr_parser::{Event, Parser};

/// A node and the line it begins in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) data: Data,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data {
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The field of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.fields()
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, node)| node)
    }

    /// The node below these fields.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, name| node.get(name))
    }

    /// Its text, if it is a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            Data::List(_) | Data::Map(_) => None,
        }
    }

    /// Its entries; none if it is not a list.
    pub(crate) fn entries(&self) -> &[Self] {
        match &self.data {
            Data::List(entries) => entries,
            Data::Text(_) | Data::Map(_) => &[],
        }
    }

    /// Its fields; none if it is not a mapping.
    pub(crate) fn fields(&self) -> &[(String, Self)] {
        match &self.data {
            Data::Map(fields) => fields,
            Data::Text(_) | Data::List(_) => &[],
        }
    }
}

/// A collection that is being read: where it began, its anchor, and its nodes so far, keys and values
/// in turn.
struct Open {
    line: usize,
    anchor: usize,
    map: bool,
    entries: Vec<Node>,
}

/// The documents of a text.
///
/// # Errors
/// The line and what is wrong there.
pub(crate) fn documents(text: &str) -> Result<Vec<Node>, (usize, String)> {
    let mut documents = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: Vec<(usize, Node)> = Vec::new();
    let mut nodes = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) =
            event.map_err(|error| (error.marker().line(), error.info().to_owned()))?;
        let line = span.start.line();
        nodes += 1;
        if nodes > NODES_MAX || open.len() > DEPTH_MAX {
            return Err((line, "is too large or too deep".to_owned()));
        }
        let (node, anchor) = match event {
            Event::Scalar(text, _, anchor, _) => {
                let data = Data::Text(text.into_owned());
                (Node { line, data }, anchor)
            }
            Event::Alias(anchor) => {
                let node = anchored(anchor, &anchors, line)?;
                // Aliases of aliases grow without bound.
                nodes += size(&node);
                (node, 0)
            }
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                open.push(Open {
                    line,
                    anchor,
                    map: matches!(event, Event::MappingStart(..)),
                    entries: Vec::new(),
                });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(done) = open.pop() else { continue };
                let data = if done.map {
                    Data::Map(pairs(done.entries))
                } else {
                    Data::List(done.entries)
                };
                let line = done.line;
                (Node { line, data }, done.anchor)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => continue,
        };
        if anchor > 0 {
            anchors.push((anchor, node.clone()));
        }
        match open.last_mut() {
            Some(parent) => parent.entries.push(node),
            None => documents.push(node),
        }
    }
    Ok(documents)
}

fn anchored(
    anchor: usize,
    anchors: &[(usize, Node)],
    line: usize,
) -> Result<Node, (usize, String)> {
    let known = anchors.iter().rev().find(|(id, _)| *id == anchor);
    let unknown = || (line, "refers to an unknown anchor".to_owned());
    known.map(|(_, node)| node.clone()).ok_or_else(unknown)
}

/// Keys and values in turn. `<<` brings the fields of another mapping.
fn pairs(entries: Vec<Node>) -> Vec<(String, Node)> {
    let mut fields = Vec::new();
    let mut entries = entries.into_iter();
    while let (Some(key), Some(value)) = (entries.next(), entries.next()) {
        match (key.text(), &value.data) {
            (Some("<<"), Data::Map(merged)) => fields.extend(merged.iter().cloned()),
            (Some(key), _) => fields.push((key.to_owned(), value)),
            (None, _) => {}
        }
    }
    fields
}

fn size(node: &Node) -> usize {
    let below: usize = match &node.data {
        Data::Text(_) => 0,
        Data::List(entries) => entries.iter().map(size).sum(),
        Data::Map(fields) => fields.iter().map(|(_, node)| size(node)).sum(),
    };
    1 + below
}

const NODES_MAX: usize = 1_000_000;
const DEPTH_MAX: usize = 100;
