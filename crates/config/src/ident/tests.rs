use std::path::Path;

use proptest::prelude::{prop_assert, proptest};

use super::IdentMaps;
use crate::Outside;
use crate::tests::OUTSIDE;

fn read(text: &str) -> Result<IdentMaps, Vec<String>> {
    let mut problems = Vec::new();
    let outside = Outside {
        file: &|_| Ok(text.to_owned()),
        ..OUTSIDE
    };
    let maps = IdentMaps::read(Path::new("ident.conf"), &outside, &mut problems);
    match &*problems {
        [] => Ok(maps),
        problems => Err(problems.iter().map(|p| p.to_string()).collect()),
    }
}

const MAPS: &str = "\
    # map  system  user\n\
    admins  root     postgres\n\
    admins  root     \"all\"\n\
    admins  daemon   all\n\
    mail    /^(.*)@example\\.com$   \\1\n\
    mail    /^(.*)@example\\.com$   \"app_\\1_rw\"\n\
    mail    /^guest                 guest\n\
    mail    boss                    /^boss_\n\
    mail    \"/literal\"            literal\n";

#[test]
fn a_map_says_who_may_be_whom() {
    let maps = read(MAPS).unwrap();
    for (map, system, user, allowed) in [
        ("admins", "root", "postgres", true),
        ("admins", "root", "root", false),
        ("admins", "root", "all", true),
        ("admins", "root", "bob", false),
        ("admins", "daemon", "bob", true),
        ("admins", "bob", "bob", false),
        ("mail", "bob@example.com", "bob", true),
        ("mail", "bob@example.com", "eve", false),
        ("mail", "bob@example.com", "app_bob_rw", true),
        ("mail", "bob@example.com", "app_eve_rw", false),
        ("mail", "bob@example.org", "bob", false),
        ("mail", "guest17", "guest", true),
        ("mail", "guest17", "guest17", false),
        ("mail", "boss", "boss_1", true),
        ("mail", "boss", "boss", false),
        ("mail", "/literal", "literal", true),
        ("nothing", "bob", "bob", false),
    ] {
        let is_allowed = maps.allows(Some(map), system, user);
        assert_eq!(is_allowed, allowed, "{system} as {user} by {map}");
    }
    assert!(maps.has("mail") && !maps.has("mails"));
}

#[test]
fn without_a_map_everybody_is_himself() {
    let maps = IdentMaps::default();
    assert!(maps.allows(None, "bob", "bob"));
    for (system, user) in [
        ("bob", "Bob"),
        ("bob", "bobby"),
        ("", "bob"),
        ("bob", "all"),
    ] {
        assert!(!maps.allows(None, system, user));
    }
}

#[test]
fn an_empty_part_is_nobody() {
    let maps = read("m /^(.*)@x$ \\1").unwrap();
    assert!(!maps.allows(Some("m"), "@x", "bob"));
    assert!(!maps.allows(Some("m"), "bob@x", ""));
}

#[test]
fn all_mistakes_of_maps_are_told_with_their_lines() {
    let problems =
        read("m bob\nm bob bob bob\nm a,b c\nm /x \\1\nm /( bob\nm bob +admins\nm bob /[\n");
    assert_eq!(
        problems.unwrap_err(),
        [
            "ident.conf:1: must be a map, a name of the system and a user, one each",
            "ident.conf:2: must be a map, a name of the system and a user, one each",
            "ident.conf:3: must be a map, a name of the system and a user, one each",
            "ident.conf:4: has \\1, and nothing in parentheses that it could stand for",
            "ident.conf:5: has a regular expression that cannot be used: unclosed group",
            "ident.conf:6: names the members of a role, which only PostgreSQL knows; list the users, or write /expression",
            "ident.conf:7: has a regular expression that cannot be used: unclosed character class",
        ]
    );
}

proptest! {
    #[test]
    fn who_is_found_by_an_expression_is_only_that_user(system in "[a-z@.]{0,12}", user in "[a-z@.]{0,12}") {
        let maps = read("m /^([a-z]+)@x$ \\1").unwrap();
        let allowed = maps.allows(Some("m"), &system, &user);
        let expected = format!("{user}@x");
        prop_assert!(!allowed || system == expected);
    }

    #[test]
    fn any_text_is_maps_or_mistakes(text in "(m |/|\\(|\\)|\\\\1|all|[ ,\\\\\"#@+\n]|.){0,40}") {
        if let Ok(maps) = read(&text) {
            let _ = maps.allows(Some("m"), "bob", "bob");
        }
    }
}
