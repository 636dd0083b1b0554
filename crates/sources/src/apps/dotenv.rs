//! Files of variables: `.env` as docker, Laravel, Node and Ruby read it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::file::{SourceFile, line_of};
use crate::inventory::{Text, Variable};
use crate::reference::expanded;

/// The variables of a file, each name once, in the order of the file. References are to variables that
/// stand before them, or to what `outside` knows.
pub(crate) fn variables(
    source: &SourceFile<'_>,
    outside: &mut dyn FnMut(&str) -> Option<Text>,
) -> Vec<Variable> {
    let file: Arc<str> = Arc::from(source.name);
    let mut found: Vec<Variable> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut lines = source.text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let line = line.trim();
        if line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let name = name.trim();
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        let name_fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if name.is_empty() || !name.chars().all(name_fits) {
            continue;
        }
        let origin = line_of(&file, at + 1);
        // Where a quote is not closed, the lines behind it are lines of their own.
        let mut ahead = lines.clone();
        let inner = quoted(
            value.trim_start(),
            &mut ahead.by_ref().map(|(_, line)| line),
        );
        if inner.is_some() {
            lines = ahead;
        }
        let value = match inner {
            Some((value, '\'')) => Text::plain(value, origin),
            Some((value, _)) => {
                let mut lookup =
                    |name: &str| known(&found, &places, name).or_else(|| outside(name));
                expanded(&value.replace("\\n", "\n"), &origin, &mut lookup)
            }
            None => {
                let mut lookup =
                    |name: &str| known(&found, &places, name).or_else(|| outside(name));
                expanded(bare(value), &origin, &mut lookup)
            }
        };
        match places.get(name) {
            Some(at) => found[*at].value = value,
            None => {
                places.insert(name.to_owned(), found.len());
                let name = name.to_owned();
                found.push(Variable { name, value });
            }
        }
    }
    found
}

fn known(found: &[Variable], places: &HashMap<String, usize>, name: &str) -> Option<Text> {
    Some(found[*places.get(name)?].value.clone())
}

/// A value in quotes, which may go on in the next lines, and its quote.
fn quoted<'a>(value: &'a str, lines: &mut dyn Iterator<Item = &'a str>) -> Option<(String, char)> {
    let quote = value.chars().next().filter(|c| "\"'`".contains(*c))?;
    let mut text = String::new();
    let mut rest = &value[1..];
    loop {
        let mut escaped = false;
        let end = rest.char_indices().find(|(_, c)| {
            let ends = *c == quote && !escaped;
            escaped = *c == '\\' && !escaped && quote == '"';
            ends
        });
        if let Some((end, _)) = end {
            text.push_str(&rest[..end]);
            return Some((text, quote));
        }
        text.push_str(rest);
        // A quote that nobody closes is a part of the value.
        rest = lines.next()?;
        text.push('\n');
    }
}

/// A value without quotes: a comment begins behind a space.
fn bare(value: &str) -> &str {
    let comment = value
        .char_indices()
        .find(|(at, c)| *c == '#' && (*at == 0 || value[..*at].ends_with(char::is_whitespace)));
    value[..comment.map_or(value.len(), |(at, _)| at)].trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_docker_and_node_do() {
        for (text, expected) in [
            ("A=b", vec![("A", Some("b"))]),
            (
                "export A=b\r\n\r\nB = c\r\n",
                vec![("A", Some("b")), ("B", Some("c"))],
            ),
            ("A=\"x y\" # comment", vec![("A", Some("x y"))]),
            ("A=se#cret", vec![("A", Some("se#cret"))]),
            ("A=plain # comment", vec![("A", Some("plain"))]),
            ("A=#comment", vec![("A", Some(""))]),
            ("A='$B'", vec![("A", Some("$B"))]),
            (
                "A=1\nB=${A}2\nC=$D",
                vec![("A", Some("1")), ("B", Some("12")), ("C", None)],
            ),
            (
                "A=\"one\ntwo\"\nB=3",
                vec![("A", Some("one\ntwo")), ("B", Some("3"))],
            ),
            ("A=1\nA=2", vec![("A", Some("2"))]),
            ("# A=1\nnonsense\n=x\nA B=c", vec![]),
            ("A=${X:-5}", vec![("A", Some("5"))]),
            ("A=\"say \\\"x\\\"\"", vec![("A", Some("say \\\"x\\\""))]),
        ] {
            let name = ".env";
            let read = variables(&SourceFile { name, text }, &mut |_| None);
            let read: Vec<(&str, Option<&str>)> = read
                .iter()
                .map(|variable| (variable.name.as_str(), variable.value.known()))
                .collect();
            assert_eq!(read, expected, "{text:?}");
        }
    }
}
