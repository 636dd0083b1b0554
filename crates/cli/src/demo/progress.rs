//! Progress on standard error: a bar on a terminal, a line per step elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output;

/// Shows one step after another. Clones share the line.
#[derive(Clone)]
pub(crate) struct Progress {
    bar: ProgressBar,
    terminal: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let terminal = stderr().is_terminal();
        let target = if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            bar: ProgressBar::with_draw_target(None, target),
            terminal,
        }
    }

    /// Begins a step of unknown length.
    pub(crate) fn step(&self, what: &str) {
        if !self.terminal {
            output::note(what);
            return;
        }
        self.bar.set_style(style("{spinner} {msg}"));
        self.bar.set_message(what.to_owned());
        self.bar.enable_steady_tick(Duration::from_millis(100));
    }

    /// Begins a step of known length.
    pub(crate) fn start(&self, what: &str, length: u64) {
        if !self.terminal {
            output::note(what);
            return;
        }
        self.bar.disable_steady_tick();
        self.bar.set_style(style(if output::stderr_has_colours() {
            "{msg:48} {wide_bar:.cyan/blue} {percent:>3} %"
        } else {
            "{msg:48} {wide_bar} {percent:>3} %"
        }));
        self.bar.set_length(length);
        self.bar.set_position(0);
        self.bar.set_message(what.to_owned());
    }

    /// Moves the bar.
    pub(crate) fn at(&self, position: u64, what: &str) {
        self.bar.set_message(what.to_owned());
        self.bar.set_position(position);
    }

    /// Clears the line.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the templates are constants that indicatif takes")
}
