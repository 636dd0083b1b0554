//! What is shown, and what keys do to it. Pure: documents and keys in, nothing out but how to go on.

use clap::ValueEnum;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::act::{self, Act, Action, Choice};
use super::document::{Holder, Live};
use super::fetch::FetchError;

/// A table to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tab {
    /// The pools
    Pools,
    /// Clients that hold a server
    Holders,
    /// Why clients wait
    Waits,
    /// The statements that cost most
    Statements,
    /// Slow queries
    Slow,
    /// Queries in loops (N+1)
    Loops,
    /// What happened
    Events,
}

impl Tab {
    pub(crate) const ALL: [Self; 7] = [
        Self::Pools,
        Self::Holders,
        Self::Waits,
        Self::Statements,
        Self::Slow,
        Self::Loops,
        Self::Events,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Pools => "Pools",
            Self::Holders => "Holders",
            Self::Waits => "Waits",
            Self::Statements => "Statements",
            Self::Slow => "Slow",
            Self::Loops => "N+1",
            Self::Events => "Events",
        }
    }

    /// Names of the orders its rows can have; the first is that at the beginning.
    pub(crate) fn orders(self) -> &'static [&'static str] {
        match self {
            Self::Pools => &["trouble", "transactions", "waiting", "clients", "name"],
            Self::Holders => &["behind", "time"],
            Self::Waits => &["now", "total"],
            Self::Statements => &["total", "calls", "mean", "p99", "rows", "errors"],
            Self::Slow => &["newest", "time"],
            Self::Loops => &["newest", "times"],
            Self::Events => &["newest"],
        }
    }

    pub(crate) fn position(self) -> usize {
        Self::ALL
            .iter()
            .position(|tab| *tab == self)
            .expect("all are in the list")
    }
}

/// What a key asks for beyond a change of the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum After {
    GoOn,
    /// Something is to be done to a client, and it is meant.
    Do(Act),
    Quit,
    /// Ctrl-C, which no signal tells of while the terminal is ours.
    Interrupt,
}

/// What is shown.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) tab: Tab,
    /// Of each tab, which of its orders.
    orders: [usize; Tab::ALL.len()],
    pub(crate) filter: String,
    /// The filter is being typed.
    pub(crate) typing: bool,
    pub(crate) helping: bool,
    /// The client that something is done to.
    pub(crate) choice: Choice,
    /// Rows above the first that is shown.
    pub(crate) scroll: usize,
    newest: Option<Live>,
    /// What the picture is held at.
    held: Option<Live>,
    /// Why the newest document is old.
    pub(crate) failure: Option<String>,
}

impl View {
    /// A view that has seen nothing yet.
    pub(crate) fn new(tab: Tab, filter: &str) -> Self {
        Self {
            tab,
            orders: [0; Tab::ALL.len()],
            filter: filter.to_owned(),
            typing: false,
            helping: false,
            choice: Choice::default(),
            scroll: 0,
            newest: None,
            held: None,
            failure: None,
        }
    }

    /// A document came, or did not.
    pub(crate) fn came(&mut self, came: Result<Live, FetchError>) {
        match came {
            Ok(live) => {
                self.newest = Some(live);
                self.failure = None;
            }
            Err(error) => self.failure = Some(error.to_string()),
        }
    }

    /// Something is to be said until the next key.
    pub(crate) fn say(&mut self, text: String) {
        self.choice.said = Some(text);
    }

    /// A key was pressed.
    pub(crate) fn press(&mut self, key: KeyEvent) -> After {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => After::Interrupt,
                _ => After::GoOn,
            };
        }
        self.choice.said = None;
        if let Some(question) = self.choice.question.take() {
            return match key.code {
                KeyCode::Char('y') => After::Do(question.act),
                _ => After::GoOn,
            };
        }
        if self.typing {
            self.type_filter(key.code);
            return After::GoOn;
        }
        if self.helping {
            self.helping = false;
            return After::GoOn;
        }
        match key.code {
            KeyCode::Char('q') => return After::Quit,
            KeyCode::Char('?') => self.helping = true,
            KeyCode::Char('h' | ' ') => {
                self.held = match self.held.take() {
                    Some(_) => None,
                    None => self.newest.clone(),
                };
            }
            KeyCode::Char('/') => self.typing = true,
            KeyCode::Char('s') => {
                let order = &mut self.orders[self.tab.position()];
                *order = (*order + 1) % self.tab.orders().len();
            }
            KeyCode::Char(digit @ '1'..='9') => {
                let index = digit as usize - '1' as usize;
                if let Some(tab) = Tab::ALL.get(index) {
                    self.choose(*tab);
                }
            }
            KeyCode::Tab | KeyCode::Right => self.step(1),
            KeyCode::BackTab | KeyCode::Left => self.step(Tab::ALL.len() - 1),
            KeyCode::Down | KeyCode::Char('j') => self.go(1),
            KeyCode::Up | KeyCode::Char('k') => self.go(-1),
            KeyCode::PageDown => self.go(PAGE),
            KeyCode::PageUp => self.go(-PAGE),
            KeyCode::Char('c') if self.tab == Tab::Holders => self.ask(Action::Cancel),
            KeyCode::Char('e') if self.tab == Tab::Holders => self.ask(Action::End),
            KeyCode::Home => self.scroll = 0,
            KeyCode::Esc => self.filter.clear(),
            _ => {}
        }
        After::GoOn
    }

    /// The document to show.
    pub(crate) fn live(&self) -> Option<&Live> {
        self.held.as_ref().or(self.newest.as_ref())
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// The order of the rows that are shown.
    pub(crate) fn order(&self) -> &'static str {
        self.tab.orders()[self.orders[self.tab.position()]]
    }

    /// Whether all words of the filter occur in one of these texts.
    pub(crate) fn fits(&self, texts: &[&str]) -> bool {
        let text = texts.join(" ").to_lowercase();
        let filter = self.filter.to_lowercase();
        filter.split_whitespace().all(|word| text.contains(word))
    }

    fn type_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(c) if self.filter.len() < FILTER_LEN_MAX => self.filter.push(c),
            _ => {}
        }
        self.scroll = 0;
    }

    /// Scrolls, or chooses another client where one can be chosen.
    fn go(&mut self, rows: isize) {
        if self.tab == Tab::Holders {
            self.with_holders(|choice, holders| choice.step(holders, rows));
        } else {
            self.scroll = self.scroll.saturating_add_signed(rows);
        }
    }

    fn ask(&mut self, action: Action) {
        self.with_holders(|choice, holders| choice.ask(holders, action));
    }

    fn with_holders(&mut self, run: impl FnOnce(&mut Choice, &[&Holder])) {
        // Taken out meanwhile, for the order of the holders needs the rest of the view.
        let mut choice = std::mem::take(&mut self.choice);
        run(&mut choice, &act::shown(self, self.live()));
        self.choice = choice;
    }

    fn choose(&mut self, tab: Tab) {
        self.tab = tab;
        self.scroll = 0;
    }

    fn step(&mut self, by: usize) {
        self.choose(Tab::ALL[(self.tab.position() + by) % Tab::ALL.len()]);
    }
}

/// Rows of a turn of the page.
const PAGE: isize = 10;

/// Bytes of a filter.
const FILTER_LEN_MAX: usize = 100;
