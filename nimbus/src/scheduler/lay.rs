//! Executors on chosen slots: what stays, stays; the others go where there are fewest, within the
//! pool's share and, if they are stable, on on-demand nodes, as far as that can be had.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::ground::{Ground, Place};
use super::model::Problem;

/// Gives every executor one of the slots. `places` holds those that have one already.
pub fn lay(problem: &Problem, ground: &Ground<'_>, slots: &[Place], places: &mut [Option<Place>]) {
    let mut table = Table::new(problem, ground, slots);
    for ((_, c), place) in problem.executors.iter().zip(places.iter()) {
        if let Some(place) = *place {
            table.shift(*c, place, true);
        }
    }
    for ((_, c), place) in problem.executors.iter().zip(places.iter_mut()) {
        if place.is_none() {
            *place = table.best(*c, None).map(|(_, _, p)| p);
            if let Some(place) = *place {
                table.shift(*c, place, true);
            }
        }
    }
    if problem.spread {
        table.level(problem, places);
    }
}

/// What a choice breaks: the wish for on-demand, the pool's share.
type Breaks = (bool, bool);

struct Table<'p> {
    ground: &'p Ground<'p>,
    slots: &'p [Place],
    index: FxHashMap<Place, usize>,
    loads: Vec<usize>,
    /// Slots by load: four groups for each pool, by on-demand and by settled.
    groups: Vec<BTreeSet<(usize, usize)>>,
    /// Executors by component and pool.
    counts: Vec<Vec<usize>>,
    caps: Vec<usize>,
    stable: Vec<bool>,
}

impl<'p> Table<'p> {
    fn new(problem: &'p Problem, ground: &'p Ground<'p>, slots: &'p [Place]) -> Self {
        let sizes = problem.sizes();
        let stable = |c: usize| problem.components.get(c).is_some_and(|k| k.stable);
        let mut table = Self {
            ground,
            slots,
            index: slots.iter().copied().zip(0..).collect(),
            loads: vec![0; slots.len()],
            groups: vec![BTreeSet::new(); 4 * ground.pools.len()],
            counts: vec![vec![0; ground.pools.len()]; sizes.len()],
            caps: sizes.iter().map(|n| problem.rules.cap(*n)).collect(),
            stable: (0..sizes.len()).map(stable).collect(),
        };
        for (i, place) in slots.iter().enumerate() {
            let group = table.group(*place);
            table.groups[group].insert((0, i));
        }
        table
    }

    fn group(&self, place: Place) -> usize {
        let node = self.ground.node(place);
        4 * self.ground.pool_of(place) + 2 * usize::from(node.stable) + usize::from(node.settled)
    }

    fn shift(&mut self, component: usize, place: Place, more: bool) {
        let Some(i) = self.index.get(&place).copied() else {
            return;
        };
        let (group, pool) = (self.group(place), self.ground.pool_of(place));
        self.groups[group].remove(&(self.loads[i], i));
        let count = &mut self.counts[component][pool];
        if more {
            (self.loads[i], *count) = (self.loads[i] + 1, *count + 1);
        } else {
            (self.loads[i], *count) = (self.loads[i] - 1, *count - 1);
        }
        self.groups[group].insert((self.loads[i], i));
    }

    /// The best slot for an executor of a component, with what it breaks and its load; for one that is
    /// somewhere, the best settled one other than where it is.
    fn best(&self, component: usize, from: Option<Place>) -> Option<(Breaks, usize, Place)> {
        let own = from.map(|p| self.ground.pool_of(p));
        let first = self.groups.iter().enumerate().filter_map(|(g, slots)| {
            if own.is_some() && g % 2 == 0 {
                return None;
            }
            let (load, i) = slots.iter().find(|(_, i)| Some(self.slots[*i]) != from)?;
            let unstable = self.stable[component] && g & 2 == 0;
            // Within a pool its count stays what it is.
            let count = self.counts[component][g / 4] - usize::from(own == Some(g / 4));
            let full = count >= self.caps[component];
            Some(((unstable, full), *load, *i))
        });
        let best = first.min();
        best.map(|(breaks, load, i)| (breaks, load, self.slots[i]))
    }

    /// Moves what breaks a rule to where it breaks none, and from slots with at least two more than
    /// others to those.
    fn level(&mut self, problem: &Problem, places: &mut [Option<Place>]) {
        for ((_, c), place) in problem.executors.iter().zip(places) {
            let Some(old) = *place else { continue };
            let unstable = self.stable[*c] && !self.ground.node(old).stable;
            let over = self.counts[*c][self.ground.pool_of(old)] > self.caps[*c];
            let load = self.index.get(&old).map_or(0, |i| self.loads[*i]);
            let Some((breaks, target, new)) = self.best(*c, Some(old)) else {
                continue;
            };
            if breaks < (unstable, over) || breaks == (unstable, over) && target + 2 <= load {
                self.shift(*c, old, false);
                self.shift(*c, new, true);
                *place = Some(new);
            }
        }
    }
}
