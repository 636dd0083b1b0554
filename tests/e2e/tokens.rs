//! JSON Web Tokens in place of passwords (`auth_type = "jwt"`).

use std::fs;
use std::path::Path;

use pgweir_e2e::{Client, Config, Pooler, Role, Target, Transcript, pgweir, shared};

/// A pooler that takes tokens signed with the secret in `folder`.
fn config(role: &Role, folder: &Path) -> Config {
    let secret = folder.join("secret");
    fs::write(&secret, "0123456789abcdef0123456789abcdef\n").unwrap();
    role.config()
        .set("auth_type", "jwt")
        .set("auth_jwt_secret_file", &secret.display().to_string())
        .set("auth_jwt_audience", "pgweir")
}

/// A token for a user, signed with that secret, for an audience, good for so many seconds.
fn token(folder: &Path, user: &str, audience: &str) -> String {
    let file = folder.join("signer.toml");
    let secret = folder.join("secret").display().to_string();
    let signer = Config::new()
        .set("http_jwt_secret_file", &secret)
        .set("http_jwt_audience", audience)
        .set("auth_type", "trust")
        .database("app", "host", "127.0.0.1")
        .user("bob", "password", "");
    fs::write(&file, signer.text()).unwrap();
    let mut command = pgweir();
    let made = command.arg("token").arg(&file).args(["--subject", user]);
    let made = made.output().unwrap();
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

fn refused(target: &Target) -> Transcript {
    Client::try_log_in(target, &[]).expect_err("nobody lets this in")
}

#[test]
fn a_token_lets_in_whom_it_names_and_nobody_else() {
    let (role, other) = (shared().role(), shared().role());
    let folder = tempfile::tempdir().unwrap();
    let config = config(&role, folder.path()).user(&other.name, "password", &other.password);
    let pooler = Pooler::start(&config);
    let good = token(folder.path(), &role.name, "pgweir");
    let target = role.through(&pooler);
    let mut client = Client::log_in(&target.clone().password(&good));
    assert_eq!(client.value("select current_user"), role.name);
    let mut forged = good.clone();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'B' } else { 'A' });
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJib2IiLCJleHAiOjQxMDI0NDQ4MDB9.";
    let elsewhere = token(folder.path(), &role.name, "elsewhere");
    let of_nobody = token(folder.path(), "nobody", "pgweir");
    for (user, password) in [
        (&*role.name, &*role.password),
        (&*role.name, ""),
        (&*role.name, &*forged),
        (&*role.name, unsigned),
        (&*role.name, &*elsewhere),
        (&*other.name, &*good),
        ("nobody", &*good),
        ("nobody", &*of_nobody),
    ] {
        let answer = refused(&target.clone().user(user).password(password));
        assert_eq!(answer.to_string(), "R E(28P01) end", "{user}");
        if !password.is_empty() {
            let text = format!("token authentication failed for user \"{user}\"");
            assert_eq!(answer.error().text(), text);
        }
    }
    assert!(!pooler.log().contains(&good));
}

#[test]
fn a_rule_may_ask_for_a_token_and_a_map_say_whom_it_is_for() {
    let role = shared().role();
    let folder = tempfile::tempdir().unwrap();
    let (hba, ident) = (folder.path().join("hba"), folder.path().join("ident"));
    fs::write(
        &hba,
        "host app all all jwt map=mail\nhost all all all reject\n",
    )
    .unwrap();
    fs::write(&ident, "mail /^(.*)@example\\.com$ \\1\n").unwrap();
    let config = config(&role, folder.path())
        .set("auth_type", "hba")
        .set("auth_hba_file", &hba.display().to_string())
        .set("auth_ident_file", &ident.display().to_string());
    let pooler = Pooler::start(&config);
    let target = role.through(&pooler);
    let mail = |domain: &str| {
        let name = format!("{}@{domain}", role.name);
        token(folder.path(), &name, "pgweir")
    };
    Client::log_in(&target.clone().password(&mail("example.com")));
    let wrong = refused(&target.clone().password(&mail("example.org")));
    assert_eq!(wrong.error().sqlstate(), "28P01");
    let elsewhere = refused(&target.database("other").password(&mail("example.com")));
    assert_eq!(elsewhere.error().sqlstate(), "28000");
}
