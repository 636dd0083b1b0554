//! Where the log goes, and in which form.

use std::fs;
use std::path::Path;

use pgweir_e2e::{Client, Pooler, Signal, eventually, ini, shared};

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[track_caller]
fn has(path: &Path, text: &str) {
    let what = format!("{} has {text:?}", path.display());
    eventually(&what, || read(path).contains(text).then_some(()));
}

/// Moment, process, level and text of a line in PgBouncer's form.
fn parts(line: &str) -> [&str; 5] {
    let parts: Vec<&str> = line.splitn(6, ' ').collect();
    assert_eq!(
        (parts[0].len(), parts[1].len(), parts[2]),
        (10, 12, "UTC"),
        "{line}"
    );
    [parts[0], parts[1], parts[3], parts[4], parts[5]]
}

#[test]
fn an_ini_is_logged_in_pgbouncers_form_to_a_file_that_may_be_moved_away() {
    let role = shared().role();
    let more = |folder: &Path| format!("logfile = {}/pooler.log", folder.display());
    let pooler = Pooler::start_with_ini(|folder, port| ini(&role, folder, port, &more(folder)));
    let file = pooler.folder().join("pooler.log");
    assert_eq!(
        Client::log_in(&role.through(&pooler)).value("select 1"),
        "1"
    );
    let wrong = role.through(&pooler).password("wrong");
    assert!(Client::try_log_in(&wrong, &[]).is_err());
    has(&file, "pooler error: ");
    let id = format!("[{}]", pooler.pid());
    let text = read(&file);
    for line in text.lines() {
        let [_, _, process, level, _] = parts(line);
        assert_eq!(process, id);
        assert!(["LOG", "WARNING", "ERROR"].contains(&level), "{line}");
    }
    assert!(!text.contains(&role.password));
    // Standard error has the same lines.
    pooler.has_said("pooler error: ");
    // What two threads log at one moment may stand in another order there.
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&pooler.log()), sorted(&read(&file)));

    let moved = pooler.folder().join("pooler.log.1");
    fs::rename(&file, &moved).unwrap();
    pooler.signal(Signal::HUP);
    has(&moved, "configuration reloaded");
    eventually("there is a new file", || file.exists().then_some(()));
    assert!(Client::try_log_in(&wrong, &[]).is_err());
    has(&file, "pooler error: ");
    assert!(
        !read(&moved).contains("LOG C-0x0: (nodb)"),
        "{}",
        read(&moved)
    );
}

#[test]
fn a_file_that_cannot_be_written_stops_nothing() {
    let role = shared().role();
    let pooler =
        Pooler::start_with_ini(|folder, port| ini(&role, folder, port, "logfile = /dev/full"));
    assert_eq!(
        Client::log_in(&role.through(&pooler)).value("select 1"),
        "1"
    );
    pooler.has_logged(
        "logfile /dev/full takes no lines; the pooler goes on without",
        1,
    );
    let text = ini(
        &role,
        pooler.folder(),
        pooler.port(),
        "logfile = /nowhere/log",
    );
    pooler.reload_ini(&text);
    pooler.has_logged(
        "logfile /nowhere/log cannot be opened; the one before stays",
        1,
    );
    assert_eq!(
        Client::log_in(&role.through(&pooler)).value("select 1"),
        "1"
    );
    let file = pooler.folder().join("log.2");
    let text = ini(
        &role,
        pooler.folder(),
        pooler.port(),
        &format!("logfile = {}", file.display()),
    );
    pooler.reload_ini(&text);
    assert_eq!(
        Client::log_in(&role.through(&pooler)).value("select 1"),
        "1"
    );
    eventually("the other file is written", || {
        (!read(&file).is_empty()).then_some(())
    });
}

#[test]
fn an_ini_may_be_logged_as_json() {
    let role = shared().role();
    let pooler =
        Pooler::start_with_ini(|folder, port| ini(&role, folder, port, "log_format = json"));
    for line in pooler.log().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["message"].is_string(), "{line}");
    }
}

#[test]
fn a_start_without_its_file_says_why() {
    let role = shared().role();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.ini");
    fs::write(
        &file,
        ini(&role, folder.path(), 1, "logfile = /nowhere/log"),
    )
    .unwrap();
    let output = pgweir_e2e::pgweir().arg(&file).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(
        text.contains("logfile /nowhere/log cannot be opened"),
        "{text}"
    );
}
