//! Bytes of a client that were read and not consumed yet.

/// See the module's description.
#[derive(Debug)]
pub(super) enum Backlog {
    /// The relay has seen these and needs more to understand them. Often there are none.
    Seen(Vec<u8>),
    /// The relay has not seen these, or something changed for them since. Never none.
    Unseen(Vec<u8>),
}

impl Backlog {
    /// What is left of a client's bytes; `unseen` if another look at them may do.
    pub(super) fn new(bytes: Vec<u8>, unseen: bool) -> Self {
        if unseen && !bytes.is_empty() {
            Self::Unseen(bytes)
        } else {
            Self::Seen(bytes)
        }
    }

    /// Something changed for what is kept.
    pub(super) fn changed(&mut self) {
        *self = Self::new(std::mem::take(self.bytes()), true);
    }

    /// Takes out what is worth a look without another read.
    pub(super) fn take_unseen(&mut self) -> Option<Vec<u8>> {
        if !self.is_unseen() {
            return None;
        }
        let bytes = std::mem::take(self.bytes());
        *self = Self::Seen(Vec::new());
        Some(bytes)
    }

    /// What is kept, for a read to come behind it.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Seen(bytes) | Self::Unseen(bytes) => bytes,
        }
    }

    pub(super) fn is_unseen(&self) -> bool {
        match self {
            Self::Unseen(_) => true,
            Self::Seen(_) => false,
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Seen(bytes) | Self::Unseen(bytes) => bytes.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Backlog;

    #[test]
    fn only_what_is_there_and_was_not_seen_is_worth_a_look() {
        for (bytes, unseen, is_unseen) in [
            (&b""[..], false, false),
            (b"", true, false),
            (b"Q", false, false),
            (b"Q", true, true),
        ] {
            let mut backlog = Backlog::new(bytes.to_vec(), unseen);
            assert_eq!(
                (backlog.is_unseen(), backlog.len()),
                (is_unseen, bytes.len())
            );
            let taken = backlog.take_unseen();
            assert_eq!(taken.as_deref(), is_unseen.then_some(bytes));
            let left = if is_unseen { 0 } else { bytes.len() };
            assert_eq!(backlog.len(), left);
            backlog.changed();
            assert_eq!(backlog.is_unseen(), left > 0);
        }
    }
}
