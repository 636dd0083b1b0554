//! What one message is owed.

use pgweir_sql::fingerprint::Fingerprint;

use crate::prepared::{ClientStatement, Slot, StatementName};

/// A sent message and so the answer it is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Parse: ParseComplete. With name and statement, unless it was the unnamed one.
    Parse(Option<(StatementName, Fingerprint)>),
    /// Parse of a client's statement under the pooler's name: ParseComplete.
    Mapped(StatementName, u32),
    /// Parse of a client's statement that the server has: sent as a Close of none, whose CloseComplete
    /// becomes ParseComplete on its way.
    Known(StatementName),
    /// Bind: BindComplete.
    Bind,
    /// Describe: (ParameterDescription and) RowDescription or NoData.
    Describe,
    /// Execute: rows or COPY, then CommandComplete, EmptyQueryResponse or PortalSuspended.
    Execute(Fingerprint),
    /// Close: CloseComplete. With the name, if it was a named statement.
    Close(Option<StatementName>),
    /// Close of a client's statement that the server keeps, sent as a Close of none: CloseComplete.
    Forgotten(Box<(StatementName, ClientStatement)>),
    /// Sync: ReadyForQuery.
    Sync,
    /// Query or FunctionCall: anything, then ReadyForQuery.
    Query(Fingerprint),
    /// A simple query of the pooler, whose answers the client does not see.
    Own,
    /// A Parse that the pooler put in front of a client's message: ParseComplete, which the client does not see.
    /// It sees an error.
    OwnParse(OwnParse),
    /// A Describe of the pooler of the statement with this number, which the client has just prepared under the name:
    /// ParameterDescription and RowDescription or NoData, which the client does not see. It sees an error.
    OwnDescribe(u32, Option<StatementName>),
    /// A Close of the pooler: CloseComplete, which the client does not see.
    OwnClose(OwnClose),
    /// A Sync of the pooler: ReadyForQuery, which the client does not see.
    OwnSync,
    /// What the message before it does by SQL to statements with names, each with an answer of its tag, the
    /// first one last: owed nothing.
    BySql(Vec<BySql>),
    /// So many CopyDone or CopyFail that may each end a COPY that has not begun: owed nothing.
    CopyEnd(u32),
}

/// What a Parse of the pooler is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnParse {
    /// The statement of this number.
    Number(u32),
    /// The client's unnamed statement.
    Unnamed,
    /// A statement of the client under its own name, for SQL to find.
    Stand(StatementName),
    /// The same, in a batch of its own. The client does not see an error.
    Try(StatementName),
    /// What PostgreSQL refuses, in place of a message of the client.
    Refused,
}

/// What a Close of the pooler is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnClose {
    /// A statement that had to make room.
    Evicted(Box<Slot>),
    /// The unnamed statement of another client.
    Unnamed,
    /// A statement under a client's own name.
    Stand(StatementName),
}

/// What a statement of SQL does to a prepared statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BySql {
    /// `PREPARE name`.
    Prepare(StatementName),
    /// `DEALLOCATE name`.
    Deallocate(StatementName),
}

impl BySql {
    pub(super) fn len(&self) -> usize {
        let (Self::Prepare(name) | Self::Deallocate(name)) = self;
        size_of::<Self>() + name.len()
    }
}

impl Reply {
    pub(super) fn name_len(&self) -> usize {
        match self {
            Self::Parse(Some((name, _)))
            | Self::Close(Some(name))
            | Self::Mapped(name, _)
            | Self::Known(name)
            | Self::OwnParse(OwnParse::Stand(name) | OwnParse::Try(name))
            | Self::OwnClose(OwnClose::Stand(name)) => name.len(),
            Self::Forgotten(closed) => closed.0.len() + closed.1.entry.bytes(),
            Self::OwnDescribe(_, name) => name.as_ref().map_or(0, |name| name.len()),
            Self::OwnClose(OwnClose::Evicted(slot)) => slot.entry.bytes(),
            Self::Parse(None)
            | Self::Bind
            | Self::Describe
            | Self::Execute(_)
            | Self::Close(None)
            | Self::Sync
            | Self::Query(_)
            | Self::Own
            | Self::OwnParse(OwnParse::Number(_) | OwnParse::Unnamed | OwnParse::Refused)
            | Self::OwnClose(OwnClose::Unnamed)
            | Self::OwnSync
            | Self::CopyEnd(_) => 0,
            Self::BySql(done) => done.iter().map(BySql::len).sum(),
        }
    }

    /// Whether it holds nothing but numbers, as nearly all do, and is about no statement with a name.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        matches!(
            self,
            Self::Parse(None)
                | Self::Bind
                | Self::Describe
                | Self::Execute(_)
                | Self::Sync
                | Self::Query(_)
                | Self::Own
        )
    }

    /// Whether what is sent later in another batch must wait for its answer: what it does to statements
    /// with names is known for certain only then.
    pub(super) fn is_of_names(&self) -> bool {
        match self {
            Self::Mapped(..)
            | Self::Known(_)
            | Self::Forgotten(_)
            | Self::OwnParse(_)
            | Self::OwnDescribe(..)
            | Self::OwnClose(_)
            | Self::BySql(_) => true,
            Self::Parse(_)
            | Self::Close(_)
            | Self::Bind
            | Self::Describe
            | Self::Execute(_)
            | Self::Sync
            | Self::Query(_)
            | Self::Own
            | Self::OwnSync
            | Self::CopyEnd(_) => false,
        }
    }

    /// Whether it parses or drops the unnamed statement.
    pub(crate) fn is_of_unnamed(&self) -> bool {
        matches!(
            self,
            Self::Parse(None)
                | Self::Query(_)
                | Self::OwnParse(OwnParse::Unnamed)
                | Self::OwnClose(OwnClose::Unnamed)
        )
    }

    /// Whether something has to be undone when the server skips it.
    pub(super) fn has_effect(&self) -> bool {
        self.is_of_names() || self.is_of_unnamed()
    }
}
