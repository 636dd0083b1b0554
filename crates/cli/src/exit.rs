//! How the program ends.

use std::process::ExitCode;

/// The exit codes, as documented in the top-level help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went well.
    Done,
    /// The configuration has mistakes.
    Mistakes,
    /// Something needed is missing or failed.
    Failed,
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM or SIGHUP.
    Terminated,
}

impl Exit {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Mistakes => 1,
            Self::Failed => 3,
            // As shells report a process that the signal has ended.
            Self::Interrupted => 128 + 2,
            Self::Terminated => 128 + 15,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

/// Ends the top-level help. 2 is clap's.
pub(crate) const TOP_LEVEL: &str = "\
Examples:
  pgweir demo
  pgweir serve /etc/pgweir.toml
  pgweir top

Exit codes:
  0    done
  1    the configuration has mistakes; all of them are listed
  2    the command line has mistakes
  3    something needed is missing or failed; the last line says what
  130  stopped by Ctrl-C (143: by SIGTERM or SIGHUP)";
