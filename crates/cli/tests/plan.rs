//! `pgweir plan` as a shell sees it: exit codes, JSON by its published schema, differences.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but does not see helpers"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

fn pgweir(folder: &Path, arguments: &[&str]) -> Done {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_pgweir"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Done {
        code: status.code(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

const ROOMY: &str = "\
[database]\nram = \"64GB\"\n[services.api]\npool = 5\nrequests = 20\n";
const TIGHT: &str = "\
[database]\nram = \"64GB\"\n[services.api]\npool = 80\nsurge = 0\n";
const BURST: &str = "\
[database]\nram = \"64GB\"\n[services.api]\npool = 50\nreplicas = 2\n";
const POOLED: &str = "\
[pooler]\ninstances = 2\n[measured]\nsteps = [[1,65],[18,996],[36,1652],[72,1853],[108,1829],\
[144,1775],[216,1702]]\n[services.api]\nrequests = 100\nkind = \"prisma7\"\n";

#[test]
fn the_exit_code_is_the_verdict() {
    for (text, code, word) in [(ROOMY, 0, "OK"), (TIGHT, 1, "WARN"), (BURST, 3, "FAIL")] {
        let folder = folder(&[("fleet.toml", text)]);
        let done = pgweir(folder.path(), &["plan"]);
        assert_eq!(done.code, Some(code), "{}{}", done.out, done.err);
        assert!(done.out.starts_with(word), "{}", done.out);
        assert!(!done.out.contains('\x1b'));
    }
}

#[test]
fn a_service_of_two_files_is_reported() {
    let compose = "services:\n  api:\n    image: api:1\n    environment: {DB_HOST: db}\n";
    let files = [
        ("a.yml", compose),
        ("b.yml", compose),
        (".env", "DB_MAX_CONNECTIONS=4\n"),
    ];
    let folder = folder(&files);
    let run = |files: &[&str]| {
        let arguments = [&["plan", "--what-if", "database.ram=64GB", "--from"], files].concat();
        pgweir(folder.path(), &arguments)
    };
    let done = run(&["a.yml", "b.yml"]);
    let seen = "b.yml:2: api is also in a.yml:2; they count as one";
    assert!(done.out.contains(seen), "{}{}", done.out, done.err);
    let done = run(&["a.yml", ".env"]);
    assert!(!done.out.contains("is also in"), "{}", done.out);
}

#[test]
fn mistakes_and_misuse_exit_with_2() {
    let folder = folder(&[("bad.toml", "[services.api]\npool = -1\nkind = \"rust\"\n")]);
    let run = |arguments: &[&str]| pgweir(folder.path(), arguments);
    for (arguments, words) in [
        (&["plan"][..], "pgweir plan init"),
        (&["plan", "bad.toml"], "2 problems"),
        (&["plan", "none.toml"], "cannot be read"),
        (&["plan", "--preset", "tiny"], "small"),
        (&["plan", "--profile", "mine"], "prisma-guide"),
        (
            &["plan", "--preset", "small", "--what-if", "ap.pool=5"],
            "did you mean app.pool?",
        ),
        (
            &["plan", "--preset", "small", "--what-if", "app.pool=-5"],
            "--what-if: services.app.pool = -5",
        ),
        (
            &["plan", "--preset", "small", "--diff", "bad.toml"],
            "bad.toml:2: services.api.pool = -1",
        ),
    ] {
        let done = run(arguments);
        assert_eq!(
            done.code,
            Some(2),
            "{arguments:?}: {}{}",
            done.out,
            done.err
        );
        assert!(done.err.contains(words), "{words} in {}", done.err);
    }
    let done = run(&["plan", "bad.toml", "--json"]);
    let answer: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(answer["problems"].as_array().unwrap().len(), 2);
    assert_eq!(done.code, Some(2));
}

/// `cargo bench -p pgweir-cli --bench plan` measures against the goal; this detects quadratic time
/// even on a busy machine.
#[test]
fn ten_times_the_services_take_about_ten_times_as_long() {
    let fleet = |services: u32| {
        let services = (0..services).map(|i| {
            let (replicas, pool) = (1 + i % 9_000, 2 + i % 9_000);
            format!("[services.s{i}]\nreplicas = {replicas}\npool = {pool}\nuser = \"u{i}\"\n")
        });
        services.collect::<String>()
    };
    let folder = folder(&[("1000", &fleet(1_000)), ("10000", &fleet(10_000))]);
    let least = |name: &str| {
        let runs = (0..3).map(|_| {
            let start = std::time::Instant::now();
            let done = pgweir(folder.path(), &["plan", name, "--json"]);
            assert_eq!(done.code, Some(3), "{}", done.err);
            start.elapsed()
        });
        runs.min().unwrap()
    };
    let (small, large) = (least("1000"), least("10000"));
    assert!(large < small * 40, "{small:?}, {large:?}");
}

#[test]
fn mistakes_begin_with_their_place_where_there_is_no_terminal() {
    let text = "[services.api]\npool = -1\npassword = \"hunter2\"\n";
    let folder = folder(&[("fleet.toml", text)]);
    for command in [&["plan"][..], &["render", "all"]] {
        let done = pgweir(folder.path(), command);
        assert_eq!(done.code, Some(2));
        let lines: Vec<&str> = done.err.lines().collect();
        assert!(
            lines[0].starts_with("fleet.toml:2: services.api.pool = -1: must be a whole number")
        );
        assert!(lines[1].starts_with("fleet.toml:3: services.api.password: unknown setting"));
        assert_eq!(lines[2..], ["2 problems"]);
        let done = pgweir(folder.path(), &[command, &["--json"]].concat());
        let answer: Value = serde_json::from_str(&done.out).unwrap();
        let first = &answer["problems"][0];
        assert_eq!((&first["line"], &first["column"]), (&2.into(), &1.into()));
        assert_eq!(first["allowed"], "a whole number from 1 to 10000");
        assert_eq!(first["suggestion"], "write pool = 1");
        assert!(!done.out.contains("hunter2") && !done.err.contains("hunter2"));
    }
}

#[test]
fn json_is_what_its_schema_says() {
    let schema = include_str!("../../../docs/plan.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let [plan, mistakes] = schema["oneOf"].as_array().unwrap().as_slice() else {
        panic!("two forms");
    };
    let folder = folder(&[
        ("roomy", ROOMY),
        ("burst", BURST),
        ("pooled", POOLED),
        ("bad", "[services.api]\npool = 0\n"),
    ]);
    for (form, arguments) in [
        (plan, &["roomy"][..]),
        (plan, &["burst", "--explain"]),
        (plan, &["pooled", "--explain", "--diff", "roomy"]),
        (plan, &["--preset", "large", "--profile", "prisma-guide"]),
        (mistakes, &["bad"]),
    ] {
        let line = [&["plan", "--json"], arguments].concat();
        let done = pgweir(folder.path(), &line);
        let answer: Value = serde_json::from_str(&done.out).unwrap();
        conforms(form, &answer, "");
    }
}

/// Checks a value against the parts of JSON Schema that the schema uses, and that it has no other fields.
fn conforms(schema: &Value, value: &Value, path: &str) {
    if let Some(constant) = schema.get("const") {
        assert_eq!(value, constant, "{path}");
    }
    if let Some(words) = schema.get("enum") {
        assert!(words.as_array().unwrap().contains(value), "{path}: {value}");
    }
    if let Some(kinds) = schema.get("type") {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_u64() => "integer",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let allowed = |name: &str| name == kind || name == "number" && kind == "integer";
        let fits = match kinds {
            Value::String(name) => allowed(name),
            names => names
                .as_array()
                .unwrap()
                .iter()
                .any(|name| allowed(name.as_str().unwrap())),
        };
        assert!(fits, "{path}: {value} is no {kinds}");
    }
    if let (Some(items), Some(entries)) = (schema.get("items"), value.as_array()) {
        for (at, entry) in entries.iter().enumerate() {
            conforms(items, entry, &format!("{path}[{at}]"));
        }
    }
    if let (Some(properties), Some(fields)) = (schema.get("properties"), value.as_object()) {
        for (name, field) in fields {
            let path = format!("{path}.{name}");
            let known = properties.get(name);
            conforms(
                known.unwrap_or_else(|| panic!("{path} is not in the schema")),
                field,
                &path,
            );
        }
        for name in schema["required"].as_array().unwrap() {
            assert!(
                fields.contains_key(name.as_str().unwrap()),
                "{path}: {name} is missing"
            );
        }
    }
}

#[test]
fn a_supposition_and_a_difference_are_shown() {
    let folder = folder(&[("a.toml", BURST), ("b.toml", ROOMY)]);
    let done = pgweir(
        folder.path(),
        &["plan", "a.toml", "--what-if", "api.pool=5"],
    );
    assert_eq!(done.code, Some(0), "{}", done.out);
    let done = pgweir(folder.path(), &["plan", "b.toml", "--diff", "a.toml"]);
    assert!(done.out.contains("services.api.pool"), "{}", done.out);
    assert!(done.out.contains("FAIL -> OK"), "{}", done.out);
    let done = pgweir(folder.path(), &["plan", "b.toml", "--explain"]);
    assert!(
        done.out.contains("F3: replicas * processes * pool * dsns"),
        "{}",
        done.out
    );
}

#[test]
fn init_writes_what_plan_reads_and_overwrites_nothing() {
    use std::io::Write;
    let folder = folder(&[]);
    let init = || {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pgweir"))
            .args(["plan", "init"])
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may have refused before reading.
        let _ = child
            .stdin
            .take()
            .unwrap()
            .write_all(b"17\n\n64GB\n\napi\nsqlx\n2\n5\n\n\n\nnone\n");
        child.wait_with_output().unwrap().status.code()
    };
    assert_eq!(init(), Some(0));
    assert_eq!(pgweir(folder.path(), &["plan"]).code, Some(0));
    assert_eq!(init(), Some(2));
}

#[test]
fn files_of_a_service_that_is_gone_are_reported() {
    let both = "[services.api]\n[services.gone]\n[pooler]\nkind = \"pgbouncer\"\n";
    let folder = folder(&[("fleet.toml", both)]);
    let run = |arguments: &[&str]| pgweir(folder.path(), arguments);
    let written = run(&["render", "all", "-o", "deploy"]);
    assert!(!written.err.contains("earlier plan"), "{}", written.err);
    assert_eq!(run(&["render", "all", "--check", "deploy"]).code, Some(0));
    fs::write(folder.path().join("fleet.toml"), "[services.api]\n").unwrap();
    let left = "deploy/kubernetes/service-gone.yaml";
    let written = run(&["render", "all", "-o", "deploy"]);
    assert!(written.err.contains(left), "{}", written.err);
    assert!(folder.path().join(left).is_file());
    for target in ["all", "kubernetes"] {
        let done = run(&["render", target, "--check", "deploy"]);
        assert_eq!(done.code, Some(1), "{}{}", done.out, done.err);
        assert!(done.out.contains(left), "{}", done.out);
    }
    // A target for which the fleet has nothing any more.
    let done = run(&["render", "pgbouncer", "--check", "deploy"]);
    assert_eq!(done.code, Some(1), "{}{}", done.out, done.err);
    assert!(
        done.out.contains("deploy/pgbouncer/pgbouncer.ini"),
        "{}",
        done.out
    );
    assert_eq!(run(&["render", "sql", "--check", "deploy"]).code, Some(0));
}

#[test]
fn an_error_that_prevents_a_plan_is_not_a_verdict() {
    let folder = folder(&[]);
    let nobody = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    let refused = format!("postgres://app:hunter2@127.0.0.1:{port}/x");
    for command in [&["plan"][..], &["render", "sql"]] {
        for (arguments, words) in [
            (
                &["--from-database", "mysql://app:hunter2@h/d"][..],
                "not the URL of a database",
            ),
            (&["--from-database", &refused], "cannot connect"),
            (&[], "no fleet"),
        ] {
            let line = [command, arguments].concat();
            let done = pgweir(folder.path(), &line);
            assert_eq!(done.code, Some(2), "{line:?}: {}", done.err);
            assert!(
                done.err.contains(words) && done.out.is_empty(),
                "{line:?}: {}",
                done.err
            );
            let json = pgweir(folder.path(), &[&line[..], &["--json"]].concat());
            assert_eq!(json.code, Some(2), "{line:?}");
            let answer: Value = serde_json::from_str(&json.out).unwrap();
            let message = answer["problems"][0]["message"].as_str().unwrap();
            assert!(message.contains(words), "{line:?}: {message}");
            for text in [done.err, json.out, json.err] {
                assert!(!text.contains("hunter2"), "{text}");
            }
        }
    }
}
