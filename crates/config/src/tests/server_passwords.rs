//! What the pooler logs in to PostgreSQL with.

use std::path::PathBuf;
use std::time::Duration;

use super::{check_problems, check_shown, read, read_env, warnings};
use crate::{PasswordCommand, PasswordSource, Secret, ServerPassword};

/// What holds for `bob` in the database `app`.
#[track_caller]
fn password(text: &str) -> ServerPassword {
    let config = read(text).unwrap_or_else(|p| panic!("{p:?}")).config;
    config.server_password(&config.databases["app"], "bob")
}

fn fetched(source: PasswordSource) -> ServerPassword {
    ServerPassword::Fetched(source)
}

fn command(ttl: u64) -> ServerPassword {
    fetched(PasswordSource::Command(PasswordCommand {
        argv: vec!["/bin/token".to_owned(), "hush".to_owned()],
        ttl: Duration::from_secs(ttl),
    }))
}

const COMMAND: &str = "password_command = [\"/bin/token\", \"hush\"]\n";

#[test]
fn the_databases_password_comes_before_the_users_and_that_before_a_password_file() {
    let bob = "[users.bob]\npassword = \"bobs\"\n";
    let known = |text: &str| ServerPassword::Known(Secret::Plain(text.to_owned()));
    assert_eq!(
        password(&format!("[databases.app]\npassword = \"own\"\n{bob}")),
        known("own")
    );
    assert_eq!(
        password(&format!("[databases.app]\npassfile = \"pgpass\"\n{bob}")),
        known("bobs")
    );
    assert_eq!(
        password(&format!("[databases.app]\n{COMMAND}{bob}")),
        command(600)
    );
    let scram = format!(
        "[databases.app]\npassfile = \"pgpass\"\n[users.bob]\npassword = \"{}\"\n",
        super::SCRAM
    );
    let file = PathBuf::from("conf/pgpass");
    assert_eq!(password(&scram), fetched(PasswordSource::Passfile(file)));
}

#[test]
fn a_command_of_a_user_stands_beside_the_password_that_its_clients_have() {
    let text = format!(
        "[databases.app]\n[users.bob]\npassword = \"bobs\"\n{COMMAND}password_command_ttl = \"14min\"\n"
    );
    assert_eq!(password(&text), command(840));
    let config = read(&text).unwrap().config;
    let secret = config.users["bob"].secret.clone();
    assert_eq!(secret, Some(Secret::Plain("bobs".to_owned())));
}

#[test]
fn a_file_is_read_again_for_servers_and_loses_one_line_break() {
    let text = "[databases.app]\n[users.bob]\npassword_file = \"bob.secret\"\n";
    let file = PathBuf::from("conf/bob.secret");
    assert_eq!(password(text), fetched(PasswordSource::File(file)));
    for (written, read) in [
        ("a\n", "a"),
        ("a\r\n", "a"),
        ("a\n\n", "a\n"),
        ("a", "a"),
        ("\n", ""),
    ] {
        assert_eq!(crate::without_line_break(written), read);
    }
}

#[test]
fn no_argument_of_a_command_is_shown() {
    let text = format!("[databases.app]\n{COMMAND}[users.bob]\npassword = \"x\"\n{COMMAND}");
    check_shown(
        read(&text),
        &[
            "databases.app.password_command = /bin/token and 1 arguments @ line 2",
            "databases.app.password_command_ttl = 600s @ default",
            "users.bob.password_command = /bin/token and 1 arguments @ line 5",
        ],
    );
    let shown = format!("{:?}", read(&text).unwrap().config);
    assert!(!shown.contains("hush"), "{shown}");
}

#[test]
fn a_command_is_a_list_and_stands_alone_in_a_database() {
    let users = "[users.bob]\npassword = \"x\"\n";
    let must =
        "must be a list of the program and its arguments, such as [\"/usr/bin/token\", \"--user\"]";
    for value in ["\"/bin/token hush\"", "[]", "[1]", "[\"\"]"] {
        check_problems(
            read(&format!(
                "[databases.app]\npassword_command = {value}\n{users}"
            )),
            &[&format!(
                "pgweir.toml:2: databases.app.password_command: {must}"
            )],
        );
    }
    check_problems(
        read(&format!(
            "[databases.app]\npassword = \"x\"\n{COMMAND}{users}"
        )),
        &[
            "pgweir.toml:3: databases.app.password_command: stands beside another password; remove one",
        ],
    );
}

#[test]
fn a_forced_user_needs_a_password_from_somewhere() {
    let text = |more: &str| {
        format!("[databases.app]\nuser = \"bob\"\n{more}[users.eve]\npassword = \"x\"\n")
    };
    assert!(read(&text(COMMAND)).is_ok());
    assert!(read(&text("passfile = \"pgpass\"\n")).is_ok());
    let missing = "pgweir.toml:2: databases.app.user = bob: has no password to log in to PostgreSQL \
                   with; add password here (\"\" where PostgreSQL asks for none)";
    check_problems(read(&text("")), &[missing]);
    check_problems(
        read(&text("passfile = \"pgpass\"\nport = 5433\n")),
        &[missing],
    );
}

#[test]
fn a_password_file_that_is_of_no_use_is_warned_of() {
    let text = |file: &str| {
        format!("[databases.app]\npassfile = \"{file}\"\n[users.bob]\npassword = \"x\"\n")
    };
    assert_eq!(warnings(&text("pgpass")), [""; 0]);
    assert_eq!(
        warnings(&text("shared.pgpass")),
        [
            "pgweir.toml:2: databases.app.passfile: names a file that is ignored: others than its owner may \
          use it; chmod 0600 it"
        ]
    );
    assert_eq!(
        warnings(&text("none")),
        [
            "pgweir.toml:2: databases.app.passfile: names a file that cannot be read: entity not found"
        ]
    );
}

#[test]
fn methods_are_listed_as_in_libpq() {
    let text = |value: &str| {
        format!(
            "[pgweir]\nserver_require_auth = \"{value}\"\n[databases.app]\n[users.bob]\npassword = \"x\"\n"
        )
    };
    check_shown(
        read(&text("!password, !md5")),
        &[
            "databases.app.server_require_auth = none,scram-sha-256 @ line 2 (pgweir.server_require_auth)",
        ],
    );
    check_problems(
        read(&text("md5,!none")),
        &[
            "pgweir.toml:2: server_require_auth = md5,!none: has some methods with a ! and some without; \
           write one kind",
        ],
    );
}

#[test]
fn a_url_says_it_with_libpqs_parameter() {
    let url = "postgres://bob:secret@db/app?require_auth=scram-sha-256";
    let config = read_env(&[("DATABASE_URL", url)]).unwrap().config;
    let accepted = config.databases["app"].server_auth.accepted;
    assert_eq!(accepted.to_string(), "scram-sha-256");
}
