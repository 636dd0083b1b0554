//! The protocol of one session: messages of a client in, messages for it out.
//!
//! [`Session::message`] takes one message and says what is to be done. Where that needs the pooler, the answer goes
//! in with [`Session::show`] or [`Session::ordered`], which say what is to be done next. Both protocols are
//! spoken, the simple and the extended one; a session holds a bounded number of statements and portals.

mod extended;
mod greeting;
mod help;

use std::collections::{BTreeMap, VecDeque};

use pgweir_wire::backend::{self, TxStatus};
use pgweir_wire::encode::{self, ErrorFields, Severity};
use pgweir_wire::frontend;
use pgweir_wire::sqlstate::SqlState;

use crate::answer::{self, Described, Format};
use crate::command::{Answer, Block, Command, Fixed, Role, Tidy};
use crate::order::{Done, Order, Refusal};
use crate::parse::parse;
use crate::query::Query;
use crate::rows::{Cell, Rows};
use crate::table::{ColumnType, Table};
use extended::Portal;
pub use greeting::greeting;

/// Longest message that a client may send here. Commands are short.
pub const MESSAGE_MAX: usize = 64 * 1024;

/// Bytes of an answer that are kept before they are sent.
pub const PIECE: usize = 64 * 1024;

/// Commands in one simple query.
const COMMANDS_MAX: usize = 64;

/// Whose session it is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// What it may do.
    pub role: Role,
    /// As whom it logged in.
    pub user: String,
    /// The database it asked for.
    pub database: String,
    /// Its number.
    pub pid: u32,
    /// The pooler's version.
    pub version: &'static str,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Wait for the next message.
    Next,
    /// Send what there is, then wait for the next message.
    Flush,
    /// Send what there is, then call [`Session::more`].
    More,
    /// Find the rows of this query, and call [`Session::show`].
    Show(Query),
    /// Carry this order out, and call [`Session::ordered`].
    Order(Order),
    /// Send what there is; the session is over.
    Leave,
}

/// One session.
#[derive(Debug)]
pub struct Session {
    identity: Identity,
    /// The commands of a simple query that are still to be done.
    simple: Option<VecDeque<String>>,
    statements: BTreeMap<String, Command>,
    portals: BTreeMap<String, Portal>,
    /// What runs: a command that waits for the pooler, or rows on their way.
    running: Option<Running>,
    /// After an error in the extended protocol everything up to Sync is passed over.
    skipping: bool,
    /// A transaction was begun.
    in_block: bool,
    /// Commands that were done.
    commands: u64,
}

/// A command that is being answered.
#[derive(Debug)]
struct Running {
    columns: Vec<Described>,
    formats: Vec<Format>,
    rows: Option<Rows>,
    /// The tag of a command without rows.
    tag: &'static str,
    /// The portal that is executed, and how many rows are still wanted of it; `None` in the simple protocol.
    portal: Option<(String, Option<u32>)>,
}

impl Session {
    /// A session that has just begun.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            simple: None,
            statements: BTreeMap::new(),
            portals: BTreeMap::new(),
            running: None,
            skipping: false,
            in_block: false,
            commands: 0,
        }
    }

    /// Commands that were done since this was asked last.
    pub fn take_commands(&mut self) -> u64 {
        std::mem::take(&mut self.commands)
    }

    /// A message has come.
    pub fn message(&mut self, kind: u8, body: &[u8], out: &mut Vec<u8>) -> Step {
        if self.skipping && !matches!(kind, frontend::SYNC | frontend::TERMINATE) {
            return Step::Next;
        }
        match kind {
            frontend::QUERY => {
                // Whatever goes wrong from here on, the client may go on behind it.
                self.simple = Some(VecDeque::new());
                match text(frontend::query_text(body)) {
                    Ok(text) => self.query(text, out),
                    Err(fault) => self.fault(fault, out),
                }
            }
            frontend::SYNC => {
                self.skipping = false;
                if !self.in_block {
                    self.portals.clear();
                }
                self.ready(out)
            }
            frontend::FLUSH => Step::Flush,
            frontend::TERMINATE => Step::Leave,
            _ => self.extended(kind, body, out),
        }
    }

    /// The rows of a query, or what went wrong.
    pub fn show(&mut self, rows: Rows, out: &mut Vec<u8>) -> Step {
        let running = self.running.as_mut().expect("a query runs");
        running.rows = Some(rows);
        self.more(out)
    }

    /// What became of an order.
    pub fn ordered(&mut self, outcome: Result<Done, Refusal>, out: &mut Vec<u8>) -> Step {
        let running = self.running.take().expect("an order runs");
        match outcome {
            Ok(done) => {
                if let Some(notice) = done.notice {
                    self.notice(&notice, None, out);
                }
                answer::complete(out, running.tag);
                self.proceed(out)
            }
            Err(refusal) => {
                let fault = Fault {
                    sqlstate: refusal.sqlstate(),
                    message: refusal.message(),
                    detail: refusal.detail(),
                    hint: None,
                };
                self.fault(fault, out)
            }
        }
    }

    /// Goes on with rows that are on their way.
    pub fn more(&mut self, out: &mut Vec<u8>) -> Step {
        let running = self.running.as_mut().expect("rows are on their way");
        let rows = running.rows.as_mut().expect("they were given");
        loop {
            if out.len() >= PIECE {
                return Step::More;
            }
            if let Some((_, Some(0))) = running.portal {
                return self.suspend(out);
            }
            let Some(row) = rows.next() else {
                break;
            };
            answer::row(out, &running.columns, &running.formats, &row);
            if let Some((_, Some(wanted))) = &mut running.portal {
                *wanted -= 1;
            }
        }
        self.running = None;
        answer::complete(out, "SHOW");
        self.proceed(out)
    }

    /// A simple query.
    fn query(&mut self, text: &str, out: &mut Vec<u8>) -> Step {
        // The unnamed statement and portal end with it.
        self.statements.remove("");
        self.portals.remove("");
        let statements = pgweir_sql::statements::Statements::new(text.as_bytes(), true);
        let commands = statements.take(COMMANDS_MAX + 1);
        let commands = commands.map(|one| String::from_utf8_lossy(one).into_owned());
        let commands: VecDeque<String> = commands.collect();
        if commands.len() > COMMANDS_MAX {
            let what = format!("a query may have at most {COMMANDS_MAX} commands");
            return self.fault(Fault::new(SqlState::PROGRAM_LIMIT_EXCEEDED, what), out);
        }
        if commands.is_empty() {
            encode::message(out, backend::EMPTY_QUERY_RESPONSE, |_| {});
        }
        self.simple = Some(commands);
        self.proceed(out)
    }

    /// The next command of a simple query; of the extended protocol, the next message.
    fn proceed(&mut self, out: &mut Vec<u8>) -> Step {
        self.commands += 1;
        loop {
            let Some(simple) = &mut self.simple else {
                return Step::Next;
            };
            let Some(text) = simple.pop_front() else {
                self.simple = None;
                return self.ready(out);
            };
            let command = match parse(&text) {
                Ok(command) => command,
                Err(problem) => return self.fault(problem.into(), out),
            };
            let columns = columns(&command);
            if !columns.is_empty() && command.is_allowed(self.identity.role) {
                answer::description(out, &columns, &[]);
            }
            if let Some(step) = self.begin(command, columns, Vec::new(), None, out) {
                return step;
            }
        }
    }

    /// Begins a command whose columns, if it has some, were described. `None` if it is done already.
    fn begin(
        &mut self,
        command: Command,
        columns: Vec<Described>,
        formats: Vec<Format>,
        portal: Option<(String, Option<u32>)>,
        out: &mut Vec<u8>,
    ) -> Option<Step> {
        if !command.is_allowed(self.identity.role) {
            let fault = Fault::new(
                SqlState::PROTOCOL_VIOLATION,
                "admin access needed".to_owned(),
            );
            return Some(self.fault(fault, out));
        }
        let mut running = Running {
            columns,
            formats,
            rows: None,
            tag: "SHOW",
            portal,
        };
        match command {
            Command::Show(query) => {
                self.running = Some(running);
                return Some(Step::Show(query));
            }
            Command::Order(order) => {
                running.tag = order.word();
                self.running = Some(running);
                return Some(Step::Order(order));
            }
            Command::Fixed(fixed) => {
                let row = self.fixed(&fixed).map(|cell| vec![cell]);
                running.rows = Some(Rows::few(row));
                self.running = Some(running);
                return Some(self.more(out));
            }
            Command::Help => {
                self.notice("Console usage", Some(help::TEXT), out);
                answer::complete(out, "SHOW");
            }
            Command::SetSession => answer::complete(out, "SET"),
            Command::Transaction(block) => answer::complete(out, self.block(block)),
            Command::Tidy(tidy) => answer::complete(out, self.tidy(&tidy)),
            Command::Empty => encode::message(out, backend::EMPTY_QUERY_RESPONSE, |_| {}),
        }
        None
    }

    fn block(&mut self, block: Block) -> &'static str {
        match block {
            Block::Begin => {
                self.in_block = true;
                "BEGIN"
            }
            Block::Commit => {
                self.in_block = false;
                "COMMIT"
            }
            Block::Rollback => {
                self.in_block = false;
                "ROLLBACK"
            }
            Block::RollbackTo => "ROLLBACK",
            Block::Savepoint => "SAVEPOINT",
            Block::Release => "RELEASE",
        }
    }

    fn tidy(&mut self, tidy: &Tidy) -> &'static str {
        match tidy {
            Tidy::Reset => "RESET",
            Tidy::DiscardAll => {
                self.statements.clear();
                "DISCARD ALL"
            }
            Tidy::Discard(tag) => tag,
            Tidy::Deallocate(name) => {
                self.statements.remove(name);
                "DEALLOCATE"
            }
            Tidy::DeallocateAll => {
                self.statements.clear();
                "DEALLOCATE ALL"
            }
            Tidy::Close => "CLOSE CURSOR ALL",
            Tidy::Unlisten => "UNLISTEN",
        }
    }

    fn fixed(&self, fixed: &Fixed) -> Option<Cell> {
        let identity = &self.identity;
        Some(match fixed.answer {
            Answer::Number(number) => Cell::number(number),
            Answer::Text(text) => Cell::from(text),
            Answer::ServerVersion => Cell::from(greeting::server_version(identity)),
            Answer::Version => Cell::from(greeting::version(identity)),
            Answer::Database => Cell::from(identity.database.clone()),
            Answer::User => Cell::from(identity.user.clone()),
            Answer::Pid => Cell::from(identity.pid),
            Answer::No => Cell::from(false),
            Answer::Nothing => return None,
        })
    }

    fn notice(&self, message: &str, detail: Option<&str>, out: &mut Vec<u8>) {
        let fields = ErrorFields {
            severity: Severity::Notice,
            sqlstate: SqlState::SUCCESSFUL_COMPLETION,
            message,
            detail,
            hint: None,
        };
        encode::notice(out, &fields);
    }

    /// Reports an error. What is left of the query, or of the batch, is passed over.
    fn fault(&mut self, fault: Fault, out: &mut Vec<u8>) -> Step {
        self.running = None;
        let fields = ErrorFields {
            severity: Severity::Error,
            sqlstate: fault.sqlstate,
            message: &fault.message,
            detail: fault.detail.as_deref(),
            hint: fault.hint.as_deref(),
        };
        encode::error(out, &fields);
        if self.simple.take().is_some() {
            return self.ready(out);
        }
        self.skipping = true;
        Step::Next
    }

    fn ready(&mut self, out: &mut Vec<u8>) -> Step {
        let status = if self.in_block {
            TxStatus::InTransaction
        } else {
            TxStatus::Idle
        };
        encode::ready_for_query(out, status);
        Step::Flush
    }
}

/// An error as it is sent.
struct Fault {
    sqlstate: SqlState,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
}

impl Fault {
    fn new(sqlstate: SqlState, message: String) -> Self {
        Self {
            sqlstate,
            message,
            detail: None,
            hint: None,
        }
    }

    /// A message that is not as the protocol says.
    fn violation(kind: u8) -> Self {
        let kind = kind.escape_ascii();
        let message = format!("the message of type \"{kind}\" is not as the protocol says");
        Self::new(SqlState::PROTOCOL_VIOLATION, message)
    }
}

impl From<crate::problem::Problem> for Fault {
    fn from(problem: crate::problem::Problem) -> Self {
        Self {
            hint: problem.hint(),
            ..Self::new(problem.sqlstate(), problem.message())
        }
    }
}

/// The columns of what a command answers; none for one that has no rows.
fn columns(command: &Command) -> Vec<Described> {
    match command {
        Command::Show(query) => Table::columns(query.table)
            .iter()
            .map(Described::from)
            .collect(),
        Command::Fixed(fixed) => vec![Described {
            name: fixed.name.clone(),
            kind: match fixed.answer {
                Answer::Number(_) | Answer::Pid => ColumnType::Int4,
                Answer::No => ColumnType::Bool,
                Answer::Text(_)
                | Answer::ServerVersion
                | Answer::Version
                | Answer::Database
                | Answer::User
                | Answer::Nothing => ColumnType::Text,
            },
        }],
        Command::Help
        | Command::Order(_)
        | Command::SetSession
        | Command::Transaction(_)
        | Command::Tidy(_)
        | Command::Empty => Vec::new(),
    }
}

/// A text of a message, which has to be there and to be UTF-8.
fn text(bytes: Option<&[u8]>) -> Result<&str, Fault> {
    let bytes = bytes.ok_or_else(|| Fault::violation(frontend::QUERY))?;
    str::from_utf8(bytes).map_err(|_| {
        let message = "the console takes UTF-8 only".to_owned();
        Fault::new(SqlState::CHARACTER_NOT_IN_REPERTOIRE, message)
    })
}

#[cfg(test)]
mod tests;
