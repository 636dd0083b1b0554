use super::{File, Layout, read};
use crate::{Origin, Value};

/// What a file says, one line for each setting.
fn told(file: &File) -> Vec<String> {
    let mut told = Vec::new();
    let plain = file.plain.iter().map(|(name, section)| (*name, section));
    let named = file.named.iter();
    let named = named.map(|(_, name, section)| (name.as_str(), section));
    for (name, section) in plain.chain(named) {
        for (setting, given) in section.iter() {
            let Origin::File { line, columns, .. } = &given.origin else {
                panic!("{}", given.origin);
            };
            let (start, value) = (columns.value.start, &given.value);
            told.push(format!("{name}.{setting} = {value} @ {line}:{start}"));
        }
    }
    told
}

fn file(text: &str) -> File {
    let layout = Layout {
        plain: &["pool"],
        named: &["users"],
        outside: &["profile"],
        foreign: &[("pgbouncer", "is called [pool] here")],
        advice: "put it below [pool]",
        settings: vec!["size", "mode", "password"],
    };
    read("f.toml", text, &layout)
}

fn problems(text: &str) -> Vec<String> {
    file(text)
        .problems
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn settings_have_their_places_and_sections_their_order() {
    let text = "\u{feff}profile = 'x'\r\n[users.z]\nsize.x = 1\n[users.a]\nmode = \"\"\"two\nlines\"\"\"\n\
                [pool]\n  size = 0x1_0 # y\nmode = [1, [2.5, \"x\"]]\nday = 1979-05-27\nmuch = 1e999\n\
                more = 99999999999999999999999999999999999999999999\n";
    let file = file(text);
    assert_eq!(file.problems, []);
    assert!(file.outside.get("profile").unwrap().value == Value::Text("x".into()));
    assert_eq!(
        told(&file),
        [
            "pool.day = a date or time of day @ 10:6",
            "pool.mode = [1, [2.5, \"x\"]] @ 9:7",
            "pool.more = 170141183460469231731687303715884105727 @ 12:7",
            "pool.much = inf @ 11:7",
            "pool.size = 16 @ 8:9",
            "z.size = a section @ 3:0",
            "a.mode = \"two\\nlines\" @ 5:7",
        ]
    );
}

#[test]
fn what_stands_in_the_wrong_place_is_told_where_it_belongs() {
    let text = "size = 1\npool = 2\nusers = 3\n[pgbouncer]\n[user.x]\n[wombats]\n";
    assert_eq!(
        problems(text),
        [
            "f.toml:4: pgbouncer: is called [pool] here",
            "f.toml:2: pool: must be a section: [pool]",
            "f.toml:1: size: stands outside every section; put it below [pool]",
            "f.toml:5: user: unknown section; did you mean [users]?",
            "f.toml:3: users: must be a section: [users.NAME]",
            "f.toml:6: wombats: unknown section; known are pool, users",
        ]
    );
    assert_eq!(
        problems("[users]\na = 1\n"),
        ["f.toml:2: users.a: must be a section: [users.a]"]
    );
}

#[test]
fn of_a_torn_text_only_names_of_settings_are_shown() {
    let text = "[pool]\nsize = 1 1\n[users.a]\npassword = \"x\nhunter2 = 1\nsise = 2\n";
    let lines = problems(text);
    assert!(lines[0].starts_with("f.toml:2: size: "), "{lines:?}");
    assert!(!lines.join("").contains("hunter2"), "{lines:?}");
    assert!(file(text).torn);
    let unknown = "f.toml:5: is not a known setting; correct the mistakes of syntax first";
    assert!(lines.iter().any(|line| line == unknown), "{lines:?}");
    assert!(told(&file(text)).contains(&"a.sise = 2 @ 6:7".to_owned()));
}
