//! The tables there are, and their orders.

use clap::ValueEnum;

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
