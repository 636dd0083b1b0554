//! Both libraries make the same tree of the same text.

use proptest::prelude::*;
use toml::de::DeTable;
use toml_spanner::Arena;

use super::{Content, Entry, Value, parse, torn, whole};

/// A tree in words: name, where it stands, and what.
fn words(entries: &[Entry]) -> Vec<String> {
    let mut told = Vec::new();
    for entry in entries {
        let what = match &entry.content {
            // The end of sections is not looked at.
            Content::Table(inner) => words(inner).join("; "),
            Content::Value(Value::List(items)) if items.contains(&Value::Other("a section")) => {
                format!("{items:?}")
            }
            Content::Value(value) => format!("{value:?} {:?}", entry.content_at),
        };
        told.push(format!("{} {:?}: {what}", entry.name, entry.at));
    }
    told
}

fn line() -> impl Strategy<Value = String> {
    let key = "[a-c]{1,2}(\\.[a-c])?|\"[a-c ü]\"";
    let value = prop_oneof![
        Just("\"te\\u00e9xt\"".to_owned()),
        Just("'it is'".to_owned()),
        Just("\"\"\"two\nlines\"\"\"".to_owned()),
        Just("[1, [2, \"x\"]]".to_owned()),
        Just("{ a = 1, b.c = 2 }".to_owned()),
        Just("1979-05-27".to_owned()),
        "-?[1-9][0-9]{0,8}",
        "0x[0-9a-f]{1,6}",
        "[1-9]_[0-9]{3}",
        "[0-9]\\.[0-9]{1,3}(e[1-9])?",
        "true|false",
    ];
    prop_oneof![
        4 => (key, value).prop_map(|(key, value)| format!("{key} = {value}")),
        1 => "\\[[a-c]\\.[d-f]\\]|\\[\\[[g-i]\\]\\]|\\[\"[j-l] \"\\]",
        1 => "# [a-z\" ]{0,9}",
    ]
}

proptest! {
    #[test]
    fn the_libraries_agree(lines in prop::collection::vec(line(), 0..9), bom in any::<bool>(), crlf in any::<bool>()) {
        let text = lines.join(if crlf { "\r\n" } else { "\n" });
        let text = format!("{}{text}", if bom { "\u{feff}" } else { "" });
        let (root, errors) = DeTable::parse_recoverable(&text);
        let arena = Arena::new();
        let document = toml_spanner::parse(&text, &arena);
        prop_assert_eq!(document.is_ok(), errors.is_empty(), "{:?} {:?}", errors, text);
        if let Ok(document) = document {
            let whole = whole::table(document.table());
            let torn = torn::table(root.get_ref());
            prop_assert_eq!(words(&whole), words(&torn));
        }
    }
}

#[test]
fn numbers_that_only_one_library_takes_are_values() {
    let (entries, mistakes) =
        parse("a = 1e999\nb = 99999999999999999999999999999999999999999999\n");
    assert!(mistakes.is_empty());
    assert_eq!(
        words(&entries),
        [
            "a 0..1: Float(inf) 4..9",
            "b 10..11: Integer(170141183460469231731687303715884105727) 14..58"
        ]
    );
}
