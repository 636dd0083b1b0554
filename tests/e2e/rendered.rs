//! What `pgweir render` writes, given to the programs that read it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pgweir_cluster::{Cluster, ClusterOptions, Postgres};
use pgweir_e2e::{Pooler, Role, eventually, pgweir, psql, shared};

mod deployments;
mod node;

/// The pool of the service `jobs` of the fleet below, as it is rendered.
#[allow(
    dead_code,
    unreachable_pub,
    reason = "an application would use all of it, and is a crate of its own"
)]
#[path = "rendered/jobs.rs"]
mod jobs;

/// A fleet whose database fits on the machine that runs the tests. Names stand for what each test
/// has of its own.
fn fleet(host: &str, port: u16, database: &str, user: &str) -> String {
    format!(
        "[database]\nname = \"{database}\"\nhost = \"{host}\"\nport = {port}\nversion = {version}\n\
         ram = \"1GB\"\nshared_buffers = \"64MB\"\nmax_connections = 60\n\
         max_worker_processes = 9\nwork_mem = \"3MB\"\nstatement_timeout = \"25s\"\n\
         [pooler]\nhost = \"127.0.0.1\"\n\
         [services.api]\nkind = \"sqlx\"\nreplicas = 3\npool = 5\nuser = \"{user}\"\n\
         [services.jobs]\nkind = \"sqlx\"\npool = 4\nvia = \"direct\"\nuser = \"{user}\"\n\
         [services.web]\nkind = \"php-fpm\"\npool = 6\nuser = \"{user}\"\n",
        version = version()
    )
}

fn version() -> u32 {
    let postgres = Postgres::find_or_install(&mut |_| {}).unwrap();
    let major = postgres.version().split('.').next().unwrap();
    major.parse().unwrap()
}

/// A folder with all that is rendered for a fleet.
struct Rendered {
    folder: tempfile::TempDir,
}

impl Rendered {
    fn new(fleet: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("fleet.toml"), fleet).unwrap();
        let status = pgweir()
            .args(["render", "all", "fleet.toml", "-o", "."])
            .current_dir(folder.path())
            .stderr(Stdio::null())
            .status();
        assert!(status.unwrap().success());
        // Some programs run as another user.
        let open = Command::new("chmod")
            .args(["-R", "a+rX"])
            .arg(folder.path())
            .status();
        assert!(open.unwrap().success());
        Self { folder }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }
}

/// A program that must be there.
fn program(names: &[&str], package: &str) -> PathBuf {
    let folders = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
    let candidates = folders
        .iter()
        .flat_map(|folder| names.iter().map(move |name| Path::new(folder).join(name)));
    match candidates.into_iter().find(|path| path.is_file()) {
        Some(path) => path,
        None => panic!("{names:?} is not installed; on Debian: apt-get install {package}"),
    }
}

/// A line that assigns, taken apart.
fn assignments(conf: &str) -> Vec<(&str, &str, &str)> {
    conf.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let (setting, comment) = line.split_once('#').unwrap();
            let (name, value) = setting.split_once('=').unwrap();
            (name.trim(), value.trim(), comment.trim())
        })
        .collect()
}

#[test]
fn postgres_starts_with_its_file_and_has_its_values() {
    let rendered = Rendered::new(&fleet("127.0.0.1", 5432, "app", "app"));
    let conf = rendered.read("postgresql.conf/pgweir.conf");
    let postgres = Postgres::find_or_install(&mut |_| {}).unwrap();
    let mut cluster = Cluster::start(&postgres, &ClusterOptions::default()).unwrap();
    let main = cluster.data_dir().join("postgresql.conf");
    let mut text = fs::read_to_string(&main).unwrap();
    text.push_str(&conf);
    fs::write(&main, text).unwrap();
    cluster.restart().unwrap();
    for (name, value, comment) in assignments(&conf) {
        let context = sql(
            &cluster,
            &format!("select context from pg_settings where name = '{name}'"),
        );
        assert_eq!(
            context == "postmaster",
            comment.starts_with("restart"),
            "{name}: {context}"
        );
        let file = sql(
            &cluster,
            &format!(
                "select setting, applied, error from pg_file_settings where name = '{name}' order by seqno \
                 desc limit 1"
            ),
        );
        assert_eq!(file, format!("{value}|t|"), "{name}");
    }
}

fn sql(cluster: &Cluster, text: &str) -> String {
    let target = pgweir_e2e::Target {
        host: "127.0.0.1".to_owned(),
        port: cluster.port(),
        user: cluster.superuser().to_owned(),
        password: cluster.superuser_password().to_owned(),
        database: "postgres".to_owned(),
    };
    let output = psql(&target, text);
    assert!(output.success, "{text}: {output:?}");
    output.out
}

#[test]
fn sql_runs_and_a_restart_is_pending_for_what_says_so() {
    let rendered = Rendered::new(&fleet("127.0.0.1", 5432, "app", "app"));
    let postgres = Postgres::find_or_install(&mut |_| {}).unwrap();
    let mut cluster = Cluster::start(&postgres, &ClusterOptions::default()).unwrap();
    let client = postgres.client_program("psql").expect("psql is installed");
    let run = |cluster: &Cluster, file: &str| {
        let output = Command::new(&client)
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f"])
            .arg(rendered.path(file))
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", cluster.port().to_string())
            .env("PGUSER", cluster.superuser())
            .env("PGPASSWORD", cluster.superuser_password())
            .env("PGDATABASE", "postgres")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{file}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    };
    let before = sql(&cluster, "show max_connections");
    assert_ne!(before, "60");
    let told = run(&cluster, "sql/2-primary.sql");
    assert_eq!(
        sql(&cluster, "show max_connections"),
        before,
        "not before a restart"
    );
    assert_eq!(sql(&cluster, "show work_mem"), "3MB", "after a reload");
    let pending = sql(
        &cluster,
        "select name from pg_settings where pending_restart order by 1",
    );
    let text = rendered.read("sql/2-primary.sql");
    let marked = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.contains(&format!(" {name} = ")));
        line.unwrap().ends_with("-- restart")
    };
    assert!(pending.lines().count() >= 3, "{pending}");
    for name in pending.lines() {
        assert!(marked(name), "{name} needs a restart");
        assert!(told.contains(name), "{name} in\n{told}");
    }
    cluster.restart().unwrap();
    assert_eq!(sql(&cluster, "show max_connections"), "60");
    assert_eq!(sql(&cluster, "show max_worker_processes"), "9");
    let pending = sql(
        &cluster,
        "select count(*) from pg_settings where pending_restart",
    );
    assert_eq!(pending, "0");
}

/// A database with two applications, and queue workers that have a role of their own.
const WITH_BATCH_JOBS: &str = "[database]\nname = \"shop\"\nversion = VERSION\n\
     [services.web]\nkind = \"php-fpm\"\nuser = \"o'brien $x\"\n\
     [services.mails]\nkind = \"queue\"\nuser = \"mailer\"\n\
     [services.reports]\nuser = \"analyst\"\ndatabase = \"my \\\"db\\\" o'c\"\n";

#[test]
fn roles_are_made_with_their_passwords_and_grants_as_often_as_one_likes() {
    let rendered = Rendered::new(&WITH_BATCH_JOBS.replace("VERSION", &version().to_string()));
    let postgres = Postgres::find_or_install(&mut |_| {}).unwrap();
    let cluster = Cluster::start(&postgres, &ClusterOptions::default()).unwrap();
    let client = postgres.client_program("psql").expect("psql is installed");
    let secret = rendered.path("secret");
    fs::write(&secret, "of'a\"file$\n").unwrap();
    let run = |variables: &[(&str, &str)]| {
        let output = Command::new(&client)
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"])
            .arg(rendered.path("sql/3-roles.sql"))
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", cluster.port().to_string())
            .env("PGUSER", cluster.superuser())
            .env("PGPASSWORD", cluster.superuser_password())
            .env("PGDATABASE", "postgres")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{text}");
        text
    };
    let told = run(&[]);
    assert_eq!(told.matches("has no password yet").count(), 4, "{told}");
    let web = "a'b\"c$d :e \\";
    let told = run(&[
        ("O_BRIEN__X_PASSWORD", web),
        ("MAILER_PASSWORD_FILE", secret.to_str().unwrap()),
        ("MONITORING_PASSWORD", "m"),
    ]);
    assert_eq!(told.matches("has no password yet").count(), 1, "{told}");
    // Passwords that are set already stay.
    assert!(!run(&[("ANALYST_PASSWORD", "a")]).contains("no password"));
    let of = |user: &str, password: &str, database: &str| pgweir_e2e::Target {
        host: "127.0.0.1".to_owned(),
        port: cluster.port(),
        user: user.to_owned(),
        password: password.to_owned(),
        database: database.to_owned(),
    };
    let ask = |target: &pgweir_e2e::Target, text: &str| {
        let output = psql(target, text);
        assert!(output.success, "{text}: {output:?}");
        output.out
    };
    let web = of("o'brien $x", web, "shop");
    let mailer = of("mailer", "of'a\"file$", "shop");
    let analyst = of("analyst", "a", "my \"db\" o'c");
    ask(&web, "create table mail (id serial, text text)");
    ask(&mailer, "insert into mail (text) values ('hello')");
    assert_eq!(ask(&web, "select text from mail"), "hello");
    ask(&analyst, "create table report (id int)");
    for (target, statement) in [(&web, "30s"), (&mailer, "10min"), (&analyst, "30s")] {
        assert_eq!(ask(target, "show statement_timeout"), statement);
        let idle = "show idle_in_transaction_session_timeout";
        assert_eq!(ask(target, idle), "1min");
    }
    let monitoring = of("monitoring", "m", "shop");
    let sees =
        "select bool_and(query is distinct from '<insufficient privilege>') from pg_stat_activity";
    assert_eq!(ask(&monitoring, sees), "t");
    assert!(!psql(&monitoring, "select * from mail").success);
    // The server keeps no password that could be read.
    let clear = sql(
        &cluster,
        "select count(*) from pg_authid where rolpassword not like 'SCRAM-%'",
    );
    assert_eq!(clear, "0");
}

#[test]
fn pgbouncer_starts_with_its_file_and_serves() {
    let role = shared().role();
    let fleet = fleet("127.0.0.1", shared().port(), "postgres", &role.name);
    let odd = format!("my db of {}", role.name);
    pgweir_e2e::Client::log_in(&shared().superuser())
        .query(&format!("create database \"{odd}\""))
        .success();
    let user = &role.name;
    let odd_service =
        format!("[services.reports]\npool = 2\nuser = \"{user}\"\ndatabase = \"{odd}\"\n");
    let bouncer = program(&["pgbouncer"], "pgbouncer");
    let version = version_of(&bouncer);
    let fleet = fleet.replace(
        "[pooler]\n",
        &format!("[pooler]\npgbouncer_version = \"{version}\"\n"),
    );
    let rendered = Rendered::new(&(fleet + &odd_service));
    let port = free_port();
    let users = rendered.path("userlist.txt");
    let ini = rendered
        .read("pgbouncer/pgbouncer.ini")
        .replace("listen_addr = *", "listen_addr = 127.0.0.1")
        .replace(
            "listen_port = 6432",
            &format!("listen_port = {port}\nunix_socket_dir ="),
        )
        .replace("/etc/pgbouncer/userlist.txt", &users.display().to_string());
    let variable = format!("${{{}_PASSWORD}}", role.name.to_uppercase());
    let template = rendered.read("pgbouncer/userlist.txt.template");
    assert!(template.contains(&variable), "{template}");
    fs::write(
        &users,
        template.replace(&variable, &role.password.replace('"', "\"\"")),
    )
    .unwrap();
    let file = rendered.path("pgbouncer.ini");
    fs::write(&file, ini).unwrap();
    let log = rendered.path("log");
    let mut command = Command::new(bouncer);
    if rustix::process::geteuid().is_root() {
        // PgBouncer refuses to run as root.
        use std::os::unix::process::CommandExt;
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut child = command
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let target = pgweir_e2e::Target {
        port,
        ..role.direct()
    };
    let answer = eventually("PgBouncer listens", || {
        let read = || fs::read_to_string(&log).unwrap();
        if let Some(status) = child.try_wait().unwrap() {
            panic!("PgBouncer ended, {status}:\n{}", read());
        }
        read()
            .contains("listening on")
            .then(|| psql(&target, "select 6 * 7"))
    });
    // PgBouncer reads no such name in its file.
    let of_odd = psql(&target.clone().database(&odd), "select current_database()");
    // Its console answers who may look, with the password that is in the file.
    let of_console = pgweir_e2e::Target {
        user: "pgbouncer_stats".to_owned(),
        password: "${PGBOUNCER_STATS_PASSWORD}".to_owned(),
        ..target.clone().database("pgbouncer")
    };
    let shown = psql(&of_console, "show pools");
    let refused = psql(&of_console, "pause");
    child.kill().unwrap();
    child.wait().unwrap();
    let log = fs::read_to_string(&log).unwrap();
    assert!(
        shown.success && !refused.success,
        "{shown:?} {refused:?}\n{log}"
    );
    assert_eq!(answer.out, "42", "{answer:?}\n{log}");
    assert_eq!(of_odd.out, odd, "{of_odd:?}\n{log}");
    let errors = log.matches(" ERROR ").count();
    assert!(
        errors == 1 && log.contains("ERROR admin access needed"),
        "{log}"
    );
}

/// `1.18` of a PgBouncer that is 1.18.0.
fn version_of(bouncer: &Path) -> String {
    let output = Command::new(bouncer).arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let version = text.split_whitespace().nth(1).unwrap();
    let (series, _) = version.rsplit_once('.').unwrap();
    series.to_owned()
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Debian's `nobody`.
const NOBODY: u32 = 65_534;

/// pgweir with what was rendered for it, on a port of its own.
fn pooled(role: &Role, rendered: &Rendered) -> Pooler {
    let variable = format!("{}_PASSWORD", role.name.to_uppercase());
    Pooler::start_with_file(
        &rendered.read("pgweir/pgweir.toml"),
        &[(&variable, &role.password)],
    )
}

#[test]
fn pgweir_serves_with_its_own_file() {
    let role = shared().role();
    let rendered = Rendered::new(&fleet("127.0.0.1", shared().port(), "postgres", &role.name));
    let pooler = pooled(&role, &rendered);
    let target = pgweir_e2e::Target {
        port: pooler.port(),
        ..role.direct()
    };
    assert_eq!(psql(&target, "select 6 * 7").out, "42");
}

fn php_fpm() -> PathBuf {
    let names = [
        "php-fpm8.2",
        "php-fpm8.4",
        "php-fpm8.3",
        "php-fpm8.1",
        "php-fpm",
    ];
    program(&names, "php-fpm")
}

#[test]
fn php_fpm_takes_its_file_and_its_variables() {
    let rendered = Rendered::new(&fleet("127.0.0.1", 5432, "app", "app"));
    let fpm = php_fpm();
    let test = |variables: &[(String, String)]| {
        let output = Command::new(&fpm)
            .args(["-t", "-y"])
            .arg(rendered.path("php-fpm/web.conf"))
            .env_clear()
            .envs(variables.iter().cloned())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), text)
    };
    let variables: Vec<(String, String)> = rendered
        .read("php-fpm/web.env")
        .lines()
        .filter_map(|line| line.strip_prefix("PHP_FPM_"))
        .map(|line| {
            let (name, value) = line.split_once('=').unwrap();
            (format!("PHP_FPM_{name}"), value.to_owned())
        })
        .collect();
    assert_eq!(variables.len(), 5);
    let (accepted, text) = test(&variables);
    assert!(accepted, "{text}");
    // The variables are what counts: without them, or with nonsense in them, it is refused.
    assert!(!test(&[]).0);
    let mut wrong = variables;
    wrong[3].1 = "1".to_owned();
    let (accepted, text) = test(&wrong);
    assert!(!accepted && text.contains("max_spare_servers"), "{text}");
}

#[test]
fn php_fpm_starts_beside_the_files_of_the_official_image() {
    let rendered = Rendered::new(&fleet("127.0.0.1", 5432, "app", "app"));
    let fpm = php_fpm();
    // What the image has: a pool, and a file that has the last word on its port.
    let folder = rendered.path("php-fpm.d");
    fs::create_dir(&folder).unwrap();
    let pool = "[www]\nuser = www-data\ngroup = www-data\nlisten = 127.0.0.1:9000\npm = dynamic\npm.max_children = 5\n\
                pm.start_servers = 2\npm.min_spare_servers = 1\npm.max_spare_servers = 3\n";
    fs::write(folder.join("www.conf"), pool).unwrap();
    let docker = "[global]\ndaemonize = no\n[www]\nlisten = 9000\n";
    fs::write(folder.join("zz-docker.conf"), docker).unwrap();
    fs::copy(
        rendered.path("php-fpm/web.conf"),
        folder.join("zzz-pgweir.conf"),
    )
    .unwrap();
    let main = rendered.path("php-fpm.conf");
    let include = format!(
        "[global]\nerror_log = /proc/self/fd/2\ninclude = {}/*.conf\n",
        folder.display()
    );
    fs::write(&main, include).unwrap();
    let variables = rendered.read("php-fpm/web.env");
    let variables = variables.lines().filter_map(|line| line.split_once('='));
    let output = Command::new(&fpm)
        .args(["-tt", "-y"])
        .arg(&main)
        .env_clear()
        .envs(variables.filter(|(name, _)| name.starts_with("PHP_FPM_")))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    // It prints all of it once for each place that it logs to.
    let times = |words: &str| text.matches(words).count();
    assert_eq!(times("[www]"), times("[global]"), "one pool\n{text}");
    assert_eq!(times("\tlisten = 9000"), times("[global]"), "{text}");
    assert!(text.contains("pm.max_children = 6"), "{text}");
}

/// The same program and files as in containers, with the folder of the secrets in its place.
#[test]
fn what_compose_starts_finds_its_passwords() {
    let postgres = pgweir_e2e::Postgres::start();
    let port = postgres.port();
    let rendered = Rendered::new(&format!(
        "[database]\nname = \"shop\"\nhost = \"127.0.0.1\"\nport = {port}\nversion = {}\n[pooler]\n\
         [services.api]\nkind = \"sqlx\"\nuser = \"clerk\"\n",
        version()
    ));
    fs::create_dir_all(rendered.path("compose/secrets")).unwrap();
    let secrets = rendered.path("compose/secrets");
    fs::write(secrets.join("CLERK_PASSWORD"), "a:b/c@d%e f").unwrap();
    // The image's program would be copied beside its Dockerfile.
    fs::write(rendered.path("pgweir/pgweir"), "").unwrap();
    let made = Command::new("sh")
        .arg(rendered.path("compose/secrets.sh"))
        .status();
    assert!(made.unwrap().success());
    let superuser = postgres.superuser();
    let found = Postgres::find_or_install(&mut |_| {}).unwrap();
    let roles = Command::new(found.client_program("psql").unwrap())
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "postgres", "-f"])
        .arg(rendered.path("sql/3-roles.sql"))
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", port.to_string())
        .env("PGUSER", &superuser.user)
        .env("PGPASSWORD", &superuser.password)
        .env("CLERK_PASSWORD_FILE", secrets.join("CLERK_PASSWORD"))
        .env(
            "MONITORING_PASSWORD_FILE",
            secrets.join("MONITORING_PASSWORD"),
        )
        .output()
        .unwrap();
    assert!(roles.status.success(), "{roles:?}");
    let file = rendered.read("compose/pgweir.toml");
    let file = file.replace("/run/secrets", &secrets.display().to_string());
    let pooler = Pooler::start_with_file(&file, &[]);
    let environment = rendered.read("compose/.env");
    let encoded = environment
        .lines()
        .find_map(|line| line.strip_prefix("CLERK_PASSWORD_IN_URL="))
        .unwrap();
    let url = format!(
        "postgresql://clerk:{encoded}@127.0.0.1:{}/shop",
        pooler.port()
    );
    let asked = Command::new(found.client_program("psql").unwrap())
        .args(["-X", "-A", "-t", "-c", "select current_user", &url])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&asked.stdout),
        "clerk\n",
        "{asked:?}"
    );
}

#[test]
fn php_connects_with_laravels_arrays() {
    let role = shared().role();
    let rendered = Rendered::new(&fleet("127.0.0.1", shared().port(), "postgres", &role.name));
    let pooler = pooled(&role, &rendered);
    let script = rendered.path("try.php");
    fs::write(&script, PHP).unwrap();
    for (file, connection, port, emulated) in [
        ("connections.php", "pgsql", pooler.port(), "default"),
        ("connections.php", "direct", shared().port(), "default"),
        ("connections-12.php", "pgsql", pooler.port(), "1"),
        (
            "connections-12.php",
            "pgsql_direct",
            shared().port(),
            "default",
        ),
    ] {
        let output = Command::new(program(&["php"], "php-cli php-pgsql"))
            .arg(&script)
            .arg(rendered.path("laravel/web").join(file))
            .arg(connection)
            .env("DB_PASSWORD", &role.password)
            .env("DB_PORT", pooler.port().to_string())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            text,
            format!("42 {port} {emulated}"),
            "{file} {connection}: {errors}"
        );
    }
}

/// Connects as Laravel's PostgresConnector does: a DSN of the array's entries, then its options.
const PHP: &str = r#"<?php
function env($name, $default = null) {
    $value = getenv($name);
    return $value === false ? $default : $value;
}
[, $file, $name] = $argv;
$connections = require $file;
$config = $connections[$name === 'direct' ? 'pgsql' : $name];
if ($name === 'direct') {
    $config = array_merge($config, $config['direct']);
}
$dsn = "pgsql:host={$config['host']};port={$config['port']};dbname='{$config['database']}';"
    . "sslmode={$config['sslmode']};application_name='{$config['application_name']}'";
$pdo = new PDO($dsn, $config['username'], $config['password'], $config['options']);
$pdo->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);
$statement = $pdo->prepare('select ?::int * ?::int');
$statement->execute([6, 7]);
echo $statement->fetchColumn(), ' ', $config['port'], ' ',
    $config['options'][PDO::ATTR_EMULATE_PREPARES] ?? 'default';
"#;

#[tokio::test]
async fn sqlx_compiles_and_connects() {
    let role = shared().role();
    let rendered = Rendered::new(&fleet("127.0.0.1", shared().port(), "postgres", &role.name));
    // The header names the plan, which the role's name and the port are part of.
    let code = |text: &str| text.lines().skip(1).collect::<Vec<_>>().join("\n");
    let compiled = include_str!("rendered/jobs.rs");
    assert_eq!(code(&rendered.read("sqlx/jobs.rs")), code(compiled));
    let url = format!(
        "postgres://{}:{}@127.0.0.1:{}/postgres",
        role.name,
        role.password.replace(' ', "%20").replace('"', "%22"),
        shared().port()
    );
    let pool = jobs::connect(&url).await.unwrap();
    assert_eq!(pool.options().get_max_connections(), jobs::MAX_CONNECTIONS);
    let lifetime = pool.options().get_max_lifetime().unwrap().as_secs();
    assert!((1620..=1800).contains(&lifetime), "{lifetime}");
    let (answer, name): (i32, String) =
        sqlx::query_as("select 6 * 7, current_setting('application_name')")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!((answer, name.as_str()), (42, "jobs"));
    pool.close().await;
}

#[test]
fn written_files_are_the_same_the_second_time_and_differences_are_shown() {
    let rendered = Rendered::new(&fleet("127.0.0.1", 5432, "app", "app"));
    let check = || {
        let output = pgweir()
            .args(["render", "all", "fleet.toml", "--check", "."])
            .current_dir(rendered.folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text)
    };
    assert_eq!(check(), (Some(0), String::new()));
    let file = rendered.path("pgbouncer/pgbouncer.ini");
    let changed = rendered
        .read("pgbouncer/pgbouncer.ini")
        .replace("default_pool_size = ", "default_pool_size = 9");
    fs::write(file, changed).unwrap();
    fs::remove_file(rendered.path("sql/3-roles.sql")).unwrap();
    let (code, text) = check();
    assert_eq!(code, Some(1));
    for words in [
        "pgbouncer.ini (as planned)",
        "-default_pool_size = 9",
        "+ALTER ROLE \"app\"",
    ] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
}

#[test]
fn a_running_database_tells_of_the_limits_that_its_roles_have() {
    let postgres = pgweir_e2e::Postgres::start();
    let (role, other) = (postgres.role(), postgres.role());
    for statement in [
        format!("ALTER ROLE {} SET statement_timeout = '7s'", role.name),
        format!("ALTER ROLE {} SET lock_timeout = 9000", role.name),
        format!(
            "ALTER ROLE {} IN DATABASE postgres SET lock_timeout = '1500ms'",
            role.name
        ),
        format!("ALTER ROLE {} SET statement_timeout = '1min'", other.name),
        "ALTER DATABASE postgres SET idle_in_transaction_session_timeout = '40s'".to_owned(),
    ] {
        postgres.sql(&statement);
    }
    let connected = |role: &Role| pgweir_e2e::Client::log_in(&role.direct());
    let superuser = postgres.superuser();
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = pgweir()
            .args(arguments)
            .args(["--from-database", "-"])
            .env(
                "DATABASE_URL",
                format!(
                    "postgres://{}:{}@127.0.0.1:{}/postgres",
                    superuser.user, superuser.password, superuser.port
                ),
            )
            .current_dir(folder.path())
            .output()
            .unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let first = connected(&role);
    let fleet = run(&["render", "fleet"]);
    for line in [
        // The role's own, in this database first; the database's; the server's.
        "statement_timeout = \"7s\"",
        "lock_timeout = \"1500ms\"",
        "idle_in_transaction_session_timeout = \"40s\"",
        "idle_session_timeout = 0 ",
    ] {
        assert!(fleet.contains(line), "{line} in\n{fleet}");
    }
    // One look says nothing of a percentile.
    assert!(!fleet.contains("[measured]"), "{fleet}");
    let second = connected(&other);
    let fleet = run(&["render", "fleet"]);
    assert!(fleet.contains("statement_timeout = \"1min\""), "{fleet}");
    let plan = run(&["plan"]);
    let seen = format!(
        "statement_timeout is 7000 ms for {} and 60000 ms for {}: the longer counts",
        role.name, other.name
    );
    assert!(plan.contains(&seen), "{seen} in\n{plan}");
    drop((first, second));
}

#[test]
fn a_running_database_tells_of_its_fleet() {
    let postgres = pgweir_e2e::Postgres::start();
    let role = postgres.role();
    let folder = tempfile::tempdir().unwrap();
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut client = pgweir_e2e::Client::log_in(&role.direct());
        client
            .query("set application_name = 'Order Service'")
            .success();
        held.push(client);
    }
    let url = |password: &str| {
        let password = password
            .replace(' ', "%20")
            .replace('"', "%22")
            .replace('\'', "%27");
        format!(
            "postgres://{}:{password}@127.0.0.1:{}/postgres",
            role.name,
            postgres.port()
        )
    };
    let plan = |url: &str, arguments: &[&str]| {
        let output = pgweir()
            .args(["plan", "--json", "--from-database", "-"])
            .args(arguments)
            .env("DATABASE_URL", url)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout) + &text(output.stderr),
        )
    };
    let (_, answer) = plan(
        &url(&role.password),
        &["--what-if", "order-service.kind=sqlx"],
    );
    for words in [
        // What `Postgres::start` sets, and who is connected.
        "\"max_connections\": 400",
        "\"name\": \"order-service\"",
        "\"pool\": 3",
    ] {
        assert!(answer.contains(words), "{words} in\n{answer}");
    }
    let (code, answer) = plan(&url("wrong"), &[]);
    assert_eq!(code, Some(2));
    assert!(answer.contains("\"problems\""), "{answer}");
    assert!(
        answer.contains("password authentication failed"),
        "{answer}"
    );
    let (code, answer) = plan("mysql://secret@h/d", &[]);
    assert_eq!(code, Some(2));
    assert!(answer.contains("\"problems\""), "{answer}");
    assert!(
        answer.contains("not the URL of a database") && !answer.contains("secret"),
        "{answer}"
    );
    drop(held);
}
