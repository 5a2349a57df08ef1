//! The newest estimates: those of the last minutes of event time, and at most so many.
//! Pure: no clock, no I/O, no async.

use std::collections::VecDeque;

use fulmar_proto::wifi::Estimate;

/// How much event time is kept, in ms.
pub const SPAN_MS: i64 = 15 * 60 * 1_000;

/// Estimates kept: at about 400 bytes each, 200 MB at most.
pub const MOST: usize = 500_000;

/// The ring. Each estimate has a number that only grows, so that pages stay put while newer ones come.
#[derive(Debug)]
pub struct Ring {
    kept: VecDeque<Estimate>,
    /// Number of the first one kept.
    first: u64,
    newest_ms: i64,
    most: usize,
    /// Given up because the ring was full, not because they were old.
    pub dropped: u64,
}

impl Default for Ring {
    fn default() -> Self {
        Self::new(MOST)
    }
}

impl Ring {
    /// A ring of at most so many.
    pub fn new(most: usize) -> Self {
        Self {
            kept: VecDeque::new(),
            first: 0,
            newest_ms: i64::MIN,
            most: most.max(1),
            dropped: 0,
        }
    }

    /// Adds one.
    pub fn push(&mut self, estimate: Estimate) {
        self.newest_ms = self.newest_ms.max(estimate.time_ms);
        self.kept.push_back(estimate);
        if self.kept.len() > self.most {
            self.dropped += 1;
            self.pop();
        }
        while self
            .kept
            .front()
            .is_some_and(|e| e.time_ms < self.newest_ms.saturating_sub(SPAN_MS))
        {
            self.pop();
        }
    }

    fn pop(&mut self) {
        self.kept.pop_front();
        self.first += 1;
    }

    /// Number of estimates kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Newest first, those below this number that `wanted` takes, with their numbers.
    pub fn below<'a>(
        &'a self,
        number: Option<u64>,
        wanted: impl Fn(&Estimate) -> bool + 'a,
    ) -> impl Iterator<Item = (u64, &'a Estimate)> {
        let end = number.map_or(self.kept.len(), |n| {
            (n.saturating_sub(self.first) as usize).min(self.kept.len())
        });
        let first = self.first;
        (0..end)
            .rev()
            .map(move |i| (first + i as u64, &self.kept[i]))
            .filter(move |(_, e)| wanted(e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time_ms: i64) -> Estimate {
        Estimate {
            time_ms,
            ..Estimate::default()
        }
    }

    #[test]
    fn it_keeps_the_newest_minutes_and_at_most_so_many() {
        let mut ring = Ring::new(3);
        (1..=5).for_each(|i| ring.push(at(i * 1_000)));
        let times = |ring: &Ring| {
            ring.below(None, |_| true)
                .map(|e| e.1.time_ms)
                .collect::<Vec<_>>()
        };
        assert_eq!((times(&ring), ring.dropped), (vec![5_000, 4_000, 3_000], 2));
        ring.push(at(3_500 + SPAN_MS));
        assert_eq!(
            (times(&ring), ring.dropped),
            (vec![3_500 + SPAN_MS, 5_000, 4_000], 3)
        );
        ring.push(at(4_500 + SPAN_MS));
        assert_eq!(times(&ring), [4_500 + SPAN_MS, 3_500 + SPAN_MS, 5_000]);
    }

    #[test]
    fn pages_stay_put_while_newer_ones_come() {
        let mut ring = Ring::new(100);
        (0..10).for_each(|i| ring.push(at(i)));
        let first: Vec<_> = ring
            .below(None, |_| true)
            .take(4)
            .map(|e| (e.0, e.1.time_ms))
            .collect();
        assert_eq!(first.last(), Some(&(6, 6)));
        ring.push(at(10));
        let second: Vec<_> = ring
            .below(Some(6), |e| e.time_ms % 2 == 1)
            .map(|e| e.1.time_ms)
            .collect();
        assert_eq!(second, [5, 3, 1]);
    }
}
