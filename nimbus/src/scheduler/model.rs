//! What the schedulers are given and what they answer.
//!
//! One topology at a time: what other topologies hold is already taken off ports and room.
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;

use fulmar_api::TaskId;

/// A contiguous range of task ids: first and last.
pub type Executor = (TaskId, TaskId);

/// A place for a worker: node id and port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// The node.
    pub node: String,
    /// The port of the worker.
    pub port: u16,
}

/// Storm's resources: CPU in points (100 are one core), memory in MB, anything else by its name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resources {
    /// CPU points.
    pub cpu: f64,
    /// On-heap and off-heap together, in MB.
    pub memory: f64,
    /// For example `gpu.count`; what a node does not name it does not have.
    pub generic: BTreeMap<String, f64>,
}

/// What is left out of sums of floating point numbers.
const CRUMB: f64 = 1e-6;

impl Resources {
    /// Whether `wanted` fits into this.
    pub fn holds(&self, wanted: &Resources) -> bool {
        self.cpu + CRUMB >= wanted.cpu
            && self.memory + CRUMB >= wanted.memory
            && wanted
                .generic
                .iter()
                .all(|(k, v)| self.generic.get(k).copied().unwrap_or(0.0) + CRUMB >= *v)
    }

    /// Adds `times` the other, which may be negative.
    pub fn add(&mut self, other: &Resources, times: f64) {
        self.cpu += times * other.cpu;
        self.memory += times * other.memory;
        for (name, amount) in &other.generic {
            *self.generic.entry(name.clone()).or_default() += times * amount;
        }
    }

    /// For example `128 MB, 10 % CPU, 1 gpu.count`.
    pub fn words(&self) -> String {
        let generic = self.generic.iter().map(|(k, v)| format!(", {v:.0} {k}"));
        format!(
            "{:.0} MB, {:.0} % CPU{}",
            self.memory,
            self.cpu,
            generic.collect::<String>()
        )
    }
}

/// A node as a scheduler sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Its id.
    pub id: String,
    /// Its host.
    pub host: String,
    /// Instance type and zone, or what the supervisor was told.
    pub pool: String,
    /// On-demand: it is not taken away.
    pub stable: bool,
    /// Ports that no other topology uses, ascending.
    pub ports: Vec<u16>,
    /// What is there may stay: alive, not cordoned, not reserved for others.
    pub keeps: bool,
    /// Something new may be laid there.
    pub open: bool,
    /// It has been there long enough for running work to move to it.
    pub settled: bool,
    /// Capacity less what other topologies use.
    pub room: Resources,
}

/// A component's needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Component {
    /// Its id.
    pub id: String,
    /// What each executor takes of its node.
    pub demand: Resources,
    /// The on-heap part of the memory, in MB, which counts against the worker's most.
    pub on_heap: f64,
    /// Belongs on nodes that are not taken away.
    pub stable: bool,
    /// Executors that one node may hold.
    pub per_node: Option<usize>,
    /// Components whose executors may not share a worker with this one's, by index.
    pub apart: Vec<usize>,
}

/// How slots are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// `topology.workers` slots on as many nodes as possible.
    #[default]
    Even,
    /// As few workers and nodes as the demands allow.
    Resource,
}

/// What holds for a topology as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// How slots are chosen.
    pub kind: Kind,
    /// `topology.pool.max.share`: above 0, at most 1.
    pub share: f64,
    /// `topology.worker.max.heap.size.mb`.
    pub heap: f64,
    /// `topology.ras.one.executor.per.worker`.
    pub one_executor: bool,
    /// `topology.ras.one.component.per.worker`.
    pub one_component: bool,
    /// Nodes or hosts that come first.
    pub favored: Vec<String>,
    /// Nodes or hosts that come last.
    pub unfavored: Vec<String>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            kind: Kind::Even,
            share: 1.0,
            heap: 768.0,
            one_executor: false,
            one_component: false,
            favored: Vec::new(),
            unfavored: Vec::new(),
        }
    }
}

impl Rules {
    /// How many of a component's `executors` one pool may hold: the share, at least one.
    pub fn cap(&self, executors: usize) -> usize {
        if self.share >= 1.0 {
            return usize::MAX;
        }
        ((executors as f64 * self.share + 1e-9) as usize).max(1)
    }
}

/// What is to be solved.
#[derive(Clone, Debug, Default)]
pub struct Problem {
    /// Executors of the topology with their component's index.
    pub executors: Vec<(Executor, usize)>,
    /// Its components.
    pub components: Vec<Component>,
    /// `topology.workers`.
    pub workers: usize,
    /// Nodes, with the topology's own ports among theirs.
    pub nodes: Vec<Node>,
    /// Where executors are now.
    pub current: BTreeMap<Executor, Slot>,
    /// What holds.
    pub rules: Rules,
    /// Running work may move to settled nodes, to mend a rule or to even the load.
    pub spread: bool,
}

impl Problem {
    /// Executors of each component.
    pub fn sizes(&self) -> Vec<usize> {
        let most = self.executors.iter().map(|(_, c)| c + 1).max().unwrap_or(0);
        let mut sizes = vec![0; self.components.len().max(most)];
        for (_, c) in &self.executors {
            sizes[*c] += 1;
        }
        sizes
    }
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Solution {
    /// Where executors shall be; those that are missing here have no place.
    pub placed: BTreeMap<Executor, Slot>,
    /// What is missing, in words.
    pub missing: Option<String>,
    /// Slots or places are missing, and not only a wish unfulfilled.
    pub short: bool,
}
