//! What a client sends: the messages of a transaction in the three ways drivers send them.

use std::ops::RangeInclusive;

use crate::message::{push, push_string};

/// How a query is sent, in the words of pgbench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// One Query message.
    Simple,
    /// Parse of the unnamed statement, Bind, Describe, Execute, Sync.
    Extended,
    /// A statement parsed once after login; then Bind, Describe, Execute, Sync.
    Prepared,
}

/// What each client has of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Own {
    /// Nothing: all do the same.
    Nothing,
    /// The text of its prepared statement.
    Statement,
    /// A setting.
    Setting,
}

/// The query of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Query {
    /// The same text each time.
    Text(String),
    /// What `pgbench -S` does: the balance of a random account.
    Account(RangeInclusive<u32>),
}

/// Makes the messages of one client after the other; all clients share its random numbers.
pub(crate) struct Workload {
    pub(crate) mode: Mode,
    pub(crate) query: Query,
    pub(crate) own: Own,
    /// Transactions in one write.
    pub(crate) pipeline: u32,
    random: u64,
}

const STATEMENT: &str = "bench_0";
const ACCOUNT: &str = "SELECT abalance FROM pgbench_accounts WHERE aid = $1";

impl Workload {
    pub(crate) fn new(mode: Mode, query: Query, own: Own, pipeline: u32) -> Self {
        // Any odd number: the load is to be the same in every run.
        Self {
            mode,
            query,
            own,
            pipeline,
            random: 0x9e37_79b9_7f4a_7c15,
        }
    }

    /// What the client with this number sends once after login: one batch; `false` when there is nothing to send.
    pub(crate) fn push_setup(&self, out: &mut Vec<u8>, client: usize) -> bool {
        if self.mode != Mode::Prepared && self.own != Own::Setting {
            return false;
        }
        if self.own == Own::Setting {
            let text = format!("SET application_name TO 'bench {client}'");
            push_parse(out, "", &text);
            push_execute(out, "", None);
        }
        if self.mode == Mode::Prepared {
            let text = self.statement();
            match self.own {
                Own::Statement => push_parse(out, STATEMENT, &format!("/* {client} */ {text}")),
                Own::Nothing | Own::Setting => push_parse(out, STATEMENT, text),
            }
        }
        push(out, b'S', |_| {});
        true
    }

    /// Appends one batch: `pipeline` transactions.
    pub(crate) fn push_batch(&mut self, out: &mut Vec<u8>) {
        for _ in 0..self.pipeline {
            let account = match &self.query {
                Query::Text(_) => None,
                Query::Account(ids) => {
                    let span = u64::from(ids.end() - ids.start()) + 1;
                    let id = *ids.start() + (next_random(&mut self.random) % span) as u32;
                    Some(id.to_string())
                }
            };
            self.push_transaction(out, account.as_deref());
        }
    }

    fn push_transaction(&self, out: &mut Vec<u8>, account: Option<&str>) {
        match self.mode {
            Mode::Simple => push(out, b'Q', |out| match account {
                None => push_string(out, self.statement()),
                Some(id) => push_string(out, &self.statement().replace("$1", id)),
            }),
            Mode::Extended => {
                push_parse(out, "", self.statement());
                push_run(out, "", account);
            }
            Mode::Prepared => push_run(out, STATEMENT, account),
        }
    }

    fn statement(&self) -> &str {
        match &self.query {
            Query::Text(text) => text,
            Query::Account(_) => ACCOUNT,
        }
    }
}

fn push_parse(out: &mut Vec<u8>, name: &str, text: &str) {
    push(out, b'P', |out| {
        push_string(out, name);
        push_string(out, text);
        out.extend_from_slice(&0_u16.to_be_bytes());
    });
}

/// Bind with at most one argument as text, Describe, Execute, Sync, as libpq sends them.
fn push_run(out: &mut Vec<u8>, statement: &str, argument: Option<&str>) {
    push_execute(out, statement, argument);
    push(out, b'S', |_| {});
}

fn push_execute(out: &mut Vec<u8>, statement: &str, argument: Option<&str>) {
    push(out, b'B', |out| {
        push_string(out, "");
        push_string(out, statement);
        out.extend_from_slice(&0_u16.to_be_bytes());
        out.extend_from_slice(&u16::from(argument.is_some()).to_be_bytes());
        if let Some(argument) = argument {
            out.extend_from_slice(&(argument.len() as u32).to_be_bytes());
            out.extend_from_slice(argument.as_bytes());
        }
        out.extend_from_slice(&0_u16.to_be_bytes());
    });
    push(out, b'D', |out| out.extend_from_slice(b"P\0"));
    push(out, b'E', |out| out.extend_from_slice(&[0; 5]));
}

/// Marsaglia's xorshift: the ids of accounts need no better.
fn next_random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::walk;

    fn kinds(bytes: &[u8]) -> String {
        let mut kinds = String::new();
        let consumed = walk(bytes, |kind, _| {
            kinds.push(char::from(kind));
            Ok(())
        });
        assert_eq!(consumed, Ok(bytes.len()));
        kinds
    }

    #[test]
    fn each_mode_sends_its_messages() {
        for (mode, setup, batch) in [
            (Mode::Simple, "", "QQ"),
            (Mode::Extended, "", "PBDESPBDES"),
            (Mode::Prepared, "PS", "BDESBDES"),
        ] {
            for query in [Query::Text("SELECT 1".into()), Query::Account(1..=100_000)] {
                let mut workload = Workload::new(mode, query, Own::Nothing, 2);
                let mut out = Vec::new();
                assert_eq!(workload.push_setup(&mut out, 7), !setup.is_empty());
                assert_eq!(kinds(&out), setup);
                out.clear();
                workload.push_batch(&mut out);
                assert_eq!(kinds(&out), batch);
            }
        }
    }

    #[test]
    fn each_client_has_its_own() {
        for (mode, own, expected) in [
            (Mode::Prepared, Own::Nothing, "bench_0\0SELECT 1"),
            (Mode::Prepared, Own::Statement, "bench_0\0/* 7 */ SELECT 1"),
            (
                Mode::Simple,
                Own::Setting,
                "SET application_name TO 'bench 7'",
            ),
        ] {
            let query = Query::Text("SELECT 1".into());
            let mut out = Vec::new();
            assert!(Workload::new(mode, query, own, 1).push_setup(&mut out, 7));
            let text = String::from_utf8_lossy(&out).into_owned();
            assert!(text.contains(expected), "{text:?}");
        }
    }

    #[test]
    fn random_accounts_are_in_range_and_differ() {
        let mut workload = Workload::new(Mode::Simple, Query::Account(7..=9), Own::Nothing, 100);
        let mut out = Vec::new();
        workload.push_batch(&mut out);
        let text = String::from_utf8_lossy(&out).into_owned();
        for (id, wanted) in [(6, false), (7, true), (8, true), (9, true), (10, false)] {
            assert_eq!(text.contains(&format!("aid = {id}\0")), wanted, "{id}");
        }
    }
}
