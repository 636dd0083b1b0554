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
fn a_folder_without_binaries_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let why = Postgres::in_folder(folder.path(), None).unwrap_err();
    assert!(why.ends_with("`initdb` is missing"), "{why}");
}
