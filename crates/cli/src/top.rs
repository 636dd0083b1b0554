//! `pgweir top`: what the pooler does, in a terminal.
//!
//! Asks the pooler for its live document over HTTP, once per second, and draws it. On the wish of an
//! administrator it has a client's query cancelled, or the client ended. One thread asks, one reads the keyboard, and the one that draws sleeps until either has
//! something to say.

mod act;
mod fetch;
mod grid;
mod look;
mod picture;
mod sessions;
mod tab;
mod tables;
mod tls;
mod view;

use std::fs;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use clap::error::ErrorKind;
use pgweir_telemetry::Live;
use pgweir_telemetry::window::Window;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output;
use act::Act;
use fetch::{FetchError, Pooler};
use tab::Tab;
use view::{After, View};

/// Shows what a running pooler does, as it does it.
///
/// The pooler has to serve HTTP (`http_listen`). Where it has keys, a token is needed, from
/// --token-file or the variable PGWEIR_TOKEN; where it has none, it answers on its own machine only.
#[derive(Debug, Args)]
#[command(after_help = "\
Keys: Tab and 1 to 7 choose a table, s its order, w the time that figures are of, / filters, h holds the
picture, ? lists the rest.
In the table of holders j and k choose a client, c cancels what it does and e ends it, after a
question; that needs the token of an administrator (pgweir token --admin).

Examples:
  pgweir top
  pgweir top --url https://db1.example.com:6433 --ca-file ca.pem --token-file /run/secrets/token
  pgweir top --once --view statements
  pgweir top --json | jq '.pools[] | select(.waiting > 0)'")]
pub(crate) struct Options {
    /// Where the pooler serves HTTP, with its http_path_prefix if that is not /api/v1
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:6433")]
    url: String,
    /// File that holds a token (a JSON Web Token) for the pooler
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificates (PEM) that sign the pooler's, or its own; else those the system trusts
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Seconds between looks
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = parse_interval)]
    interval: f64,
    /// Table to begin with
    #[arg(long, value_enum, default_value_t = Tab::Pools)]
    view: Tab,
    /// Show only what has all these words in it
    #[arg(long, value_name = "WORDS", default_value = "")]
    filter: String,
    /// What counts, rates and times are of: 5s, 1min, 15min, or start
    #[arg(long, value_name = "WINDOW", default_value = "1min", value_parser = parse_window)]
    window: Window,
    /// Print one picture as plain text and end
    #[arg(long)]
    once: bool,
    /// Print one document as JSON, as the pooler sends it, and end
    #[arg(long, conflicts_with = "once")]
    json: bool,
}

/// Columns of `--once` where COLUMNS does not say.
const WIDTH: u16 = 110;

/// Something that the picture follows.
enum Message {
    Came(Box<Result<Live, FetchError>>),
    Key(event::KeyEvent),
    /// What came of something that was done to a client.
    Acted(String),
    Resized,
    End(Exit),
}

/// Shows.
pub(crate) fn run(options: &Options) -> anyhow::Result<Exit> {
    let token = token(options)?;
    let ca_file = options.ca_file.as_deref();
    let pooler = Pooler::parse(&options.url, token, ca_file).map_err(|why| {
        let message = format!("--url {}: {why}\n", options.url);
        clap::Error::raw(ErrorKind::InvalidValue, message)
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    if options.json {
        let text = runtime.block_on(pooler.text(options.window))?;
        output::print(&format!("{}\n", text.trim_end()))?;
        return Ok(Exit::Done);
    }
    let mut view = View::new(options.view, &options.filter, options.window);
    if options.once {
        let live = runtime.block_on(pooler.live(options.window))?;
        view.came(Ok(live));
        output::print(&picture::plain(&view, width()))?;
        return Ok(Exit::Done);
    }
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let message = "this is no terminal: use --once for text or --json for a document\n";
        return Err(clap::Error::raw(ErrorKind::InvalidValue, message).into());
    }
    let (sender, inbox) = sync_channel(MESSAGES_MAX);
    let interval = Duration::from_secs_f64(options.interval);
    let window = options.window;
    let asker = sender.clone();
    let (wishes, to_do) = mpsc::unbounded_channel();
    thread::Builder::new()
        .name("ask".to_owned())
        .spawn(move || ask(&runtime, &pooler, (interval, window), to_do, &asker))?;
    let terminal = Terminal::take().context("cannot draw on this terminal")?;
    thread::Builder::new()
        .name("keys".to_owned())
        .spawn(move || read_keys(&sender))?;
    terminal.show(view, &inbox, &wishes)
}

/// What the asker is to do besides looking.
enum Wish {
    Act(Act),
    /// Figures of another time.
    Over(Window),
}

/// Messages under way. The asker waits when the picture is behind; keys are few.
const MESSAGES_MAX: usize = 16;

fn token(options: &Options) -> anyhow::Result<Option<String>> {
    let Some(path) = &options.token_file else {
        return Ok(std::env::var("PGWEIR_TOKEN")
            .ok()
            .filter(|text| !text.is_empty()));
    };
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the token in {}", path.display()))?;
    Ok(Some(text.trim().to_owned()))
}

fn width() -> u16 {
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok());
    columns.unwrap_or(WIDTH).clamp(40, 400)
}

fn parse_window(text: &str) -> Result<Window, String> {
    let words = Window::ALL.map(Window::word).join(", ");
    Window::of(text).ok_or_else(|| format!("must be one of {words}"))
}

fn parse_interval(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.2..=60.0).contains(&seconds) => Ok(seconds),
        _ => Err("must be 0.2 to 60 seconds".to_owned()),
    }
}

/// Asks the pooler, and has it do things, until nobody listens or a signal ends the program.
fn ask(
    runtime: &tokio::runtime::Runtime,
    pooler: &Pooler,
    (interval, mut window): (Duration, Window),
    mut wishes: mpsc::UnboundedReceiver<Wish>,
    to: &SyncSender<Message>,
) {
    runtime.block_on(async {
        let mut interrupt = match Interrupt::install() {
            Ok(interrupt) => interrupt,
            Err(error) => {
                let _ = to.send(Message::Came(Box::new(Err(FetchError::Unreachable(error)))));
                return;
            }
        };
        let mut next = Instant::now();
        loop {
            let work = async {
                tokio::select! {
                    Some(wish) = wishes.recv() => {
                        // What it has changed is looked at at once.
                        next = Instant::now();
                        match wish {
                            Wish::Act(act) => Message::Acted(match pooler.act(&act).await {
                                Ok(()) => act.done(),
                                Err(error) => format!("Not done: {error}"),
                            }),
                            Wish::Over(other) => {
                                window = other;
                                Message::Resized
                            }
                        }
                    }
                    () = tokio::time::sleep_until(next) => {
                        let came = pooler.live(window).await;
                        next = Instant::now() + interval;
                        Message::Came(Box::new(came))
                    }
                }
            };
            let message = tokio::select! {
                exit = interrupt.wait() => Message::End(exit),
                message = work => message,
            };
            let ends = matches!(message, Message::End(_));
            // Nobody listens: then it ends anyway.
            if to.send(message).is_err() || ends {
                return;
            }
        }
    });
}

/// Passes keys on until the terminal or the listener is gone.
fn read_keys(to: &SyncSender<Message>) {
    loop {
        let message = match event::read() {
            // Some terminals tell of releases too.
            Ok(Event::Key(key)) if key.kind == KeyEventKind::Release => continue,
            Ok(Event::Key(key)) => Message::Key(key),
            Ok(Event::Resize(..)) => Message::Resized,
            Ok(_) => continue,
            Err(_) => Message::End(Exit::Terminated),
        };
        let ends = matches!(message, Message::End(_));
        if to.send(message).is_err() || ends {
            return;
        }
    }
}

/// The terminal while it is ours. Given back when dropped, and by a hook when something panics.
struct Terminal {
    screen: DefaultTerminal,
}

impl Terminal {
    fn take() -> io::Result<Self> {
        let screen = ratatui::try_init()?;
        Ok(Self { screen })
    }

    /// Draws until a key or a signal ends it.
    fn show(
        mut self,
        mut view: View,
        inbox: &Receiver<Message>,
        wishes: &mpsc::UnboundedSender<Wish>,
    ) -> anyhow::Result<Exit> {
        let colours = output::stdout_has_colours();
        loop {
            let drawn = self
                .screen
                .draw(|frame| picture::draw(frame, &view, colours));
            if drawn.is_err() {
                // The terminal is gone, and nobody there to read of it.
                return Ok(Exit::Terminated);
            }
            match inbox.recv() {
                Ok(Message::Came(came)) => view.came(*came),
                Ok(Message::Key(key)) => match view.press(key) {
                    After::GoOn => {}
                    // The asker ends only with a message that ends this too.
                    After::Do(act) => drop(wishes.send(Wish::Act(act))),
                    After::Over(window) => drop(wishes.send(Wish::Over(window))),
                    After::Quit => return Ok(Exit::Done),
                    After::Interrupt => return Ok(Exit::Interrupted),
                },
                Ok(Message::Acted(text)) => view.say(text),
                Ok(Message::Resized) => {}
                Ok(Message::End(exit)) => return Ok(exit),
                Err(_) => return Ok(Exit::Failed),
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

#[cfg(test)]
mod tests;
