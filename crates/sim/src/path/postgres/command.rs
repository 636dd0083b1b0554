//! What each message of a client makes the backend do. Queries and portals begin here; their steps are
//! in `work`.

use std::collections::VecDeque;

use pgweir_wire::{backend, frame, frontend};

use super::{Backend, Env, Tx, put};
use crate::path::check::{hygiene, reject};
use crate::path::names::REJECTED;
use crate::path::sql::{self, SHARED, Tag};
use crate::path::work::{Portal, Running, Task};

impl Backend {
    /// Reads and begins one command; false if there is none.
    pub(super) fn command(&mut self, env: &mut Env<'_>) -> bool {
        let Some((kind, body)) = self.message() else {
            return false;
        };
        if kind == frontend::PARSE && body.first() != Some(&0) {
            self.parses += 1;
        }
        match kind {
            frontend::SYNC => self.skips = false,
            frontend::TERMINATE => {
                self.leave();
                return true;
            }
            _ if self.skips => return true,
            _ => {}
        }
        self.extended = matches!(
            kind,
            frontend::PARSE
                | frontend::BIND
                | frontend::DESCRIBE
                | frontend::EXECUTE
                | frontend::CLOSE
                | frontend::FLUSH
        );
        match kind {
            frontend::QUERY => self.simple_query(&body, env),
            frontend::PARSE => self.parse(&body, env),
            frontend::BIND => self.bind(&body, env),
            frontend::DESCRIBE => self.describe(&body, env),
            frontend::EXECUTE => self.execute(&body),
            frontend::CLOSE => self.close(&body),
            frontend::FLUSH if !body.is_empty() => {
                self.fail(*b"08P01", "invalid message format");
            }
            frontend::FLUSH => self.flush(),
            frontend::SYNC => {
                if self.tx != Tx::Implicit || self.commit() {
                    self.ready();
                }
            }
            frontend::FUNCTION_CALL => self.call(&body, env),
            frontend::COPY_DONE | frontend::COPY_FAIL if body.len() > 9_996 => self.leave(),
            frontend::COPY_DATA | frontend::COPY_DONE | frontend::COPY_FAIL => {}
            kind => panic!("{}: message type {kind} came", self.name),
        }
        true
    }

    fn simple_query(&mut self, body: &[u8], env: &Env<'_>) {
        self.portals.remove("");
        self.statements.remove("");
        let (text, _) = text(body);
        if text.is_empty() {
            put(&mut self.output, backend::EMPTY_QUERY_RESPONSE, &[]);
            if self.tx != Tx::Implicit || self.commit() {
                self.ready();
            }
            return;
        }
        if text.starts_with(sql::REFUSED) {
            return self.refuse(text);
        }
        let rest: VecDeque<_> = sql::parse(text).into();
        if self.rejects && rest.iter().any(sql::Statement::keeps_server) {
            return self.reject(env);
        }
        if let Some(wrong) = rest.iter().find(|s| s.verb == sql::Verb::Syntax) {
            let text = format!("{} syntax error", wrong.tag.expect("a client's"));
            self.begin_if_idle();
            return self.fail(*b"42601", &text);
        }
        let several = rest.len() > 1;
        self.task = Some(Task::Simple {
            rest,
            run: None,
            several,
        });
    }

    fn parse(&mut self, body: &[u8], env: &Env<'_>) {
        let (name, rest) = text(body);
        let (query, _) = text(rest);
        if query.is_empty() {
            return self.parse_nothing(name);
        }
        if name.is_empty() {
            self.statements.remove("");
        }
        if query.starts_with(sql::REFUSED) {
            return self.refuse(query);
        }
        let statement = sql::parse(query).remove(0);
        if self.rejects && statement.keeps_server() {
            return self.reject(env);
        }
        let tag = statement.tag.expect("only clients prepare");
        let client = if tag.client == SHARED {
            self.holder
        } else {
            Some(tag.client)
        };
        self.receive_guest(client.map(|client| Tag { client, ..tag }), env);
        self.begin_if_idle();
        if statement.verb == sql::Verb::Syntax {
            self.fail(*b"42601", &format!("{tag} syntax error"));
        } else if self.tx == Tx::Failed && !statement.ends_transaction() {
            self.fail_in_failed(None);
        } else if self.statements.contains_key(name) {
            self.fail(*b"42P05", &format!("{tag} statement {name} exists"));
        } else {
            self.statements.insert(name.to_owned(), statement);
            if !name.is_empty() {
                let prepared = env.met.map_or(env.tables, |_| self.parses - 1);
                self.prepared.insert(name.to_owned(), prepared);
            }
            put(&mut self.output, backend::PARSE_COMPLETE, &[]);
        }
    }

    /// A statement about another database, in place of a message that must fail.
    fn refuse(&mut self, query: &str) {
        self.receive_holder();
        self.begin_if_idle();
        if self.tx == Tx::Failed {
            return self.fail_in_failed(None);
        }
        let name = query[sql::REFUSED.len()..].replace(['"', ';'], "");
        let name = format!("pgweir rejects.{}", name.trim_start_matches('.'));
        let text = format!("cross-database references are not implemented: \"{name}\"");
        self.fail(*b"0A000", &text);
    }

    /// What would keep a server is refused as the pooler has it refused.
    fn reject(&mut self, env: &Env<'_>) {
        reject::came(&self.name, env.met.is_some());
        self.receive_holder();
        self.begin_if_idle();
        if self.tx == Tx::Failed {
            return self.fail_in_failed(None);
        }
        self.fail(*b"0A000", REJECTED);
    }

    /// Whether a statement with a name has another result now than when it was prepared, to be bound with this tag.
    fn is_stale(
        &self,
        name: &str,
        statement: &sql::Statement,
        bind: Option<Tag>,
        env: &Env<'_>,
    ) -> bool {
        if name.is_empty() || !matches!(statement.verb, sql::Verb::Select { .. }) {
            return false;
        }
        let prepared = self.prepared[name];
        match (env.met, bind) {
            (None, _) => prepared != env.tables,
            (Some(met), Some(tag)) => met.refuses(self.place(), prepared as usize, tag),
            (Some(_), None) => false,
        }
    }

    /// Something came that does not say whose it is.
    fn receive_holder(&mut self) {
        if self.tx == Tx::Idle {
            self.guest = self.holder;
        }
    }

    /// A statement of no text, which only the pooler prepares, and nobody binds.
    fn parse_nothing(&mut self, name: &str) {
        self.receive_holder();
        self.begin_if_idle();
        if self.statements.contains_key(name) {
            return self.fail(*b"42P05", &format!("the pooler's statement {name} exists"));
        }
        let (rows, size, fails) = (0, 0, false);
        let nothing = sql::Statement {
            tag: None,
            verb: sql::Verb::Select { rows, size, fails },
            slow: 0,
        };
        self.prepared.insert(name.to_owned(), 0);
        self.statements.insert(name.to_owned(), nothing);
        put(&mut self.output, backend::PARSE_COMPLETE, &[]);
    }

    /// Bind has one parameter, the tag of the request.
    fn bind(&mut self, body: &[u8], env: &Env<'_>) {
        let (portal, rest) = text(body);
        let (name, rest) = text(rest);
        let tag = str::from_utf8(&rest[8..rest.len() - 2]).expect("a tag is text");
        let tag = Tag::parse(tag).expect("the parameter is a tag");
        self.receive_guest(Some(tag), env);
        self.begin_if_idle();
        let Some(mut statement) = self.statements.get(name).cloned() else {
            return self.fail(*b"26000", &format!("{tag} statement {name} does not exist"));
        };
        hygiene::runs(self, tag, &statement);
        if self.tx == Tx::Failed && !statement.ends_transaction() {
            return self.fail_in_failed(None);
        }
        if !portal.is_empty() && self.portals.contains_key(portal) {
            return self.fail(*b"42P03", &format!("{tag} portal {portal} exists"));
        }
        if self.is_stale(name, &statement, Some(tag), env) {
            return self.fail_stale();
        }
        statement.tag = Some(tag);
        let portal_of = Portal::new(Running::new(statement));
        self.portals.insert(portal.to_owned(), portal_of);
        put(&mut self.output, backend::BIND_COMPLETE, &[]);
    }

    fn describe(&mut self, body: &[u8], env: &Env<'_>) {
        let (name, _) = text(&body[1..]);
        self.receive_holder();
        self.begin_if_idle();
        let is_statement = body[0] == frontend::TARGET_STATEMENT;
        let statement = if is_statement {
            self.statements.get(name)
        } else {
            self.portals.get(name).map(|portal| &portal.run.statement)
        };
        let Some(statement) = statement.cloned() else {
            let sqlstate = if is_statement { *b"26000" } else { *b"34000" };
            return self.fail(sqlstate, &format!("nothing called {name:?} to describe"));
        };
        if self.tx == Tx::Failed && statement.has_rows() {
            return self.fail_in_failed(None);
        }
        if is_statement && self.is_stale(name, &statement, None, env) {
            return self.fail_stale();
        }
        if is_statement {
            put(&mut self.output, backend::PARAMETER_DESCRIPTION, &[0, 0]);
        }
        if statement.has_rows() {
            let reads = matches!(statement.verb, sql::Verb::Select { .. });
            let is_named = is_statement && !name.is_empty() && reads && env.met.is_none();
            self.row_description(if is_named { self.prepared[name] } else { 0 });
        } else {
            put(&mut self.output, backend::NO_DATA, &[]);
        }
    }

    fn execute(&mut self, body: &[u8]) {
        let (name, rest) = text(body);
        self.begin_if_idle();
        let limit = u32::from_be_bytes(rest[..4].try_into().expect("four bytes"));
        let Some(portal) = self.portals.remove(name) else {
            return self.fail(*b"34000", &format!("portal {name:?} does not exist"));
        };
        let tag = portal.run.statement.tag.expect("a client's");
        if self.tx == Tx::Failed && !portal.run.statement.ends_transaction() {
            return self.fail_in_failed(None);
        }
        if portal.done && !portal.run.statement.has_rows() {
            return self.fail(*b"55000", &format!("{tag} portal cannot be run"));
        }
        self.task = Some(Task::Execute {
            name: name.to_owned(),
            portal,
            left: (limit > 0).then_some(limit),
        });
    }

    fn close(&mut self, body: &[u8]) {
        let (name, _) = text(&body[1..]);
        if body[0] == frontend::TARGET_STATEMENT {
            self.statements.remove(name);
        } else {
            self.portals.remove(name);
        }
        put(&mut self.output, backend::CLOSE_COMPLETE, &[]);
    }

    /// A function call; its body is the tag.
    fn call(&mut self, body: &[u8], env: &Env<'_>) {
        let tag = Tag::parse(text(body).0).expect("a call is tagged");
        self.receive_guest(Some(tag), env);
        if self.tx == Tx::Failed {
            return self.fail_in_failed(Some(tag));
        }
        self.begin_if_idle();
        put(&mut self.output, backend::FUNCTION_CALL_RESPONSE, body);
        if self.tx != Tx::Implicit || self.commit() {
            self.ready();
        }
    }
}

fn text(bytes: &[u8]) -> (&str, &[u8]) {
    let (text, rest) = frame::c_string(bytes).expect("a string ends");
    (str::from_utf8(text).expect("queries are UTF-8"), rest)
}
