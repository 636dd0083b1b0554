use std::path::PathBuf;

use pgweir_config::{Secret, Source};

use super::load;

#[test]
fn a_file_is_loaded_with_the_secrets_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pgweir.toml");
    let text = "[databases.app]\n[users.bob]\npassword_file = \"secrets/bob\"\n\
                [pgweir]\nauth_file = \"userlist.txt\"\n";
    std::fs::create_dir(folder.path().join("secrets")).unwrap();
    std::fs::write(folder.path().join("secrets/bob"), "hush\r\n").unwrap();
    std::fs::write(folder.path().join("userlist.txt"), "\"ann\" \"x\"").unwrap();
    std::fs::write(&path, text).unwrap();
    let config = load(&Source::File(path)).unwrap().config;
    assert!(config.users["bob"].secret == Some(Secret::Plain("hush".to_owned())));
    assert!(config.users["ann"].secret == Some(Secret::Plain("x".to_owned())));
}

#[test]
fn a_file_that_cannot_be_read_is_one_problem() {
    let folder = tempfile::tempdir().unwrap();
    let message = |path: PathBuf| {
        let problems = load(&Source::File(path)).unwrap_err();
        assert_eq!(problems.len(), 1);
        problems[0].message.clone()
    };
    let missing = message(folder.path().join("none.toml"));
    assert_eq!(
        missing,
        "cannot be read: No such file or directory (os error 2)"
    );
    let binary = folder.path().join("binary.toml");
    std::fs::write(&binary, b"[pgweir]\n\xff\xfe").unwrap();
    assert_eq!(message(binary), "cannot be read: line 2 is no UTF-8 text");
    assert!(message(folder.path().to_owned()).starts_with("cannot be read: "));
    assert_eq!(
        message("/dev/zero".into()),
        "cannot be read: is larger than 64 MiB"
    );
}

#[test]
fn keys_that_cannot_be_used_are_problems_of_the_file_that_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pgweir.toml");
    std::fs::write(folder.path().join("short"), "from a file\n").unwrap();
    let told = |settings: &str| {
        let rest = "[databases.app]\n[users.bob]\npassword = \"x\"\n";
        std::fs::write(&path, format!("[pgweir]\n{settings}\n{rest}")).unwrap();
        let problems = load(&Source::File(path.clone())).unwrap_err();
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        lines.join("\n")
    };
    for (settings, part) in [
        ("http_jwt_secret_file = \"short\"", "of 11 bytes"),
        ("http_jwks_file = \"short\"", "is no JSON Web Key Set"),
        (
            "http_tls_cert_file = \"short\"\nhttp_tls_key_file = \"short\"",
            "http_tls_cert_file = short: has no certificate",
        ),
    ] {
        let text = told(settings);
        assert!(text.contains(":2: ") && text.contains(part), "{text}");
        assert!(!text.contains("from a "), "{text}");
    }
}
