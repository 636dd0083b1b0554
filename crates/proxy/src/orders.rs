//! What administrators order, carried out.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pgweir_console::{Done, Order, Refusal};

use crate::admin::{Action, Administrator};
use crate::pause;
use crate::registry::Registry;

/// Carries orders out.
pub(crate) struct Orders {
    registry: Arc<Registry>,
}

impl Orders {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self { registry }
    }

    /// Carries an order out.
    ///
    /// # Errors
    /// It cannot be carried out.
    pub(crate) async fn administer(
        &self,
        order: Order,
        by: &Administrator,
    ) -> Result<Done, Refusal> {
        let registry = &self.registry;
        let is_paused = registry.paused.load(Ordering::Acquire);
        match order {
            Order::Pause(None) if is_paused => Err(Refusal::AlreadyPaused),
            Order::Pause(None) => {
                pause::pause(registry);
                Ok(Done::default())
            }
            Order::Resume(None) if !is_paused => Err(Refusal::NotPaused),
            Order::Resume(None) => {
                pause::resume(registry);
                Ok(Done::default())
            }
            Order::KillClient(client) => {
                let answer = registry.administer(client, Action::End, by.clone());
                let answer = answer.ok_or(Refusal::ClientNotFound(client))?;
                // Without an answer it was on its way to a worker, and has not begun yet.
                let outcome = answer.await;
                outcome.map_or(
                    Err(Refusal::ClientNotFound(client)),
                    |_| Ok(Done::default()),
                )
            }
            other => {
                let why = format!("this version does not carry out {} yet", other.word());
                Err(Refusal::NotAllowed(why))
            }
        }
    }
}
