//! Asks a server the questions of the checks, over one connection.

use std::time::Duration;

use pgweir_doctor::{
    Answer, Check, Console, Given, Question, Rows, Sample, Unreachable, console_questions,
    questions,
};
use pgweir_proxy::{Interview, Silence, Table};

use super::address::Address;

/// How long to wait, and how far to go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For the login.
    pub(super) login: Duration,
    /// For one question.
    pub(super) answer: Duration,
    /// Whether to stay in a slot that is reserved for superusers.
    pub(super) takes_reserved: bool,
}

/// What came of it.
pub(super) enum Asked {
    /// Answers, of which single ones may be refusals.
    Answered(Box<Sample>),
    /// The server was not examined.
    Silent(Unreachable),
}

/// Asks consoles, and then the server behind them: what waits in a pooler is gone in a moment.
///
/// # Cancel safety
/// Dropped, it takes its connections with it.
pub(super) async fn ask(
    server: Option<&Address>,
    consoles: &[Address],
    checks: &[&dyn Check],
    given: Given,
    patience: Patience,
) -> Asked {
    let mut answered = Vec::new();
    for address in consoles {
        answered.push(console(address, patience).await);
    }
    let asked = match server {
        Some(address) => ask_server(address, checks, given, patience).await,
        None => Asked::Answered(Box::default()),
    };
    match asked {
        Asked::Answered(mut sample) => {
            sample.consoles = answered;
            Asked::Answered(sample)
        }
        Asked::Silent(why) => Asked::Silent(why),
    }
}

async fn open(address: &Address, patience: Patience) -> Result<Interview, Silence> {
    Interview::open(
        &address.config,
        &address.database,
        address.has_password,
        APPLICATION_NAME,
        patience.login,
    )
    .await
}

/// What a console says; why it says nothing is part of that.
async fn console(address: &Address, patience: Patience) -> Console {
    let mut console = Console {
        shown: address.shown.clone(),
        ..Console::default()
    };
    let mut interview = match open(address, patience).await {
        Ok(interview) => interview,
        Err(silence) => {
            console.silent = Some(silence.to_string());
            return console;
        }
    };
    for question in console_questions() {
        let answer = match interview.ask(question.sql, patience.answer).await {
            Ok(table) => Answer::Rows(rows(table)),
            Err(Silence::Refused { sqlstate, message }) => Answer::Refused { sqlstate, message },
            // A broken connection answers nothing else either.
            Err(Silence::Late(_) | Silence::Broken(_)) => {
                console.answers.insert(question.name, Answer::Late);
                break;
            }
        };
        console.answers.insert(question.name, answer);
    }
    console
}

async fn ask_server(
    address: &Address,
    checks: &[&dyn Check],
    given: Given,
    patience: Patience,
) -> Asked {
    let mut interview = match open(address, patience).await {
        Ok(interview) => interview,
        Err(silence) => return Asked::Silent(unreachable(silence)),
    };
    let mut sample = Sample {
        given,
        ..Sample::default()
    };
    for question in questions(checks) {
        if let Err(silence) = one(&mut interview, &mut sample, &question, patience).await {
            return Asked::Silent(unreachable(silence));
        }
        // Known as soon as the server has said who it is.
        if let Some((used, usable)) = sample.takes_the_last_slot()
            && !patience.takes_reserved
        {
            return Asked::Silent(Unreachable::Reserved { used, usable });
        }
    }
    Asked::Answered(Box::new(sample))
}

/// Asks one question. Only a broken connection is an error.
async fn one(
    interview: &mut Interview,
    sample: &mut Sample,
    question: &Question,
    patience: Patience,
) -> Result<(), Silence> {
    let Some(batch) = sample.batch(question, patience.answer) else {
        return Ok(());
    };
    // The server's limit acts first, so that the connection stays usable.
    let limit = patience.answer * 2 + Duration::from_secs(1);
    let answer = match interview.ask(&batch, limit).await {
        Ok(table) => Answer::Rows(rows(table)),
        Err(Silence::Refused { sqlstate, message }) => {
            // The transaction has failed; outside of one this is only a warning.
            interview.ask("ROLLBACK", limit).await?;
            match sqlstate.as_str() {
                // Its time limits.
                "57014" | "55P03" => Answer::Late,
                _ => Answer::Refused { sqlstate, message },
            }
        }
        Err(silence) => return Err(silence),
    };
    sample.answers.insert(question.name, answer);
    Ok(())
}

fn rows(table: Table) -> Rows {
    Rows {
        columns: table.columns,
        values: table.rows,
    }
}

fn unreachable(silence: Silence) -> Unreachable {
    match silence {
        Silence::Refused { sqlstate, message } => Unreachable::Refused { sqlstate, message },
        Silence::Late(_) | Silence::Broken(_) => Unreachable::Broken(silence.to_string()),
    }
}

const APPLICATION_NAME: &str = "pgweir doctor";
