use super::*;

#[test]
fn the_version_is_the_number_after_the_name() {
    let debian = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n";
    assert_eq!(parse_version(debian).as_deref(), Some("15.18"));
    let beta = "initdb (PostgreSQL) 19beta1\n";
    assert_eq!(parse_version(beta).as_deref(), Some("19beta1"));
    assert_eq!(parse_version("hello"), None);
    assert_eq!(parse_version("a b c"), None);
}

#[test]
fn newer_versions_come_first_whatever_their_spelling() {
    let parent = tempfile::tempdir().unwrap();
    for name in ["postgresql@9.6", "postgresql@14", "postgresql@17", "redis"] {
        let bin = parent.path().join(name).join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::write(bin.join("postgres"), "").unwrap();
    }
    std::fs::create_dir_all(parent.path().join("postgresql@18/bin")).unwrap();
    let found = versions(parent.path(), "postgresql");
    let names: Vec<_> = found
        .iter()
        .map(|bin| bin.parent().unwrap().file_name().unwrap().to_string_lossy())
        .collect();
    assert_eq!(names, ["postgresql@17", "postgresql@14", "postgresql@9.6"]);
}

#[test]
fn a_folder_without_binaries_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let why = Postgres::in_folder(folder.path(), None).unwrap_err();
    assert!(why.ends_with("there is no `initdb`"), "{why}");
}

#[test]
fn what_is_missing_is_told_with_what_to_do() {
    let text = PostgresMissing {
        tried: vec!["npm: not found".to_owned()],
    }
    .to_string();
    assert!(text.contains("tried npm: not found"));
    assert!(text.contains("apt-get install postgresql"));
    assert!(text.contains(BIN_VARIABLE));
}
