//! Counts over windows of time: totals become differences, differences go into buckets, a window is
//! the sum of its buckets. Storm's windows (10 minutes, 3 hours, 1 day) and its 20 buckets a window.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::VecDeque;

/// Storm's windows, in seconds; "all time" is kept apart.
pub const WINDOWS: [u32; 3] = [600, 10_800, 86_400];

const BUCKETS: u64 = 20;

/// Counts of an executor: one cell for each key of its component, and sums that averages come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// By key; what the three numbers mean depends on the key.
    pub cells: Vec<[u64; 3]>,
    /// Sum of complete latencies, in milliseconds, and how many they were.
    pub complete: (f64, u64),
    /// Sum of times inside execute, in milliseconds, and how many they were.
    pub execute: (f64, u64),
    /// Sum of times from input to ack, in milliseconds, and how many they were.
    pub process: (f64, u64),
}

impl Counts {
    /// The cell of a key, made when it is not there yet.
    pub fn cell(&mut self, key: usize) -> &mut [u64; 3] {
        if self.cells.len() <= key {
            self.cells.resize(key + 1, [0; 3]);
        }
        &mut self.cells[key]
    }

    /// The cell of a key, zero when it is not there.
    pub fn get(&self, key: usize) -> [u64; 3] {
        self.cells.get(key).copied().unwrap_or_default()
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Counts) {
        for (key, from) in other.cells.iter().enumerate() {
            let to = self.cell(key);
            (0..3).for_each(|i| to[i] += from[i]);
        }
        for (to, from) in [
            (&mut self.complete, other.complete),
            (&mut self.execute, other.execute),
            (&mut self.process, other.process),
        ] {
            *to = (to.0 + from.0, to.1 + from.1);
        }
    }

    /// What was counted since `before`. A number that fell was started anew: all of it counts.
    pub fn since(&self, before: &Counts) -> Counts {
        let less = |now: u64, then: u64| if now < then { now } else { now - then };
        let cells = self.cells.iter().enumerate().map(|(key, now)| {
            let then = before.get(key);
            [0, 1, 2].map(|i| less(now[i], then[i]))
        });
        Counts {
            cells: cells.collect(),
            ..Counts::default()
        }
    }
}

/// An average out of a sum; 0 of nothing.
pub fn mean(sum: (f64, u64)) -> f64 {
    if sum.1 == 0 {
        0.0
    } else {
        sum.0 / sum.1 as f64
    }
}

/// One window.
#[derive(Clone, Debug)]
struct Buckets {
    step_ms: u64,
    /// Number of the bucket since the epoch, ascending, and what fell into it.
    kept: VecDeque<(u64, Counts)>,
}

impl Buckets {
    fn new(secs: u32) -> Self {
        Self {
            step_ms: u64::from(secs) * 1_000 / BUCKETS,
            kept: VecDeque::new(),
        }
    }

    fn add(&mut self, now: u64, delta: &Counts) {
        let number = now / self.step_ms;
        let at = self.kept.iter().position(|(n, _)| *n >= number);
        match at {
            Some(i) if self.kept[i].0 == number => self.kept[i].1.add(delta),
            Some(i) => self.kept.insert(i, (number, delta.clone())),
            None => self.kept.push_back((number, delta.clone())),
        }
        let oldest = number.saturating_sub(BUCKETS - 1);
        while self.kept.front().is_some_and(|(n, _)| *n < oldest) {
            self.kept.pop_front();
        }
    }

    fn sum(&self, now: u64) -> Counts {
        let oldest = (now / self.step_ms).saturating_sub(BUCKETS - 1);
        let mut sum = Counts::default();
        let young = self.kept.iter().filter(|(n, _)| *n >= oldest);
        young.for_each(|(_, c)| sum.add(c));
        sum
    }
}

/// All windows of an executor, or of what is left of executors that are gone.
#[derive(Clone, Debug)]
pub struct Windows {
    windows: [Buckets; 3],
    /// Since this Nimbus heard of it.
    pub all: Counts,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            windows: WINDOWS.map(Buckets::new),
            all: Counts::default(),
        }
    }
}

impl Windows {
    /// Counts what happened during the last `over_ms`: windows that are shorter cannot know how much
    /// of it is theirs and leave it out (a Nimbus that has just started hears totals of hours).
    pub fn add(&mut self, now: u64, over_ms: u64, delta: &Counts) {
        self.all.add(delta);
        for (window, secs) in self.windows.iter_mut().zip(WINDOWS) {
            if over_ms <= u64::from(secs) * 1_000 {
                window.add(now, delta);
            }
        }
    }

    /// Takes over what another has counted.
    pub fn merge(&mut self, other: &Windows) {
        self.all.add(&other.all);
        for (to, from) in self.windows.iter_mut().zip(&other.windows) {
            for (number, counts) in &from.kept {
                to.add(number * to.step_ms, counts);
            }
        }
    }

    /// The sum of each window that has anything in it, by seconds; all time is 0.
    pub fn sums(&self, now: u64) -> Vec<(u32, Counts)> {
        let windows = WINDOWS.iter().zip(&self.windows);
        windows
            .map(|(secs, w)| (*secs, w.sum(now)))
            .chain([(0, self.all.clone())])
            .filter(|(_, c)| c.cells.iter().any(|cell| *cell != [0; 3]))
            .collect()
    }
}
