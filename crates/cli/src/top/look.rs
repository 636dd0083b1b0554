//! Which rows of which table are looked at, and in which order.

use super::tab::Tab;

/// A table, its order, and a filter.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) tab: Tab,
    /// Of each tab, which of its orders.
    orders: [usize; Tab::ALL.len()],
    pub(crate) filter: String,
}

impl Look {
    /// Every table in its first order.
    pub(crate) fn new(tab: Tab, filter: &str) -> Self {
        Self {
            tab,
            orders: [0; Tab::ALL.len()],
            filter: filter.to_owned(),
        }
    }

    /// The order of the rows that are shown.
    pub(crate) fn order(&self) -> &'static str {
        self.tab.orders()[self.orders[self.tab.position()]]
    }

    /// Goes on to the next order of the table.
    pub(crate) fn next_order(&mut self) {
        let order = &mut self.orders[self.tab.position()];
        *order = (*order + 1) % self.tab.orders().len();
    }

    /// Whether all words of the filter occur in one of these texts.
    pub(crate) fn fits(&self, texts: &[&str]) -> bool {
        let text = texts.join(" ").to_lowercase();
        let filter = self.filter.to_lowercase();
        filter.split_whitespace().all(|word| text.contains(word))
    }
}
