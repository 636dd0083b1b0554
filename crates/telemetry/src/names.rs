//! Names that clients choose, as values of labels.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::pools::OTHER;

/// Names of one kind. The first ones stay themselves, later ones are counted as [`OTHER`], so that
/// a client that makes up names makes no series.
#[derive(Debug)]
pub struct Names {
    known: BTreeSet<Arc<str>>,
    most: usize,
    other: Arc<str>,
}

impl Names {
    /// At most so many, besides [`OTHER`].
    pub fn new(most: usize) -> Self {
        Self {
            known: BTreeSet::new(),
            most,
            other: OTHER.into(),
        }
    }

    /// What stands for a name.
    pub fn label(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        if self.known.len() >= self.most {
            return self.other.clone();
        }
        let name: Arc<str> = name.into();
        self.known.insert(name.clone());
        name
    }

    /// Those that are themselves.
    pub fn known(&self) -> impl Iterator<Item = &Arc<str>> {
        self.known.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn the_first_names_stay_and_later_ones_are_all_the_same() {
        let mut names = Names::new(2);
        let labels = ["a", "b", "c", "a", "d"].map(|name| names.label(name).to_string());
        assert_eq!(labels, ["a", "b", "(other)", "a", "(other)"]);
        assert_eq!(names.known().count(), 2);
    }
}
