//! What references stand for.

use pgweir_advisor::facts::Origin;

use super::{expanded, in_parentheses, words};
use crate::inventory::Text;

fn known(name: &str) -> Option<Text> {
    let value = match name {
        "SET" => "set",
        "EMPTY" => "",
        "HOST" => "db",
        _ => return None,
    };
    Some(Text::plain(value, Origin::Default))
}

#[test]
fn variables_are_replaced_as_compose_does() {
    for (text, expected) in [
        ("a", Some("a")),
        ("$SET-$HOST", Some("set-db")),
        ("${SET}/${HOST}", Some("set/db")),
        ("${MISSING:-default}", Some("default")),
        ("${EMPTY:-default}", Some("default")),
        ("${EMPTY-default}", Some("")),
        ("${MISSING-}", Some("")),
        ("${MISSING:-${OTHER:-${HOST}}}", Some("db")),
        ("${MISSING:-a}b}", Some("ab}")),
        ("${SET:?say it}", Some("set")),
        ("${SET:+other}", Some("other")),
        ("$$SET ${SET}", Some("$SET set")),
        ("100$", Some("100$")),
        ("$1 {a}", Some("$1 {a}")),
        ("${MISSING}", None),
        ("${MISSING:?say it}", None),
        ("$MISSING", None),
        ("{{ .Values.pool }}", None),
        ("${SET", Some("${SET")),
        ("é$SETé", Some("éseté")),
    ] {
        let found = expanded(text, &Origin::Default, &mut known);
        assert_eq!(found.known(), expected, "{text}: {:?}", found.gaps());
    }
    let deep = "${X:-".repeat(2_000) + &"}".repeat(2_000);
    expanded(&deep, &Origin::Default, &mut known);
}

#[test]
fn parentheses_are_replaced_as_kubernetes_does() {
    for (text, expected) in [
        ("$(HOST):5432", Some("db:5432")),
        ("$$(HOST)", Some("$(HOST)")),
        ("$(HOST", Some("$(HOST")),
        ("$(MISSING)", None),
    ] {
        let found = in_parentheses(&Text::plain(text, Origin::Default), &mut known);
        assert_eq!(found.known(), expected, "{text}");
    }
}

#[test]
fn a_command_is_split_as_a_shell_does() {
    for (line, expected) in [
        (
            "postgres -c max_connections=150",
            vec!["postgres", "-c", "max_connections=150"],
        ),
        ("a 'b c' \"d\"e  ''", vec!["a", "b c", "de", ""]),
        ("", vec![]),
        ("é ü", vec!["é", "ü"]),
        ("'open", vec!["open"]),
    ] {
        let words = words(&Text::plain(line, Origin::Default));
        let words: Vec<&str> = words.iter().map(Text::with_gaps).collect();
        assert_eq!(words, expected, "{line}");
    }
}
