//! Passwords that PAM judges (`auth_type = "pam"`), with the real libpam and its modules. What is in `/etc`
//! is the test's own, seen by its pooler alone.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pgweir_e2e::{Client, Config, Pooler, Role, Target, Transcript, eventually, shared};

/// The password of users of the system, and the hash of it that crypt(5) makes.
const PASSWORD: &str = "right password";
const HASH: &str = "$6$pgweir$l3ORikjSXEVBX3k6zFhr4/iUVVmVIRbLHM53FWXUUL1O1uPI9O6l45atyrC7tvUiwaV4rcBg188rhGdpwpDoc.";

/// What the pooler sees of `/etc`.
struct System(tempfile::TempDir);

impl System {
    /// One with these services of PAM, each a name and its lines.
    fn new(services: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("pam.d")).unwrap();
        for file in ["passwd", "shadow"] {
            fs::copy(Path::new("/etc").join(file), folder.path().join(file)).unwrap();
        }
        for (name, lines) in services {
            fs::write(folder.path().join("pam.d").join(name), lines).unwrap();
        }
        // Who is in no service is in this one.
        let denied = "auth required pam_deny.so\naccount required pam_deny.so\n";
        fs::write(folder.path().join("pam.d/other"), denied).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// Adds a user whose account ends on a day since 1970, if on any.
    fn add_user(&self, name: &str, hash: &str, ends: &str) {
        let append = |file: &str, line: String| {
            let mut file = fs::File::options().append(true).open(self.path(file));
            file.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
        };
        append("passwd", format!("{name}:x:54321:54321::/:/bin/false\n"));
        append(
            "shadow",
            format!("{name}:{hash}:19000:0:99999:7::{ends}:\n"),
        );
    }

    fn start(&self, config: &Config) -> Pooler {
        let (pam, passwd, shadow) = (self.path("pam.d"), self.path("passwd"), self.path("shadow"));
        Pooler::start_seeing(
            config,
            &[
                ("/etc/pam.d", &pam),
                ("/etc/passwd", &passwd),
                ("/etc/shadow", &shadow),
            ],
        )
    }
}

/// pam_unix, the usual module.
const UNIX: &str = "auth required pam_unix.so nodelay\naccount required pam_unix.so\n";

/// A role whose password for PostgreSQL is that of the system.
fn role(group: &str) -> Role {
    let mut role = shared().role_by(group, "scram-sha-256");
    role.password = PASSWORD.to_owned();
    shared().sql(&format!("alter role {} password '{PASSWORD}'", role.name));
    role
}

/// A pooler's configuration that knows no user.
fn config(role: &Role, auth_type: &str) -> Config {
    role.config()
        .set("auth_type", auth_type)
        .without_user_setting(&role.name, "password")
}

fn refused(target: &Target) -> Transcript {
    Client::try_log_in(target, &[]).expect_err("nobody lets this in")
}

/// Whether these modules of PAM are installed; those that are not are printed.
fn has_modules(names: &[&str]) -> bool {
    let places = [
        "/lib/x86_64-linux-gnu",
        "/lib/aarch64-linux-gnu",
        "/usr/lib",
        "/lib",
        "/lib64",
    ];
    let is_there = |name: &&&str| {
        let mut places = places.iter();
        !places.any(|place| Path::new(place).join("security").join(name).exists())
    };
    let missing: Vec<_> = names.iter().filter(is_there).collect();
    if !missing.is_empty() {
        eprintln!("skipped: {missing:?} of PAM are not installed (Debian: libpam-modules)");
    }
    missing.is_empty() && Pooler::can_see_otherwise("PAM with a configuration of its own")
}

#[test]
fn users_of_the_system_come_in_with_their_passwords_and_nobody_else() {
    if !has_modules(&["pam_unix.so"]) {
        return;
    }
    let system = System::new(&[("pgweir", UNIX)]);
    // PostgreSQL asks one for SCRAM and the other for the password itself; both get what the client has given.
    for group in ["", "by_clear"] {
        let role = role(group);
        system.add_user(&role.name, HASH, "");
        let expired = self::role("");
        system.add_user(&expired.name, HASH, "19001");
        let bare = self::role("");
        system.add_user(&bare.name, "", "");
        let locked = self::role("");
        system.add_user(&locked.name, &format!("!{HASH}"), "");
        let pooler = system.start(&config(&role, "pam").set("login_failures_per_minute", 0));
        let target = role.through(&pooler);
        let mut client = Client::log_in(&target);
        assert_eq!(client.value("select current_user"), role.name);
        let long = "u".repeat(64);
        let mut times = Vec::new();
        for (user, password) in [
            (&*role.name, "wrong"),
            (&*role.name, "right passwor"),
            (&*expired.name, PASSWORD),
            (&*bare.name, PASSWORD),
            (&*locked.name, PASSWORD),
            ("nobody_at_all", PASSWORD),
            ("root", PASSWORD),
            (&*long, PASSWORD),
            ("../../etc/passwd", PASSWORD),
            ("\u{e9}\u{1f418} '", PASSWORD),
        ] {
            let begun = Instant::now();
            let answer = refused(&target.clone().user(user).password(password));
            times.push(begun.elapsed());
            assert_eq!(answer.to_string(), "R E(28000) end", "{user}");
            let text = format!("PAM authentication failed for user \"{user}\"");
            assert_eq!(answer.error().text(), text);
        }
        let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
        assert!(*last - *first < Duration::from_millis(700), "{times:?}");
        let empty = refused(&target.clone().password(""));
        assert_eq!(empty.error().text(), "empty password returned by client");
        let long = refused(&target.clone().password(&"x".repeat(70_000)));
        assert_eq!(long.error().sqlstate(), "08P01");
        let almost = refused(&target.clone().password(&"x".repeat(9000)));
        assert_eq!(almost.error().sqlstate(), "28000");
        assert!(!pooler.log().contains("right passwor"));
        // The first is still in, and the next comes in as well.
        Client::log_in(&target);
        assert_eq!(client.value("select 1"), "1");
    }
}

/// A password message, whatever is in it.
#[test]
fn passwords_that_are_no_text_are_wrong() {
    if !has_modules(&["pam_unix.so"]) {
        return;
    }
    let system = System::new(&[("pgweir", UNIX)]);
    let role = role("");
    system.add_user(&role.name, HASH, "");
    let pooler = system.start(&config(&role, "pam"));
    let target = role.through(&pooler);
    for (password, sqlstate) in [
        (&b"right password\0x\0"[..], "08P01"),
        (b"right password\0\0", "08P01"),
        (b"right password", "08P01"),
        (b"\xff\xfe\0", "28000"),
    ] {
        let mut client = Client::connect(&target).unwrap();
        let mut out = Vec::new();
        let identity = target.identity(&[]);
        let nonce = "none".to_owned();
        let _login = pgweir_wire::login::Handshake::start(&identity, nonce, &mut out);
        client.send(&out);
        assert_eq!(client.receive().unwrap().kind, b'R');
        let mut message = vec![b'p'];
        message.extend(u32::try_from(4 + password.len()).unwrap().to_be_bytes());
        message.extend(password);
        client.send(&message);
        let answer = client.until_end();
        assert_eq!(answer.error().sqlstate(), sqlstate, "{password:?}");
    }
}

#[test]
fn rules_name_services_of_their_own() {
    if !has_modules(&["pam_userdb.so", "pam_unix.so"]) {
        return;
    }
    let loads = Command::new("db5.3_load").arg("-V").output();
    if loads.is_err() {
        eprintln!("skipped: db5.3_load is not installed (Debian: db5.3-util)");
        return;
    }
    let role = role("");
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("users");
    let mut load = Command::new("db5.3_load")
        .args(["-T", "-t", "hash"])
        .arg(base.with_extension("db"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let text = format!("{}\n{PASSWORD}\n", role.name);
    load.stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    assert!(load.wait().unwrap().success());
    let userdb = format!(
        "auth required pam_userdb.so db={} crypt=none\naccount required pam_permit.so\n",
        base.display()
    );
    // The second one asks where the client is.
    let near = format!("{userdb}account required pam_succeed_if.so quiet rhost = localhost\n");
    let system = System::new(&[("pgweir", UNIX), ("database", &userdb), ("near", &near)]);
    let hba = folder.path().join("pg_hba.conf");
    let rules = "host app all all pam pamservice=database\n\
                 host near all all pam pamservice=near\n\
                 host named all all pam pamservice=near pam_use_hostname=1\n\
                 host unknown all all pam pamservice=nowhere\n\
                 host system all all pam\n";
    fs::write(&hba, rules).unwrap();
    let mut config = config(&role, "hba").set("auth_hba_file", &hba.display().to_string());
    for name in ["near", "named", "unknown", "system"] {
        config = config
            .database(name, "host", "127.0.0.1")
            .database(name, "port", shared().port())
            .database(name, "dbname", "postgres");
    }
    let pooler = system.start(&config);
    let target = role.through(&pooler);
    Client::log_in(&target);
    Client::log_in(&target.clone().database("named"));
    for (database, password) in [
        ("app", "wrong"),
        ("named", "wrong"),
        ("near", PASSWORD),
        ("unknown", PASSWORD),
        ("system", PASSWORD),
    ] {
        let target = target.clone().database(database).password(password);
        assert_eq!(refused(&target).error().sqlstate(), "28000", "{database}");
    }
}

#[test]
fn a_module_that_hangs_keeps_nobody_else_and_ends_in_time() {
    if !has_modules(&["pam_exec.so", "pam_permit.so"]) {
        return;
    }
    let role = role("");
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let script = folder.path().join("hang");
    fs::write(
        &script,
        format!("#!/bin/sh\necho $PPID >{}\nexec sleep 60\n", pid.display()),
    )
    .unwrap();
    let chmod = Command::new("chmod").arg("755").arg(&script).status();
    assert!(chmod.unwrap().success());
    let service = format!("auth required pam_exec.so quiet {}\n", script.display());
    let system = System::new(&[("pgweir", &service)]);
    let hba = folder.path().join("pg_hba.conf");
    fs::write(&hba, "host app all all pam\nhost open all all trust\n").unwrap();
    let config = role
        .config()
        .set("auth_type", "hba")
        .set("auth_hba_file", &hba.display().to_string())
        .set("client_login_timeout", 3)
        .database("open", "host", "127.0.0.1")
        .database("open", "port", shared().port())
        .database("open", "dbname", "postgres");
    let pooler = system.start(&config);
    let target = role.through(&pooler);
    let begun = Instant::now();
    let hanging: Vec<_> = (0..20)
        .map(|_| {
            let target = target.clone();
            std::thread::spawn(move || refused(&target).error().text())
        })
        .collect();
    let pid = eventually("the module runs", || {
        let text = fs::read_to_string(&pid).ok()?;
        text.trim().parse::<i32>().ok()
    });
    let mut client = Client::log_in(&target.clone().database("open"));
    assert_eq!(client.value("select 1"), "1");
    assert!(begun.elapsed() < Duration::from_secs(3), "it waited");
    for one in hanging {
        let text = one.join().unwrap();
        assert!(text.contains("client_login_timeout"), "{text}");
    }
    let proc = format!("/proc/{pid}");
    eventually("who asked PAM is gone", || {
        let state = fs::read_to_string(format!("{proc}/stat")).unwrap_or_default();
        (state.is_empty() || state.contains(") Z ")).then_some(())
    });
}

#[test]
fn without_libpam_only_those_who_need_it_are_refused() {
    let library = ["/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu"]
        .map(|place| format!("{place}/libpam.so.0"))
        .into_iter()
        .find(|path| Path::new(path).exists());
    let Some(library) = library.filter(|_| Pooler::can_see_otherwise("a missing libpam")) else {
        return;
    };
    let role = role("");
    let pooler = Pooler::start_seeing(&config(&role, "pam"), &[(&library, Path::new("/dev/null"))]);
    let answer = refused(&role.through(&pooler));
    assert_eq!(answer.error().sqlstate(), "57P03");
    assert_eq!(answer.error().text(), "PAM cannot be asked for this user");
    pooler.has_said("libpam.so.0 cannot be loaded");
}
