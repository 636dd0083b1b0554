//! What executions cost, added up by statement until it is taken.

use pgweir_sql::fingerprint::Fingerprint;

/// Different statements kept one by one until they are taken.
pub(super) const SAMPLES_MAX: usize = 16;

/// One execution, or several of the same statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// What was executed.
    pub statement: Fingerprint,
    /// How often.
    pub calls: u64,
    /// How many of them failed.
    pub errors: u64,
    /// Rows that PostgreSQL said were returned or changed.
    pub rows: u64,
    /// Bytes that PostgreSQL answered.
    pub bytes: u64,
    /// Microseconds all of them took.
    pub us: u64,
}

/// Samples that were not taken yet. The last of them ended in the present read and have no time.
#[derive(Debug, Default)]
pub(super) struct Samples {
    list: Vec<Sample>,
    /// How many of them, at the end, have no time yet.
    untimed: usize,
}

impl Samples {
    /// An execution ended, whose time is not known yet.
    pub(super) fn ended(&mut self, sample: &Sample) {
        let first = self.list.len() - self.untimed;
        match same_or_last(&mut self.list[first..], sample.statement) {
            Some(same) => same.add(sample),
            None => {
                self.list.push(*sample);
                self.untimed += 1;
            }
        }
    }

    /// Those that have no time yet.
    pub(super) fn untimed(&self) -> &[Sample] {
        &self.list[self.list.len() - self.untimed..]
    }

    /// Those without a time took so many microseconds for each call.
    pub(super) fn took(&mut self, us: u64) {
        let first = self.list.len() - std::mem::take(&mut self.untimed);
        for ended in &mut self.list[first..] {
            ended.us = us.saturating_mul(ended.calls);
        }
        // Those of one read are of different statements.
        if first > 0 {
            self.add_up(first);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them, to be left empty.
    pub(super) fn list(&mut self) -> &mut Vec<Sample> {
        assert_eq!(
            self.untimed, 0,
            "a read is over before its samples are taken"
        );
        &mut self.list
    }

    /// Adds what has its time since `first` to what had one before.
    fn add_up(&mut self, first: usize) {
        let mut len = first;
        for at in first..self.list.len() {
            let sample = self.list[at];
            match same_or_last(&mut self.list[..len], sample.statement) {
                Some(same) => same.add(&sample),
                None => {
                    self.list[len] = sample;
                    len += 1;
                }
            }
        }
        self.list.truncate(len);
    }
}

/// The sample of the same statement; or, where there are too many, the last one: so many different
/// statements in one transaction are rare, and their time is not lost.
fn same_or_last(samples: &mut [Sample], statement: Fingerprint) -> Option<&mut Sample> {
    let same = samples
        .iter()
        .position(|known| known.statement == statement);
    match same {
        Some(at) => Some(&mut samples[at]),
        None if samples.len() < SAMPLES_MAX => None,
        None => samples.last_mut(),
    }
}

impl Sample {
    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.errors += other.errors;
        self.rows += other.rows;
        self.bytes += other.bytes;
        self.us = self.us.saturating_add(other.us);
    }
}
