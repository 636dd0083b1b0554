//! Whether a stream may have something to read, under edge-triggered readiness.

/// See the module's description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inflow {
    /// Nothing before there is an event.
    Quiet,
    /// Perhaps: there was an event, and no read was short since.
    Ready,
    /// The peer has closed its side. What came before is still read, and no event follows it.
    HungUp,
}

impl Inflow {
    /// An event came.
    pub(crate) fn event(&mut self, readable: bool, hung_up: bool) {
        if hung_up {
            *self = Self::HungUp;
        } else if readable {
            self.look_again();
        }
    }

    /// There may be something without an event.
    pub(crate) fn look_again(&mut self) {
        match self {
            Self::Quiet => *self = Self::Ready,
            Self::Ready | Self::HungUp => {}
        }
    }

    /// A read has emptied the stream: the next bytes bring an event, unless the peer hung up.
    pub(crate) fn emptied(&mut self) {
        match self {
            Self::Ready => *self = Self::Quiet,
            Self::Quiet | Self::HungUp => {}
        }
    }

    /// Whether a read may find something.
    pub(crate) fn is_ready(self) -> bool {
        match self {
            Self::Ready | Self::HungUp => true,
            Self::Quiet => false,
        }
    }

    /// Whether the peer has closed its side.
    pub(crate) fn has_hung_up(self) -> bool {
        self == Self::HungUp
    }
}

#[cfg(test)]
mod tests {
    use super::Inflow;

    #[test]
    fn no_event_follows_a_hang_up_so_reads_go_on() {
        let mut inflow = Inflow::Quiet;
        inflow.event(false, false);
        assert!(!inflow.is_ready());
        for look in [|i: &mut Inflow| i.event(true, false), Inflow::look_again] {
            look(&mut inflow);
            assert!(inflow.is_ready() && !inflow.has_hung_up());
            inflow.emptied();
            assert!(!inflow.is_ready());
        }
        inflow.event(false, true);
        for change in [
            |i: &mut Inflow| i.event(true, false),
            Inflow::emptied,
            Inflow::look_again,
        ] {
            change(&mut inflow);
            assert!(inflow.is_ready() && inflow.has_hung_up());
        }
    }
}
