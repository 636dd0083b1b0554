//! The fake server's side of one connection: bytes in, bytes out, no socket.
//!
//! It answers as PostgreSQL would, as far as poolers and drivers look: trust authentication,
//! reported settings, transaction state, named statements and portals, and after an error
//! everything is skipped until Sync. It stores no data and every query returns one row.

use std::collections::HashMap;

use pgweir_wire::backend::{self, TxStatus};
use pgweir_wire::encode::{self, ErrorFields, Severity};
use pgweir_wire::frame::c_string;
use pgweir_wire::frontend;
use pgweir_wire::sqlstate::SqlState;
use pgweir_wire::startup::{self, FirstPacket, Startup};

use crate::message::{Stop, push, push_string, walk};
use crate::statement::{self, Statement};

/// What PostgreSQL 15 reports at login, in its spelling.
const REPORTED: [(&str, &str); 13] = [
    ("server_version", "15.18"),
    ("server_encoding", "UTF8"),
    ("client_encoding", "UTF8"),
    ("application_name", ""),
    ("default_transaction_read_only", "off"),
    ("in_hot_standby", "off"),
    ("is_superuser", "off"),
    ("session_authorization", ""),
    ("DateStyle", "ISO, MDY"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "Etc/UTC"),
    ("integer_datetimes", "on"),
    ("standard_conforming_strings", "on"),
];

/// Type of the one column, `int4`, and of a shown setting, `text`.
const INT4: u32 = 23;
const TEXT: u32 = 25;

/// The value of a reported setting, and the one to go back to on RESET.
struct Setting {
    name: &'static str,
    value: String,
    at_login: String,
}

/// What a connection of the fake server is in the middle of.
pub(crate) struct Session {
    pid: u32,
    /// Whether the startup packet has come.
    logged_in: bool,
    settings: Vec<Setting>,
    statements: HashMap<Vec<u8>, Statement>,
    portals: HashMap<Vec<u8>, Statement>,
    status: TxStatus,
    /// After an error in the extended protocol, until Sync.
    skips: bool,
}

impl Session {
    /// A session that has not heard from its client. `pid` is also its cancel key.
    pub(crate) fn new(pid: u32) -> Self {
        Self {
            pid,
            logged_in: false,
            settings: Vec::new(),
            statements: HashMap::new(),
            portals: HashMap::new(),
            status: TxStatus::Idle,
            skips: false,
        }
    }

    /// Answers the whole messages in `bytes` and returns how many bytes they took.
    ///
    /// # Errors
    /// When the connection is to be closed, after what was appended to `out` is sent.
    pub(crate) fn on_bytes(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, Stop> {
        let mut at = 0;
        while !self.logged_in {
            match startup::parse(&bytes[at..]) {
                Ok(None) => return Ok(at),
                Ok(Some((packet, len))) => {
                    at += len;
                    self.on_first_packet(packet, out)?;
                }
                Err(error) => {
                    push_error(
                        out,
                        Severity::Fatal,
                        error.sqlstate(),
                        &error.client_message(),
                    );
                    return Err(Stop);
                }
            }
        }
        let walked = walk(&bytes[at..], |kind, body| self.on_message(kind, body, out))?;
        Ok(at + walked)
    }

    fn on_first_packet(&mut self, packet: FirstPacket, out: &mut Vec<u8>) -> Result<(), Stop> {
        match packet {
            FirstPacket::Ssl | FirstPacket::GssEnc => out.push(b'N'),
            // Every query is answered at once: there is never one to cancel.
            FirstPacket::Cancel { .. } => return Err(Stop),
            FirstPacket::Startup(startup) => self.log_in(startup, out),
        }
        Ok(())
    }

    fn log_in(&mut self, startup: Startup, out: &mut Vec<u8>) {
        self.logged_in = true;
        let asked = |name: &str| {
            let mut named = startup.parameters.iter().rev();
            named
                .find(|(other, _)| other.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.clone())
        };
        encode::authentication_ok(out);
        for (name, default) in REPORTED {
            let value = match name {
                "session_authorization" => startup.user.clone(),
                _ => asked(name).unwrap_or_else(|| default.to_owned()),
            };
            encode::parameter_status(out, name, &value);
            self.settings.push(Setting {
                name,
                value: value.clone(),
                at_login: value,
            });
        }
        encode::backend_key_data(out, self.pid, &self.pid.to_be_bytes());
        encode::ready_for_query(out, self.status);
    }

    fn on_message(&mut self, kind: u8, body: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
        if self.skips && !matches!(kind, frontend::SYNC | frontend::TERMINATE) {
            return Ok(());
        }
        match kind {
            frontend::QUERY => self.on_query(body, out),
            frontend::PARSE => self.on_parse(body, out)?,
            frontend::BIND => self.on_bind(body, out)?,
            frontend::DESCRIBE => self.on_describe(body, out)?,
            frontend::EXECUTE => self.on_execute(body, out)?,
            frontend::CLOSE => self.on_close(body, out)?,
            frontend::SYNC => {
                self.skips = false;
                encode::ready_for_query(out, self.status);
            }
            frontend::FLUSH => {}
            frontend::TERMINATE => return Err(Stop),
            _ => {
                let code = SqlState::PROTOCOL_VIOLATION;
                push_error(
                    out,
                    Severity::Fatal,
                    code,
                    &format!("unexpected message {kind}"),
                );
                return Err(Stop);
            }
        }
        Ok(())
    }

    fn on_query(&mut self, body: &[u8], out: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(body.strip_suffix(b"\0").unwrap_or(body));
        for statement in statement::split(&text) {
            if statement.has_row() {
                push_row_description(out, &statement);
            }
            self.run(&statement, out);
        }
        encode::ready_for_query(out, self.status);
    }

    fn on_parse(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
        let (name, rest) = c_string(body).ok_or(Stop)?;
        let (text, _) = c_string(rest).ok_or(Stop)?;
        if !name.is_empty() && self.statements.contains_key(name) {
            self.fail(
                SqlState(*b"42P05"),
                "prepared statement already exists",
                out,
            );
            return Ok(());
        }
        let statement = Statement::parse(&String::from_utf8_lossy(text));
        self.statements.insert(name.to_vec(), statement);
        push(out, backend::PARSE_COMPLETE, |_| {});
        Ok(())
    }

    fn on_bind(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
        let (portal, _) = c_string(body).ok_or(Stop)?;
        let name = frontend::bind_statement(body).ok_or(Stop)?;
        match self.statements.get(name).cloned() {
            None => self.fail(
                SqlState(*b"26000"),
                "prepared statement does not exist",
                out,
            ),
            Some(statement) => {
                self.portals.insert(portal.to_vec(), statement);
                push(out, backend::BIND_COMPLETE, |_| {});
            }
        }
        Ok(())
    }

    fn on_describe(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
        let (target, name) = frontend::target(body).ok_or(Stop)?;
        let is_statement = target == frontend::TARGET_STATEMENT;
        let known = if is_statement {
            &self.statements
        } else {
            &self.portals
        };
        let Some(statement) = known.get(name) else {
            let code = if is_statement { *b"26000" } else { *b"34000" };
            self.fail(SqlState(code), "nothing of this name to describe", out);
            return Ok(());
        };
        if is_statement {
            push(out, backend::PARAMETER_DESCRIPTION, |out| {
                out.extend_from_slice(&[0, 0])
            });
        }
        if statement.has_row() {
            push_row_description(out, statement);
        } else {
            push(out, backend::NO_DATA, |_| {});
        }
        Ok(())
    }

    fn on_execute(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
        let (portal, _) = c_string(body).ok_or(Stop)?;
        match self.portals.get(portal).cloned() {
            None => self.fail(SqlState(*b"34000"), "portal does not exist", out),
            Some(statement) => self.run(&statement, out),
        }
        Ok(())
    }

    fn on_close(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
        let (target, name) = frontend::target(body).ok_or(Stop)?;
        if target == frontend::TARGET_STATEMENT {
            self.statements.remove(name);
        } else {
            self.portals.remove(name);
        }
        push(out, backend::CLOSE_COMPLETE, |_| {});
        Ok(())
    }

    /// Answers a statement with its row, if it has one, its effects, and its tag.
    fn run(&mut self, statement: &Statement, out: &mut Vec<u8>) {
        let tag = match statement {
            Statement::Empty => {
                push(out, backend::EMPTY_QUERY_RESPONSE, |_| {});
                return;
            }
            Statement::Select => {
                push_row(out, b"1");
                "SELECT 1"
            }
            Statement::Show(name) => {
                let setting = self
                    .settings
                    .iter()
                    .find(|known| known.name.eq_ignore_ascii_case(name));
                push_row(
                    out,
                    setting.map_or(b"".as_slice(), |setting| setting.value.as_bytes()),
                );
                "SHOW"
            }
            Statement::SetConfig(changes) => {
                push_row(out, b"1");
                for (name, value) in changes {
                    self.set(name, value, out);
                }
                "SELECT 1"
            }
            Statement::Set { name, value } => {
                self.set(name, value, out);
                "SET"
            }
            Statement::Reset(name) => {
                self.reset(name.as_deref(), out);
                "RESET"
            }
            Statement::DiscardAll => {
                self.reset(None, out);
                self.statements.clear();
                self.portals.clear();
                "DISCARD ALL"
            }
            Statement::Deallocate(name) => {
                match name {
                    Some(name) => drop(self.statements.remove(name.as_bytes())),
                    None => self.statements.clear(),
                }
                "DEALLOCATE"
            }
            Statement::Begin => {
                self.status = TxStatus::InTransaction;
                "BEGIN"
            }
            Statement::Commit if self.status == TxStatus::Failed => {
                self.status = TxStatus::Idle;
                "ROLLBACK"
            }
            Statement::Commit => {
                self.status = TxStatus::Idle;
                "COMMIT"
            }
            Statement::Rollback => {
                self.status = TxStatus::Idle;
                "ROLLBACK"
            }
            Statement::Other(tag) => tag,
        };
        push(out, backend::COMMAND_COMPLETE, |out| push_string(out, tag));
    }

    fn set(&mut self, name: &str, value: &str, out: &mut Vec<u8>) {
        let known = self
            .settings
            .iter_mut()
            .find(|known| known.name.eq_ignore_ascii_case(name));
        if let Some(setting) = known
            && setting.value != value
        {
            value.clone_into(&mut setting.value);
            encode::parameter_status(out, setting.name, value);
        }
    }

    fn reset(&mut self, name: Option<&str>, out: &mut Vec<u8>) {
        for setting in &mut self.settings {
            let meant = name.is_none_or(|name| setting.name.eq_ignore_ascii_case(name));
            if meant && setting.value != setting.at_login {
                setting.value.clone_from(&setting.at_login);
                encode::parameter_status(out, setting.name, &setting.value);
            }
        }
    }

    fn fail(&mut self, code: SqlState, message: &str, out: &mut Vec<u8>) {
        push_error(out, Severity::Error, code, message);
        self.skips = true;
        if self.status == TxStatus::InTransaction {
            self.status = TxStatus::Failed;
        }
    }
}

fn push_row_description(out: &mut Vec<u8>, statement: &Statement) {
    let (kind, len) = match statement {
        Statement::Show(_) => (TEXT, -1_i16),
        _ => (INT4, 4),
    };
    push(out, backend::ROW_DESCRIPTION, |out| {
        out.extend_from_slice(&1_u16.to_be_bytes());
        push_string(out, "abalance");
        // No table, no column of one.
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&len.to_be_bytes());
        // No type modifier, text format.
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        out.extend_from_slice(&[0, 0]);
    });
}

fn push_row(out: &mut Vec<u8>, value: &[u8]) {
    push(out, backend::DATA_ROW, |out| {
        out.extend_from_slice(&1_u16.to_be_bytes());
        out.extend_from_slice(&(value.len() as u32).to_be_bytes());
        out.extend_from_slice(value);
    });
}

fn push_error(out: &mut Vec<u8>, severity: Severity, sqlstate: SqlState, message: &str) {
    encode::error(
        out,
        &ErrorFields {
            severity,
            sqlstate,
            message,
            detail: None,
            hint: None,
        },
    );
}

#[cfg(test)]
mod tests;
