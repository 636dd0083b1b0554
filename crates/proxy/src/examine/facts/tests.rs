use super::*;

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn row(columns: &[&str]) -> Vec<u8> {
    let mut row = (columns.len() as u16).to_be_bytes().to_vec();
    for column in columns {
        row.extend((column.len() as u32).to_be_bytes());
        row.extend(column.as_bytes());
    }
    row
}

fn examined(wanted: Option<u32>) -> Examined {
    let rows = [
        row(&["server", "18.1", "100", "5", "12", "f"]),
        row(&["database", "app", "t", "40"]),
        row(&["database", "old", "f", "-1"]),
        row(&["role", "web", "t", "f", "f", "-1"]),
        row(&["role", "gone", "t", "t", "f", "7"]),
        row(&["role", "group", "f", "f", "t", "-1"]),
    ];
    let server = Server::read(&rows).expect("an answer");
    let databases = names(&["app", "old", "typo"]);
    let found = server.found(&databases, &names(&["web", "gone", "group", "x"]), wanted);
    let mut examined = Examined {
        server: "db:5432".to_owned(),
        user: None,
        found: None,
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    judge(&found, &mut examined);
    examined.found = Some(found);
    examined
}

#[test]
fn what_is_missing_is_a_problem_each() {
    let examined = examined(Some(95));
    assert_eq!(
        examined.problems,
        [
            "database old takes no connections (datallowconn)",
            "there is no database typo",
            "the password of role gone has expired (VALID UNTIL)",
            "role group may not log in (NOLOGIN)",
            "there is no role x",
        ]
    );
    assert_eq!(examined.warnings, [] as [&str; 0]);
    let found = examined.found.expect("an answer");
    let limits: Vec<_> = found.databases.iter().map(|one| one.limit).collect();
    assert_eq!(limits, [Some(40), None, None]);
}

#[test]
fn more_servers_than_slots_is_a_warning() {
    let warnings = examined(Some(96)).warnings;
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("96 servers"), "{warnings:?}");
    assert!(warnings[0].contains("has 95 slots"), "{warnings:?}");
    assert_eq!(examined(None).warnings.len(), 0);
}

#[test]
fn an_answer_to_something_else_is_none() {
    assert!(Server::read(&[]).is_none());
    assert!(Server::read(&[row(&["server", "18.1"])]).is_none());
    assert!(Server::read(&[row(&["role", "web", "t", "f", "f", "-1"])]).is_none());
    assert!(Server::read(&[b"\0\x01\0\0\0\xff".to_vec()]).is_none());
}

#[test]
fn names_are_literals_whatever_is_in_them() {
    let sql = questions(&names(&["it's", "b\\s"]), &names(&[]));
    assert!(sql.contains("IN (E'b\\\\s', 'it''s')"), "{sql}");
    assert!(sql.ends_with("IN (NULL)"), "{sql}");
}
