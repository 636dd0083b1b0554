//! A script that makes the passwords which rendered files refer to. No password is rendered: the script draws
//! each once, into a file of its own.

use super::connect::{distinct, pairs, password_in_url, password_variable};
use super::file::header;
use super::pgbouncer;
use crate::facts::PoolerKind;
use crate::plan::Plan;

/// The Secret of Kubernetes with a key for each role.
pub(super) const SECRET: &str = "database-passwords";
/// The Secret with PgBouncer's `userlist.txt`.
pub(super) const USERLIST: &str = "pgbouncer-userlist";

/// Roles of all services.
pub(super) fn users(plan: &Plan) -> Vec<&str> {
    distinct(pairs(plan, false).iter().map(|(user, _)| *user))
}

/// For docker-compose: files in `secrets/`, `.env`, and what the pooler's image is built of.
pub(super) fn for_compose(plan: &Plan) -> String {
    let mut names = vec!["POSTGRES_PASSWORD".to_owned()];
    names.extend(roles(plan));
    let mut text = header(plan, "compose", "#");
    text.push_str(
        "# Makes what docker-compose.yml refers to, once: sh secrets.sh\n\
         # For a password of your own write it to secrets/NAME first. Run it again after a change.\n",
    );
    text.push_str(&files(&names));
    text.push_str("{\n  echo '# Written by secrets.sh from the files in secrets/.'\n");
    for user in users(plan) {
        let name = password_variable(user);
        text.push_str(&format!(
            "  printf \"%s='%s'\\n\" {name} \"$(password {name})\"\n  \
               printf '%s=%s\\n' {} \"$(in_url {name})\"\n",
            password_in_url(user)
        ));
    }
    text.push_str("} > .env\n");
    match plan.facts.pooler.as_ref().map(|pooler| pooler.kind) {
        Some(PoolerKind::Pgbouncer) => text.push_str(&format!(
            "{{\n{}}} > secrets/userlist.txt\nchmod 444 secrets/userlist.txt\n",
            userlist(plan)
        )),
        Some(PoolerKind::Pgweir) if builds_image(plan) => text.push_str(
            "# The image is built of the program that is installed here.\n\
             [ -e ../pgweir/pgweir ] || cp \"$(command -v pgweir)\" ../pgweir/pgweir\n",
        ),
        Some(PoolerKind::Pgweir) | None => {}
    }
    text
}

/// For Kubernetes: the Secrets as a document to apply.
pub(super) fn for_kubernetes(plan: &Plan) -> String {
    let names: Vec<String> = roles(plan);
    let mut text = header(plan, "kubernetes", "#");
    text.push_str(
        "# Makes the Secrets that the manifests refer to: sh secrets.sh | kubectl apply -f -\n\
         # For a password of your own write it to secrets/NAME first. Run it again after a change.\n",
    );
    text.push_str(&files(&names));
    text.push_str(
        "data() { printf '  %s: %s\\n' \"$1\" \"$(printf %s \"$2\" | base64 | tr -d '\\n')\"; }\n",
    );
    text.push_str(&secret(SECRET));
    for user in users(plan) {
        let name = password_variable(user);
        text.push_str(&format!(
            "data {name} \"$(password {name})\"\ndata {} \"$(in_url {name})\"\n",
            password_in_url(user)
        ));
    }
    let monitoring = password_variable(super::postgresql::MONITORING);
    text.push_str(&format!("data {monitoring} \"$(password {monitoring})\"\n"));
    let kind = plan.facts.pooler.as_ref().map(|pooler| pooler.kind);
    if kind == Some(PoolerKind::Pgbouncer) {
        text.push_str(&secret(USERLIST));
        text.push_str(&format!("data userlist.txt \"$(\n{})\"\n", userlist(plan)));
    }
    text
}

/// Whether the pooler's image is that of the rendered Dockerfile.
pub(super) fn builds_image(plan: &Plan) -> bool {
    let pooler = plan.facts.pooler.as_ref();
    pooler.is_some_and(|pooler| pooler.kind == PoolerKind::Pgweir)
        && plan.facts.assumes("pooler.image")
}

/// Variables of all roles that somebody logs in as.
fn roles(plan: &Plan) -> Vec<String> {
    let mut names: Vec<String> = users(plan).into_iter().map(password_variable).collect();
    names.push(password_variable(super::postgresql::MONITORING));
    if plan.facts.pooler.as_ref().map(|pooler| pooler.kind) == Some(PoolerKind::Pgbouncer) {
        names.extend([pgbouncer::ADMIN, pgbouncer::STATS].map(password_variable));
    }
    names.dedup();
    names
}

/// Draws what is missing. Containers read the files as other users; the folder keeps other users of the
/// machine out.
fn files(names: &[String]) -> String {
    format!(
        "set -eu\n\
         cd \"$(dirname \"$0\")\"\n\
         umask 077\n\
         mkdir -p secrets\n\
         for name in {}; do\n  \
           if [ ! -e \"secrets/$name\" ]; then\n    \
             od -An -N24 -tx1 /dev/urandom | tr -d ' \\n' > \"secrets/$name\"\n  \
           fi\n  \
           case $(cat \"secrets/$name\") in\n    \
             *\\'*) echo \"secrets/$name: a password with a quote cannot stand in .env\" >&2; exit 1 ;;\n  \
           esac\n  \
           chmod 444 \"secrets/$name\"\n\
         done\n\
         password() {{ cat \"secrets/$1\"; }}\n\
         in_url() {{ printf %s \"$(password \"$1\")\" | od -An -v -tx1 | tr -d ' \\n' | sed 's/../%&/g'; }}\n",
        names.join(" ")
    )
}

fn secret(name: &str) -> String {
    format!(
        "printf '%s\\n' --- 'apiVersion: v1' 'kind: Secret' 'metadata:' '  name: {name}' 'type: Opaque' 'data:'\n"
    )
}

/// Commands that print PgBouncer's `userlist.txt`.
fn userlist(plan: &Plan) -> String {
    let pairs = pairs(plan, true);
    let users = distinct(pairs.iter().map(|(user, _)| *user));
    let users = users
        .into_iter()
        .chain([pgbouncer::ADMIN, pgbouncer::STATS]);
    let line = |user: &str| {
        format!(
            "  printf '\"%s\" \"%s\"\\n' {} \"$(password {} | sed 's/\"/\"\"/g')\"\n",
            shell(&user.replace('"', "\"\"")),
            password_variable(user)
        )
    };
    users.map(line).collect()
}

/// A word for the shell.
fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
