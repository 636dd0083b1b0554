use super::{Cell, Row, Rows, is_like};
use crate::command::Command;
use crate::parse;

fn chosen(text: &str) -> Vec<String> {
    let Ok(Command::Show(query)) = parse(text) else {
        panic!("{text}");
    };
    // list, items
    let rows: Vec<Row> = [
        ("pools", Some(10)),
        ("Users", Some(9)),
        ("peers", None),
        ("dns_names", Some(-1)),
    ]
    .into_iter()
    .map(|(list, items)| vec![list.into(), Cell::maybe_number(items)])
    .collect();
    let names = Rows::new(rows.into_iter(), &query);
    names
        .map(|row| row[0].text().unwrap().into_owned())
        .collect()
}

#[test]
fn rows_are_chosen_by_value_and_numbers_as_numbers() {
    for (rest, expected) in [
        ("", "pools Users peers dns_names"),
        ("WHERE items = 10", "pools"),
        ("WHERE items = 10.0", "pools"),
        ("WHERE items > 9", "pools"),
        ("WHERE items >= 9", "pools Users"),
        ("WHERE items < 0", "dns_names"),
        ("WHERE items <= '-1'", "dns_names"),
        ("WHERE items <> 10", "Users dns_names"),
        ("WHERE items != 10 AND items != 9", "dns_names"),
        ("WHERE items IN (9, 10)", "pools Users"),
        ("WHERE items NOT IN (9, 10)", "dns_names"),
        ("WHERE items IS NULL", "peers"),
        (
            "WHERE items IS NOT NULL AND list <> 'pools'",
            "Users dns_names",
        ),
        ("WHERE list = 'users'", ""),
        ("WHERE list LIKE 'p%'", "pools peers"),
        ("WHERE list LIKE 'user_'", ""),
        ("WHERE list ILIKE 'user_'", "Users"),
        ("WHERE list NOT LIKE '%s'", ""),
        ("ORDER BY items", "dns_names Users pools peers"),
        ("ORDER BY items DESC", "peers pools Users dns_names"),
        ("ORDER BY list", "Users dns_names peers pools"),
        ("ORDER BY items DESC LIMIT 2", "peers pools"),
        ("LIMIT 1 OFFSET 2", "peers"),
        ("LIMIT 0", ""),
        ("OFFSET 3", "dns_names"),
        ("OFFSET 99999999999999", ""),
    ] {
        let text = format!("SHOW LISTS {rest}");
        assert_eq!(chosen(&text).join(" "), expected, "{text}");
    }
}

#[test]
fn patterns_are_those_of_like() {
    for (text, pattern, fits) in [
        ("", "", true),
        ("", "%", true),
        ("a", "", false),
        ("abc", "abc", true),
        ("abc", "a%", true),
        ("abc", "%c", true),
        ("abc", "%b%", true),
        ("abc", "a_c", true),
        ("abc", "a_", false),
        ("aab", "%ab", true),
        ("äb", "_b", true),
        ("a%", "a\\%", true),
        ("ab", "a\\%", false),
        ("a\\", "a\\", true),
    ] {
        assert_eq!(is_like(text, pattern), fits, "{text} {pattern}");
    }
    // What takes exponential time if it is done badly.
    let text = "a".repeat(3000);
    assert!(!is_like(&text, &format!("{}b", "%a".repeat(500))));
}
