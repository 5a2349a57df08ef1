//! The cluster as a scheduler sees it: every node with what is taken on it, kept up to date while one
//! topology after the other is laid.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use crate::model::{Placed, State, Topology};
use crate::scheduler::model::{Node, Problem, Resources};
use crate::scheduler::plan::Plan;
use crate::scheduler::{Kind, isolation};

/// Why a topology is laid again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It is new, has lost something, or lacks something.
    Need,
    /// Nodes have settled: running work may move to them.
    Spread,
    /// Somebody asked for a rebalance: running work may move anywhere.
    Asked,
}

struct Seen {
    node: Node,
    alive: bool,
    /// It may end: replacements of what is there are prepared, if there is room.
    advised: bool,
    taken: BTreeSet<u16>,
    used: Resources,
    /// Executors by topology's name, while some are isolated.
    uses: BTreeMap<String, usize>,
}

/// All nodes.
pub struct Cluster {
    nodes: Vec<Seen>,
    index: FxHashMap<String, u32>,
    kind: Kind,
    machines: BTreeMap<String, usize>,
    reserved: BTreeMap<String, String>,
}

impl Cluster {
    /// Looks at the state; every topology lies in it.
    pub fn new(state: &mut State, now: u64) -> Self {
        let mut cluster = Self {
            nodes: Vec::new(),
            index: FxHashMap::default(),
            kind: state.policy.kind,
            machines: state.policy.machines.clone(),
            reserved: BTreeMap::new(),
        };
        for n in state.nodes.values() {
            let alive = state.alive(&n.id, now);
            let mut ports = n.slots.clone();
            ports.sort_unstable();
            ports.dedup();
            cluster.push(Seen {
                node: Node {
                    id: n.id.clone(),
                    host: n.host.clone(),
                    pool: n.pool(),
                    stable: n.life_cycle == "on-demand",
                    ports,
                    keeps: alive && !n.is_condemned(),
                    open: alive && !n.cordoned && state.quarantine.until(&n.id, now).is_none(),
                    settled: n.settled,
                    room: n.resources.clone(),
                },
                alive,
                advised: n.is_advised(),
                taken: BTreeSet::new(),
                used: Resources::default(),
                uses: BTreeMap::new(),
            });
        }
        let ids: Vec<_> = state.topologies.keys().cloned().collect();
        for id in ids {
            let plan = state.plan(&id);
            if let Some(t) = state.topologies.get(&id) {
                cluster.ghosts(state, t, now);
                cluster.lay(t, &plan);
            }
        }
        cluster.reserve(state);
        cluster
    }

    fn push(&mut self, seen: Seen) {
        self.index
            .insert(seen.node.id.clone(), self.nodes.len() as u32);
        self.nodes.push(seen);
    }

    /// Nodes that have not reported since a restart keep what they have, and get nothing new.
    fn ghosts(&mut self, state: &State, t: &Topology, now: u64) {
        for slot in State::slots_of(t) {
            if self.index.contains_key(&slot.node) {
                if !state.nodes.contains_key(&slot.node) {
                    let ports = &mut self.seen(&slot.node).node.ports;
                    if let Err(at) = ports.binary_search(&slot.port) {
                        ports.insert(at, slot.port);
                    }
                }
                continue;
            }
            let alive = state.alive(&slot.node, now);
            self.push(Seen {
                node: Node {
                    id: slot.node.clone(),
                    pool: "unknown".to_owned(),
                    ports: vec![slot.port],
                    keeps: alive,
                    ..Node::default()
                },
                alive,
                advised: false,
                taken: BTreeSet::new(),
                used: Resources::default(),
                uses: BTreeMap::new(),
            });
        }
    }

    fn seen(&mut self, node: &str) -> &mut Seen {
        let at = self.index.get(node).copied().unwrap_or(0);
        &mut self.nodes[at as usize]
    }

    /// Whether a node lives; one that nobody knows does not.
    pub fn alive(&self, node: &str) -> bool {
        let at = self.index.get(node);
        at.is_some_and(|at| self.nodes[*at as usize].alive)
    }

    /// Takes what a topology has, or is about to have.
    pub fn lay(&mut self, t: &Topology, plan: &Plan) {
        self.shift(t, plan, true);
    }

    /// Gives back what a topology has.
    pub fn lift(&mut self, t: &Topology, plan: &Plan) {
        self.shift(t, plan, false);
    }

    fn shift(&mut self, t: &Topology, plan: &Plan, more: bool) {
        let by_first: FxHashMap<i32, usize> =
            plan.executors.iter().map(|((f, _), c)| (*f, *c)).collect();
        let (resource, isolated) = (self.kind == Kind::Resource, !self.machines.is_empty());
        for p in &t.placed {
            let component = by_first.get(&p.first).and_then(|c| plan.components.get(*c));
            for (node, port) in places(p) {
                let Some(at) = self.index.get(node) else {
                    continue;
                };
                let seen = &mut self.nodes[*at as usize];
                if more {
                    seen.taken.insert(port);
                } else {
                    seen.taken.remove(&port);
                }
                if let Some(c) = component.filter(|_| resource) {
                    seen.used.add(&c.demand, if more { 1.0 } else { -1.0 });
                }
                if isolated {
                    let n = seen.uses.entry(t.name.clone()).or_default();
                    *n = if more { *n + 1 } else { n.saturating_sub(1) };
                    if *n == 0 {
                        seen.uses.remove(&t.name);
                    }
                }
            }
        }
    }

    /// Decides which nodes belong to isolated topologies.
    fn reserve(&mut self, state: &State) {
        let running = |name: &String| state.topologies.values().any(|t| t.name == *name);
        let machines = self.machines.iter().filter(|(name, _)| running(name));
        let wanted: BTreeMap<&str, usize> = machines.map(|(t, n)| (t.as_str(), *n)).collect();
        let mut nodes = BTreeMap::new();
        for seen in self.nodes.iter().filter(|s| s.node.keeps && s.node.open) {
            let uses = seen.uses.iter().map(|(t, n)| (t.as_str(), *n)).collect();
            nodes.insert(seen.node.id.as_str(), uses);
        }
        let reserved = isolation::reserve(&wanted, &nodes);
        let owned = |(n, t): (&&str, &&str)| ((*n).to_owned(), (*t).to_owned());
        self.reserved = reserved.iter().map(owned).collect();
    }

    /// Topologies with something on nodes that are reserved for others.
    pub fn intruders(&self, state: &State) -> Vec<String> {
        let intrudes = |t: &&Topology| {
            let foreign = |p: &Placed| self.reserved.get(&p.node).is_some_and(|o| *o != t.name);
            t.placed.iter().any(foreign)
        };
        let found = state.topologies.values().filter(intrudes);
        found.map(|t| t.id.clone()).collect()
    }

    /// What an isolated topology lacks.
    pub fn unreserved(&self, name: &str) -> Option<String> {
        let wanted = self.machines.get(name)?;
        let reserved = self.reserved.iter().map(|(n, t)| (n.as_str(), t.as_str()));
        isolation::missing(name, *wanted, &reserved.collect())
    }

    /// Ends the quarantine of these nodes.
    pub fn open(&mut self, nodes: &[String]) {
        for id in nodes {
            if let Some(at) = self.index.get(id) {
                let seen = &mut self.nodes[*at as usize];
                seen.node.open = seen.node.keeps && !seen.advised;
            }
        }
    }

    /// The same problem without the nodes that may end; `None` when it has nothing there.
    pub fn prepared(&self, problem: &Problem) -> Option<Problem> {
        let advised = |id: &str| {
            let at = self.index.get(id);
            at.is_some_and(|at| self.nodes[*at as usize].advised)
        };
        if !problem.current.values().any(|s| advised(&s.node)) {
            return None;
        }
        let mut prepared = problem.clone();
        for node in prepared.nodes.iter_mut().filter(|n| advised(&n.id)) {
            node.keeps = false;
        }
        Some(prepared)
    }

    /// The problem of a topology that was lifted.
    pub fn problem(&self, t: &Topology, plan: &Plan, why: Why) -> Problem {
        let isolated = self.machines.contains_key(&t.name);
        let nodes = self.nodes.iter().map(|s| {
            let mine = match self.reserved.get(&s.node.id) {
                Some(owner) => *owner == t.name,
                None => !isolated,
            };
            let mut room = s.node.room.clone();
            room.add(&s.used, -1.0);
            let free = s.node.ports.iter().filter(|p| !s.taken.contains(p));
            Node {
                ports: free.copied().collect(),
                keeps: s.node.keeps && mine,
                open: s.node.open && mine,
                settled: s.node.settled || why == Why::Asked,
                room,
                ..s.node.clone()
            }
        });
        let mut placed = t.placed.iter().peekable();
        let mut current = BTreeMap::new();
        for (executor, _) in &plan.executors {
            // Executors and entries are sorted by task; after a rebalance they may be cut otherwise.
            while placed.next_if(|p| p.last < executor.0).is_some() {}
            if let Some(p) = placed.peek().filter(|p| p.first <= executor.0)
                && self.alive(&p.node)
            {
                current.insert(*executor, p.slot());
            }
        }
        let mut rules = plan.rules.clone();
        rules.kind = self.kind;
        Problem {
            executors: plan.executors.clone(),
            components: plan.components.clone(),
            workers: t.workers,
            nodes: nodes.collect(),
            current,
            rules,
            spread: why != Why::Need,
        }
    }
}

/// Where an entry is, and where it is about to be.
pub fn places(p: &Placed) -> impl Iterator<Item = (&str, u16)> {
    let target = p.move_to.as_ref().map(|(n, port)| (n.as_str(), *port));
    [Some((p.node.as_str(), p.port)), target]
        .into_iter()
        .flatten()
}
