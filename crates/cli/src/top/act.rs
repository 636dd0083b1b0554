//! What an administrator does to a client from here, and the question that comes before it.

use pgweir_telemetry::live::LiveHolder;
use pgweir_telemetry::words::{duration, who};

/// What is done to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientAct {
    /// What it runs is cancelled.
    Cancel,
    /// Its session is ended.
    End,
}

/// To be sent to the pooler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Act {
    pub(crate) action: ClientAct,
    /// The client's number.
    pub(crate) client: String,
}

/// Whether it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) act: Act,
    pub(crate) text: String,
}

/// The client that is chosen in the table of holders, and what is to be done to it.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    /// By its number, so that it stays the same client while rows come and go.
    client: Option<String>,
    /// An answer is waited for.
    pub(crate) question: Option<Question>,
    /// What came of it, or why not, until the next key.
    pub(crate) said: Option<String>,
}

impl ClientAct {
    /// The last part of its path.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::End => "end",
        }
    }
}

impl Act {
    /// What to say when the pooler has done it.
    pub(crate) fn done(&self) -> String {
        match self.action {
            ClientAct::Cancel => format!("Client {} was told to stop what it does.", self.client),
            ClientAct::End => format!("Client {} was ended.", self.client),
        }
    }
}

impl Choice {
    /// Where the chosen client is among these.
    pub(crate) fn position(&self, holders: &[&LiveHolder]) -> Option<usize> {
        let chosen = self.client.as_deref()?;
        holders.iter().position(|holder| holder.client == chosen)
    }

    /// Chooses the client `by` rows below the chosen one, or the first.
    pub(crate) fn step(&mut self, holders: &[&LiveHolder], by: isize) {
        let Some(last) = holders.len().checked_sub(1) else {
            return;
        };
        let at = match self.position(holders) {
            Some(at) => at.saturating_add_signed(by).min(last),
            None => 0,
        };
        // Without a number nothing can be done to it.
        let client = &holders[at].client;
        self.client = (!client.is_empty()).then(|| client.clone());
    }

    /// Asks whether the chosen client is meant.
    pub(crate) fn ask(&mut self, holders: &[&LiveHolder], action: ClientAct) {
        let chosen = self.position(holders).map(|at| holders[at]);
        let Some(holder) = chosen else {
            let text = match &self.client {
                Some(client) => format!("Client {client} holds no server any more."),
                None => "Choose a client first, with j and k.".to_owned(),
            };
            self.said = Some(text);
            return;
        };
        let client = holder.client.clone();
        let whom = who(&holder.database, &holder.user, &holder.application_name);
        let state = format!(
            "{} for {}",
            holder.state.words(),
            duration(Some(holder.since_ms))
        );
        let what = match action {
            ClientAct::Cancel => "Cancel what client",
            ClientAct::End => "End client",
        };
        let does = match action {
            ClientAct::Cancel => " does",
            ClientAct::End => "",
        };
        self.question = Some(Question {
            text: format!("{what} {client} ({whom}, {state}){does}?  y: yes, any other key: no"),
            act: Act { action, client },
        });
    }
}
