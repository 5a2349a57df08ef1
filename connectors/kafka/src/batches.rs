//! What of one partition is under way in batches: strictly in order, and from the committed offset
//! again when any of them fails.
//!
//! An epoch is one run from a committed offset on. Acks and fails of older epochs mean nothing.
//! Pure: no clock, no I/O, no async.

use std::collections::VecDeque;

#[derive(Debug)]
struct Batch {
    number: u32,
    next: i64,
    done: bool,
    records: usize,
}

/// One partition's batches.
#[derive(Debug, Default)]
pub struct Batches {
    epoch: u16,
    number: u32,
    out: VecDeque<Batch>,
    records: usize,
    /// Offset up to which everything is done.
    point: i64,
    committed: Option<i64>,
}

impl Batches {
    /// A partition that begins at this offset.
    pub fn from(offset: i64) -> Self {
        Self {
            point: offset,
            committed: Some(offset),
            ..Self::default()
        }
    }

    /// The running epoch.
    pub fn epoch(&self) -> u16 {
        self.epoch
    }

    /// A batch goes out that ends before `next`: its number.
    pub fn send(&mut self, next: i64, records: usize) -> u32 {
        self.number = self.number.wrapping_add(1);
        self.records += records;
        self.out.push_back(Batch {
            number: self.number,
            next,
            done: false,
            records,
        });
        self.number
    }

    /// Records in batches that are not done.
    pub fn records(&self) -> usize {
        self.records
    }

    /// A batch is done.
    pub fn done(&mut self, epoch: u16, number: u32) {
        if epoch != self.epoch {
            return;
        }
        // Numbers follow each other, so the place is known however many are under way.
        let front = self.out.front().map_or(0, |b| b.number);
        let at = number.wrapping_sub(front) as usize;
        if let Some(b) = self.out.get_mut(at).filter(|b| b.number == number) {
            b.done = true;
        }
        while let Some(b) = self.out.front().filter(|b| b.done) {
            self.point = self.point.max(b.next);
            self.records -= b.records;
            self.out.pop_front();
        }
    }

    /// A batch failed. Answers where to begin again, in a new epoch; `None` when it was of an older one.
    pub fn failed(&mut self, epoch: u16) -> Option<i64> {
        if epoch != self.epoch {
            return None;
        }
        self.epoch = self.epoch.wrapping_add(1);
        self.out.clear();
        self.records = 0;
        Some(self.point)
    }

    /// Offset to be committed, if it changed since the last call.
    pub fn to_commit(&mut self) -> Option<i64> {
        (self.committed.replace(self.point) != Some(self.point)).then_some(self.point)
    }

    /// The last commit did not succeed.
    pub fn commit_again(&mut self) {
        self.committed = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_is_done_without_a_gap() {
        let mut b = Batches::from(100);
        let (one, two, three) = (b.send(110, 10), b.send(125, 15), b.send(130, 5));
        b.done(0, two);
        assert_eq!((b.to_commit(), b.records()), (None, 30));
        b.done(0, one);
        assert_eq!((b.to_commit(), b.records()), (Some(125), 5));
        b.done(0, three);
        assert_eq!(b.to_commit(), Some(130));
    }

    #[test]
    fn a_failure_begins_again_and_old_verdicts_mean_nothing() {
        let mut b = Batches::from(0);
        let (one, two) = (b.send(10, 10), b.send(20, 10));
        b.done(0, one);
        assert_eq!(b.failed(0), Some(10));
        assert_eq!(b.failed(0), None);
        b.done(0, two);
        assert_eq!((b.to_commit(), b.epoch(), b.records()), (Some(10), 1, 0));
        let again = b.send(20, 10);
        b.done(0, again);
        assert_eq!(b.to_commit(), None);
        b.done(1, again);
        assert_eq!(b.to_commit(), Some(20));
    }
}
