//! The latest findings of one kind, and how many lines of the log they may fill.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

/// The latest of many.
#[derive(Debug)]
pub(super) struct Ring<T> {
    kept: VecDeque<T>,
    kept_max: usize,
    lines_max: u32,
    /// The second that lines are counted in.
    second: SystemTime,
    lines: u32,
    untold: u64,
}

impl<T: Clone> Ring<T> {
    /// Keeps `kept_max`, and allows `lines_max` lines in a second.
    pub(super) fn new(kept_max: usize, lines_max: u32) -> Self {
        Self {
            kept: VecDeque::new(),
            kept_max,
            lines_max,
            second: SystemTime::UNIX_EPOCH,
            lines: 0,
            untold: 0,
        }
    }

    /// Keeps one more.
    pub(super) fn push(&mut self, item: T) {
        if self.kept.len() == self.kept_max {
            self.kept.pop_front();
        }
        self.kept.push_back(item);
    }

    /// Takes out the one that is like this, to be kept again as the latest.
    pub(super) fn take(&mut self, is_like: impl Fn(&T) -> bool) -> Option<T> {
        let at = self.kept.iter().position(is_like)?;
        self.kept.remove(at)
    }

    /// All that are kept, the latest first.
    pub(super) fn latest(&self) -> Vec<T> {
        self.kept.iter().rev().cloned().collect()
    }

    /// Whether what happens `now` may have a line, and how many before it had none.
    pub(super) fn line(&mut self, now: SystemTime) -> Option<u64> {
        // A clock that was set back begins a new second as well.
        let is_same = now
            .duration_since(self.second)
            .is_ok_and(|since| since < Duration::from_secs(1));
        if !is_same {
            self.second = now;
            self.lines = 0;
        }
        if self.lines == self.lines_max {
            self.untold += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::Ring;
    use std::time::{Duration, SystemTime};

    #[test]
    fn the_latest_are_kept_and_lines_are_limited() {
        let mut ring = Ring::new(3, 2);
        let at = |ms: u64| SystemTime::UNIX_EPOCH + Duration::from_millis(5_000 + ms);
        let lines: Vec<_> = [0, 1, 2, 999, 1_000, 1_500, 1_600, 0]
            .into_iter()
            .enumerate()
            .map(|(n, ms)| {
                ring.push(n);
                ring.line(at(ms))
            })
            .collect();
        let expected = [
            Some(0),
            Some(0),
            None,
            None,
            Some(2),
            Some(0),
            None,
            Some(1),
        ];
        assert_eq!(lines, expected);
        assert_eq!(ring.latest(), [7, 6, 5]);
        assert_eq!(ring.take(|&n| n == 6), Some(6));
        assert_eq!(ring.take(|&n| n == 6), None);
        ring.push(6);
        assert_eq!(ring.latest(), [6, 7, 5]);
    }
}
