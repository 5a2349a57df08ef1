//! Load-aware shuffle: nearest tasks first, and fewer tuples to those that lag behind.
//!
//! Storm's rule (storm.md 5.2): scopes from the nearest tasks to all of them; when the scope in use
//! is loaded above a bound on average, the next one is used too, and when a nearer one has calmed
//! down, that one alone. Each task has a weight from 0 to 100, taken from it by 10 when it is loaded
//! more than the least loaded one, given back by 1. Unlike in Storm, tasks of equal weight are walked
//! round and round, which is exactly even; and the load is what is queued for a task anywhere, so
//! that workers need not tell each other.
//! Pure: no clock, no I/O, no async.

use crate::route::Random;

/// Slots of a ring whose tasks have different weights.
const SLOTS: usize = 1_000;

/// A load above the least one by this much costs weight.
const SPREAD: f64 = 0.05;

const FULL: u32 = 100;

/// When scopes change.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// `topology.localityaware.lower.bound`.
    pub lower: f64,
    /// `topology.localityaware.higher.bound`.
    pub higher: f64,
    /// Loads count at all (`topology.disable.loadaware.messaging` is false).
    pub aware: bool,
}

/// The walk of one shuffling edge at one emitter.
#[derive(Clone, Debug)]
pub struct Balance {
    /// Positions of targets, nearest scope first, each holding the ones before it; none is empty.
    scopes: Vec<Vec<usize>>,
    scope: usize,
    bounds: Bounds,
    /// By position.
    weights: Vec<u32>,
    ring: Vec<usize>,
    at: usize,
}

impl Balance {
    /// A walk among `targets` positions, by these scopes, nearest first; all of them when no scope
    /// has any.
    pub fn new(near: &[&[usize]], targets: usize, bounds: Bounds, random: &mut Random) -> Self {
        let mut scopes: Vec<Vec<usize>> = Vec::new();
        for scope in near {
            let larger = scopes.last().map_or(0, Vec::len);
            if scope.len() > larger {
                scopes.push(scope.to_vec());
            }
        }
        if scopes.is_empty() {
            scopes.push((0..targets).collect());
        }
        let mut balance = Self {
            scopes,
            scope: 0,
            bounds,
            weights: vec![FULL; targets],
            ring: Vec::new(),
            at: 0,
        };
        balance.lay(random);
        balance
    }

    /// The next target's position.
    #[inline]
    pub fn next(&mut self) -> usize {
        let chosen = self.ring[self.at];
        self.at += 1;
        if self.at == self.ring.len() {
            self.at = 0;
        }
        chosen
    }

    /// The only target in use, if there is only one.
    pub fn only(&self) -> Option<usize> {
        match self.scopes[self.scope][..] {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Takes new loads (0 to 1, by position) into account; answers whether the scope changed.
    pub fn refresh(&mut self, load: impl Fn(usize) -> f64, random: &mut Random) -> bool {
        if !self.bounds.aware {
            return false;
        }
        let mean = |scope: &Vec<usize>| {
            scope.iter().map(|i| load(*i)).sum::<f64>() / scope.len().max(1) as f64
        };
        let before = self.scope;
        if self.scope + 1 < self.scopes.len() && mean(&self.scopes[self.scope]) > self.bounds.higher
        {
            self.scope += 1;
        } else if self.scope > 0 && mean(&self.scopes[self.scope - 1]) < self.bounds.lower {
            self.scope -= 1;
        }
        let old = self.weights.clone();
        if self.scope == before {
            let used = &self.scopes[self.scope];
            let least = used.iter().map(|i| load(*i)).fold(f64::MAX, f64::min);
            for i in used {
                let weight = &mut self.weights[*i];
                *weight = if load(*i) <= least + SPREAD {
                    (*weight + 1).min(FULL)
                } else {
                    weight.saturating_sub(10)
                };
            }
        } else {
            self.weights.fill(FULL);
        }
        if self.scope != before || self.weights != old {
            self.lay(random);
        }
        self.scope != before
    }

    /// Lays the tasks in use out in a ring, in proportion to their weights.
    fn lay(&mut self, random: &mut Random) {
        let used = &self.scopes[self.scope];
        let sum: u32 = used.iter().map(|i| self.weights[*i]).sum();
        let equal = used
            .iter()
            .all(|i| self.weights[*i] == self.weights[used[0]]);
        self.ring.clear();
        if equal || sum == 0 {
            self.ring.extend(used);
        } else {
            let slots = SLOTS.max(5 * used.len());
            for i in used {
                let share = slots * self.weights[*i] as usize / sum as usize;
                self.ring.extend(std::iter::repeat_n(*i, share));
            }
        }
        for i in (1..self.ring.len()).rev() {
            self.ring.swap(i, random.below(i + 1));
        }
        self.at = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        lower: 0.2,
        higher: 0.8,
        aware: true,
    };

    fn counts(balance: &mut Balance, n: usize, targets: usize) -> Vec<usize> {
        let mut counts = vec![0; targets];
        (0..n).for_each(|_| counts[balance.next()] += 1);
        counts
    }

    #[test]
    fn scopes_widen_under_load_and_narrow_when_it_is_gone() {
        let mut random = Random::new(1);
        let mut b = Balance::new(&[&[1, 2], &[0, 1, 2, 3]], 4, BOUNDS, &mut random);
        assert_eq!(counts(&mut b, 400, 4), [0, 200, 200, 0]);
        assert!(b.refresh(|_| 0.9, &mut random));
        assert_eq!(counts(&mut b, 400, 4), [100; 4]);
        // Between the bounds nothing changes.
        assert!(!b.refresh(|_| 0.5, &mut random));
        assert!(b.refresh(|i| if i < 3 { 0.1 } else { 0.9 }, &mut random));
        assert_eq!(counts(&mut b, 400, 4), [0, 200, 200, 0]);
    }

    #[test]
    fn who_lags_behind_gets_less_and_later_its_share_again() {
        let mut random = Random::new(2);
        let mut b = Balance::new(&[], 2, BOUNDS, &mut random);
        for _ in 0..5 {
            b.refresh(|i| if i == 0 { 0.6 } else { 0.1 }, &mut random);
        }
        let seen = counts(&mut b, 999, 2);
        // Weights 50 and 100.
        assert_eq!(seen, [333, 666]);
        for _ in 0..50 {
            b.refresh(|_| 0.1, &mut random);
        }
        assert_eq!(counts(&mut b, 400, 2), [200, 200]);
    }

    #[test]
    fn without_load_awareness_the_nearest_are_used_for_ever() {
        let mut random = Random::new(3);
        let blind = Bounds {
            aware: false,
            ..BOUNDS
        };
        let mut b = Balance::new(&[&[2], &[0, 1, 2]], 3, blind, &mut random);
        assert!(!b.refresh(|_| 1.0, &mut random));
        assert_eq!(b.only(), Some(2));
    }

    #[test]
    fn what_is_no_scope_is_never_used() {
        let mut random = Random::new(4);
        // Local-or-shuffle: the core, then the worker, and no further.
        let mut b = Balance::new(&[&[0], &[0, 1]], 3, BOUNDS, &mut random);
        assert_eq!(b.only(), Some(0));
        b.refresh(|_| 1.0, &mut random);
        b.refresh(|_| 1.0, &mut random);
        assert_eq!(counts(&mut b, 300, 3), [150, 150, 0]);
        let far = Balance::new(&[&[], &[]], 3, BOUNDS, &mut random);
        assert_eq!(far.scopes, [vec![0, 1, 2]]);
    }
}
