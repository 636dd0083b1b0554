//! Orders: commands that change what the pooler does, what came of them, and why one was refused.

use pgweir_wire::sqlstate::SqlState;

/// What an administrator wants done. Names of databases are as clients say them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// `PAUSE [db]`: no server is given out, and the answer comes when all of them are closed.
    Pause(Option<String>),
    /// `RESUME [db]`: ends a pause, a kill or a suspension.
    Resume(Option<String>),
    /// `DISABLE db`: new clients are refused.
    Disable(String),
    /// `ENABLE db`: they are let in again.
    Enable(String),
    /// `RECONNECT [db]`: servers are closed as they come back, and others are opened.
    Reconnect(Option<String>),
    /// `KILL [db]`: clients and servers are closed at once, and the database is paused.
    Kill(Option<String>),
    /// `KILL_CLIENT id`: ends the client with this number.
    KillClient(u32),
    /// `SUSPEND`: buffers are emptied, and then nothing is read.
    Suspend,
    /// `WAIT_CLOSE [db]`: the answer comes when all servers from before a `RECONNECT` or `RELOAD` are closed.
    WaitClose(Option<String>),
    /// `RELOAD`: reads the configuration again.
    Reload,
    /// `SHUTDOWN [mode]`: ends the process.
    Shutdown(ShutdownMode),
    /// `SET name = value`: changes a setting until the next reload.
    Set {
        /// The setting, in lower case.
        name: String,
        /// As it would stand in the configuration, without quotes.
        value: String,
    },
}

/// What a shutdown waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShutdownMode {
    /// Nothing.
    Immediate,
    /// Servers to come back from their clients.
    WaitForServers,
    /// Clients to leave; new ones are refused.
    WaitForClients,
}

impl Order {
    /// The database that it names.
    pub fn database(&self) -> Option<&str> {
        match self {
            Self::Disable(name) | Self::Enable(name) => Some(name),
            Self::Pause(name)
            | Self::Resume(name)
            | Self::Reconnect(name)
            | Self::Kill(name)
            | Self::WaitClose(name) => name.as_deref(),
            Self::KillClient(_)
            | Self::Suspend
            | Self::Reload
            | Self::Shutdown(_)
            | Self::Set { .. } => None,
        }
    }

    /// Its word, which is also the tag that it is answered with.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pause(_) => "PAUSE",
            Self::Resume(_) => "RESUME",
            Self::Disable(_) => "DISABLE",
            Self::Enable(_) => "ENABLE",
            Self::Reconnect(_) => "RECONNECT",
            Self::Kill(_) => "KILL",
            Self::KillClient(_) => "KILL_CLIENT",
            Self::Suspend => "SUSPEND",
            Self::WaitClose(_) => "WAIT_CLOSE",
            Self::Reload => "RELOAD",
            Self::Shutdown(_) => "SHUTDOWN",
            Self::Set { .. } => "SET",
        }
    }
}

/// An order was carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// What the administrator should know of it, as a NOTICE.
    pub notice: Option<String>,
}

/// Why an order was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such database.
    NoSuchDatabase(String),
    /// No client has this number.
    ClientNotFound(u32),
    /// What is to be paused or suspended is so already.
    AlreadyPaused,
    /// What is to be resumed is not paused.
    NotPaused,
    /// The database that is to be resumed is not paused.
    DatabaseNotPaused(String),
    /// Clients of paused databases cannot be served until their buffers are empty.
    DatabasesPaused,
    /// It is the console itself: what was to be done to it, and its name.
    ConsoleDatabase(String, String),
    /// The pooler ends, and takes no orders.
    ShuttingDown,
    /// The configuration was not taken over: the first problem of it.
    ReloadFailed(String),
    /// The setting cannot be changed, or not to this value.
    SetFailed(String),
    /// It cannot be done here, and why.
    NotAllowed(String),
    /// It was not done in time, or was taken back.
    Canceled(String),
}

impl Refusal {
    /// The code that it is reported with. PgBouncer has one for everything but reloads.
    pub fn sqlstate(&self) -> SqlState {
        match self {
            Self::ReloadFailed(_) => SqlState::CONFIG_FILE_ERROR,
            Self::Canceled(_) => SqlState::QUERY_CANCELED,
            Self::NoSuchDatabase(_)
            | Self::ClientNotFound(_)
            | Self::AlreadyPaused
            | Self::NotPaused
            | Self::DatabaseNotPaused(_)
            | Self::DatabasesPaused
            | Self::ConsoleDatabase(..)
            | Self::ShuttingDown
            | Self::SetFailed(_)
            | Self::NotAllowed(_) => SqlState::PROTOCOL_VIOLATION,
        }
    }

    /// What happened, in PgBouncer's words where it has some.
    pub fn message(&self) -> String {
        match self {
            Self::NoSuchDatabase(name) => format!("no such database: {name}"),
            Self::ClientNotFound(_) => "client not found".to_owned(),
            Self::AlreadyPaused => "already suspended/paused".to_owned(),
            Self::NotPaused => "pooler is not paused/suspended".to_owned(),
            Self::DatabaseNotPaused(name) => format!("database {name} is not paused"),
            Self::DatabasesPaused => "cannot suspend with paused databases".to_owned(),
            Self::ConsoleDatabase(what, name) => format!("cannot {what} admin db: {name}"),
            Self::ShuttingDown => "pooler is shutting down".to_owned(),
            Self::ReloadFailed(_) => "RELOAD failed, see logs for additional details".to_owned(),
            Self::SetFailed(_) => "SET failed".to_owned(),
            Self::NotAllowed(why) => format!("not allowed: {why}"),
            Self::Canceled(why) => format!("canceled: {why}"),
        }
    }

    /// More about it.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::ClientNotFound(client) => Some(format!(
                "No client has the id {client}; SHOW CLIENTS lists those there are."
            )),
            Self::ReloadFailed(problem) | Self::SetFailed(problem) => Some(problem.clone()),
            Self::NoSuchDatabase(_)
            | Self::AlreadyPaused
            | Self::NotPaused
            | Self::DatabaseNotPaused(_)
            | Self::DatabasesPaused
            | Self::ConsoleDatabase(..)
            | Self::ShuttingDown
            | Self::NotAllowed(_)
            | Self::Canceled(_) => None,
        }
    }
}
