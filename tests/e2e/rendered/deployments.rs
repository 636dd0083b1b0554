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
                .any(|(name, _)| name == "POSTGRES_PASSWORD")
        );
        let (accepted, resolved) = config(&file, &variables);
        assert!(accepted, "{name}: {resolved}");
        // What is in the file is in what Compose makes of it.
        for words in [
            "max_connections=",
            "stop_grace_period:",
            "healthcheck:",
            "replicas:",
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
        .collect();
    // The first that has all that is used, and the last that the package knows.
    for version in ["1.25", "1.37"] {
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
