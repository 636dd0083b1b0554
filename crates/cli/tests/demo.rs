//! The demo leaves nothing behind, however it ends.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but does not see helpers"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Starts a demo and waits for the line that begins this step.
fn demo_at(step: &str) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pgweir"))
        .args(["demo", "--clients", "50", "--seconds", "60"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    for line in stderr.lines() {
        let line = line.unwrap();
        if line.starts_with(step) {
            return child;
        }
        said += &line;
    }
    let status = child.wait().unwrap();
    panic!("the demo ended before {step} with {status}: {said}");
}

fn processes() -> Vec<String> {
    let output = Command::new("ps").args(["-eo", "ppid=,args="]).output();
    let text = String::from_utf8_lossy(&output.unwrap().stdout).into_owned();
    text.lines().map(|line| line.trim().to_owned()).collect()
}

/// The folders that this process's watchdogs must remove.
fn folders(pid: u32) -> Vec<PathBuf> {
    processes()
        .iter()
        .filter(|line| line.starts_with(&format!("{pid} ")))
        .filter_map(|line| Some(line.rsplit_once("pgweir-watchdog ")?.1.into()))
        .collect()
}

/// Waits until the folder and all processes that name it are gone.
fn gone(folder: &Path) -> bool {
    let deadline = Instant::now() + Duration::from_secs(15);
    let name = folder.to_str().unwrap();
    while Instant::now() < deadline {
        if !folder.exists() && !processes().iter().any(|line| line.contains(name)) {
            return true;
        }
        thread::sleep(Duration::from_millis(50));
    }
    false
}

fn check(step: &str, signal: Signal, code: Option<i32>) {
    let mut demo = demo_at(step);
    let folders = folders(demo.id());
    assert!(!folders.is_empty());
    kill_process(Pid::from_child(&demo), signal).unwrap();
    assert_eq!(demo.wait().unwrap().code(), code);
    for folder in folders {
        assert!(gone(&folder), "{}", folder.display());
    }
}

#[test]
fn ctrl_c_leaves_nothing() {
    check("filling the database", Signal::INT, Some(130));
}

#[test]
fn ctrl_c_under_load_leaves_nothing() {
    check("50 clients straight", Signal::INT, Some(130));
}

#[test]
fn sigterm_leaves_nothing() {
    check("filling the database", Signal::TERM, Some(143));
}

#[test]
fn sigkill_leaves_nothing() {
    check("filling the database", Signal::KILL, None);
}

#[test]
fn a_demo_that_stays_up_shows_its_page_and_leaves_nothing() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_pgweir"))
        .args(["demo", "--keep", "--clients", "20", "--seconds", "1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(demo.stdout.take().unwrap());
    let mut lines = stdout.lines().map(Result::unwrap);
    let page = lines.find(|line| line.trim().starts_with("http://127.0.0.1:"));
    let address = page.unwrap().trim().replace("http://", "");
    let mut stream = TcpStream::connect(address.trim_end_matches('/')).unwrap();
    let request = format!("GET /api/v1/live HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream
        .write_all(request.replace("/\r\n", "\r\n").as_bytes())
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\"database\":\"demo\""), "{answer}");
    let folders = folders(demo.id());
    kill_process(Pid::from_child(&demo), Signal::INT).unwrap();
    assert_eq!(demo.wait().unwrap().code(), Some(0), "the normal end");
    for folder in folders {
        assert!(gone(&folder), "{}", folder.display());
    }
}

#[test]
fn a_short_demo_serves_everyone_through_pgweir() {
    let output = Command::new(env!("CARGO_BIN_EXE_pgweir"))
        .args(["demo", "--clients", "150", "--seconds", "1", "--json"])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let pooled = &report["runs"][2];
    assert_eq!(pooled["clients_served"], 150, "{report}");
    assert_eq!(pooled["errors"], serde_json::json!({}), "{report}");
    assert_eq!(pooled["mixed_answers"], 0, "{report}");
    assert!(pooled["server_connections_max"].as_u64().unwrap() <= 20);
    let refused = &report["runs"][0]["refused"]["53300"];
    assert!(refused.as_u64().unwrap() >= 50, "{report}");
}
