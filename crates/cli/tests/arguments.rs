//! The command line as a shell sees it: exit codes, closed pipes, colours.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but does not see helpers"
)]

use std::io::Read;
use std::process::{Command, Output, Stdio};

fn pgweir(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgweir"));
    command.args(arguments).env_remove("DATABASE_URL");
    command.env_remove("PGWEIR_LOG").stdin(Stdio::null());
    command
}

fn check(mut command: Command, code: i32, words: &str) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = String::from_utf8([stdout, stderr].concat()).unwrap();
    assert_eq!(status.code(), Some(code), "{text}");
    assert!(text.contains(words), "{words} in\n{text}");
    assert!(!text.contains('\x1b'), "colours without a terminal: {text}");
}

#[test]
fn help_has_an_example_and_the_exit_codes() {
    check(pgweir(&["--help"]), 0, "Exit codes:");
    for command in ["serve", "check", "import", "demo", "plan", "render", "top"] {
        check(
            pgweir(&[command, "--help"]),
            0,
            &format!("pgweir {command} "),
        );
    }
}

#[test]
fn misuse_exits_with_2() {
    check(pgweir(&[]), 2, "Usage:");
    check(pgweir(&["check"]), 2, "set DATABASE_URL");
    check(pgweir(&["serve"]), 2, "set DATABASE_URL");
    check(pgweir(&["render"]), 2, "TARGET");
    for change in ["waiters", "waiters=-1", "waiter=1", "window=soon"] {
        check(pgweir(&["render", "alerts", "--set", change]), 2, change);
    }
    for arguments in [
        ["--clients", "0"],
        ["--clients", "10001"],
        ["--servers", "91"],
        ["--seconds", "0"],
    ] {
        let line = [&["demo"], arguments.as_slice()].concat();
        check(pgweir(&line), 2, arguments[0]);
    }
}

#[test]
fn the_command_line_of_pgbouncer_is_understood() {
    check(pgweir(&["-V"]), 0, "pgweir ");
    check(pgweir(&["--vers"]), 0, "pgweir ");
    check(pgweir(&["-q", "/no/such.ini", "-v"]), 1, "/no/such.ini");
    check(pgweir(&["--quiet"]), 2, "name a file");
    check(pgweir(&["-d", "/no/such.ini"]), 1, "/no/such.ini");
    check(pgweir(&["-R", "/no/such.ini"]), 1, "/no/such.ini");
    check(pgweir(&["chek"]), 2, "did you mean pgweir check?");
    check(pgweir(&["import"]), 2, "FILE");
    check(pgweir(&["import", "/no/such.ini"]), 3, "/no/such.ini");
}

#[test]
fn top_says_what_is_missing() {
    // Port 1 of this machine: nothing listens there.
    let nobody = "--url=http://127.0.0.1:1";
    check(pgweir(&["top", "--once", nobody]), 3, "http_listen");
    check(pgweir(&["top", "--json", nobody]), 3, "cannot be reached");
    check(pgweir(&["top", nobody]), 2, "--once");
    check(pgweir(&["top", "--url", "ftp://db"]), 2, "https://");
    check(
        pgweir(&["top", "--url", "https://db", "--ca-file", "/no/such/file"]),
        2,
        "/no/such/file",
    );
    check(pgweir(&["top", "--interval", "0"]), 2, "0.2 to 60");
    check(
        pgweir(&["top", "--token-file", "/no/such/file"]),
        3,
        "/no/such/file",
    );
}

#[test]
fn a_token_needs_a_secret() {
    let mut token = pgweir(&["token", "--admin"]);
    token.env("DATABASE_URL", URL);
    check(token, 3, "http_jwt_secret_file");
    check(pgweir(&["token", "--life", "12"]), 2, "366d");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pgweir.toml");
    std::fs::write(
        folder.path().join("secret"),
        "0123456789abcdef0123456789abcdef",
    )
    .unwrap();
    let text = "[pgweir]\nhttp_jwt_secret_file = \"secret\"\nhttp_admin_scope = \"off\"\n\
                [databases.a]\n[users.u]\npassword = \"p\"\n";
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    check(pgweir(&["token", file]), 0, "eyJ");
    check(
        pgweir(&["token", file, "--json"]),
        0,
        "\"expires_in_seconds\":43200",
    );
    check(
        pgweir(&["token", file, "--admin"]),
        3,
        "http_admin_scope is off",
    );
}

#[test]
fn mistakes_in_a_configuration_exit_with_1() {
    check(pgweir(&["check", "/no/such/file"]), 1, "/no/such/file");
    check(pgweir(&["serve", "/no/such/file"]), 1, "/no/such/file");
}

#[test]
fn a_sound_configuration_is_shown_with_0() {
    let mut text = pgweir(&["check"]);
    text.env("DATABASE_URL", URL);
    check(text, 0, "default_pool_size");
    let mut json = pgweir(&["check", "--json"]);
    json.env("DATABASE_URL", URL);
    check(json, 0, "\"ok\": true");
}

#[test]
fn a_closed_pipe_changes_nothing() {
    for (url, code) in [(URL, 0), ("postgres://db/app?nonsense=1", 1)] {
        let mut child = pgweir(&["check"])
            .env("DATABASE_URL", url)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        let mut errors = child.stderr.take().unwrap();
        errors.read_to_string(&mut stderr).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{stderr}");
        assert_eq!(stderr, "");
    }
}

#[test]
fn without_postgres_the_error_has_the_next_step() {
    let mut command = pgweir(&["demo", "--clients", "1"]);
    command.env("PGWEIR_POSTGRES_BIN", "/no/such/folder");
    check(command, 3, "apt-get install postgresql");
}

const URL: &str = "postgres://app:secret@db/app?connection_limit=20";

#[test]
fn rendered_files_are_printed_written_or_listed() {
    check(
        pgweir(&["render", "alerts", "--set", "waiters=77"]),
        0,
        "pgweir_pool_waiters > 77",
    );
    check(pgweir(&["render", "grafana"]), 0, "\"schemaVersion\"");
    check(
        pgweir(&["render", "--json", "grafana"]),
        0,
        "\"path\": \"grafana/pgweir-grafana.json\"",
    );
    let folder = std::env::temp_dir().join(format!("pgweir-render-{}", std::process::id()));
    let target = folder.display().to_string();
    for name in ["alerts", "grafana"] {
        let command = pgweir(&["render", name, "-o", &target]);
        check(command, 0, &format!("pgweir-{name}."));
    }
    for name in ["alerts/pgweir-alerts.yml", "grafana/pgweir-grafana.json"] {
        assert!(std::fs::metadata(folder.join(name)).unwrap().len() > 1000);
    }
    check(
        pgweir(&["render", "alerts", "-o", "/dev/null/x"]),
        3,
        "/dev/null/x",
    );
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_level_that_is_none_is_refused_and_does_not_silence_the_log() {
    for level in ["warning", "infos", "9", "info,pgweir_proxy=loud"] {
        let mut command = pgweir(&["serve", "none.toml"]);
        command.env("PGWEIR_LOG", level);
        check(command, 2, "try info or debug");
    }
}
