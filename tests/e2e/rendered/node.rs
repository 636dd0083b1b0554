//! Programs of Node.js read what is rendered for them. Their packages are large: `make test-rendered`
//! installs them and runs these tests, which are ignored otherwise.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use pgweir_e2e::shared;

use super::{Rendered, pooled, version};

/// Where `make test-rendered` installs the packages.
fn packages() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rendered/node_modules");
    assert!(
        folder.is_dir(),
        "{folder:?} is not there: run `make test-rendered`"
    );
    folder
}

/// Runs a program of the packages in a folder; its output if it ends well.
#[track_caller]
fn run(folder: &Path, command: &str, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let output = Command::new(command)
        .args(arguments)
        .current_dir(folder)
        .envs(variables.iter().copied())
        .env("CHECKPOINT_DISABLE", "1")
        .env("ARTILLERY_DISABLE_TELEMETRY", "true")
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command} {arguments:?}:\n{text}{errors}"
    );
    text
}

#[test]
#[ignore = "needs Node.js and large packages: make test-rendered"]
fn prismas_factory_compiles_and_connects() {
    let role = shared().role();
    let fleet = format!(
        "[database]\nname = \"postgres\"\nhost = \"127.0.0.1\"\nport = {}\nversion = {}\n[pooler]\n\
         host = \"127.0.0.1\"\n[services.orders]\nkind = \"prisma7\"\npool = 3\nuser = \"{}\"\n\
         [services.reports]\nkind = \"prisma7\"\npool = 2\nuser = \"{}\"\nvia = \"direct\"\n",
        shared().port(),
        version(),
        role.name,
        role.name
    );
    let rendered = Rendered::new(&fleet);
    let pooler = pooled(&role, &rendered);
    let folder = rendered.path("app");
    fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(packages(), folder.join("node_modules")).unwrap();
    for name in ["orders", "reports"] {
        fs::copy(
            rendered.path(&format!("prisma/{name}.ts")),
            folder.join(format!("{name}.ts")),
        )
        .unwrap();
    }
    for (name, content) in [
        ("schema.prisma", SCHEMA),
        ("prisma.config.ts", CONFIG),
        ("tsconfig.json", TSCONFIG),
        ("package.json", "{ \"type\": \"module\" }"),
        ("try.ts", TRY),
    ] {
        fs::write(folder.join(name), content).unwrap();
    }
    // A client needs no engine; without this one for migrations would be downloaded.
    let no_engine = ("PRISMA_SCHEMA_ENGINE_BINARY", "/bin/true");
    run(
        &folder,
        "node_modules/.bin/prisma",
        &["generate"],
        &[no_engine],
    );
    run(&folder, "node_modules/.bin/tsc", &["-p", "."], &[]);
    let created = pgweir_e2e::psql(
        &shared().superuser(),
        &format!(
            "create table public.\"Item\" (id serial primary key, name text not null); \
             grant all on public.\"Item\", public.\"Item_id_seq\" to \"{}\"",
            role.name
        ),
    );
    assert!(created.success, "{created:?}");
    let url = |name: &str| {
        // What the .env file has, with the pooler's real port.
        let file = rendered.read(&format!("prisma/{name}.env"));
        let line = file
            .lines()
            .find_map(|line| line.strip_prefix("DATABASE_URL="))
            .unwrap();
        assert!(!line.contains('$'), "dotenv expands nothing: {line}");
        line.trim_matches('"')
            .replace(":6432/", &format!(":{}/", pooler.port()))
    };
    // The factory puts the password in, whatever it has in it.
    let variable = format!("{}_PASSWORD", role.name.to_uppercase());
    let password = (variable.as_str(), role.password.as_str());
    for (name, pool) in [("orders", 3), ("reports", 2)] {
        let url = url(name);
        let said = run(
            &folder,
            "node",
            &["out/try.js", name],
            &[("DATABASE_URL", &url), password],
        );
        assert_eq!(said.trim(), format!("42 {name} 2 {pool}"), "{url}");
        // The parameters of Prisma 6 go to the pool, not to the server.
        let url = format!("{url}?connection_limit=1&pool_timeout=3&pgbouncer=true");
        let said = run(
            &folder,
            "node",
            &["out/try.js", name],
            &[("DATABASE_URL", &url), password],
        );
        assert_eq!(said.trim(), format!("42 {name} 2 1"), "{url}");
    }
}

const SCHEMA: &str = "generator client {\n  provider = \"prisma-client\"\n  output = \"./client\"\n}\n\
    datasource db {\n  provider = \"postgresql\"\n}\n\
    model Item {\n  id Int @id @default(autoincrement())\n  name String\n}\n";

const CONFIG: &str = "import { defineConfig } from \"prisma/config\";\n\
    export default defineConfig({ schema: \"schema.prisma\" });\n";

const TSCONFIG: &str = r#"{
  "compilerOptions": {
    "strict": true, "noUnusedLocals": true, "module": "nodenext", "target": "es2023",
    "rewriteRelativeImportExtensions": true, "outDir": "out", "skipLibCheck": true, "types": ["node"]
  },
  "files": ["try.ts"]
}"#;

/// Prints what a query gives, the application's name, how many rows a transaction wrote, and how many
/// queries ran at once of more than the pool lets.
const TRY: &str = r#"
import { PrismaClient } from "./client/client.ts";
import * as orders from "./orders.ts";
import * as reports from "./reports.ts";

const name = process.argv[2];
const prisma = new PrismaClient({ adapter: (name === "orders" ? orders : reports).adapter() });
const [row] = await prisma.$queryRaw<{ a: number; name: string }[]>`
  select ${6}::int * ${7}::int as a, current_setting('application_name') as name`;
const written = await prisma.$transaction(async (tx) => {
  await tx.item.deleteMany();
  await tx.item.createMany({ data: [{ name: "a" }, { name: "b" }] });
  return tx.item.count({ where: { name: { in: ["a", "b"] } } });
});
let running = 0;
const spans = await Promise.all(
  Array.from({ length: 8 }, async () => {
    const [span] = await prisma.$queryRaw<{ start: number; end: number }[]>`
      with a as materialized (select extract(epoch from clock_timestamp())::float8 as start),
           b as materialized (select start, pg_sleep(0.25) from a)
      select start, extract(epoch from clock_timestamp())::float8 as end from b`;
    return span!;
  }),
);
for (const { start } of spans) {
  const during = spans.filter((other) => other.start <= start && start < other.end).length;
  running = Math.max(running, during);
}
console.log(row!.a, row!.name, written, running);
await prisma.$disconnect();
"#;

#[test]
#[ignore = "needs Node.js and large packages: make test-rendered"]
fn artillery_reads_its_file_and_runs_it() {
    let fleet = "[services.api]\nrequests = 7\nreplicas = 2\n";
    let rendered = Rendered::new(fleet);
    let folder = rendered.path("load");
    std::os::unix::fs::symlink(packages(), folder.join("node_modules")).unwrap();
    fs::write(folder.join("validate.mjs"), VALIDATE).unwrap();
    let said = run(&folder, "node", &["validate.mjs", "artillery.yml"], &[]);
    assert_eq!(said.trim(), "60 10, 120 50, 120 7");
    // The file as it is, but for a target that is there and phases that end soon.
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        }
    });
    let overrides = r#"{"config":{"phases":[{"duration":1,"arrivalRate":4}]}}"#;
    let arguments = [
        "run",
        "--target",
        &target,
        "--overrides",
        overrides,
        "artillery.yml",
    ];
    let said = run(&folder, "node_modules/.bin/artillery", &arguments, &[]);
    for words in ["http.codes.200", "vusers.completed"] {
        assert!(said.contains(words), "{words} in\n{said}");
    }
    // `ensure` is obeyed: a target that is not there fails the run.
    let closed = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let target = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let status = Command::new(folder.join("node_modules/.bin/artillery"))
        .args([
            "run",
            "--quiet",
            "--target",
            &target,
            "--overrides",
            overrides,
            "artillery.yml",
        ])
        .current_dir(&folder)
        .env("ARTILLERY_DISABLE_TELEMETRY", "true")
        .output()
        .unwrap()
        .status;
    assert!(!status.success());
}

/// What artillery itself checks before it runs a file, on the file as it is.
const VALIDATE: &str = r#"
import fs from "node:fs";
import path from "node:path";
import yaml from "js-yaml";
const file = path.resolve("node_modules/artillery/dist/lib/util/validate-script.js");
const { default: validate } = await import(file);
const script = yaml.load(fs.readFileSync(process.argv[2], "utf8"));
const mistake = validate(script);
if (mistake) throw new Error(mistake);
if (!validate({ ...script, scenarios: 1 })) throw new Error("nothing is looked at");
console.log(script.config.phases.map((phase) => `${phase.duration} ${phase.arrivalRate}`).join(", "));
"#;
