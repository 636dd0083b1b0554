//! The audit file: what was about to be done, what came of it, and how to take it back, one JSON object a line.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use pgweir_doctor::{Mend, Place};
use pgweir_telemetry::timestamp::rfc3339;
use serde_json::{Value, json};

use super::apply::Outcome;

/// A file that is open for one run.
pub(super) struct Audit {
    file: File,
    target: String,
    run: String,
    count: usize,
}

/// Something that was done and can be taken back.
pub(super) struct Done {
    /// Its name in the file.
    pub(super) id: String,
    pub(super) place: Place,
    pub(super) what: String,
    pub(super) undo: Vec<String>,
}

impl Audit {
    /// Opens the file, or makes one that only its owner reads.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn open(path: &Path, target: &str) -> anyhow::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).open(path);
        let file = file.with_context(|| {
            format!(
                "nothing was done: the audit file {} cannot be written",
                path.display()
            )
        })?;
        let nanos = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos();
        Ok(Self {
            file,
            target: target.to_owned(),
            run: format!("{nanos:x}"),
            count: 0,
        })
    }

    /// Writes what is about to be done; returns its name.
    ///
    /// # Errors
    /// It cannot be written, so it must not be done.
    pub(super) fn intend(
        &mut self,
        mend: &Mend,
        undo: &[String],
        undoes: Option<&str>,
    ) -> anyhow::Result<String> {
        self.count += 1;
        let id = format!("{}-{}", self.run, self.count);
        self.line(&json!({
            "event": "intended",
            "id": id,
            "run": self.run,
            "time": rfc3339(SystemTime::now()),
            "target": self.target,
            "check": mend.check,
            "rung": mend.rung.word(),
            "console": match &mend.place {
                Place::Server => None,
                Place::Console(shown) => Some(shown),
            },
            "what": mend.what,
            "statements": mend.statements,
            "undo": undo,
            "undoes": undoes,
        }))?;
        Ok(id)
    }

    /// Writes what came of it.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn result(&mut self, id: &str, outcome: &Outcome) -> anyhow::Result<()> {
        self.line(&json!({
            "event": "result",
            "id": id,
            "time": rfc3339(SystemTime::now()),
            "good": outcome.is_good(),
            "outcome": outcome.words(),
        }))
    }

    fn line(&mut self, line: &Value) -> anyhow::Result<()> {
        let written = writeln!(self.file, "{line}").and_then(|()| self.file.sync_data());
        written.context("the audit file cannot be written")
    }
}

/// What the last run at this target did that can be taken back and has not been, the last first. What was
/// intended counts, also without a result: a run may have been stopped in between.
///
/// # Errors
/// The file cannot be read.
pub(super) fn last(path: &Path, target: &str) -> anyhow::Result<Vec<Done>> {
    let mut text = String::new();
    let file = File::open(path);
    let file = file.with_context(|| format!("the audit file {} cannot be read", path.display()))?;
    let read = file.take(LEN_MAX + 1).read_to_string(&mut text);
    read.with_context(|| format!("the audit file {} cannot be read", path.display()))?;
    if text.len() as u64 > LEN_MAX {
        bail!(
            "the audit file {} is too long; keep its end",
            path.display()
        );
    }
    // A line that was cut by a crash is none.
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let lines: Vec<Value> = lines.collect();
    let intended = || {
        let intended = lines.iter().filter(|line| line["event"] == "intended");
        intended.filter(|line| line["target"] == target)
    };
    let undone: BTreeSet<&str> = intended()
        .filter_map(|line| line["undoes"].as_str())
        .collect();
    let mut open = Vec::new();
    for line in intended().filter(|line| line["undoes"].is_null()) {
        let id = line["id"].as_str().unwrap_or_default();
        let undo = line["undo"].as_array().into_iter().flatten();
        let undo: Vec<String> = undo
            .filter_map(|one| Some(one.as_str()?.to_owned()))
            .collect();
        if undo.is_empty() || undone.contains(id) {
            continue;
        }
        let done = Done {
            id: id.to_owned(),
            place: match line["console"].as_str() {
                Some(shown) => Place::Console(shown.to_owned()),
                None => Place::Server,
            },
            what: line["what"].as_str().unwrap_or_default().to_owned(),
            undo,
        };
        open.push((line["run"].as_str().unwrap_or_default(), done));
    }
    let run = open.last().map(|(run, _)| (*run).to_owned());
    let of_run = open
        .into_iter()
        .rev()
        .filter(|(run_of, _)| Some(*run_of) == run.as_deref());
    Ok(of_run.map(|(_, done)| done).collect())
}

const LEN_MAX: u64 = 64 * 1024 * 1024;
