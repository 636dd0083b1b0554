//! Why a server stays with a client although no transaction is open.

use std::fmt;

use pgweir_sql::effects::Kinds;

/// The reason of a lease that outlives a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// The pool is in session mode.
    Session,
    /// The server was opened for this client alone, for replication.
    Replication,
    /// The client has named prepared statements on this server.
    PreparedStatement,
    /// There are temporary objects.
    TemporaryObject,
    /// The session holds advisory locks.
    AdvisoryLock,
    /// The session listens.
    Listen,
    /// A cursor outlives its transaction.
    HeldCursor,
    /// A library was loaded into the session.
    Library,
    /// A function keeps something for the session.
    SessionFunction,
    /// A custom setting was set whose name the text does not tell.
    UnnamedSetting,
    /// What the server owes, or what its session holds, cannot be known for certain, so nobody else
    /// may have it.
    Uncertain,
}

impl Pin {
    /// Those of what a session holds, or may hold, in transaction and statement mode. The others are what a pool is for.
    pub const OF_STATE: [Self; 9] = [
        Self::PreparedStatement,
        Self::TemporaryObject,
        Self::AdvisoryLock,
        Self::Listen,
        Self::HeldCursor,
        Self::Library,
        Self::SessionFunction,
        Self::UnnamedSetting,
        Self::Uncertain,
    ];

    /// What a session keeps its server for that holds these; the first of them.
    pub(crate) fn of(held: Kinds) -> Option<Self> {
        let pins = [
            (Kinds::TEMPORARY, Self::TemporaryObject),
            (Kinds::ADVISORY_LOCK, Self::AdvisoryLock),
            (Kinds::LISTEN, Self::Listen),
            (Kinds::CURSOR, Self::HeldCursor),
            (Kinds::LIBRARY, Self::Library),
            (Kinds::FUNCTION, Self::SessionFunction),
            (Kinds::UNNAMED, Self::UnnamedSetting),
        ];
        let pin = pins.into_iter().find(|(kind, _)| held.any(*kind));
        pin.map(|(_, pin)| pin)
    }

    /// Its name in metrics and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Replication => "replication",
            Self::PreparedStatement => "prepared_statement",
            Self::TemporaryObject => "temporary_object",
            Self::AdvisoryLock => "advisory_lock",
            Self::Listen => "listen",
            Self::HeldCursor => "cursor_with_hold",
            Self::Library => "library",
            Self::SessionFunction => "session_function",
            Self::UnnamedSetting => "unnamed_setting",
            Self::Uncertain => "uncertain",
        }
    }

    /// Its place in [`Pin::OF_STATE`], if it is one of those.
    #[inline]
    pub fn of_state(self) -> Option<usize> {
        match self {
            Self::Session | Self::Replication => None,
            Self::PreparedStatement => Some(0),
            Self::TemporaryObject => Some(1),
            Self::AdvisoryLock => Some(2),
            Self::Listen => Some(3),
            Self::HeldCursor => Some(4),
            Self::Library => Some(5),
            Self::SessionFunction => Some(6),
            Self::UnnamedSetting => Some(7),
            Self::Uncertain => Some(8),
        }
    }
}

/// Something for each pin of [`Pin::OF_STATE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByPin<T>([T; Pin::OF_STATE.len()]);

impl<T> ByPin<T> {
    /// What there is for this pin; `None` if it is none of a session's state.
    pub fn get_mut(&mut self, pin: Pin) -> Option<&mut T> {
        pin.of_state().map(|at| &mut self.0[at])
    }

    /// All pins, each with what there is for it.
    pub fn iter(&self) -> impl Iterator<Item = (Pin, &T)> {
        Pin::OF_STATE.into_iter().zip(&self.0)
    }

    /// Adds `other`, pin by pin.
    pub fn merge(&mut self, other: &Self, add: impl Fn(&mut T, &T)) {
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            add(own, other);
        }
    }
}

impl ByPin<u32> {
    /// The sums of both.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        self.merge(other, |own, other| *own += other);
        self
    }
}

/// What was counted of the pins of one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pins {
    /// How often a server was kept for it.
    pub count: u64,
    /// For how many microseconds altogether.
    pub us: u64,
    /// How often that was refused (`session_state = "reject"`).
    pub rejected: u64,
}

impl Pins {
    /// Whether there was one.
    pub fn is_any(&self) -> bool {
        self.count > 0 || self.rejected > 0
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        let Self {
            count,
            us,
            rejected,
        } = other;
        self.count += count;
        self.us += us;
        self.rejected += rejected;
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session => "session",
            Self::Replication => "replication",
            Self::PreparedStatement => "prepared statement",
            Self::TemporaryObject => "temporary object",
            Self::AdvisoryLock => "advisory lock",
            Self::Listen => "listen",
            Self::HeldCursor => "cursor with hold",
            Self::Library => "loaded library",
            Self::SessionFunction => "function that keeps something for its session",
            Self::UnnamedSetting => "setting without a name in the text",
            Self::Uncertain => "uncertain state",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{ByPin, Pin};

    #[test]
    fn every_pin_of_state_has_a_place_of_its_own() {
        for (at, pin) in Pin::OF_STATE.into_iter().enumerate() {
            assert_eq!(pin.of_state(), Some(at), "{pin}");
        }
        assert_eq!(Pin::Session.of_state(), None);
        assert_eq!(Pin::Replication.of_state(), None);
    }

    #[test]
    fn what_is_added_stays_with_its_pin() {
        let (mut one, mut other) = (ByPin::<u32>::default(), ByPin::default());
        *one.get_mut(Pin::Listen).unwrap() += 1;
        *other.get_mut(Pin::Listen).unwrap() += 2;
        *other.get_mut(Pin::Uncertain).unwrap() += 5;
        assert!(one.get_mut(Pin::Session).is_none());
        one.merge(&other, |own, other| *own += other);
        let found: Vec<_> = one.iter().filter(|(_, n)| **n > 0).collect();
        assert_eq!(found, [(Pin::Listen, &3), (Pin::Uncertain, &5)]);
    }
}
