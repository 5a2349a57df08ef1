//! Nodes that come and go (Storm's blacklist): too many faults within a time, and a node takes nothing
//! new for a while, twice as long each time. What runs on it stays.
//!
//! Storm's keys: `blacklist.scheduler.tolerance.count` faults within `blacklist.scheduler.tolerance.time.secs`;
//! `blacklist.scheduler.resume.time.secs` is the longest quarantine, which Storm gives at once. As in Storm,
//! a quarantine ends early when work lacks slots.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::{BTreeMap, VecDeque};

/// Nodes that are remembered; the quietest is forgotten first. At 100 bytes each, 1 MB.
const KEPT: usize = 10_000;

/// When a node is quarantined, and for how long; milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Faults.
    pub count: usize,
    /// Within this time.
    pub within: u64,
    /// The first quarantine.
    pub base: u64,
    /// The longest one.
    pub most: u64,
}

#[derive(Clone, Debug, Default)]
struct Record {
    faults: VecDeque<u64>,
    last: u64,
    level: u32,
    until: u64,
}

/// The records of all nodes.
#[derive(Clone, Debug, Default)]
pub struct Quarantine {
    nodes: BTreeMap<String, Record>,
}

impl Quarantine {
    /// Notes that a node fell silent, or its supervisor began a new life unasked. Answers when its
    /// quarantine ends, if one begins.
    pub fn fault(&mut self, node: &str, now: u64, limits: &Limits) -> Option<u64> {
        self.forget(now, limits);
        let r = self.nodes.entry(node.to_owned()).or_default();
        // A long quiet time makes good.
        if now.saturating_sub(r.last) > limits.most.max(limits.within) {
            *r = Record::default();
        }
        r.last = now;
        r.faults.push_back(now);
        while r
            .faults
            .front()
            .is_some_and(|t| now.saturating_sub(*t) > limits.within)
        {
            r.faults.pop_front();
        }
        if r.faults.len() < limits.count {
            return None;
        }
        r.faults.clear();
        let time = limits
            .base
            .saturating_mul(1 << r.level.min(30))
            .min(limits.most);
        r.level += 1;
        r.until = now + time;
        Some(r.until)
    }

    /// When the quarantine of a node ends, while it is in one.
    pub fn until(&self, node: &str, now: u64) -> Option<u64> {
        self.nodes.get(node).map(|r| r.until).filter(|u| *u > now)
    }

    /// Quarantines that ended after `since` and by `now`.
    pub fn ended(&self, since: u64, now: u64) -> bool {
        self.nodes
            .values()
            .any(|r| since < r.until && r.until <= now)
    }

    /// Ends every quarantine now, for work lacks slots; answers whose.
    pub fn release(&mut self, now: u64) -> Vec<String> {
        let kept = self.nodes.iter_mut().filter(|(_, r)| r.until > now);
        kept.map(|(node, r)| {
            r.until = now;
            node.clone()
        })
        .collect()
    }

    fn forget(&mut self, now: u64, limits: &Limits) {
        if self.nodes.len() < KEPT {
            return;
        }
        let quiet = limits.most.max(limits.within);
        self.nodes
            .retain(|_, r| now.saturating_sub(r.last) <= quiet);
        // Many at once, so that the next ones cost nothing.
        let mut times: Vec<u64> = self.nodes.values().map(|r| r.last).collect();
        times.sort_unstable();
        if let Some(median) = times.get(times.len() / 2).filter(|_| times.len() >= KEPT) {
            let mut surplus = times.len() / 2;
            self.nodes.retain(|_, r| {
                let goes = surplus > 0 && r.last <= *median;
                surplus -= usize::from(goes);
                !goes
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        count: 3,
        within: 300_000,
        base: 60_000,
        most: 200_000,
    };

    #[test]
    fn the_third_fault_in_time_quarantines_and_each_next_one_is_longer() {
        let mut q = Quarantine::default();
        assert_eq!(q.fault("n", 0, &LIMITS), None);
        assert_eq!(q.fault("n", 400_000, &LIMITS), None);
        assert_eq!(q.fault("n", 410_000, &LIMITS), None);
        assert_eq!(q.fault("n", 420_000, &LIMITS), Some(480_000));
        assert_eq!(q.until("n", 479_999), Some(480_000));
        assert_eq!(q.until("n", 480_000), None);
        assert!(q.ended(479_999, 480_000) && !q.ended(480_000, 500_000));
        let mut times = Vec::new();
        for now in (0..9).map(|i| 481_000 + i * 1_000) {
            times.extend(q.fault("n", now, &LIMITS).map(|until| until - now));
        }
        assert_eq!(times, [120_000, 200_000, 200_000]);
        assert_eq!(q.release(490_000), ["n"]);
        assert_eq!(q.until("n", 490_000), None);
    }

    #[test]
    fn a_long_quiet_time_makes_good_and_records_have_a_limit() {
        let mut q = Quarantine::default();
        assert_eq!((0..3).filter_map(|i| q.fault("n", i, &LIMITS)).count(), 1);
        (0..2).for_each(|i| assert_eq!(q.fault("n", 1_000_000 + i, &LIMITS), None));
        assert_eq!(q.fault("n", 1_000_003, &LIMITS), Some(1_060_003));
        for i in 0..2 * KEPT {
            q.fault(&i.to_string(), 1_000_004, &LIMITS);
        }
        assert!(q.nodes.len() <= KEPT);
    }
}
