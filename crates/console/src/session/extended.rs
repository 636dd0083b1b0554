//! The extended protocol: statements, portals, and what a client may do with them.

use pgweir_wire::frontend::{self, TARGET_PORTAL, TARGET_STATEMENT};
use pgweir_wire::sqlstate::SqlState;
use pgweir_wire::{backend, encode};

use super::{Fault, Session, Step, columns};
use crate::answer::{self, Described, Format};
use crate::command::{Answer, Command};
use crate::parse::parse;
use crate::rows::Rows;

/// Statements that a session keeps. Drivers keep some hundreds at most, and each is a few bytes here.
pub(super) const STATEMENTS_MAX: usize = 512;

/// Portals that a session keeps.
pub(super) const PORTALS_MAX: usize = 64;

/// Portals with rows that were not fetched yet.
const SUSPENDED_MAX: usize = 4;

/// A command that was bound.
#[derive(Debug)]
pub(super) struct Portal {
    command: Command,
    columns: Vec<Described>,
    formats: Vec<Format>,
    /// What is left of its rows, if it was executed in part.
    rest: Option<Rows>,
    /// It was executed.
    is_done: bool,
}

impl Session {
    /// A message of the extended protocol, or one that the console does not know.
    pub(super) fn extended(&mut self, kind: u8, body: &[u8], out: &mut Vec<u8>) -> Step {
        let outcome = match kind {
            frontend::PARSE => self.parse(body, out),
            frontend::BIND => self.bind(body, out),
            frontend::DESCRIBE => self.describe(body, out),
            frontend::EXECUTE => return self.execute(body, out),
            frontend::CLOSE => self.close(body, out),
            _ => Err(Fault::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                format!(
                    "the console does not take messages of type \"{}\"",
                    kind.escape_ascii()
                ),
            )),
        };
        match outcome {
            Ok(()) => Step::Next,
            Err(fault) => self.fault(fault, out),
        }
    }

    fn parse(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let name = name(frontend::parse_name(body), frontend::PARSE)?;
        let text = super::text(frontend::parse_text(body))?;
        if !name.is_empty() && self.statements.contains_key(name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(Fault::new(SqlState::DUPLICATE_PREPARED_STATEMENT, message));
        }
        if self.statements.len() >= STATEMENTS_MAX && !self.statements.contains_key(name) {
            return Err(too_many("prepared statements", STATEMENTS_MAX));
        }
        let command = parse(text)?;
        self.statements.insert(name.to_owned(), command);
        encode::message(out, backend::PARSE_COMPLETE, |_| {});
        Ok(())
    }

    fn bind(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let bind = frontend::bind(body).ok_or_else(|| Fault::violation(frontend::BIND))?;
        let portal = name(Some(bind.portal), frontend::BIND)?;
        let statement = name(Some(bind.statement), frontend::BIND)?;
        let command = self.statement(statement)?.clone();
        // Whatever they are, there is no such row.
        let is_empty = matches!(&command, Command::Fixed(fixed) if fixed.answer == Answer::Nothing);
        if bind.parameters_count > 0 && !is_empty {
            let given = bind.parameters_count;
            let message =
                format!("bind message supplies {given} parameters, but the console takes none");
            return Err(Fault::new(SqlState::PROTOCOL_VIOLATION, message));
        }
        let columns = columns(&command);
        let formats = bind.result_formats().map(|format| match format {
            0 => Ok(Format::Text),
            1 => Ok(Format::Binary),
            other => Err(Fault::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("unsupported format code: {other}"),
            )),
        });
        let formats: Vec<Format> = formats.collect::<Result<_, _>>()?;
        if formats.len() > 1 && formats.len() != columns.len() {
            let message = format!(
                "bind message has {} result formats but query has {} columns",
                formats.len(),
                columns.len()
            );
            return Err(Fault::new(SqlState::PROTOCOL_VIOLATION, message));
        }
        if !portal.is_empty() && self.portals.contains_key(portal) {
            let message = format!("cursor \"{portal}\" already exists");
            return Err(Fault::new(SqlState::DUPLICATE_CURSOR, message));
        }
        if self.portals.len() >= PORTALS_MAX && !self.portals.contains_key(portal) {
            return Err(too_many("portals", PORTALS_MAX));
        }
        let bound = Portal {
            command,
            columns,
            formats,
            rest: None,
            is_done: false,
        };
        self.portals.insert(portal.to_owned(), bound);
        encode::message(out, backend::BIND_COMPLETE, |_| {});
        Ok(())
    }

    fn describe(&self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let violation = || Fault::violation(frontend::DESCRIBE);
        let (target, name_bytes) = frontend::target(body).ok_or_else(violation)?;
        let name = name(Some(name_bytes), frontend::DESCRIBE)?;
        let own;
        let (columns, formats) = match target {
            TARGET_STATEMENT => {
                let command = self.statement(name)?;
                encode::message(out, backend::PARAMETER_DESCRIPTION, |out| {
                    out.extend_from_slice(&[0, 0]);
                });
                own = columns(command);
                (&own, &[][..])
            }
            TARGET_PORTAL => {
                let portal = self.portals.get(name).ok_or_else(|| no_portal(name))?;
                (&portal.columns, &portal.formats[..])
            }
            _ => return Err(violation()),
        };
        if columns.is_empty() {
            encode::message(out, backend::NO_DATA, |_| {});
        } else {
            answer::description(out, columns, formats);
        }
        Ok(())
    }

    fn execute(&mut self, body: &[u8], out: &mut Vec<u8>) -> Step {
        let Some((name_bytes, rows)) = frontend::execute(body) else {
            return self.fault(Fault::violation(frontend::EXECUTE), out);
        };
        let name = match name(Some(name_bytes), frontend::EXECUTE) {
            Ok(name) => name.to_owned(),
            Err(fault) => return self.fault(fault, out),
        };
        let Some(portal) = self.portals.get_mut(&name) else {
            return self.fault(no_portal(&name), out);
        };
        let wanted = u32::try_from(rows).ok().filter(|rows| *rows > 0);
        let (columns, formats) = (portal.columns.clone(), portal.formats.clone());
        if let Some(rest) = portal.rest.take() {
            self.running = Some(super::Running {
                columns,
                formats,
                rows: Some(rest),
                tag: "SHOW",
                portal: Some((name, wanted)),
            });
            return self.more(out);
        }
        if std::mem::replace(&mut portal.is_done, true) {
            let message = format!("portal \"{name}\" cannot be run");
            return self.fault(
                Fault::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message),
                out,
            );
        }
        let command = portal.command.clone();
        let begun = self.begin(command, columns, formats, Some((name, wanted)), out);
        begun.unwrap_or(Step::Next)
    }

    /// The rows that were wanted of a portal were sent; the others stay with it.
    pub(super) fn suspend(&mut self, out: &mut Vec<u8>) -> Step {
        let running = self.running.take().expect("it runs");
        let suspended = self.portals.values().filter(|portal| portal.rest.is_some());
        if suspended.count() >= SUSPENDED_MAX {
            return self.fault(
                too_many("portals that were read in part", SUSPENDED_MAX),
                out,
            );
        }
        if let Some((name, _)) = running.portal
            && let Some(portal) = self.portals.get_mut(&name)
        {
            portal.rest = running.rows;
        }
        encode::message(out, backend::PORTAL_SUSPENDED, |_| {});
        Step::Next
    }

    fn close(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let violation = || Fault::violation(frontend::CLOSE);
        let (target, name_bytes) = frontend::target(body).ok_or_else(violation)?;
        let name = name(Some(name_bytes), frontend::CLOSE)?;
        match target {
            TARGET_STATEMENT => drop(self.statements.remove(name)),
            TARGET_PORTAL => drop(self.portals.remove(name)),
            _ => return Err(violation()),
        }
        encode::message(out, backend::CLOSE_COMPLETE, |_| {});
        Ok(())
    }

    fn statement(&self, name: &str) -> Result<&Command, Fault> {
        self.statements.get(name).ok_or_else(|| {
            let message = if name.is_empty() {
                "unnamed prepared statement does not exist".to_owned()
            } else {
                format!("prepared statement \"{name}\" does not exist")
            };
            Fault::new(SqlState::INVALID_STATEMENT_NAME, message)
        })
    }
}

/// Longest name of a statement or portal. Drivers' are some twenty bytes.
const NAME_MAX: usize = 256;

/// A name in a message of this type.
fn name(bytes: Option<&[u8]>, kind: u8) -> Result<&str, Fault> {
    let bytes = bytes.filter(|bytes| bytes.len() <= NAME_MAX);
    let name = bytes.and_then(|bytes| str::from_utf8(bytes).ok());
    name.ok_or_else(|| Fault::violation(kind))
}

fn no_portal(name: &str) -> Fault {
    let message = format!("portal \"{name}\" does not exist");
    Fault::new(SqlState::INVALID_CURSOR_NAME, message)
}

fn too_many(what: &str, max: usize) -> Fault {
    let message = format!("a session of the console may have at most {max} {what}");
    Fault::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
}
