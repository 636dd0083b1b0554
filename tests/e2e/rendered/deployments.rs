//! docker-compose, Kubernetes and Helm read what is rendered for them: Compose itself, a parser of the
//! Compose specification as it is today, the API's own schemas, in which nothing unknown may stand, and
//! Helm with a chart.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Rendered, program};

/// Fleets that between them have every kind of service, both poolers, and none.
fn fleets() -> Vec<(&'static str, String)> {
    let every_kind = include_str!("../../../crates/advisor/tests/fleets/every-kind.toml");
    let with = |pooler: &str| every_kind.replace("[pooler]\n", &format!("[pooler]\n{pooler}\n"));
    let scaling = "[services.api]\nkind = \"prisma7\"\nreplicas = 9\nreplicas_min = 2\nsurge = 1\n\
                   user = \"o'brien $x\"\ndatabase = \"a b\"\nimage = \"registry/a:1\"\n";
    vec![
        ("pgweir", with("kind = \"pgweir\"")),
        ("pgbouncer", with("kind = \"pgbouncer\"")),
        ("direct", scaling.to_owned()),
        ("18", format!("[database]\nversion = 18\n{scaling}")),
    ]
}

/// The output of a program, its errors behind it, and whether it ended well.
fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// A program of the environment that `make tools` fills.
fn tool(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tools/bin")
        .join(name);
    assert!(path.is_file(), "{path:?} is not there: run `make tools`");
    path
}

/// Variables that a file asks for, each with a value that would break careless quoting.
fn variables(text: &str) -> Vec<(String, String)> {
    let mut names: Vec<&str> = text
        .split("${")
        .skip(1)
        .filter_map(|rest| rest.split([':', '}']).next())
        .collect();
    names.sort_unstable();
    names.dedup();
    let value = |name: &&str| (name.to_string(), "a$b#c: 'd' \"e\"".to_owned());
    names.iter().map(value).collect()
}

#[test]
fn docker_compose_takes_its_file() {
    let compose = program(&["docker-compose"], "docker-compose");
    for (name, fleet) in fleets() {
        let rendered = Rendered::new(&fleet);
        let file = rendered.path("compose/docker-compose.yml");
        let text = fs::read_to_string(&file).unwrap();
        let config = |file: &Path, variables: &[(String, String)]| {
            let mut command = Command::new(&compose);
            command.arg("-f").arg(file).arg("config").env_clear();
            run(command
                .envs(variables.iter().cloned())
                .env("PATH", "/usr/bin:/bin"))
        };
        let variables = variables(&text);
        assert!(
            variables
                .iter()
                .any(|(name, _)| name.ends_with("_PASSWORD_IN_URL"))
        );
        let (accepted, resolved) = config(&file, &variables);
        assert!(accepted, "{name}: {resolved}");
        // What is in the file is in what Compose makes of it.
        for words in [
            "max_connections=",
            "stop_grace_period:",
            "healthcheck:",
            "replicas:",
            "restart: unless-stopped",
            "/run/secrets/POSTGRES_PASSWORD",
        ] {
            assert!(resolved.contains(words), "{name}: {words} in\n{resolved}");
        }
        if name == "direct" {
            // A password that is not set stops the start, with its name.
            let (accepted, told) = config(&file, &variables[1..]);
            let missing = &variables[0].0;
            assert!(!accepted && told.contains(missing), "{missing} in {told}");
            // It does look: a key that it does not know is refused.
            let wrong = rendered.path("compose/wrong.yml");
            fs::write(&wrong, text.replace("stop_grace_period", "stop_grace_time")).unwrap();
            assert!(!config(&wrong, &variables).0);
        }
    }
}

#[test]
fn the_compose_specification_of_today_allows_its_file() {
    let python = tool("python");
    let read = |file: &Path| {
        let mut command = Command::new(&python);
        command.args([
            "-c",
            "import compose_spec, sys; compose_spec.PyCompose.from_yaml(open(sys.argv[1]).read())",
        ]);
        run(command.arg(file))
    };
    for (name, fleet) in fleets() {
        let rendered = Rendered::new(&fleet);
        let file = rendered.path("compose/docker-compose.yml");
        let (accepted, told) = read(&file);
        assert!(accepted, "{name}: {told}");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("stop_grace_period", "stop_grace_time")).unwrap();
        assert!(!read(&file).0, "{name}");
    }
}

/// Runs a rendered script, and gives what it printed.
fn script(rendered: &Rendered, path: &str) -> String {
    let (done, told) = run(Command::new("sh").arg(rendered.path(path)));
    assert!(done, "{path}: {told}");
    told
}

#[test]
fn passwords_are_drawn_once_and_are_the_same_in_every_place() {
    let fleet = fleets().remove(1).1;
    let rendered = Rendered::new(&fleet);
    fs::create_dir_all(rendered.path("compose/secrets")).unwrap();
    let own = "a$b#c: \"d\" %é/@";
    fs::write(rendered.path("compose/secrets/MAILER_PASSWORD"), own).unwrap();
    script(&rendered, "compose/secrets.sh");
    let drawn = rendered.read("compose/secrets/APP_PASSWORD");
    assert_eq!(drawn.len(), 48, "{drawn}");
    let environment = rendered.read("compose/.env");
    for line in [
        format!("APP_PASSWORD='{drawn}'\n"),
        format!("MAILER_PASSWORD='{own}'\n"),
        "MAILER_PASSWORD_IN_URL=%61%24%62%23%63%3a%20%22%64%22%20%25%c3%a9%2f%40\n".to_owned(),
    ] {
        assert!(environment.contains(&line), "{line} in\n{environment}");
    }
    let users = rendered.read("compose/secrets/userlist.txt");
    assert!(users.contains(&format!("\"app\" \"{drawn}\"\n")), "{users}");
    assert!(users.contains("\"pgbouncer_stats\" \""), "{users}");
    script(&rendered, "compose/secrets.sh");
    assert_eq!(
        rendered.read("compose/.env"),
        environment,
        "the second time"
    );
    // A quote would end the value in .env.
    fs::write(rendered.path("compose/secrets/MAILER_PASSWORD"), "it's").unwrap();
    let (done, told) = run(Command::new("sh").arg(rendered.path("compose/secrets.sh")));
    assert!(
        !done && told.contains("MAILER_PASSWORD") && !told.contains("it's"),
        "{told}"
    );
    // Kubernetes gets the same keys, which its manifests ask for.
    let secrets = script(&rendered, "kubernetes/secrets.sh");
    let file = rendered.path("kubernetes/secrets.yaml");
    fs::write(&file, &secrets).unwrap();
    let mut validate = Command::new(tool("kubernetes-validate"));
    let (valid, told) = run(validate
        .args(["--strict", "--no-warn", "-k", "1.37"])
        .arg(&file));
    assert!(valid, "{told}");
    let manifests = fs::read_dir(rendered.path("kubernetes")).unwrap();
    let mut asked = 0;
    for path in manifests.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for line in text.lines().filter(|line| line.trim().starts_with("key: ")) {
            let key = line.trim().trim_start_matches("key: ");
            if key.contains("PASSWORD") {
                assert!(secrets.contains(&format!("\n  {key}: ")), "{path:?}: {key}");
                asked += 1;
            }
        }
    }
    assert!(asked > 5, "{asked}");
}

#[test]
fn kubernetes_schemas_allow_every_manifest() {
    let validate = tool("kubernetes-validate");
    let check = |version: &str, files: &[PathBuf]| {
        let mut command = Command::new(&validate);
        run(command
            .args(["--strict", "--no-warn", "-k", version])
            .args(files))
    };
    let all: Vec<Rendered> = fleets()
        .iter()
        .map(|(_, fleet)| Rendered::new(fleet))
        .collect();
    let folders = all.iter().map(|rendered| rendered.path("kubernetes"));
    let files: Vec<PathBuf> = folders
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    // The first that has all that is used, and the last that the package knows.
    for version in ["1.30", "1.37"] {
        let (valid, told) = check(version, &files);
        assert!(valid, "{version}: {told}");
    }
    // It does look: a field that the API does not have is refused.
    let text = fs::read_to_string(&files[0]).unwrap();
    fs::write(&files[0], text.replace("maxUnavailable:", "maxMissing:")).unwrap();
    assert!(!check("1.37", &files[..1]).0);
}

#[test]
#[ignore = "needs Helm, a large package: make test-rendered"]
fn a_chart_that_uses_the_values_gives_valid_manifests() {
    let python = tool("python");
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("rendered/helm.py");
    let helm = |values: &Path, folder: &Path| {
        let mut command = Command::new(&python);
        run(command.arg(&program).arg(values).arg(folder))
    };
    for (name, fleet) in fleets() {
        let rendered = Rendered::new(&fleet);
        let values = rendered.path("helm/values.yaml");
        let folder = tempfile::tempdir().unwrap();
        let (accepted, told) = helm(&values, folder.path());
        assert!(accepted, "{name}: {told}");
        let manifests = folder.path().join("services.yaml");
        let mut command = Command::new(tool("kubernetes-validate"));
        let arguments = ["--strict", "--no-warn", "-k", "1.37"];
        let (valid, told) = run(command.args(arguments).arg(&manifests));
        assert!(valid, "{name}: {told}");
        // What the fleet says arrives as it was said, numbers as numbers.
        let text = fs::read_to_string(&manifests).unwrap();
        if name == "direct" {
            for words in [
                "\n  replicas: 2\n",
                "image: \"registry/a:1\"",
                "maxReplicas: 9\n",
            ] {
                assert!(text.contains(words), "{words} in\n{text}");
            }
            // It does look.
            let wrong = fs::read_to_string(&values).unwrap();
            fs::write(&values, wrong.replace("image:", "picture:")).unwrap();
            let (accepted, told) = helm(&values, folder.path());
            assert!(!accepted && told.contains("needs an image"), "{told}");
        }
    }
}
