//! YAML as a tree with lines. Scalars stay text: the planner's table says what they mean.

use std::collections::HashSet;
use std::sync::Arc;

use pgweir_advisor::facts::Origin;
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::file::{SourceFile, line_of};

/// A node, and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) file: Arc<str>,
    pub(crate) line: usize,
    /// What becomes of it where files are laid over each other.
    pub(crate) manner: Manner,
    pub(crate) data: Data,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data {
    /// Nothing, or `null`.
    Null,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// Tags of docker-compose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It is laid over what was there.
    Merge,
    /// `!override`: it takes the place of what was there.
    Replace,
    /// `!reset`: what was there goes.
    Reset,
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
            Data::Null | Data::List(_) | Data::Map(_) => None,
        }
    }

    /// The text below these fields; empty if there is none.
    pub(crate) fn text_at(&self, path: &[&str]) -> &str {
        self.at(path).and_then(Self::text).unwrap_or_default()
    }

    /// Its entries; none if it is not a list.
    pub(crate) fn entries(&self) -> &[Self] {
        match &self.data {
            Data::List(entries) => entries,
            Data::Null | Data::Text(_) | Data::Map(_) => &[],
        }
    }

    /// The entries below these fields.
    pub(crate) fn entries_at(&self, path: &[&str]) -> &[Self] {
        self.at(path).map_or(&[], Self::entries)
    }

    /// Its fields; none if it is not a mapping.
    pub(crate) fn fields(&self) -> &[(String, Self)] {
        match &self.data {
            Data::Map(fields) => fields,
            Data::Null | Data::Text(_) | Data::List(_) => &[],
        }
    }

    /// The fields below these fields.
    pub(crate) fn fields_at(&self, path: &[&str]) -> &[(String, Self)] {
        self.at(path).map_or(&[], Self::fields)
    }

    /// Where it is.
    pub(crate) fn origin(&self) -> Origin {
        line_of(&self.file, self.line)
    }

    /// A node of the same place.
    pub(crate) fn with(&self, data: Data) -> Self {
        Self {
            file: self.file.clone(),
            line: self.line,
            manner: Manner::Merge,
            data,
        }
    }
}

/// A collection that is being read: where it began, its anchor, and its nodes so far, keys and values
/// in turn.
struct Open {
    line: usize,
    anchor: usize,
    manner: Manner,
    map: bool,
    entries: Vec<Node>,
}

/// The documents of a text.
///
/// # Errors
/// The line and what is wrong there.
pub(crate) fn documents(source: &SourceFile<'_>) -> Result<Vec<Node>, (usize, String)> {
    let file: Arc<str> = Arc::from(source.name);
    let mut documents = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: Vec<(usize, Node)> = Vec::new();
    let mut nodes = 0;
    for event in Parser::new_from_str(source.text) {
        let (event, span) =
            event.map_err(|error| (error.marker().line(), error.info().to_owned()))?;
        let line = span.start.line();
        nodes += 1;
        if nodes > NODES_MAX || open.len() > DEPTH_MAX {
            return Err((line, "is too large or too deep".to_owned()));
        }
        let node = |line, manner, data| Node {
            file: file.clone(),
            line,
            manner,
            data,
        };
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let data = match style {
                    ScalarStyle::Plain if NULLS.contains(&&*text) => Data::Null,
                    _ => Data::Text(text.into_owned()),
                };
                (node(line, manner(tag.as_deref()), data), anchor)
            }
            Event::Alias(anchor) => {
                let node = anchored(anchor, &anchors, line)?;
                // Aliases of aliases grow without bound.
                nodes += size(&node);
                (node, 0)
            }
            Event::SequenceStart(anchor, ref tag) | Event::MappingStart(anchor, ref tag) => {
                open.push(Open {
                    line,
                    anchor,
                    manner: manner(tag.as_deref()),
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
                (node(done.line, done.manner, data), done.anchor)
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

fn manner(tag: Option<&Tag>) -> Manner {
    match tag.map(|tag| tag.suffix.as_str()) {
        Some("reset") => Manner::Reset,
        Some("override") => Manner::Replace,
        _ => Manner::Merge,
    }
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

/// Keys and values in turn. `<<` brings the fields of other mappings, of which a mapping's own and those
/// that come first count.
fn pairs(entries: Vec<Node>) -> Vec<(String, Node)> {
    let mut own = Vec::new();
    let mut merged = Vec::new();
    let mut entries = entries.into_iter();
    while let (Some(key), Some(value)) = (entries.next(), entries.next()) {
        match (key.text(), value.data) {
            (Some("<<"), Data::Map(fields)) => merged.extend(fields),
            (Some("<<"), Data::List(maps)) => {
                let maps = maps.into_iter();
                merged.extend(maps.flat_map(|map| match map.data {
                    Data::Map(fields) => fields,
                    Data::Null | Data::Text(_) | Data::List(_) => Vec::new(),
                }));
            }
            (Some(key), data) => own.push((key.to_owned(), Node { data, ..value })),
            (None, _) => {}
        }
    }
    // Of a key that is there twice the last counts.
    let mut names = HashSet::new();
    own.reverse();
    own.retain(|(name, _)| names.insert(name.clone()));
    own.reverse();
    merged.retain(|(name, _)| names.insert(name.clone()));
    own.extend(merged);
    own
}

fn size(node: &Node) -> usize {
    let below: usize = match &node.data {
        Data::Null | Data::Text(_) => 0,
        Data::List(entries) => entries.iter().map(size).sum(),
        Data::Map(fields) => fields.iter().map(|(_, node)| size(node)).sum(),
    };
    1 + below
}

/// What a scalar without quotes says for nothing.
const NULLS: [&str; 5] = ["", "~", "null", "Null", "NULL"];
const NODES_MAX: usize = 1_000_000;
const DEPTH_MAX: usize = 100;
