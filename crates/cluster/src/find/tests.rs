use super::*;

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
fn a_missing_server_is_reported_with_the_next_step() {
    let text = PostgresMissing {
        tried: vec!["npm: not found".to_owned()],
    }
    .to_string();
    assert!(text.contains("tried npm: not found"));
    assert!(text.contains("apt-get install postgresql"));
    assert!(text.contains(BIN_VARIABLE));
}
