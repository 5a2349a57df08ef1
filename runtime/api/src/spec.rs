//! A topology without its code: what Nimbus stores and schedules, and what the page draws.
//!
//! It travels as JSON inside the protocol, as Storm's configuration does. Task ids follow from it
//! alone, so every process computes the same ones.
//! Pure: no clock, no I/O, no async.

use serde::{Deserialize, Serialize};

use crate::TaskId;
use crate::config::Config;
use crate::grouping::Grouping;

/// Whether a component is a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComponentKind {
    /// A source.
    Spout,
    /// Has inputs.
    Bolt,
}

/// A declared stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSpec {
    /// For example `default`.
    pub name: String,
    /// Field names in order.
    pub fields: Vec<String>,
    /// Whether the emitter names the target task.
    #[serde(default)]
    pub direct: bool,
}

/// A subscription of a bolt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputSpec {
    /// Component that is listened to.
    pub component: String,
    /// Its stream.
    pub stream: String,
    /// How tasks are chosen.
    pub grouping: Grouping,
}

/// One component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComponentSpec {
    /// Its id in the topology.
    pub id: String,
    /// Spout or bolt.
    pub kind: ComponentKind,
    /// Executors at the start (`parallelism_hint`).
    pub parallelism: u32,
    /// Tasks; at least the executors.
    pub tasks: u32,
    /// Declared streams.
    pub outputs: Vec<StreamSpec>,
    /// Subscriptions, in the order in which they were made.
    pub inputs: Vec<InputSpec>,
    /// Overrides of the topology's configuration.
    #[serde(default)]
    pub conf: Config,
    /// Blocks its thread, so it has one of its own.
    #[serde(default)]
    pub blocking: bool,
}

/// A described topology.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TopologySpec {
    /// The topology's name.
    pub name: String,
    /// Components in the order in which they were added; task ids follow it.
    pub components: Vec<ComponentSpec>,
    /// The topology's configuration.
    #[serde(default)]
    pub conf: Config,
}

impl TopologySpec {
    /// The component of this id.
    pub fn component(&self, id: &str) -> Option<&ComponentSpec> {
        self.components.iter().find(|c| c.id == id)
    }

    /// First and last task id of each component, in order, from 1.
    pub fn task_ranges(&self) -> Vec<(TaskId, TaskId)> {
        let mut next = 1;
        self.components
            .iter()
            .map(|c| {
                let first = next;
                next += c.tasks as TaskId;
                (first, next - 1)
            })
            .collect()
    }

    /// The component that a task belongs to, and the task's index in it.
    pub fn component_of(&self, task: TaskId) -> Option<(&ComponentSpec, usize)> {
        self.components
            .iter()
            .zip(self.task_ranges())
            .find(|(_, (first, last))| (*first..=*last).contains(&task))
            .map(|(c, (first, _))| (c, (task - first) as usize))
    }

    /// All task ids of a component, ascending; empty for an unknown one.
    pub fn tasks_of(&self, component: &str) -> Vec<TaskId> {
        self.components
            .iter()
            .zip(self.task_ranges())
            .find(|(c, _)| c.id == component)
            .map(|(_, (first, last))| (first..=last).collect())
            .unwrap_or_default()
    }

    /// Executors as Storm makes them: the tasks of each component cut into `parallelism` contiguous
    /// ranges, the longer ones first.
    pub fn executors(&self) -> Vec<(TaskId, TaskId)> {
        let mut out = Vec::new();
        for (c, (first, last)) in self.components.iter().zip(self.task_ranges()) {
            let (tasks, executors) = (
                (last - first + 1) as u32,
                c.parallelism.clamp(1, c.tasks.max(1)),
            );
            let mut at = first;
            for i in 0..executors {
                let len = tasks / executors + u32::from(i < tasks % executors);
                out.push((at, at + len as TaskId - 1));
                at += len as TaskId;
            }
        }
        out
    }

    /// A hash of components, streams and groupings, not of name, parallelism or configuration: one program
    /// may be submitted under several names, and a worker whose program has another graph refuses to start
    /// (DESIGN 3.18). 16 hexadecimal digits.
    pub fn graph_hash(&self) -> String {
        let mut hash = Fnv::default();
        for c in &self.components {
            hash.text(&c.id);
            hash.text(if c.kind == ComponentKind::Spout {
                "spout"
            } else {
                "bolt"
            });
            for s in &c.outputs {
                hash.text(&s.name);
                hash.text(if s.direct { "direct" } else { "" });
                s.fields.iter().for_each(|f| hash.text(f));
            }
            for i in &c.inputs {
                hash.text(&i.component);
                hash.text(&i.stream);
                hash.text(i.grouping.name());
                i.grouping.keys().iter().for_each(|f| hash.text(f));
                if let Grouping::Custom(name) = &i.grouping {
                    hash.text(name);
                }
            }
        }
        format!("{:016x}", hash.0)
    }
}

/// FNV-1a, 64 bits: stable across builds and machines, which `std`'s hasher does not promise.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Adds a text and an end mark, so that "ab","c" differs from "a","bc".
    fn text(&mut self, text: &str) {
        for byte in text.bytes().chain([0xff]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
