//! The rest of a message of which only the front was there.

/// Body bytes of the current message that are still to come, and what is done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Passing {
    /// No message is under way.
    #[default]
    Nothing,
    /// The front was sent on, and so many bytes follow it. Never zero.
    Forwarding(u32),
    /// The front was dropped, and so are so many bytes behind it. Never zero.
    Dropping(u32),
}

impl Passing {
    /// The state after a front that was sent on or dropped, with `rest` bytes still to come.
    pub(crate) fn after(forwarded: bool, rest: usize) -> Self {
        // A length field counts the whole message, so what is left of it fits as well.
        match (rest as u32, forwarded) {
            (0, _) => Self::Nothing,
            (rest, true) => Self::Forwarding(rest),
            (rest, false) => Self::Dropping(rest),
        }
    }

    /// Takes what came of the rest out of `available` bytes: how many, and whether the front was
    /// sent on. `None` between messages.
    pub(crate) fn take(&mut self, available: usize) -> Option<(usize, bool)> {
        let (rest, forwarded) = match *self {
            Self::Nothing => return None,
            Self::Forwarding(rest) => (rest as usize, true),
            Self::Dropping(rest) => (rest as usize, false),
        };
        let taken = available.min(rest);
        *self = Self::after(forwarded, rest - taken);
        Some((taken, forwarded))
    }

    /// Whether so many bytes are all of the message whose rest is to come, and do not complete it.
    pub(crate) fn is_within(self, len: usize) -> bool {
        match self {
            Self::Nothing => false,
            Self::Forwarding(rest) | Self::Dropping(rest) => len < rest as usize,
        }
    }

    /// Whether the other side has the front of a message and waits for its rest.
    pub(crate) fn is_torn(self) -> bool {
        match self {
            Self::Forwarding(_) => true,
            Self::Nothing | Self::Dropping(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Passing;

    #[test]
    fn the_rest_of_a_message_shares_the_fate_of_its_front() {
        for forwarded in [true, false] {
            let mut passing = Passing::after(forwarded, 10);
            assert_eq!(passing.is_torn(), forwarded);
            assert_eq!(passing.take(0), Some((0, forwarded)));
            assert!(passing.is_within(9) && !passing.is_within(10));
            assert_eq!(passing.take(3), Some((3, forwarded)));
            assert_eq!(passing, Passing::after(forwarded, 7));
            // What is behind the message is not taken.
            assert_eq!(passing.take(100), Some((7, forwarded)));
            assert_eq!(passing, Passing::Nothing);
            assert_eq!(passing.take(100), None);
            assert!(!passing.is_torn());
        }
    }
}
