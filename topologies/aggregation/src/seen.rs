//! Which source offsets were seen: the memory by which a second copy of an estimate is known.
//!
//! Source offsets of one kind come nearly in order, so a few ranges hold all of them. A range also remembers the
//! source watermarks of its last offset, which says how old an estimate may be that is missing after it, and of the
//! record that opened the gap before it, which says how long it has been missing. Gaps older than a horizon are closed, which bounds the memory: whatever came out of one of those
//! would belong to windows that are gone.
//! Pure: no clock, no I/O, no async.

/// Most ranges; beyond it the oldest gap is closed.
pub const MOST_RANGES: usize = 65_536;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    from: i64,
    /// Last offset of the range.
    to: i64,
    /// Source watermark of the record at `to`.
    watermark_ms: i64,
    /// Source watermark of the record by which the gap before `from` was noticed; it never falls from range to range.
    opened_ms: i64,
}

/// Offsets seen of one kind of estimate of one source partition.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Ascending, disjoint, never touching each other.
    ranges: Vec<Range>,
}

impl Seen {
    /// Notes an offset with its record's source watermark; whether it is new.
    pub fn insert(&mut self, offset: i64, watermark_ms: i64) -> bool {
        // Nearly always the next one.
        if let Some(last) = self.ranges.last_mut()
            && offset == last.to.saturating_add(1)
        {
            (last.to, last.watermark_ms) = (offset, watermark_ms);
            return true;
        }
        let after = self.ranges.partition_point(|r| r.from <= offset);
        if after > 0 && offset <= self.ranges[after - 1].to {
            return false;
        }
        let joins_left = after > 0 && self.ranges[after - 1].to.saturating_add(1) == offset;
        let joins_right =
            after < self.ranges.len() && offset.saturating_add(1) == self.ranges[after].from;
        match (joins_left, joins_right) {
            (true, true) => {
                let right = self.ranges.remove(after);
                let left = &mut self.ranges[after - 1];
                (left.to, left.watermark_ms) = (right.to, right.watermark_ms);
            }
            (true, false) => {
                let left = &mut self.ranges[after - 1];
                (left.to, left.watermark_ms) = (offset, watermark_ms);
            }
            (false, true) => self.ranges[after].from = offset,
            (false, false) => self.ranges.insert(
                after,
                Range {
                    from: offset,
                    to: offset,
                    watermark_ms,
                    opened_ms: watermark_ms,
                },
            ),
        }
        if self.ranges.len() > MOST_RANGES {
            self.close(1);
        }
        true
    }

    /// The watermark up to which nothing is missing, if a gap that was noticed before `since_ms` is taken for records
    /// that will never come (refused ones leave such gaps). `None` while nothing was seen.
    pub fn complete_ms(&self, since_ms: i64) -> Option<i64> {
        let old = self.old_gaps(since_ms);
        self.ranges.get(old).map(|r| r.watermark_ms)
    }

    /// The source watermark of the largest offset seen. `None` while nothing was seen.
    pub fn last_ms(&self) -> Option<i64> {
        self.ranges.last().map(|r| r.watermark_ms)
    }

    /// Closes gaps that were noticed before this watermark: their offsets count as seen.
    pub fn compact(&mut self, before_ms: i64) {
        let old = self.old_gaps(before_ms);
        if old > 0 {
            self.close(old);
        }
    }

    /// Number of gaps that were noticed before a watermark: they are the first ones.
    fn old_gaps(&self, before_ms: i64) -> usize {
        let gaps = self.ranges.get(1..).unwrap_or_default();
        gaps.partition_point(|r| r.opened_ms < before_ms)
    }

    /// Number of ranges.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Joins the first `gaps` + 1 ranges.
    fn close(&mut self, gaps: usize) {
        let from = self.ranges[0].from;
        self.ranges.drain(..gaps);
        self.ranges[0].from = from;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_gap_holds_the_watermark_until_it_is_filled_or_old() {
        let mut seen = Seen::default();
        for offset in [0, 1, 3, 4] {
            assert!(seen.insert(offset, offset * 100));
        }
        assert_eq!(seen.complete_ms(0), Some(100));
        assert_eq!(seen.complete_ms(300), Some(100));
        assert_eq!(seen.complete_ms(301), Some(400), "missing for too long");
        assert!(seen.insert(2, 200));
        assert_eq!((seen.complete_ms(0), seen.len()), (Some(400), 1));
        assert!(!seen.insert(2, 200));
    }

    #[test]
    fn compacting_closes_old_gaps_only() {
        let mut seen = Seen::default();
        for offset in [0, 2, 4, 6] {
            seen.insert(offset, offset * 100);
        }
        seen.compact(300);
        assert!(!seen.insert(1, 100));
        assert!(seen.insert(3, 300), "missed since 400 only");
        assert!(seen.insert(5, 500));
        seen.compact(i64::MAX);
        assert_eq!(seen.len(), 1);
    }

    proptest! {
        #[test]
        fn as_a_set(offsets in prop::collection::vec(0_i64..60, 0..200)) {
            let (mut seen, mut set) = (Seen::default(), BTreeSet::new());
            for offset in offsets {
                prop_assert_eq!(seen.insert(offset, offset * 10), set.insert(offset));
                let runs = set.iter().filter(|o| !set.contains(&(**o - 1))).count();
                prop_assert_eq!(seen.len(), runs);
                let first_missing = set.iter().find(|o| !set.contains(&(**o + 1))).map(|o| o * 10);
                prop_assert_eq!(seen.complete_ms(i64::MIN), first_missing);
            }
        }
    }
}
