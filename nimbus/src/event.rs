//! Everything that can happen to Nimbus, and everything it can decide: two closed lists.

use std::collections::BTreeMap;

use fulmar_api::{Config, TopologySpec};

use crate::model::{Node, Notice, Shape};
use crate::scheduler::{Executor, Slot};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A client submits.
    Submit(Box<Submit>),
    /// A client ends a topology.
    Kill {
        /// Name or id.
        name: String,
        /// Wait in milliseconds; the topology's message timeout when not given.
        wait: Option<u64>,
    },
    /// A client starts or stops the spouts.
    Activate {
        /// Name or id.
        name: String,
        /// Start, else stop.
        active: bool,
    },
    /// A client wants another shape.
    Rebalance {
        /// Name or id.
        name: String,
        /// Wait in milliseconds; the topology's message timeout when not given.
        wait: Option<u64>,
        /// The shape.
        shape: Shape,
    },
    /// A supervisor registered.
    Supervisor(Box<Node>),
    /// A supervisor is alive.
    SupervisorHeartbeat {
        /// Its id.
        node: String,
        /// Memory in use, in MB.
        memory_mb: f64,
        /// CPU in use, in percent of one core.
        cpu_percent: f64,
    },
    /// A termination notice.
    Notice {
        /// The node it is for, by its id or its instance's.
        node: String,
        /// What was said.
        notice: Notice,
    },
    /// The notices of a source are taken back.
    Retracted {
        /// The node they were for, by its id or its instance's.
        node: String,
        /// Who takes them back.
        source: String,
    },
    /// A worker process ended.
    WorkerExit {
        /// Its slot.
        slot: Slot,
        /// Its life.
        incarnation: u64,
        /// For example `signal 9`.
        how: String,
    },
    /// A worker registered: a new life.
    Worker {
        /// Its slot.
        slot: Slot,
        /// Where others reach it.
        host: String,
        /// Its topology's id.
        topology: String,
        /// Its life.
        incarnation: u64,
    },
    /// A worker is alive.
    WorkerHeartbeat {
        /// Its slot.
        slot: Slot,
        /// Its life.
        incarnation: u64,
        /// Assignment that it runs.
        version: u64,
        /// Standby executors that are open.
        ready: Vec<Executor>,
        /// Memory in use, in MB.
        memory_mb: f64,
        /// CPU in use, in percent of one core.
        cpu_percent: f64,
    },
    /// The fleet manager tells people something.
    Fleet {
        /// The instance in question, or nothing.
        instance: String,
        /// What.
        text: String,
    },
    /// Node losses that each topology bears, as `endure` found.
    Endured(BTreeMap<String, u32>),
    /// Time has passed.
    Look,
}

/// A submit that was checked already.
#[derive(Clone, Debug)]
pub struct Submit {
    /// Components.
    pub spec: TopologySpec,
    /// The topology's configuration with the client's additions.
    pub conf: Config,
    /// The program.
    pub blob_key: String,
    /// Its arguments.
    pub program_args: Vec<String>,
    /// Spouts rest until activated.
    pub inactive: bool,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Store this topology, before anything that follows.
    Store(String),
    /// Forget this topology.
    Forget(String),
    /// Tell the workers of this topology.
    Publish(String),
    /// Tell the supervisor of this node.
    Slots(String),
    /// Write into the time line: kind, topology, node, text.
    Tell(&'static str, String, String, String),
}

/// Why something cannot be, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Storm's AlreadyAliveException.
    #[error("topology \"{0}\" is running already: kill it first, or submit under another name")]
    AlreadyAlive(String),
    /// Storm's NotAliveException.
    #[error("topology \"{0}\" is not running: `fulmar list` shows those that are")]
    NotAlive(String),
    /// Storm's InvalidTopologyException, and everything else that does not fit.
    #[error("{0}")]
    Invalid(String),
}
