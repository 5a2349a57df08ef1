//! What Nimbus knows: topologies, which are stored, and nodes and workers, which report themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fulmar_api::{Config, TaskId, TopologySpec};
use serde::{Deserialize, Serialize};

use crate::cluster::Why;
use crate::lifecycle::Status;
use crate::limits::{CPU_POINTS, MEMORY_MB};
use crate::scheduler::plan::Plan;
use crate::scheduler::policy::Policy;
use crate::scheduler::quarantine::Quarantine;
use crate::scheduler::{Executor, Resources, Slot};

/// Where one executor is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// First task.
    pub first: TaskId,
    /// Last task.
    pub last: TaskId,
    /// Node of its worker.
    pub node: String,
    /// Port of its worker.
    pub port: u16,
    /// Version at which the owner last changed.
    pub epoch: u64,
    /// Where it is about to move, as node and port.
    #[serde(default)]
    pub move_to: Option<(String, u16)>,
}

impl Placed {
    /// The executor.
    pub fn executor(&self) -> Executor {
        (self.first, self.last)
    }

    /// Its owner's slot.
    pub fn slot(&self) -> Slot {
        Slot {
            node: self.node.clone(),
            port: self.port,
        }
    }

    /// The slot that it is about to move to.
    pub fn target(&self) -> Option<Slot> {
        self.move_to.as_ref().map(|(node, port)| Slot {
            node: node.clone(),
            port: *port,
        })
    }
}

/// A topology, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Topology {
    /// `name-number-seconds`, as Storm's.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Components; parallelism as rebalances left it.
    pub spec: TopologySpec,
    /// The topology's configuration with the client's additions.
    pub conf: Config,
    /// The program.
    pub blob_key: String,
    /// Its arguments.
    pub program_args: Vec<String>,
    /// Hash of the graph.
    pub graph_hash: String,
    /// Where it is in its life.
    pub status: Status,
    /// When it was submitted, in milliseconds since the epoch.
    pub submitted_ms: u64,
    /// Version of the assignment.
    pub version: u64,
    /// Workers wanted.
    pub workers: usize,
    /// Where its executors are.
    pub placed: Vec<Placed>,
    /// Workers and parallelism that apply when a rebalance's wait is over.
    #[serde(default)]
    pub wanted: Option<Shape>,
    /// What is missing, in words.
    #[serde(default)]
    pub missing: Option<String>,
    /// Slots or places are missing, and not only a wish unfulfilled.
    #[serde(default)]
    pub short: bool,
}

/// What a rebalance asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// `-n`.
    pub workers: Option<usize>,
    /// `-e component=N`.
    pub executors: BTreeMap<String, u32>,
}

/// A termination notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// A sentence has a deadline; advice has none.
    pub sentence: bool,
    /// When the node goes, in milliseconds since the epoch.
    pub deadline_ms: u64,
    /// Who said so, for example `imds`.
    pub source: String,
    /// When Nimbus heard it first, in milliseconds since the epoch.
    pub since_ms: u64,
}

/// A node: a supervisor and its slots.
#[derive(Clone, Debug)]
pub struct Node {
    /// The supervisor's id.
    pub id: String,
    /// Its host.
    pub host: String,
    /// The supervisor's own port.
    pub port: u16,
    /// Its instance, for example `i-0a…`; empty where nobody told.
    pub instance_id: String,
    /// Its slots.
    pub slots: Vec<u16>,
    /// For example `m5.large`.
    pub instance_type: String,
    /// For example `us-east-1a`.
    pub zone: String,
    /// `spot`, `on-demand` or `unknown`.
    pub life_cycle: String,
    /// `supervisor.pool`; empty: instance type and zone make the pool.
    pub pool: String,
    /// What it has: Storm's `supervisor.cpu.capacity`, `.memory.capacity.mb` and `.resources.map`.
    pub resources: Resources,
    /// When it was first heard in this life, in milliseconds since the epoch.
    pub since: u64,
    /// It has been there for `nimbus.spread.delay.secs`.
    pub settled: bool,
    /// Version of the supervisor.
    pub version: String,
    /// When the supervisor started, in milliseconds since the epoch.
    pub started_ms: u64,
    /// When the supervisor was last heard.
    pub heard: u64,
    /// Gets nothing new.
    pub cordoned: bool,
    /// Its work has moved away.
    pub drained: bool,
    /// Notices, newest last.
    pub notices: Vec<Notice>,
    /// Memory in use, in MB.
    pub memory_mb: f64,
    /// CPU in use, in percent of one core.
    pub cpu_percent: f64,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            id: String::new(),
            host: String::new(),
            port: 0,
            instance_id: String::new(),
            slots: Vec::new(),
            instance_type: String::new(),
            zone: String::new(),
            life_cycle: String::new(),
            pool: String::new(),
            // A supervisor that says nothing has what Storm's defaults say.
            resources: Resources {
                cpu: CPU_POINTS,
                memory: MEMORY_MB,
                generic: BTreeMap::new(),
            },
            since: 0,
            settled: false,
            version: String::new(),
            started_ms: 0,
            heard: 0,
            cordoned: false,
            drained: false,
            notices: Vec::new(),
            memory_mb: 0.0,
            cpu_percent: 0.0,
        }
    }
}

impl Node {
    /// Whether it is to end: its work moves away.
    pub fn is_condemned(&self) -> bool {
        self.notices.iter().any(|n| n.sentence)
    }

    /// Whether it may end: it keeps its work, whose replacements are prepared elsewhere.
    pub fn is_advised(&self) -> bool {
        self.cordoned && !self.is_condemned()
    }

    /// When it ends, in milliseconds since the epoch; the earliest that was said.
    pub fn deadline_ms(&self) -> Option<u64> {
        let sentences = self.notices.iter().filter(|n| n.sentence);
        sentences.map(|n| n.deadline_ms).min()
    }

    /// Its pool: what it was told, else instance type and zone, else `unknown`.
    pub fn pool(&self) -> String {
        match (self.pool.as_str(), &*self.instance_type, &*self.zone) {
            ("", "", "") => "unknown".to_owned(),
            ("", kind, zone) => format!("{kind}/{zone}"),
            (pool, ..) => pool.to_owned(),
        }
    }
}

/// One life of a worker process.
#[derive(Clone, Debug, Default)]
pub struct Worker {
    /// Its topology.
    pub topology: String,
    /// Where others reach it: after a restart of Nimbus a worker may come back before its supervisor does.
    pub host: String,
    /// This life.
    pub incarnation: u64,
    /// When it was last heard.
    pub heard: u64,
    /// When it registered.
    pub since: u64,
    /// Standby executors that are open.
    pub ready: BTreeSet<Executor>,
    /// Assignment that it runs.
    pub version: u64,
    /// Memory in use, in MB.
    pub memory_mb: f64,
    /// CPU in use, in percent of one core.
    pub cpu_percent: f64,
}

/// Everything that decisions rest on.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// By id.
    pub topologies: BTreeMap<String, Topology>,
    /// By id.
    pub nodes: BTreeMap<String, Node>,
    /// By slot.
    pub workers: BTreeMap<Slot, Worker>,
    /// Incarnations known lost, by topology, newest last.
    pub lost: BTreeMap<String, Vec<u64>>,
    /// Number of the next topology.
    pub next_number: u64,
    /// When this Nimbus started: what has not reported yet is believed to live for a while.
    pub started: u64,
    /// What the operator set.
    pub policy: Policy,
    /// When anything of a node was last heard.
    pub heard: BTreeMap<String, u64>,
    /// Nodes that come and go.
    pub quarantine: Quarantine,
    /// What topologies ask for; read when first needed.
    pub plans: BTreeMap<String, Arc<Plan>>,
    /// Topologies to be laid again.
    pub due: BTreeMap<String, Why>,
    /// Topologies with executors that are about to move.
    pub moving: BTreeSet<String>,
    /// Node losses that each topology bears, as `endure` found last.
    pub endures: BTreeMap<String, u32>,
    /// When time was last looked at; 0 before the first look.
    pub looked: u64,
}

impl State {
    /// What a topology asks for. One whose configuration cannot be read was refused at its submit; of one
    /// that an older Nimbus let through, the defaults hold.
    pub fn plan(&mut self, id: &str) -> Arc<Plan> {
        if let Some(plan) = self.plans.get(id) {
            return plan.clone();
        }
        let Some(t) = self.topologies.get(id) else {
            return Arc::default();
        };
        let plan = Plan::read(&t.spec, &t.conf)
            .or_else(|_| Plan::read(&t.spec, &Config::new()))
            .unwrap_or_default();
        let plan = Arc::new(plan);
        self.plans.insert(id.to_owned(), plan.clone());
        plan
    }

    /// Notes that a topology is to be laid again; the stronger reason counts.
    pub fn lay_again(&mut self, id: &str, why: Why) {
        let due = self.due.entry(id.to_owned()).or_insert(why);
        *due = (*due).max(why);
    }

    /// Notes that those who lack something are to be laid again, and those with something on this node.
    pub fn room_changed(&mut self, node: Option<&str>) {
        let touched = |t: &&Topology| {
            let here = |p: &Placed| {
                node.is_some_and(|n| {
                    p.node == n || p.move_to.as_ref().is_some_and(|(to, _)| to == n)
                })
            };
            t.missing.is_some() || t.placed.is_empty() || t.placed.iter().any(here)
        };
        let ids: Vec<_> = self
            .topologies
            .values()
            .filter(touched)
            .map(|t| t.id.clone())
            .collect();
        for id in ids {
            self.lay_again(&id, Why::Need);
        }
    }

    /// The topology of this name that is not on its way out, else any of this name.
    pub fn by_name(&self, name: &str) -> Option<&Topology> {
        self.topologies
            .values()
            .find(|t| t.name == name || t.id == name)
    }

    /// Slots that a topology uses or is about to use.
    pub fn slots_of(topology: &Topology) -> BTreeSet<Slot> {
        topology
            .placed
            .iter()
            .flat_map(|p| [Some(p.slot()), p.target()])
            .flatten()
            .collect()
    }
}
