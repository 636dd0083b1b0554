//! Reads one command.

mod driver;
mod show;

use crate::command::Command;
use crate::order::{Order, ShutdownMode};
use crate::problem::Problem;
use crate::words::Words;

/// Characters of a text that is no command that are quoted.
const QUOTED_MAX: usize = 64;

/// Reads one command, with or without a semicolon behind it. Words are read in either case, names as they
/// stand or in double quotes.
///
/// # Errors
/// The text is no command.
pub fn parse(text: &str) -> Result<Command, Problem> {
    let text = text.trim_end().trim_end_matches(';');
    let mut words = Words::new(text);
    if words.is_over() {
        return Ok(Command::Empty);
    }
    let invalid = |usage| Problem::Invalid {
        text: beginning(text),
        usage,
    };
    let first = words.word().ok_or_else(|| invalid(None))?;
    if first == "select"
        && let Some(fixed) = driver::select(&mut words.clone())
    {
        return Ok(fixed);
    }
    if words.have_parameters() {
        return Err(Problem::Parameters);
    }
    if first == "show" {
        return show::show(&mut words, text);
    }
    if first == "select" {
        return show::show(&mut words, text);
    }
    if let Some(command) = driver::command(&first, &mut words.clone()) {
        return Ok(command);
    }
    let Some(usage) = usage(&first) else {
        return Err(invalid(None));
    };
    if first == "kill_client" {
        let Some(client) = words.value() else {
            return Err(invalid(Some(usage)));
        };
        return match client_number(&client).filter(|_| words.is_over()) {
            Some(client) => Ok(Command::Order(Order::KillClient(client))),
            None => Err(Problem::NotAClient),
        };
    }
    let order = order(&first, &mut words).filter(|_| words.is_over());
    let order = order.ok_or_else(|| invalid(Some(usage)))?;
    Ok(Command::Order(order))
}

/// The order that begins with `first`.
fn order(first: &str, words: &mut Words<'_>) -> Option<Order> {
    let mut database = || {
        if words.is_over() {
            return Some(None);
        }
        words.value().map(Some)
    };
    Some(match first {
        "pause" => Order::Pause(database()?),
        "resume" => Order::Resume(database()?),
        "disable" => Order::Disable(database()??),
        "enable" => Order::Enable(database()??),
        "reconnect" => Order::Reconnect(database()?),
        "kill" => Order::Kill(database()?),
        "wait_close" => Order::WaitClose(database()?),
        "suspend" => Order::Suspend,
        "reload" => Order::Reload,
        "shutdown" => Order::Shutdown(match words.word().as_deref() {
            None => ShutdownMode::Immediate,
            Some("wait_for_servers") => ShutdownMode::WaitForServers,
            Some("wait_for_clients") => ShutdownMode::WaitForClients,
            Some(_) => return None,
        }),
        "set" => {
            let name = words.name()?.to_ascii_lowercase();
            let has_sign = words.operator() == Some("=");
            if !has_sign && !words.is("to") {
                return None;
            }
            let value = words.value()?;
            Order::Set { name, value }
        }
        _ => return None,
    })
}

/// How an order is written, by its first word.
fn usage(first: &str) -> Option<&'static str> {
    Some(match first {
        "pause" => "PAUSE [database]",
        "resume" => "RESUME [database]",
        "disable" => "DISABLE database",
        "enable" => "ENABLE database",
        "reconnect" => "RECONNECT [database]",
        "kill" => "KILL [database]",
        "kill_client" => "KILL_CLIENT id",
        "wait_close" => "WAIT_CLOSE [database]",
        "suspend" => "SUSPEND",
        "reload" => "RELOAD",
        "shutdown" => "SHUTDOWN [WAIT_FOR_SERVERS | WAIT_FOR_CLIENTS]",
        "set" => "SET setting = value",
        _ => return None,
    })
}

/// A client's number: as `SHOW CLIENTS` has it as `id`, or as `ptr`.
fn client_number(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match digits {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The beginning of a text, fit to be shown.
fn beginning(text: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let mut beginning: String = text.chars().take(QUOTED_MAX).map(printable).collect();
    if text.chars().nth(QUOTED_MAX).is_some() {
        beginning.push_str("...");
    }
    beginning
}

#[cfg(test)]
mod tests;
