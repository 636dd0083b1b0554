use super::*;

#[test]
fn platforms_are_chosen_by_system_and_processor() {
    let platform = |os, arch| package(os, arch).map(|package| package.platform);
    assert_eq!(platform("linux", "x86_64"), Some("linux-x64"));
    assert_eq!(platform("linux", "aarch64"), Some("linux-arm64"));
    assert_eq!(platform("macos", "aarch64"), Some("darwin-arm64"));
    assert_eq!(platform("macos", "x86_64"), Some("darwin-x64"));
    assert_eq!(platform("freebsd", "x86_64"), None);
    assert_eq!(platform("linux", "riscv64"), None);
}

#[test]
fn digests_are_whole() {
    for (os, arch) in [
        ("linux", "x86_64"),
        ("linux", "aarch64"),
        ("macos", "aarch64"),
    ] {
        assert_eq!(package(os, arch).unwrap().digest.len(), 128);
    }
}

#[test]
fn an_archive_of_other_content_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("package.tgz");
    fs::write(&archive, "abc").unwrap();
    let abc = hex(&Sha512::digest(b"abc"));
    assert_eq!(verify(&archive, &abc), Ok(()));
    assert!(verify(&archive, &abc.replace('a', "b")).is_err());
}

fn symlinks(list: &str) -> io::Result<PathBuf> {
    let folder = tempfile::tempdir()?.keep();
    fs::create_dir_all(folder.join("native/lib"))?;
    fs::write(folder.join("native/lib/libpq.so.5.18"), "library")?;
    fs::write(folder.join("native/pg-symlinks.json"), list)?;
    let made = make_symlinks(&folder);
    let read = fs::read_link(folder.join("native/lib/libpq.so.5"));
    fs::remove_dir_all(&folder)?;
    made.and(read)
}

#[test]
fn symbolic_links_name_the_file_beside_them() {
    let list = r#"[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so.5"}]"#;
    assert_eq!(symlinks(list).unwrap(), Path::new("libpq.so.5.18"));
}

#[test]
fn symbolic_links_stay_inside_the_package() {
    for list in [
        r#"[{"source":"native/lib/x","target":"native/lib/../../../x"}]"#,
        r#"[{"source":"native/lib/x","target":"/etc/x"}]"#,
        r#"[{"source":"native/lib/x","target":"native/bin/x"}]"#,
    ] {
        assert!(symlinks(list).is_err(), "{list}");
    }
}

#[test]
fn folders_closed_to_others_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(!open_to_all(&folder.path().join("not/there")));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(open_to_all(&folder.path().join("not/there")));
}
