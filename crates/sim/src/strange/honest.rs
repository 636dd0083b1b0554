//! A PostgreSQL backend that takes anything, and answers it as PostgreSQL does.
//!
//! The rules are those of `SocketBackend`, `PostgresMain` and `CopyGetData`: a message that is none, or of an
//! impossible length, ends the connection; a wrong body is an error, behind which the extended protocol skips to
//! Sync; COPY takes nothing but its own, and ignores Sync and Flush. What statements do is in `sql`.

mod session;
mod sql;

use pgweir_wire::backend::{self, TxStatus};
use pgweir_wire::encode::{self, ErrorFields, Severity};
use pgweir_wire::frame::c_string;
use pgweir_wire::frontend;
use pgweir_wire::sqlstate::SqlState;

use crate::path::put;
use session::{Session, Tx};
use std::collections::{BTreeMap, VecDeque};

/// Longest length field of small messages, and of others.
const SMALL_MAX: u32 = 10_000;
const LARGE_MAX: u32 = 0x3fff_ffff;

/// Size of PostgreSQL's output buffer.
const OUTPUT_MAX: usize = 8 * 1024;

/// An error with its code, as PostgreSQL raises it.
type Failure = [u8; 5];

/// One backend.
#[derive(Debug)]
pub(super) struct Honest {
    session: Session,
    input: Vec<u8>,
    /// Answers that are not sent yet, and those that are.
    output: Vec<u8>,
    pub(super) sent: Vec<u8>,
    /// The connection is closed.
    pub(super) closed: bool,
    statements: BTreeMap<Vec<u8>, Vec<u8>>,
    portals: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Ignores everything up to a Sync.
    skips: bool,
    extended: bool,
    /// What comes behind the COPY that reads data, if one does.
    copying: Option<VecDeque<Vec<u8>>>,
    /// Knows what was wrong with a message in a COPY only after reading it, as PostgreSQL before 14.
    patient: bool,
}

impl Honest {
    pub(super) fn new(patient: bool) -> Self {
        Self {
            session: Session::new(),
            input: Vec::new(),
            output: Vec::new(),
            sent: Vec::new(),
            closed: false,
            statements: BTreeMap::new(),
            portals: BTreeMap::new(),
            skips: false,
            extended: false,
            copying: None,
            patient,
        }
    }

    /// A fresh backend of the same PostgreSQL.
    pub(super) fn another(&self) -> Self {
        Self::new(self.patient)
    }

    /// The settings that a fresh backend reports.
    pub(super) fn greeting() -> impl Iterator<Item = (&'static str, &'static str)> {
        Session::greeting()
    }

    /// Answers what came.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.input.extend(bytes);
        let input = std::mem::take(&mut self.input);
        let mut at = 0;
        while !self.closed {
            match self.message(&input[at..]) {
                Some((kind, body)) => {
                    at += 5 + body.len();
                    self.take(kind, body);
                }
                None => break,
            }
            if self.output.len() >= OUTPUT_MAX {
                self.flush();
            }
        }
        self.input = input[at..].to_vec();
    }

    /// The whole message that `bytes` begin with. What cannot be one closes the connection.
    fn message<'a>(&mut self, bytes: &'a [u8]) -> Option<(u8, &'a [u8])> {
        let &kind = bytes.first()?;
        let is_data = matches!(kind, b'd' | b'c' | b'f' | b'H' | b'S');
        if self.copying.is_some() && !is_data && !self.patient {
            self.say(Severity::Error, *b"08P01");
            self.end();
            return None;
        }
        let most = match kind {
            b'C' | b'D' | b'E' | b'H' | b'S' | b'X' | b'c' | b'f' => SMALL_MAX,
            b'B' | b'P' | b'Q' | b'F' | b'd' => LARGE_MAX,
            _ => {
                self.end();
                return None;
            }
        };
        let length = u32::from_be_bytes(bytes.get(1..5)?.try_into().expect("four bytes"));
        if !(4..=most).contains(&length) {
            self.end();
            return None;
        }
        let body = bytes.get(5..length as usize + 1)?;
        Some((kind, body))
    }

    fn take(&mut self, kind: u8, body: &[u8]) {
        if self.copying.is_some() {
            return self.take_in_copy(kind);
        }
        match kind {
            frontend::SYNC => self.skips = false,
            frontend::TERMINATE => {
                self.closed = true;
                return;
            }
            _ if self.skips => return,
            _ => {}
        }
        self.extended = matches!(kind, b'P' | b'B' | b'D' | b'E' | b'C' | b'H');
        let outcome = match kind {
            frontend::QUERY => self.query(body),
            frontend::PARSE => self.parse(body),
            frontend::BIND => self.bind(body),
            frontend::DESCRIBE => self.describe(body),
            frontend::EXECUTE => self.execute(body),
            frontend::CLOSE => self.close(body),
            frontend::FLUSH if body.is_empty() => {
                self.flush();
                Ok(())
            }
            frontend::SYNC if body.is_empty() => {
                self.commit_implicit();
                self.ready();
                Ok(())
            }
            frontend::FLUSH | frontend::SYNC => Err(*b"08P01"),
            frontend::FUNCTION_CALL => Err(*b"42883"),
            // What is left of a COPY that failed.
            _ => Ok(()),
        };
        if let Err(code) = outcome {
            self.fail(code);
        }
    }

    fn take_in_copy(&mut self, kind: u8) {
        match kind {
            frontend::COPY_DATA | frontend::FLUSH | frontend::SYNC => {}
            frontend::COPY_DONE => {
                let rest = self.copying.take().expect("it copies");
                self.complete("COPY 0");
                if !self.extended {
                    self.go_on(rest);
                }
            }
            frontend::COPY_FAIL => {
                self.copying = None;
                self.fail(*b"57014");
            }
            _ => {
                self.copying = None;
                self.fail(*b"08P01");
            }
        }
    }

    /// A simple query: its statements, up to one that reads data.
    fn query(&mut self, body: &[u8]) -> Result<(), Failure> {
        self.portals.remove(&b""[..]);
        self.statements.remove(&b""[..]);
        let (text, rest) = c_string(body).ok_or(*b"08P01")?;
        if !rest.is_empty() {
            return Err(*b"08P01");
        }
        self.begin_implicit();
        let statements = sql::split(&self.session.decode(text)?)?;
        if statements.is_empty() {
            put(&mut self.output, backend::EMPTY_QUERY_RESPONSE, &[]);
        }
        self.go_on(statements);
        Ok(())
    }

    /// Runs what is left of a simple query.
    fn go_on(&mut self, mut statements: VecDeque<Vec<u8>>) {
        let several = statements.len() > 1;
        while let Some(statement) = statements.pop_front() {
            self.begin_implicit();
            match self.run(&statement, several, true) {
                Ok(true) => {
                    self.copying = Some(statements);
                    return self.flush();
                }
                Ok(false) => {}
                Err(code) => return self.fail(code),
            }
        }
        self.commit_implicit();
        self.ready();
    }

    fn parse(&mut self, body: &[u8]) -> Result<(), Failure> {
        let (name, rest) = c_string(body).ok_or(*b"08P01")?;
        let (text, rest) = c_string(rest).ok_or(*b"08P01")?;
        let types = rest.split_first_chunk::<2>().ok_or(*b"08P01")?;
        if types.1.len() != 4 * usize::from(u16::from_be_bytes(*types.0)) {
            return Err(*b"08P01");
        }
        self.begin_implicit();
        if name.is_empty() {
            self.statements.remove(name);
        }
        let statements = sql::split(&self.session.decode(text)?)?;
        if statements.len() > 1 {
            return Err(*b"42601");
        }
        let text = statements.into_iter().next().unwrap_or_default();
        sql::check(&text)?;
        self.session.may_run(&text)?;
        if self.statements.contains_key(name) {
            return Err(*b"42P05");
        }
        self.statements.insert(name.to_vec(), text);
        put(&mut self.output, backend::PARSE_COMPLETE, &[]);
        Ok(())
    }

    fn bind(&mut self, body: &[u8]) -> Result<(), Failure> {
        let (portal, rest) = c_string(body).ok_or(*b"08P01")?;
        let (name, rest) = c_string(rest).ok_or(*b"08P01")?;
        // No parameters, and no formats of any.
        if rest != [0; 6] {
            return Err(*b"08P01");
        }
        self.begin_implicit();
        let text = self.statements.get(name).ok_or(*b"26000")?.clone();
        self.session.may_run(&text)?;
        if !portal.is_empty() && self.portals.contains_key(portal) {
            return Err(*b"42P03");
        }
        self.portals.insert(portal.to_vec(), text);
        put(&mut self.output, backend::BIND_COMPLETE, &[]);
        Ok(())
    }

    fn describe(&mut self, body: &[u8]) -> Result<(), Failure> {
        let (&what, rest) = body.split_first().ok_or(*b"08P01")?;
        let (name, rest) = c_string(rest).ok_or(*b"08P01")?;
        if !rest.is_empty() {
            return Err(*b"08P01");
        }
        self.begin_implicit();
        let text = match what {
            frontend::TARGET_STATEMENT => self.statements.get(name).ok_or(*b"26000")?,
            frontend::TARGET_PORTAL => self.portals.get(name).ok_or(*b"34000")?,
            _ => return Err(*b"08P01"),
        };
        let has_rows = sql::has_rows(text);
        if what == frontend::TARGET_STATEMENT {
            put(&mut self.output, backend::PARAMETER_DESCRIPTION, &[0, 0]);
        }
        if has_rows {
            put(&mut self.output, backend::ROW_DESCRIPTION, ROW_DESCRIPTION);
        } else {
            put(&mut self.output, backend::NO_DATA, &[]);
        }
        Ok(())
    }

    fn execute(&mut self, body: &[u8]) -> Result<(), Failure> {
        let (name, rest) = c_string(body).ok_or(*b"08P01")?;
        if rest.len() != 4 {
            return Err(*b"08P01");
        }
        self.begin_implicit();
        let text = self.portals.remove(name).ok_or(*b"34000")?;
        if text.is_empty() {
            put(&mut self.output, backend::EMPTY_QUERY_RESPONSE, &[]);
        } else if self.run(&text, false, false)? {
            self.copying = Some(VecDeque::new());
            self.flush();
        }
        Ok(())
    }

    fn close(&mut self, body: &[u8]) -> Result<(), Failure> {
        let (&what, rest) = body.split_first().ok_or(*b"08P01")?;
        let (name, rest) = c_string(rest).ok_or(*b"08P01")?;
        if !rest.is_empty() {
            return Err(*b"08P01");
        }
        match what {
            frontend::TARGET_STATEMENT => self.statements.remove(name),
            frontend::TARGET_PORTAL => self.portals.remove(name),
            _ => return Err(*b"08P01"),
        };
        put(&mut self.output, backend::CLOSE_COMPLETE, &[]);
        Ok(())
    }

    /// Runs one statement; true if it reads data from here on. `is_simple`: its rows are described.
    fn run(&mut self, text: &[u8], several: bool, is_simple: bool) -> Result<bool, Failure> {
        self.session.may_run(text)?;
        match sql::run(text, &mut self.session, several)? {
            sql::Done::Rows(rows) => {
                if is_simple {
                    put(&mut self.output, backend::ROW_DESCRIPTION, ROW_DESCRIPTION);
                }
                for row in &rows {
                    let row = self.session.encode(row);
                    put(&mut self.output, backend::DATA_ROW, &data_row(&row));
                }
                self.complete(&format!("SELECT {}", rows.len()));
            }
            sql::Done::Tag(tag) => self.complete(tag),
            sql::Done::Dropped(name) => {
                match name {
                    Some(name) => {
                        self.statements.remove(&name).ok_or(*b"26000")?;
                        self.complete("DEALLOCATE");
                    }
                    None => {
                        self.statements.clear();
                        self.complete("DEALLOCATE ALL");
                    }
                };
            }
            sql::Done::Discarded => {
                // As what must be committed at once (`PreventInTransactionBlock`).
                self.commit_implicit();
                self.statements.clear();
                self.portals.clear();
                self.complete("DISCARD ALL");
            }
            sql::Done::CopyIn => {
                put(&mut self.output, backend::COPY_IN_RESPONSE, b"\0\0\0");
                return Ok(true);
            }
            sql::Done::CopyOut => {
                put(&mut self.output, backend::COPY_OUT_RESPONSE, b"\0\0\0");
                put(&mut self.output, backend::COPY_DATA, b"out\n");
                put(&mut self.output, backend::COPY_DONE, &[]);
                self.complete("COPY 1");
            }
        }
        if self.session.tx == Tx::Idle {
            self.portals.clear();
        }
        Ok(false)
    }

    fn begin_implicit(&mut self) {
        self.session.begin_implicit();
    }

    fn commit_implicit(&mut self) {
        if self.session.commit_implicit() {
            self.portals.clear();
        }
    }

    fn complete(&mut self, tag: &str) {
        put(
            &mut self.output,
            backend::COMMAND_COMPLETE,
            format!("{tag}\0").as_bytes(),
        );
    }

    fn fail(&mut self, code: Failure) {
        self.say(Severity::Error, code);
        if self.session.abort() {
            self.portals.clear();
        }
        if self.extended {
            self.skips = true;
        } else {
            self.ready();
        }
    }

    fn ready(&mut self) {
        for (name, value) in self.session.reports() {
            let mut body = [name.as_bytes(), b"\0"].concat();
            body.extend(value);
            body.push(0);
            put(&mut self.output, backend::PARAMETER_STATUS, &body);
        }
        let status = match self.session.tx {
            Tx::Idle | Tx::Implicit => TxStatus::Idle,
            Tx::Block => TxStatus::InTransaction,
            Tx::Failed => TxStatus::Failed,
        };
        encode::ready_for_query(&mut self.output, status);
        self.flush();
    }

    fn say(&mut self, severity: Severity, code: Failure) {
        let fields = ErrorFields {
            severity,
            sqlstate: SqlState(code),
            message: "no",
            detail: None,
            hint: None,
        };
        encode::error(&mut self.output, &fields);
        self.flush();
    }

    /// An error that ends the connection.
    fn end(&mut self) {
        self.say(Severity::Fatal, *b"08P01");
        self.closed = true;
    }

    fn flush(&mut self) {
        self.sent.append(&mut self.output);
    }
}

/// One column of text.
const ROW_DESCRIPTION: &[u8] = b"\0\x01t\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0";

fn data_row(text: &[u8]) -> Vec<u8> {
    let len = u32::try_from(text.len()).expect("a short text");
    [&b"\0\x01"[..], &len.to_be_bytes(), text].concat()
}

/// What PostgreSQL answers to a simple query that selects one row.
pub(super) fn answer(row: &str, out: &mut Vec<u8>) {
    put(out, backend::ROW_DESCRIPTION, ROW_DESCRIPTION);
    put(out, backend::DATA_ROW, &data_row(row.as_bytes()));
    put(out, backend::COMMAND_COMPLETE, b"SELECT 1\0");
    encode::ready_for_query(out, TxStatus::Idle);
}

/// What it answers to a batch of the extended protocol that selects one row.
pub(super) fn batch_answer(row: &str, out: &mut Vec<u8>) {
    put(out, backend::PARSE_COMPLETE, &[]);
    put(out, backend::BIND_COMPLETE, &[]);
    put(out, backend::DATA_ROW, &data_row(row.as_bytes()));
    put(out, backend::COMMAND_COMPLETE, b"SELECT 1\0");
    encode::ready_for_query(out, TxStatus::Idle);
}
