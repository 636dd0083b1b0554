//! Passwords that a directory judges (`auth_type = "ldap"`), with a real slapd.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use pgweir_e2e::{
    Authority, Client, Config, Directory, Fault, Pooler, Role, Target, Transcript, free_port,
    shared,
};

/// The password of users, there and in PostgreSQL.
const PASSWORD: &str = "right (*) password";

/// A role whose password for PostgreSQL is that of the directory.
fn role(group: &str) -> Role {
    let mut role = shared().role_by(group, "scram-sha-256");
    role.password = PASSWORD.to_owned();
    shared().sql(&format!("alter role {} password '{PASSWORD}'", role.name));
    role
}

/// An entry for a user.
fn person(uid: &str, more: &str) -> String {
    format!(
        "dn: uid={uid},ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\n\
         sn: {uid}\nuserPassword: {PASSWORD}\n{more}\n"
    )
}

/// A pooler's configuration that knows no user.
fn config(role: &Role, options: &str) -> Config {
    role.config()
        .set("auth_type", "ldap")
        .set("auth_ldap_options", options)
        .set("login_failures_per_minute", 0)
        .without_user_setting(&role.name, "password")
}

fn refused(target: &Target) -> Transcript {
    Client::try_log_in(target, &[]).expect_err("nobody lets this in")
}

#[track_caller]
fn is_refused(target: &Target, user: &str, password: &str) -> Duration {
    let begun = Instant::now();
    let answer = refused(&target.clone().user(user).password(password));
    assert_eq!(answer.to_string(), "R E(28000) end", "{user}");
    let text = format!("LDAP authentication failed for user \"{user}\"");
    assert_eq!(answer.error().text(), text);
    begun.elapsed()
}

const SEARCH: &str = "ldapbasedn=\"dc=example,dc=com\" ldapbinddn=\"cn=reader,dc=example,dc=com\" ldapbindpasswd=reads";

#[test]
fn who_a_directory_knows_comes_in_by_either_way() {
    // PostgreSQL asks one for SCRAM and the other for the password itself.
    let (bob, ann) = (role(""), role("by_clear"));
    let mut bare = person("bare", "");
    bare = bare.replace(&format!("userPassword: {PASSWORD}\n"), "");
    let twins = "dn: cn=twin1,dc=example,dc=com\nobjectClass: inetOrgPerson\ncn: twin1\nsn: x\nuid: twin\n\
                 userPassword: x\n\ndn: cn=twin2,dc=example,dc=com\nobjectClass: inetOrgPerson\ncn: twin2\n\
                 sn: x\nuid: twin\nuserPassword: x\n\n";
    let mail = format!("mail: {}@example.com\n", bob.name);
    let entries = [
        person(&bob.name, &mail),
        person(&ann.name, ""),
        bare,
        twins.to_owned(),
    ];
    let Some(directory) = Directory::start(&entries.concat(), None) else {
        return;
    };
    let port = directory.port();
    let server = format!("ldapserver=127.0.0.1 ldapport={port}");
    let around = "ldapprefix=\"uid=\" ldapsuffix=\",ou=people,dc=example,dc=com\"";
    let filter = "ldapsearchfilter=\"(&(objectClass=inetOrgPerson)(|(uid=$username)(mail=$username@example.com)))\"";
    let url = format!(
        "ldapurl=\"ldap://127.0.0.1:{port}/ou=people,dc=example,dc=com?uid?one\" \
         ldapbinddn=\"cn=reader,dc=example,dc=com\" ldapbindpasswd=reads"
    );
    for options in [
        format!("{server} {around}"),
        format!("{server} {SEARCH}"),
        format!("{server} {SEARCH} ldapsearchattribute=uid"),
        format!("{server} {SEARCH} {filter}"),
        url,
    ] {
        let pooler = Pooler::start(&config(&bob, &options));
        for role in [&bob, &ann] {
            let mut client = Client::log_in(&role.through(&pooler));
            assert_eq!(client.value("select current_user"), role.name, "{options}");
        }
        let target = bob.through(&pooler);
        let injection = format!("{})(uid=*", bob.name);
        let of_name = format!("{},ou=people,dc=example,dc=com", bob.name);
        let times = [
            is_refused(&target, &bob.name, "wrong"),
            is_refused(&target, "nobody", PASSWORD),
            is_refused(&target, "bare", PASSWORD),
            is_refused(&target, "twin", "x"),
            is_refused(&target, "*", PASSWORD),
            is_refused(&target, &injection, PASSWORD),
            is_refused(&target, &of_name, PASSWORD),
            is_refused(&target, &"u".repeat(64), PASSWORD),
        ];
        let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
        assert!(*last - *first < Duration::from_millis(500), "{times:?}");
        // A directory lets everybody in who has no password.
        let empty = refused(&target.clone().password(""));
        assert_eq!(empty.error().text(), "empty password returned by client");
        let log = pooler.log();
        assert!(
            !log.contains("right (*)") && !log.contains("reads"),
            "{log}"
        );
        Client::log_in(&target);
    }
}

#[test]
fn a_directory_is_spoken_to_in_tls_and_has_to_be_the_one() {
    let bob = role("");
    let (ours, theirs) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, authority: &Authority| {
        let path = folder.path().join(name);
        fs::write(&path, authority.certificate()).unwrap();
        path.display().to_string()
    };
    let (our_file, their_file) = (write("ours.pem", &ours), write("theirs.pem", &theirs));
    let identity = ours.sign("slapd", &["localhost"], Fault::None);
    let Some(directory) = Directory::start(&person(&bob.name, ""), Some(&identity)) else {
        return;
    };
    let start_tls = format!("ldapport={} ldaptls=1", directory.port());
    let tls = format!("ldapport={} ldapscheme=ldaps", directory.tls_port());
    for way in [start_tls, tls] {
        for (host, authority, sqlstate) in [
            ("localhost", &our_file, None),
            ("127.0.0.1", &our_file, Some("57P03")),
            ("localhost", &their_file, Some("57P03")),
        ] {
            let options = format!("ldapserver={host} {way} {SEARCH}");
            let config = config(&bob, &options).set("auth_ldap_tls_ca_file", authority);
            let pooler = Pooler::start(&config);
            let target = bob.through(&pooler);
            match sqlstate {
                None => {
                    Client::log_in(&target);
                    is_refused(&target, &bob.name, "wrong");
                }
                Some(sqlstate) => {
                    assert_eq!(refused(&target).error().sqlstate(), sqlstate);
                    pooler.has_said("cannot be asked: TLS failed");
                }
            }
        }
    }
}

#[test]
fn a_directory_without_tls_gets_no_password_if_tls_is_asked_for() {
    let bob = role("");
    let Some(directory) = Directory::start(&person(&bob.name, ""), None) else {
        return;
    };
    let options = format!(
        "ldapserver=127.0.0.1 ldapport={} ldaptls=1 {SEARCH}",
        directory.port()
    );
    let authority = tempfile::NamedTempFile::new().unwrap();
    fs::write(authority.path(), Authority::new().certificate()).unwrap();
    let file = authority.path().display().to_string();
    let pooler = Pooler::start(&config(&bob, &options).set("auth_ldap_tls_ca_file", &file));
    assert_eq!(refused(&bob.through(&pooler)).error().sqlstate(), "57P03");
    pooler.has_said("it did not begin TLS");
}

#[test]
fn rules_have_directories_of_their_own_and_the_next_host_is_asked() {
    let bob = role("");
    let Some(directory) = Directory::start(&person(&bob.name, ""), None) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let hba = folder.path().join("pg_hba.conf");
    let port = directory.port();
    // At 127.0.0.2 nobody listens.
    fs::write(
        &hba,
        format!(
            "host app all all ldap ldapserver=\"127.0.0.2 127.0.0.1\" ldapport={port} {SEARCH}\n\
             host wrong all all ldap ldapserver=127.0.0.1 ldapport={port} {}\n\
             host gone all all ldap ldapserver=127.0.0.1 ldapport={} {SEARCH}\n",
            SEARCH.replace("reads", "does not"),
            free_port(),
        ),
    )
    .unwrap();
    let mut config = config(&bob, "")
        .set("auth_type", "hba")
        .set("auth_hba_file", &hba.display().to_string());
    for name in ["wrong", "gone"] {
        config = config
            .database(name, "host", "127.0.0.1")
            .database(name, "port", shared().port());
    }
    // A password of two words is one option in quotes.
    let text = fs::read_to_string(&hba).unwrap();
    fs::write(&hba, text.replace("=does not", "=\"does not\"")).unwrap();
    let pooler = Pooler::start(&config);
    let target = bob.through(&pooler);
    for _ in 0..3 {
        Client::log_in(&target);
    }
    is_refused(&target, &bob.name, "wrong");
    let answer = refused(&target.clone().database("wrong"));
    assert_eq!(answer.error().sqlstate(), "57P03");
    pooler.has_said("it did not let ldapbinddn in: result 49");
    let answer = refused(&target.database("gone"));
    assert_eq!(answer.error().text(), "LDAP cannot be asked for this user");
    pooler.has_said("127.0.0.2");
}

/// What is no LDAP, or too much of it.
#[test]
fn a_directory_that_talks_nonsense_lets_nobody_in_and_harms_nobody() {
    let bob = role("");
    let nested = [b"\x30\x84\x00\x00\xff\xf0".to_vec(), vec![0x30; 60_000]].concat();
    let huge = b"\x30\x84\x7f\xff\xff\xff".to_vec();
    for said in [
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        b"\x30\x00".to_vec(),
        b"\x30\x05\x02\x01\x01\x61\x00".to_vec(),
        // A success, of another request.
        b"\x30\x0c\x02\x01\x02\x61\x07\x0a\x01\x00\x04\x00\x04\x00".to_vec(),
        // A success of something else.
        b"\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00".to_vec(),
        b"\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x34\x04\x00\x04\x00".to_vec(),
        Vec::new(),
        nested,
        huge,
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shown = format!("{:?}", &said[..said.len().min(20)]);
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(&said);
        });
        let options = format!("ldapserver=127.0.0.1 ldapport={port} ldapprefix=\"uid=\"");
        let pooler = Pooler::start(&config(&bob, &options));
        let answer = refused(&bob.through(&pooler));
        assert_eq!(answer.error().sqlstate(), "57P03", "{shown}");
        answering.join().unwrap();
    }
}
