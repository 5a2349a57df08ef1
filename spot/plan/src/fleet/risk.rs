//! Whether spot is to be trusted now: the part of its nodes that was taken of late.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::VecDeque;

/// Losses and notices of the last quarter of an hour: pools empty within minutes (docs/spot.md).
const WINDOW_MS: u64 = 900_000;
/// One or two nodes are a part of a small fleet, and no storm.
const LEAST: usize = 3;

/// Nodes that were taken, and when.
#[derive(Clone, Debug)]
pub struct Risk {
    taken: VecDeque<u64>,
    part: f64,
    high: bool,
}

impl Risk {
    /// High from this part of the spot nodes on, until it has fallen below half of it.
    pub fn new(part: f64) -> Self {
        Self {
            taken: VecDeque::new(),
            part,
            high: false,
        }
    }

    /// A spot node has its sentence, or is gone without one.
    pub fn note(&mut self, now: u64) {
        self.taken.push_back(now);
    }

    /// Whether it is high, of so many spot nodes that there are now.
    pub fn is_high(&mut self, spot_nodes: usize, now: u64) -> bool {
        while self.taken.front().is_some_and(|at| at + WINDOW_MS <= now) {
            self.taken.pop_front();
        }
        let taken = self.taken.len();
        // Those that are gone were nodes too.
        let part = taken as f64 / (spot_nodes + taken).max(1) as f64;
        self.high = match self.high {
            true => part >= self.part / 2.0,
            false => taken >= LEAST && part >= self.part,
        };
        self.high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_one_until_it_has_passed() {
        let mut risk = Risk::new(0.3);
        risk.note(0);
        risk.note(1);
        assert!(!risk.is_high(1, 2), "two nodes are no storm");
        risk.note(3);
        assert!(!risk.is_high(40, 3));
        (0..20).for_each(|_| risk.note(4));
        assert!(risk.is_high(30, 5));
        assert!(risk.is_high(90, 6), "it holds until half of it has passed");
        assert!(!risk.is_high(90, WINDOW_MS + 5));
    }
}
