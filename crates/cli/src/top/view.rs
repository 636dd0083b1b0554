//! What is shown, and what keys do to it. Pure: documents and keys in, nothing out but how to go on.

use pgweir_telemetry::Live;
use pgweir_telemetry::live::LiveHolder;
use pgweir_telemetry::window::Window;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::act::{Act, Choice, ClientAct};
use super::fetch::FetchError;
use super::look::Look;
use super::tab::Tab;
use super::tables;

/// What a key asks for beyond a change of the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum After {
    GoOn,
    /// Something is to be done to a client, and it is meant.
    Do(Act),
    /// Figures are to be of another time.
    Over(Window),
    Quit,
    /// Ctrl-C, which no signal tells of while the terminal is ours.
    Interrupt,
}

/// What is shown.
#[derive(Debug)]
pub(crate) struct View {
    /// Which rows, and in which order.
    pub(crate) look: Look,
    /// Of which time the figures are to be.
    window: Window,
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
    pub(crate) fn new(tab: Tab, filter: &str, window: Window) -> Self {
        Self {
            look: Look::new(tab, filter),
            window,
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
            KeyCode::Char('s') => self.look.next_order(),
            KeyCode::Char('w') => {
                self.window = self.window.next();
                return After::Over(self.window);
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
            KeyCode::Char('c') if self.look.tab == Tab::Holders => self.ask(ClientAct::Cancel),
            KeyCode::Char('e') if self.look.tab == Tab::Holders => self.ask(ClientAct::End),
            KeyCode::Home => self.scroll = 0,
            KeyCode::Esc => self.look.filter.clear(),
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

    fn type_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.look.filter.clear();
            }
            KeyCode::Backspace => {
                self.look.filter.pop();
            }
            KeyCode::Char(c) if self.look.filter.len() < FILTER_LEN_MAX => self.look.filter.push(c),
            _ => {}
        }
        self.scroll = 0;
    }

    /// Scrolls, or chooses another client where one can be chosen.
    fn go(&mut self, rows: isize) {
        if self.look.tab == Tab::Holders {
            self.with_holders(|choice, holders| choice.step(holders, rows));
        } else {
            self.scroll = self.scroll.saturating_add_signed(rows);
        }
    }

    fn ask(&mut self, action: ClientAct) {
        self.with_holders(|choice, holders| choice.ask(holders, action));
    }

    fn with_holders(&mut self, run: impl FnOnce(&mut Choice, &[&LiveHolder])) {
        // Not by `live`, which would borrow the choice too.
        let live = self.held.as_ref().or(self.newest.as_ref());
        let shown = live.map(|live| tables::sorted_holders(&self.look, live));
        run(&mut self.choice, &shown.unwrap_or_default());
    }

    fn choose(&mut self, tab: Tab) {
        self.look.tab = tab;
        self.scroll = 0;
    }

    fn step(&mut self, by: usize) {
        self.choose(Tab::ALL[(self.look.tab.position() + by) % Tab::ALL.len()]);
    }
}

/// Rows of a turn of the page.
const PAGE: isize = 10;

/// Bytes of a filter.
const FILTER_LEN_MAX: usize = 100;
