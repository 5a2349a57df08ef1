//! What of one partition is under way: emitted, failed, done; and up to where it may be committed.
//!
//! Offsets of a log may have gaps (compaction, transaction markers), so records are kept in the order
//! in which they were read, not counted. Storm's OffsetManager has the same promise: what is committed
//! lies below every record that is not done.
//! Pure: no clock, no I/O, no async.

use std::collections::VecDeque;

use crate::watermark::Watermark;

/// One record under way.
#[derive(Debug)]
struct Entry<T> {
    offset: i64,
    /// The partition's watermark up to this record.
    watermark: Watermark,
    done: bool,
    tries: u32,
    record: Option<T>,
}

/// One partition's records under way.
#[derive(Debug)]
pub struct Offsets<T> {
    entries: VecDeque<Entry<T>>,
    /// The next offset to be committed, and the watermark there.
    point: Option<(i64, Watermark)>,
    committed: Option<i64>,
}

impl<T> Default for Offsets<T> {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            point: None,
            committed: None,
        }
    }
}

impl<T: Clone> Offsets<T> {
    /// A record was read; it is kept for another try until it is done.
    pub fn read(&mut self, offset: i64, watermark: Watermark, record: T) {
        self.entries.push_back(Entry {
            offset,
            watermark,
            done: false,
            tries: 0,
            record: Some(record),
        });
    }

    /// The record is done. Answers whether it was under way.
    pub fn done(&mut self, offset: i64) -> bool {
        let Some(i) = self.find(offset) else {
            return false;
        };
        let entry = &mut self.entries[i];
        entry.done = true;
        entry.record = None;
        while let Some(front) = self.entries.front().filter(|e| e.done) {
            self.point = Some((front.offset + 1, front.watermark));
            self.entries.pop_front();
        }
        true
    }

    /// The record failed: how often now. `None` when it is not under way.
    pub fn failed(&mut self, offset: i64) -> Option<u32> {
        let i = self.find(offset)?;
        let entry = &mut self.entries[i];
        entry.tries += 1;
        (!entry.done).then_some(entry.tries)
    }

    /// The record, for another try.
    pub fn record(&self, offset: i64) -> Option<(T, Watermark)> {
        let entry = &self.entries[self.find(offset)?];
        Some((entry.record.clone()?, entry.watermark))
    }

    /// Records that are not done, done ones behind them included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Offset to be committed now and the watermark there, if that changed since the last call.
    pub fn to_commit(&mut self) -> Option<(i64, Watermark)> {
        let (offset, watermark) = self.point?;
        (self.committed.replace(offset) != Some(offset)).then_some((offset, watermark))
    }

    /// The last commit did not succeed: it is to be done again.
    pub fn commit_again(&mut self) {
        self.committed = None;
    }

    fn find(&self, offset: i64) -> Option<usize> {
        self.entries
            .binary_search_by_key(&offset, |e| e.offset)
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_never_passes_a_record_that_is_not_done() {
        let mut o = Offsets::default();
        // A log with a gap.
        for (offset, watermark) in [(10, 100), (11, 105), (15, 105), (16, 120)] {
            o.read(offset, Watermark::at(watermark), offset);
        }
        assert_eq!(o.to_commit(), None);
        assert!(o.done(11) && o.done(16));
        assert_eq!(o.to_commit(), None);
        assert!(o.done(10));
        assert_eq!(o.to_commit(), Some((12, Watermark::at(105))));
        assert_eq!(o.to_commit(), None);
        o.commit_again();
        assert_eq!(o.to_commit(), Some((12, Watermark::at(105))));
        assert_eq!(
            (o.failed(15), o.failed(15), o.failed(11)),
            (Some(1), Some(2), None)
        );
        assert_eq!(o.record(15), Some((15, Watermark::at(105))));
        assert!(o.done(15) && !o.done(15));
        assert_eq!(o.to_commit(), Some((17, Watermark::at(120))));
        assert!(o.is_empty());
    }

    #[test]
    fn any_order_of_acks_commits_the_longest_done_beginning() {
        // Every order of five records.
        let mut order = [0_i64, 1, 2, 3, 4];
        permute(&mut order, 0, &mut |order| {
            let mut o = Offsets::default();
            (0..5).for_each(|i| o.read(i, Watermark::at(i), ()));
            let mut done = [false; 5];
            for i in order {
                assert!(o.done(*i));
                done[*i as usize] = true;
                let beginning = done.iter().take_while(|d| **d).count() as i64;
                let point = o.point.map_or(0, |p| p.0);
                assert_eq!(point, beginning);
            }
        });
    }

    fn permute(items: &mut [i64; 5], at: usize, visit: &mut impl FnMut(&[i64; 5])) {
        if at == items.len() {
            return visit(items);
        }
        for i in at..items.len() {
            items.swap(at, i);
            permute(items, at + 1, visit);
            items.swap(at, i);
        }
    }
}
