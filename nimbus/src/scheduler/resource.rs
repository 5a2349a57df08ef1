//! The resource-aware scheduler: executors are packed by what they need, one node after the other,
//! each next node from the pool that is used least; `topology.workers` does not count, as in Storm.
//!
//! Whatever does not fit a component on a node now will not fit later in the same solve, for use only
//! grows: so each component walks the nodes once, and fifty thousand executors take milliseconds.
//!
//! Pure: no clock, no I/O, no async.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::ground::{Ground, Place};
use super::model::{Problem, Resources, Solution};
use super::words;

/// Solves one topology. One that is new is laid wholly or not at all; one that runs keeps what it has.
pub fn solve(problem: &Problem) -> Solution {
    let ground = Ground::new(problem);
    let kept = ground.kept(problem);
    let mut pack = Pack::new(problem, &ground);
    let mut places: Vec<Option<Place>> = vec![None; kept.len()];
    for (i, place) in kept.iter().enumerate() {
        let component = problem.executors[i].1;
        if let Some(place) = place.filter(|p| pack.fits_in(component, *p)) {
            pack.put(component, place);
            places[i] = Some(place);
        }
    }
    pack.start();
    let order = interleaved(problem, &places);
    let mut homeless = Vec::new();
    for i in order {
        let component = problem.executors[i].1;
        match pack.next(component, true) {
            Some(place) => places[i] = Some(place),
            None => homeless.push(i),
        }
    }
    // Better beyond a pool's share, or on a node that may be taken away, than not at all.
    pack.start();
    homeless.retain(|i| {
        places[*i] = pack.next(problem.executors[*i].1, false);
        places[*i].is_none()
    });
    if problem.spread {
        pack.mend(&mut places);
    }
    let mut missing = Vec::new();
    if !homeless.is_empty() {
        missing.extend(pack.why(&homeless));
        if problem.current.is_empty() {
            places.fill(None);
        }
    }
    if places.iter().any(Option::is_some) {
        missing.extend(words::broken(problem, &ground, &places));
    }
    Solution {
        placed: ground.answer(problem, &places),
        missing: words::joined(missing),
        short: !homeless.is_empty(),
    }
}

/// Executors without a place: stable ones first, for they fit on few nodes; then components in turn by
/// their share, so that neighbours in the graph meet in a worker.
fn interleaved(problem: &Problem, places: &[Option<Place>]) -> Vec<usize> {
    let sizes = problem.sizes();
    let mut seen = vec![0_u64; sizes.len()];
    let mut order: Vec<(bool, u64, usize, usize)> = Vec::new();
    for (i, (_, c)) in problem.executors.iter().enumerate() {
        seen[*c] += 1;
        if places[i].is_none() {
            let share = ((2 * seen[*c] - 1) << 32) / (2 * sizes[*c] as u64);
            let stable = problem.components.get(*c).is_some_and(|k| k.stable);
            order.push((!stable, share, *c, i));
        }
    }
    order.sort_unstable();
    order.into_iter().map(|(_, _, _, i)| i).collect()
}

/// A worker that is being filled.
#[derive(Default)]
struct Worker {
    port: u16,
    heap: f64,
    executors: usize,
    components: BTreeMap<usize, usize>,
}

/// Where a component stands in its walk.
#[derive(Clone, Copy, Default)]
struct Walk {
    /// In the list of nodes in use.
    used: usize,
    /// No fresh node takes it any more.
    full: bool,
}

struct Pack<'p> {
    problem: &'p Problem,
    ground: &'p Ground<'p>,
    room: Vec<Resources>,
    workers: Vec<Vec<Worker>>,
    by_node: FxHashMap<(u32, usize), usize>,
    by_pool: Vec<Vec<usize>>,
    caps: Vec<usize>,
    /// Nodes in use, in the order in which they were taken.
    used: Vec<u32>,
    /// Nodes that are not, by pool, best last.
    fresh: Vec<Vec<u32>>,
    pool_nodes: Vec<usize>,
    walks: Vec<Walk>,
}

impl<'p> Pack<'p> {
    fn new(problem: &'p Problem, ground: &'p Ground<'p>) -> Self {
        let sizes = problem.sizes();
        Self {
            problem,
            ground,
            room: ground.nodes.iter().map(|n| n.room.clone()).collect(),
            workers: ground.nodes.iter().map(|_| Vec::new()).collect(),
            by_node: FxHashMap::default(),
            by_pool: vec![vec![0; ground.pools.len()]; sizes.len()],
            caps: sizes.iter().map(|n| problem.rules.cap(*n)).collect(),
            used: Vec::new(),
            fresh: Vec::new(),
            pool_nodes: Vec::new(),
            walks: vec![Walk::default(); sizes.len()],
        }
    }

    /// Begins a walk over the nodes: those in use first, then fresh ones by preference and room.
    fn start(&mut self) {
        let nodes = self.ground.nodes;
        let named = |list: &[String], n: &super::model::Node| {
            list.iter().any(|x| *x == n.id || *x == n.host)
        };
        self.pool_nodes = vec![0; self.ground.pools.len()];
        self.fresh = vec![Vec::new(); self.ground.pools.len()];
        self.used.clear();
        for (i, _) in nodes.iter().enumerate().filter(|(_, n)| n.open) {
            if self.workers[i].is_empty() {
                self.fresh[self.ground.pool[i]].push(i as u32);
            } else {
                self.pool_nodes[self.ground.pool[i]] += 1;
                self.used.push(i as u32);
            }
        }
        let rules = &self.problem.rules;
        for pool in &mut self.fresh {
            pool.sort_by_key(|i| {
                let n = &nodes[*i as usize];
                let rank =
                    i8::from(named(&rules.favored, n)) - i8::from(named(&rules.unfavored, n));
                let room = &self.room[*i as usize];
                (rank, room.memory as i64, room.cpu as i64, Reverse(*i))
            });
        }
        self.walks.fill(Walk::default());
    }

    /// Lays one more executor of a component, or says that it fits nowhere.
    fn next(&mut self, component: usize, strict: bool) -> Option<Place> {
        loop {
            let walk = self.walks[component];
            let Some(node) = self.used.get(walk.used).copied() else {
                break;
            };
            if let Some(place) = self.place_on(component, node, strict) {
                self.put(component, place);
                return Some(place);
            }
            self.walks[component].used += 1;
        }
        if self.walks[component].full {
            return None;
        }
        let found = self.fresh_node(component, strict);
        match found {
            Some((pool, at, place)) => {
                self.fresh[pool].remove(at);
                self.pool_nodes[pool] += 1;
                self.used.push(place.0);
                self.put(component, place);
                Some(place)
            }
            None => {
                self.walks[component].full = true;
                None
            }
        }
    }

    /// The best fresh node that takes it, from the pool with the fewest nodes in use.
    fn fresh_node(&self, component: usize, strict: bool) -> Option<(usize, usize, Place)> {
        let mut pools: Vec<usize> = (0..self.fresh.len()).collect();
        pools.sort_by_key(|p| (self.pool_nodes[*p], *p));
        pools.into_iter().find_map(|pool| {
            let list = self.fresh[pool].iter().enumerate().rev();
            let mut fitting = list.filter_map(|(at, node)| {
                Some((pool, at, self.place_on(component, *node, strict)?))
            });
            fitting.next()
        })
    }

    /// Whether one more executor may lie there: a place on that node, or nothing.
    fn place_on(&self, component: usize, node: u32, strict: bool) -> Option<Place> {
        let c = self.problem.components.get(component)?;
        let n = &self.ground.nodes[node as usize];
        let pool = self.ground.pool[node as usize];
        let over = self.by_pool[component][pool] >= self.caps[component];
        if strict && (c.stable && !n.stable || over) {
            return None;
        }
        let here = self.by_node.get(&(node, component)).copied().unwrap_or(0);
        if !self.room[node as usize].holds(&c.demand) || c.per_node.is_some_and(|m| here >= m) {
            return None;
        }
        let workers = &self.workers[node as usize];
        let open = workers.iter().find(|w| self.worker_takes(w, component));
        let port = match open {
            Some(w) => w.port,
            None if c.on_heap > self.problem.rules.heap => return None,
            None => *n
                .ports
                .iter()
                .find(|p| workers.iter().all(|w| w.port != **p))?,
        };
        Some((node, port))
    }

    fn worker_takes(&self, w: &Worker, component: usize) -> bool {
        let (rules, components) = (&self.problem.rules, &self.problem.components);
        let c = &components[component];
        let alone = rules.one_executor && w.executors > 0
            || rules.one_component && w.components.keys().any(|k| *k != component);
        let apart = |k: &usize| c.apart.contains(k) || components[*k].apart.contains(&component);
        !alone && w.heap + c.on_heap <= rules.heap + 1e-6 && !w.components.keys().any(apart)
    }

    /// Whether an executor may stay where it is.
    fn fits_in(&self, component: usize, place: Place) -> bool {
        let Some(c) = self.problem.components.get(component) else {
            return false;
        };
        let here = self
            .by_node
            .get(&(place.0, component))
            .copied()
            .unwrap_or(0);
        let worker = self.workers[place.0 as usize]
            .iter()
            .find(|w| w.port == place.1);
        // A node that takes nothing new keeps what it has; one unheard since a restart has no figures.
        let room = !self.ground.node(place).open || self.room[place.0 as usize].holds(&c.demand);
        room && c.per_node.is_none_or(|m| here < m)
            && match worker {
                Some(w) => self.worker_takes(w, component),
                None => c.on_heap <= self.problem.rules.heap,
            }
    }

    fn put(&mut self, component: usize, place: Place) {
        let c = &self.problem.components[component];
        self.room[place.0 as usize].add(&c.demand, -1.0);
        *self.by_node.entry((place.0, component)).or_default() += 1;
        self.by_pool[component][self.ground.pool_of(place)] += 1;
        let workers = &mut self.workers[place.0 as usize];
        let at = workers.iter().position(|w| w.port == place.1);
        let at = at.unwrap_or_else(|| {
            workers.push(Worker {
                port: place.1,
                ..Worker::default()
            });
            workers.len() - 1
        });
        let w = &mut workers[at];
        w.heap += c.on_heap;
        w.executors += 1;
        *w.components.entry(component).or_default() += 1;
    }

    fn take_away(&mut self, component: usize, place: Place) {
        let c = &self.problem.components[component];
        self.room[place.0 as usize].add(&c.demand, 1.0);
        if let Some(n) = self.by_node.get_mut(&(place.0, component)) {
            *n -= 1;
        }
        self.by_pool[component][self.ground.pool_of(place)] -= 1;
        let workers = &mut self.workers[place.0 as usize];
        if let Some(w) = workers.iter_mut().find(|w| w.port == place.1) {
            w.heap -= c.on_heap;
            w.executors -= 1;
            if let Some(n) = w.components.get_mut(&component) {
                *n -= 1;
                if *n == 0 {
                    w.components.remove(&component);
                }
            }
        }
        workers.retain(|w| w.executors > 0);
    }

    /// Moves what breaks a rule to settled nodes where it breaks none.
    fn mend(&mut self, places: &mut [Option<Place>]) {
        self.start();
        let nodes = self.ground.nodes;
        self.used.retain(|n| nodes[*n as usize].settled);
        for pool in &mut self.fresh {
            pool.retain(|n| nodes[*n as usize].settled);
        }
        for (i, place) in places.iter_mut().enumerate() {
            let Some(old) = *place else { continue };
            let component = self.problem.executors[i].1;
            let stable = self.problem.components[component].stable;
            let over = self.by_pool[component][self.ground.pool_of(old)] > self.caps[component];
            if !(over || stable && !self.ground.node(old).stable) {
                continue;
            }
            if let Some(new) = self.next(component, true) {
                self.take_away(component, old);
                *place = Some(new);
            }
        }
    }

    /// Why these executors fit nowhere, a sentence for each component.
    fn why(&self, homeless: &[usize]) -> Vec<String> {
        let sizes = self.problem.sizes();
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for i in homeless {
            *counts.entry(self.problem.executors[*i].1).or_default() += 1;
        }
        let one = |(c, n): (&usize, &usize)| {
            let k = &self.problem.components[*c];
            let head = format!(
                "{n} of {} executors of \"{}\" have no place",
                sizes[*c], k.id
            );
            format!("{head}: {}", self.cause(*c))
        };
        counts.iter().map(one).collect()
    }

    fn cause(&self, component: usize) -> String {
        let (k, rules) = (&self.problem.components[component], &self.problem.rules);
        if k.on_heap > rules.heap {
            return format!(
                "each needs {:.0} MB on-heap and topology.worker.max.heap.size.mb is {:.0}: raise it",
                k.on_heap, rules.heap
            );
        }
        let open: Vec<usize> = (0..self.room.len())
            .filter(|i| self.ground.nodes[*i].open)
            .collect();
        let best = open.iter().max_by(|a, b| {
            let (a, b) = (&self.room[**a], &self.room[**b]);
            a.memory.total_cmp(&b.memory).then(a.cpu.total_cmp(&b.cpu))
        });
        let Some(best) = best else {
            return format!(
                "none of {} nodes takes new work: start a supervisor",
                self.room.len()
            );
        };
        if open.iter().any(|i| self.room[*i].holds(&k.demand)) {
            return format!(
                "nodes with room have no free slot, or constraints (apart, per node, {:.0} MB heap a worker) forbid them: add nodes or loosen them",
                rules.heap
            );
        }
        let room = &self.room[*best];
        format!(
            "each needs {}, the node with most memory has {} left: add nodes or ask for less",
            k.demand.words(),
            room.words()
        )
    }
}
