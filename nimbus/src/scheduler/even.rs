//! The even scheduler: `topology.workers` slots on as many nodes as possible, at equal use on the pool
//! that is used least; then executors on them (`lay`).
//!
//! Pure: no clock, no I/O, no async.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use super::ground::{Ground, Place};
use super::model::{Problem, Solution};
use super::{lay, words};

/// Rounds after which a spreading topology is left as it is.
const ROUNDS: usize = 8;

/// Solves one topology. What is new or may move is solved until nothing moves any more, so that asking
/// again moves nothing.
pub fn solve(problem: &Problem) -> Solution {
    let first = once(problem);
    if !(problem.spread || problem.current.is_empty()) || first.placed.is_empty() {
        return first;
    }
    let mut next = Problem {
        spread: true,
        ..problem.clone()
    };
    let mut last = first;
    for _ in 0..ROUNDS {
        next.current = std::mem::take(&mut last.placed);
        last = once(&next);
        if last.placed == next.current {
            break;
        }
    }
    last
}

fn once(problem: &Problem) -> Solution {
    let ground = Ground::new(problem);
    let mut places = ground.kept(problem);
    let mut pick = Pick::new(problem, &ground, &places);
    pick.drop_surplus();
    pick.fill();
    if problem.spread {
        let moved = pick.spread();
        for place in places.iter_mut().flatten() {
            *place = moved.get(place).copied().unwrap_or(*place);
        }
    }
    if pick.slots.is_empty() {
        return nothing(problem);
    }
    for place in &mut places {
        *place = place.filter(|p| pick.loads.contains_key(p));
    }
    lay::lay(problem, &ground, &pick.slots, &mut places);
    let used: BTreeSet<Place> = places.iter().flatten().copied().collect();
    let fresh = |s: &&Place| !used.contains(*s) && !ground.node(**s).settled;
    let (has, wanted) = (pick.slots.len(), pick.wanted);
    let later = pick.slots.iter().filter(fresh).count();
    let mut missing = Vec::new();
    if has < wanted {
        missing.push(format!(
            "{has} of {wanted} workers have a slot: the topology runs with fewer until there are more"
        ));
    }
    if later > 0 {
        missing.push(format!(
            "{later} of {wanted} workers follow when their nodes have been there for nimbus.spread.delay.secs"
        ));
    }
    missing.extend(words::broken(problem, &ground, &places));
    Solution {
        placed: ground.answer(problem, &places),
        missing: words::joined(missing),
        short: has < wanted,
    }
}

fn nothing(problem: &Problem) -> Solution {
    let open = problem.nodes.iter().filter(|n| n.open).count();
    let text = format!(
        "no free slot for {} executors: {open} of {} nodes take new work; start a supervisor or free a slot",
        problem.executors.len(),
        problem.nodes.len()
    );
    Solution {
        placed: BTreeMap::new(),
        missing: Some(text),
        short: true,
    }
}

/// Free nodes of one pool and one life cycle, the next one to use first: use, most room, number.
type Free = BTreeSet<(usize, Reverse<usize>, u32)>;

/// The slots that are chosen so far.
struct Pick<'p> {
    ground: &'p Ground<'p>,
    wanted: usize,
    /// Whether what stays may be moved.
    may_move: bool,
    /// Slots that must lie on on-demand nodes, while such nodes have room.
    stable_wanted: usize,
    /// Slots that one pool may hold, as far as others have room.
    pool_most: usize,
    slots: Vec<Place>,
    loads: FxHashMap<Place, usize>,
    node_used: Vec<usize>,
    pool_used: Vec<usize>,
    /// By pool and life cycle: twice the pool's number, plus one for on-demand.
    free: Vec<Free>,
}

impl<'p> Pick<'p> {
    fn new(problem: &Problem, ground: &'p Ground<'p>, kept: &[Option<Place>]) -> Self {
        let mut loads: FxHashMap<Place, usize> = FxHashMap::default();
        for place in kept.iter().flatten() {
            *loads.entry(*place).or_default() += 1;
        }
        let mut slots: Vec<Place> = loads.keys().copied().collect();
        slots.sort_unstable();
        let (wanted, stable_wanted) = wanted(problem, ground, &slots);
        let pool_most = if problem.rules.share < 1.0 {
            ((wanted as f64 * problem.rules.share).ceil() as usize).max(1)
        } else {
            usize::MAX
        };
        let mut pick = Self {
            ground,
            wanted,
            may_move: problem.spread,
            stable_wanted,
            pool_most,
            node_used: vec![0; ground.nodes.len()],
            pool_used: vec![0; ground.pools.len()],
            free: vec![Free::new(); 2 * ground.pools.len()],
            slots: Vec::new(),
            loads,
        };
        for place in &slots {
            pick.node_used[place.0 as usize] += 1;
            pick.pool_used[ground.pool_of(*place)] += 1;
        }
        pick.slots = slots;
        for node in 0..ground.nodes.len() as u32 {
            pick.offer(node);
        }
        pick
    }

    fn group(&self, node: u32) -> usize {
        let stable = self.ground.nodes[node as usize].stable;
        2 * self.ground.pool[node as usize] + usize::from(stable)
    }

    fn key(&self, node: u32) -> (usize, Reverse<usize>, u32) {
        let used = self.node_used[node as usize];
        let room = self.ground.nodes[node as usize]
            .ports
            .len()
            .saturating_sub(used);
        (used, Reverse(room), node)
    }

    /// Puts a node among the free ones, if it takes new work and has a port left.
    fn offer(&mut self, node: u32) {
        let key = self.key(node);
        if self.ground.nodes[node as usize].open && key.1.0 > 0 {
            let group = self.group(node);
            self.free[group].insert(key);
        }
    }

    fn take(&mut self, place: Place, load: usize) {
        let key = self.key(place.0);
        let group = self.group(place.0);
        self.free[group].remove(&key);
        self.node_used[place.0 as usize] += 1;
        self.pool_used[self.ground.pool_of(place)] += 1;
        self.offer(place.0);
        self.slots.push(place);
        self.loads.insert(place, load);
    }

    fn give_back(&mut self, place: Place) -> usize {
        let key = self.key(place.0);
        let group = self.group(place.0);
        self.free[group].remove(&key);
        self.node_used[place.0 as usize] -= 1;
        self.pool_used[self.ground.pool_of(place)] -= 1;
        self.offer(place.0);
        self.slots.retain(|s| *s != place);
        self.loads.remove(&place).unwrap_or(0)
    }

    fn stable(&self) -> usize {
        let stable = |s: &&Place| self.ground.node(**s).stable;
        self.slots.iter().filter(stable).count()
    }

    /// More slots than wanted: the emptiest go, but not those that stable components need.
    fn drop_surplus(&mut self) {
        let surplus = self.slots.len().saturating_sub(self.wanted);
        let mut order = self.slots.clone();
        order.sort_by_key(|s| (self.loads[s], *s));
        let (mut gone, mut stable) = (0, self.stable());
        for place in order {
            let is_stable = self.ground.node(place).stable;
            if gone == surplus || is_stable && stable <= self.stable_wanted {
                continue;
            }
            stable -= usize::from(is_stable);
            gone += 1;
            self.give_back(place);
        }
    }

    /// Fewer than wanted: first what stable components need, then anything.
    fn fill(&mut self) {
        let mut stable = self.stable();
        while stable < self.stable_wanted {
            let Some(place) = self.next(true) else { break };
            if self.slots.len() >= self.wanted {
                // What is on the other slots stays there, but when all may move.
                if !self.may_move || !self.ground.node(place).settled {
                    break;
                }
                let others = self.slots.iter().filter(|s| !self.ground.node(**s).stable);
                let Some(least) = others.min_by_key(|s| (self.loads[*s], **s)).copied() else {
                    break;
                };
                self.give_back(least);
            }
            self.take(place, 0);
            stable += 1;
        }
        while self.slots.len() < self.wanted {
            let Some(place) = self.next(false) else { break };
            self.take(place, 0);
        }
    }

    /// The next slot: on a pool with room below its most, on the node that is used least, in the pool
    /// that is used least.
    fn next(&self, only_stable: bool) -> Option<Place> {
        let groups = (0..self.free.len()).filter(|g| !only_stable || g % 2 == 1);
        let first = groups.filter_map(|g| {
            let used = self.pool_used[g / 2];
            let (node_used, room, node) = self.free[g].first()?;
            Some((used >= self.pool_most, *node_used, used, *room, *node))
        });
        let node = first.min()?.4;
        Some((node, self.free_port(node)?))
    }

    fn free_port(&self, node: u32) -> Option<u16> {
        let ports = &self.ground.nodes[node as usize].ports;
        ports
            .iter()
            .find(|p| !self.loads.contains_key(&(node, **p)))
            .copied()
    }

    /// Moves slots from where there are at least two more to where there are fewer, on settled nodes
    /// only; one more is left alone, so that nothing swings to and fro.
    fn spread(&mut self) -> FxHashMap<Place, Place> {
        let mut moved: FxHashMap<Place, Place> = FxHashMap::default();
        for _ in 0..self.slots.len() {
            let Some((from, to)) = self.uneven() else {
                break;
            };
            let load = self.give_back(from);
            self.take(to, load);
            let origin = moved.iter().find(|(_, t)| **t == from).map(|(o, _)| *o);
            moved.insert(origin.unwrap_or(from), to);
        }
        moved
    }

    fn uneven(&self) -> Option<(Place, Place)> {
        let spare = self.stable() > self.stable_wanted;
        let (to_over, to_node, to_pool, to) = self.lightest()?;
        let to_stable = self.ground.nodes[to as usize].stable;
        let leaves = |s: &&Place| spare || to_stable || !self.ground.node(**s).stable;
        let from = self.slots.iter().filter(leaves).max_by_key(|s| {
            let pool = self.pool_used[self.ground.pool_of(**s)];
            let node = self.node_used[s.0 as usize];
            let load = Reverse(self.loads[*s]);
            (pool > self.pool_most, node, pool, load, **s)
        })?;
        let node = self.node_used[from.0 as usize];
        let pool = self.pool_used[self.ground.pool_of(*from)];
        let better = node >= to_node + 2 || node > to_node && pool >= to_pool + 2;
        let worth = !to_over && (pool > self.pool_most || better);
        worth.then_some((*from, (to, self.free_port(to)?)))
    }

    /// The settled node that work should move to: whether its pool is full, use of node and pool.
    fn lightest(&self) -> Option<(bool, usize, usize, u32)> {
        let groups = (0..self.free.len()).filter_map(|g| {
            let mut settled = self.free[g].iter();
            let first = settled.find(|k| self.ground.nodes[k.2 as usize].settled)?;
            let used = self.pool_used[g / 2];
            Some((used >= self.pool_most, first.0, used, first.2))
        });
        groups.min()
    }
}

/// How many slots, and how many of them on on-demand nodes.
fn wanted(problem: &Problem, ground: &Ground<'_>, kept: &[Place]) -> (usize, usize) {
    let executors = problem.executors.len().max(1);
    let sizes = problem.sizes();
    let counts = |n: &super::model::Node| n.open && (n.settled || kept.is_empty());
    let mut pools: BTreeSet<&str> = ground
        .nodes
        .iter()
        .filter(|n| counts(n) && !n.ports.is_empty())
        .map(|n| n.pool.as_str())
        .collect();
    pools.extend(kept.iter().map(|p| ground.node(*p).pool.as_str()));
    // A share below 1 needs slots in several pools, whatever topology.workers says.
    let needed = |n: &usize| n.div_ceil(problem.rules.cap(*n).min((*n).max(1)));
    // A pool that went takes none of the slots with it that are elsewhere.
    let most = pools.len().max(kept.len());
    let by_share = sizes.iter().map(needed).max().unwrap_or(1).min(most);
    let wanted = problem.workers.max(by_share).clamp(1, executors);
    let stable: usize = problem
        .components
        .iter()
        .zip(&sizes)
        .filter(|(c, _)| c.stable)
        .map(|(_, n)| n)
        .sum();
    (wanted, (wanted * stable).div_ceil(executors))
}
