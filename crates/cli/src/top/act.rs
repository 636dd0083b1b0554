//! What an administrator does to a client from here, and the question that comes before it.

use super::document::{Holder, Live};
use super::format::duration;
use super::tables;
use super::view::View;

/// What is done to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// What it runs is cancelled.
    Cancel,
    /// Its session is ended.
    End,
}

/// To be sent to the pooler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Act {
    pub(crate) action: Action,
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

impl Action {
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
            Action::Cancel => format!("Client {} was told to stop what it does.", self.client),
            Action::End => format!("Client {} was ended.", self.client),
        }
    }
}

impl Choice {
    /// Where the chosen client is among these.
    pub(crate) fn position(&self, holders: &[&Holder]) -> Option<usize> {
        let chosen = self.client.as_deref()?;
        holders
            .iter()
            .position(|holder| holder.client.as_deref() == Some(chosen))
    }

    /// Chooses the client `by` rows below the chosen one, or the first.
    pub(crate) fn step(&mut self, holders: &[&Holder], by: isize) {
        let Some(last) = holders.len().checked_sub(1) else {
            return;
        };
        let at = match self.position(holders) {
            Some(at) => at.saturating_add_signed(by).min(last),
            None => 0,
        };
        self.client = holders[at].client.clone();
    }

    /// Asks whether the chosen client is meant.
    pub(crate) fn ask(&mut self, holders: &[&Holder], action: Action) {
        let chosen = self.position(holders).map(|at| holders[at]);
        let Some((holder, client)) =
            chosen.and_then(|holder| Some((holder, holder.client.clone()?)))
        else {
            let text = match &self.client {
                Some(client) => format!("Client {client} holds no server any more."),
                None => "Choose a client first, with j and k.".to_owned(),
            };
            self.said = Some(text);
            return;
        };
        let whom = tables::who(
            &holder.database,
            &holder.user,
            holder.application_name.as_deref(),
        );
        let state = format!("{} for {}", holder.state, duration(Some(holder.since_ms)));
        let what = match action {
            Action::Cancel => "Cancel what client",
            Action::End => "End client",
        };
        let does = match action {
            Action::Cancel => " does",
            Action::End => "",
        };
        self.question = Some(Question {
            text: format!("{what} {client} ({whom}, {state}){does}?  y: yes, any other key: no"),
            act: Act { action, client },
        });
    }
}

/// The holders as they are shown.
pub(crate) fn shown<'a>(view: &View, live: Option<&'a Live>) -> Vec<&'a Holder> {
    live.map_or_else(Vec::new, |live| tables::sorted_holders(view, live))
}
