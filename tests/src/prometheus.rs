//! A real Prometheus that scrapes and evaluates rules.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use pgweir_cluster::{EndSignal, Watchdog, random_hex};

use crate::pooler::free_port;
use crate::wait::eventually;

/// A running Prometheus. Dropped, it is killed, and its folder is gone.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    port: u16,
    folder: PathBuf,
    watchdog: Watchdog,
}

impl Prometheus {
    /// Starts one that scrapes the job `pgweir` at a port of this machine, and evaluates `rules`,
    /// both twice a second.
    ///
    /// # Panics
    /// If it is not installed, or does not start.
    #[track_caller]
    pub fn start(target: u16, rules: &str) -> Self {
        let name = format!("pgweir-prometheus-{}", random_hex(6).expect("random bytes"));
        let folder = std::env::temp_dir().join(name);
        let mut watchdog = Watchdog::start(&folder).expect("the watchdog starts");
        fs::create_dir(&folder).expect("a folder can be made");
        let config = format!(
            "global:\n  scrape_interval: 500ms\n  evaluation_interval: 500ms\n\
             rule_files: [rules.yml]\n\
             scrape_configs:\n- job_name: pgweir\n  static_configs:\n  \
             - targets: ['127.0.0.1:{target}']\n"
        );
        fs::write(folder.join("prometheus.yml"), config).expect("it can be written");
        fs::write(folder.join("rules.yml"), rules).expect("it can be written");
        let log = File::create(folder.join("log")).expect("the log can be made");
        let port = free_port();
        let child = Command::new("prometheus")
            .current_dir(&folder)
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("prometheus: {error}; on Debian: apt-get install prometheus")
            });
        watchdog
            .watch(child.id(), EndSignal::Terminate)
            .expect("the watchdog lives");
        let mut prometheus = Self {
            child,
            port,
            folder,
            watchdog,
        };
        eventually("Prometheus is ready", || {
            let ended = prometheus.child.try_wait().expect("a child");
            assert!(ended.is_none(), "it ended:\n{}", prometheus.log());
            prometheus.get("/-/ready").map(drop)
        });
        prometheus
    }

    /// Names and severities of the alerts that fire, as `NAME/SEVERITY`.
    ///
    /// # Panics
    /// If it does not answer.
    #[track_caller]
    pub fn firing(&self) -> BTreeSet<String> {
        let query = "ALERTS%7Balertstate%3D%22firing%22%7D";
        self.metrics(query)
            .iter()
            .map(|metric| {
                format!(
                    "{}/{}",
                    label(metric, "alertname"),
                    label(metric, "severity")
                )
            })
            .collect()
    }

    /// How many series a query (in the encoding of URLs) gives.
    ///
    /// # Panics
    /// If it does not answer.
    #[track_caller]
    pub fn count(&self, query: &str) -> usize {
        self.metrics(query).len()
    }

    /// The value of a query that gives one series; `None` if it gives none.
    ///
    /// # Panics
    /// If it does not answer, or gives more than one.
    #[track_caller]
    pub fn value(&self, query: &str) -> Option<f64> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let series = self.metrics(&encoded);
        assert!(series.len() <= 1, "{query}: {series:?}");
        let (_, value) = series.first()?.split_once("\"value\":[")?;
        let (_, value) = value.split_once('"')?;
        value.split('"').next()?.parse().ok()
    }

    /// The labels of a query's series, in JSON.
    fn metrics(&self, query: &str) -> Vec<String> {
        let path = format!("/api/v1/query?query={query}");
        let answer = self.get(&path).expect("Prometheus answers");
        let metrics = answer.split("{\"metric\":").skip(1);
        metrics.map(str::to_owned).collect()
    }

    /// The body at a path, if that is well.
    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        // HTTP/1.0, so that the body is sent as it is.
        let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        head.contains(" 200 OK").then(|| body.to_owned())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have died; the test has noticed that.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.watchdog.forget(self.child.id());
        if std::thread::panicking() {
            eprintln!("--- log of Prometheus\n{}---", self.log());
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn label(metric: &str, name: &str) -> String {
    let quoted = format!("\"{name}\":\"");
    let after = metric.split_once(&quoted).map_or("", |(_, after)| after);
    after.split('"').next().unwrap_or_default().to_owned()
}
