//! Runs the statements of mends and reads their effect back.

use std::time::Duration;

use pgweir_doctor::{Mend, PENDING, Place, Proof, Rung, Undo};
use pgweir_proxy::{Interview, Silence, Table};

use crate::doctor::address::Address;

/// What came of a mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is in effect.
    Mended,
    /// What was to be cancelled or ended had changed since; nothing was done.
    Changed,
    /// The person at the terminal said no.
    Declined,
    /// The server has the new value and goes on with the old one until it starts again.
    Pending,
    /// The statements ran, and something else wins over them.
    Masked(String),
    /// It was refused, or the connection broke.
    Refused(String),
}

impl Outcome {
    /// In words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Mended => "done, and in effect".to_owned(),
            Self::Changed => "nothing done: it has changed since".to_owned(),
            Self::Declined => "not done".to_owned(),
            Self::Pending => {
                "restart required: the server goes on with the old value until then".to_owned()
            }
            Self::Masked(found) => format!(
                "not in effect: it is still {found}; the command line, or another setting, wins over it"
            ),
            Self::Refused(why) => format!("failed: {why}"),
        }
    }

    /// Whether nothing is left to do.
    pub(super) fn is_good(&self) -> bool {
        match self {
            Self::Mended | Self::Changed | Self::Declined => true,
            Self::Pending | Self::Masked(_) | Self::Refused(_) => false,
        }
    }
}

/// One connection at a time, to whatever the next mend is for.
pub(super) struct Hands<'a> {
    server: Option<&'a Address>,
    consoles: &'a [Address],
    open: Option<(Place, Interview)>,
}

impl<'a> Hands<'a> {
    pub(super) fn new(server: Option<&'a Address>, consoles: &'a [Address]) -> Self {
        Self {
            server,
            consoles,
            open: None,
        }
    }

    /// Closes the connection.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    /// The statements that take a mend back.
    ///
    /// # Errors
    /// They could not be found out, so it should not be done.
    pub(super) async fn undo(&mut self, mend: &Mend) -> Result<Vec<String>, String> {
        match &mend.undo {
            Undo::Never => Ok(Vec::new()),
            Undo::Statements(statements) => Ok(statements.clone()),
            Undo::Asked(sql) => {
                let table = self.ask(&mend.place, sql).await?;
                let statement = table.rows.first().and_then(|row| row.first()?.clone());
                let statement = statement.ok_or("how to take it back could not be found out")?;
                let reload = mend.statements.iter().skip(1).cloned();
                Ok(std::iter::once(statement).chain(reload).collect())
            }
        }
    }

    /// Runs the statements, and looks whether they are in effect.
    pub(super) async fn run(&mut self, mend: &Mend) -> Outcome {
        for statement in &mend.statements {
            let acted = match self.ask(&mend.place, statement).await {
                Ok(table) => table,
                Err(why) => return Outcome::Refused(why),
            };
            if matches!(mend.rung, Rung::Cancel | Rung::Terminate) {
                match acted.rows.first().and_then(|row| row.first()?.as_deref()) {
                    None => return Outcome::Changed,
                    Some("t") => {}
                    Some(_) => return Outcome::Refused("the process took no signal".to_owned()),
                }
            }
        }
        match &mend.proof {
            None => Outcome::Mended,
            Some(proof) => self.prove(&mend.place, proof).await,
        }
    }

    /// A signal or a reload takes a moment.
    async fn prove(&mut self, place: &Place, proof: &Proof) -> Outcome {
        let mut found = String::new();
        for _ in 0..PROOFS_MAX {
            found = match self.ask(place, &proof.sql).await {
                Ok(table) => shown(&table, proof),
                Err(why) => return Outcome::Refused(why),
            };
            if found == proof.expected {
                return Outcome::Mended;
            }
            tokio::time::sleep(PROOF_PAUSE).await;
        }
        match found.as_str() {
            PENDING => Outcome::Pending,
            _ => Outcome::Masked(found),
        }
    }

    async fn ask(&mut self, place: &Place, sql: &str) -> Result<Table, String> {
        if self.open.as_ref().is_none_or(|(open, _)| open != place) {
            self.open = None;
            let interview = self.connect(place).await?;
            self.open = Some((place.clone(), interview));
        }
        let Some((_, interview)) = &mut self.open else {
            return Err("there is no connection".to_owned());
        };
        let asked = interview.ask(sql, ANSWER_MAX).await;
        asked.map_err(|silence| {
            if !matches!(silence, Silence::Refused { .. }) {
                self.open = None;
            }
            silence.to_string()
        })
    }

    async fn connect(&self, place: &Place) -> Result<Interview, String> {
        let address = match place {
            Place::Server => self.server,
            Place::Console(shown) => self.consoles.iter().find(|console| console.shown == *shown),
        };
        let address = address.ok_or("it was not named on the command line")?;
        let opening = Interview::open(
            &address.config,
            &address.database,
            address.has_password,
            "pgweir doctor fix",
            ANSWER_MAX,
        );
        let mut interview = opening.await.map_err(|silence| silence.to_string())?;
        if *place == Place::Server {
            // Nothing waits for long, and nobody's functions run.
            let limits = "SET search_path = pg_catalog; SET lock_timeout = '2s'; SET statement_timeout = '5s'";
            let set = interview.ask(limits, ANSWER_MAX).await;
            set.map_err(|silence| silence.to_string())?;
        }
        Ok(interview)
    }
}

fn shown(table: &Table, proof: &Proof) -> String {
    let column = |name: &str| table.columns.iter().position(|column| column == name);
    let row = match &proof.row {
        None => table.rows.first(),
        Some((name, value)) => column(name).and_then(|at| {
            let mut rows = table.rows.iter();
            rows.find(|row| row.get(at).is_some_and(|text| text.as_ref() == Some(value)))
        }),
    };
    let text = column(proof.column).and_then(|at| row?.get(at)?.clone());
    text.unwrap_or_else(|| "not there".to_owned())
}

const ANSWER_MAX: Duration = Duration::from_secs(7);
const PROOFS_MAX: usize = 20;
const PROOF_PAUSE: Duration = Duration::from_millis(100);
