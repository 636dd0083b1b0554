//! Exit codes.

use std::process::ExitCode;

/// The exit codes, as documented in the top-level help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went well.
    Done,
    /// The configuration has mistakes, or a plan warns.
    Mistakes,
    /// The command line or the description of a fleet has mistakes, or there is nothing to plan.
    Usage,
    /// Something needed is missing or failed, or a fleet does not fit.
    Failed,
    /// A server that was to be examined cannot be reached, or does not let us in.
    Unreached,
    /// Something that was to be mended was not.
    NotMended,
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
            // clap's number for the same.
            Self::Usage => 2,
            Self::Failed => 3,
            Self::Unreached => 4,
            Self::NotMended => 5,
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

/// The end of the top-level help. 2 is clap's.
pub(crate) const TOP_LEVEL: &str = "\
Examples:
  pgweir demo
  pgweir serve /etc/pgweir.toml
  pgweir /etc/pgbouncer/pgbouncer.ini
  pgweir top
  pgweir plan fleet.toml
  pgweir doctor postgres://app:secret@db/app

Exit codes:
  0    done
  1    the configuration has mistakes, which are all listed; or a plan or the doctor warns
  2    the command line, or the description of a fleet, has mistakes; or there is no plan
  3    something needed is missing or failed, see the last line; or a plan fails, or the doctor found
       something critical
  4    the doctor cannot connect
  5    the doctor could not mend something
  130  stopped by Ctrl-C (143: by SIGTERM or SIGHUP)";
