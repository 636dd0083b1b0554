//! What is made ready once for each configuration, not for each request or login.

use std::sync::{Arc, Mutex, PoisonError};

/// What was made from the source that was asked about last.
#[derive(Debug)]
pub(crate) struct Latest<S, T>(Mutex<Option<(Arc<S>, T)>>);

impl<S, T> Default for Latest<S, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<S, T: Clone> Latest<S, T> {
    /// What was made from this very source; it is made if the last was another.
    pub(crate) fn of(&self, source: &Arc<S>, make: impl FnOnce(&S) -> T) -> T {
        self.of_same(source, |_, _| false, make)
    }

    /// What was made from a source that equals this one; it is made if the last was different.
    pub(crate) fn of_equal(&self, source: &Arc<S>, make: impl FnOnce(&S) -> T) -> T
    where
        S: PartialEq,
    {
        self.of_same(source, S::eq, make)
    }

    fn of_same(
        &self,
        source: &Arc<S>,
        is_same: fn(&S, &S) -> bool,
        make: impl FnOnce(&S) -> T,
    ) -> T {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *last {
            Some((of, made)) if Arc::ptr_eq(of, source) => made.clone(),
            Some((of, made)) if is_same(of, source) => {
                // The next to ask asks about this one, and is spared the comparison.
                *of = source.clone();
                made.clone()
            }
            _ => {
                let made = make(source);
                *last = Some((source.clone(), made.clone()));
                made
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_anew_when_the_source_is_another() {
        let (first, same) = (Arc::new(1), Arc::new(1));
        let latest = Latest::default();
        assert_eq!(latest.of(&first, |_| "a"), "a");
        assert_eq!(latest.of(&first, |_| "b"), "a");
        assert_eq!(latest.of(&same, |_| "c"), "c");
        assert_eq!(latest.of(&first, |_| "d"), "d");
    }

    #[test]
    fn it_stays_where_an_equal_source_is_as_good() {
        let latest = Latest::default();
        assert_eq!(latest.of_equal(&Arc::new(1), |_| "a"), "a");
        assert_eq!(latest.of_equal(&Arc::new(1), |_| "b"), "a");
        assert_eq!(latest.of_equal(&Arc::new(2), |_| "c"), "c");
        assert_eq!(latest.of_equal(&Arc::new(1), |_| "d"), "d");
    }
}
