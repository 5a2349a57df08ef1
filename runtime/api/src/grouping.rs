//! How a stream's tuples choose tasks. Rules: Storm's, as its GrouperFactory applies them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::TaskId;
use crate::spec::TopologySpec;
use crate::value::Value;

/// A grouping of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grouping {
    /// Even over all tasks, no key.
    Shuffle,
    /// By Java-equal hash of these fields: one key, one task.
    Fields(Vec<String>),
    /// Every task gets every tuple.
    All,
    /// The task with the lowest id.
    Global,
    /// A uniformly random task (Storm's "none").
    None,
    /// The emitter names the task; the stream must be declared direct.
    Direct,
    /// Tasks in the same worker if there are any, else as shuffle.
    LocalOrShuffle,
    /// Of two tasks that the key of these fields names, the one that this emitter used less
    /// (Storm's PartialKeyGrouping); without fields the first value is the key.
    PartialKey(Vec<String>),
    /// Author code of this name chooses.
    Custom(String),
}

/// What a custom grouping is told before its first tuple.
#[derive(Clone, Debug)]
pub struct GroupingContext {
    /// The whole topology.
    pub topology: Arc<TopologySpec>,
    /// Emitting component.
    pub component: String,
    /// Its stream.
    pub stream: String,
    /// Tasks of the listening component, ascending.
    pub targets: Vec<TaskId>,
}

/// Author code that chooses tasks (Storm's `CustomStreamGrouping`); each emitting task has an
/// instance of its own.
pub trait CustomGrouping: Send {
    /// Called once, and again when tasks have moved.
    fn prepare(&mut self, context: &GroupingContext);

    /// Appends the chosen tasks to `out`. What is no target of the subscription is left out; none
    /// means that nobody gets the tuple. `from` is the emitting task.
    fn choose(&mut self, from: TaskId, values: &[Value], out: &mut Vec<TaskId>);
}

/// Makes the instances of one custom grouping.
pub type GroupingFactory = Arc<dyn Fn() -> Box<dyn CustomGrouping> + Send + Sync>;

impl Grouping {
    /// Names of the fields that make its key; empty for groupings without one.
    pub fn keys(&self) -> &[String] {
        match self {
            Grouping::Fields(fields) | Grouping::PartialKey(fields) => fields,
            _ => &[],
        }
    }

    /// Storm's name of it, as the REST answers and the page show.
    pub fn name(&self) -> &'static str {
        match self {
            Grouping::Shuffle => "SHUFFLE",
            Grouping::Fields(_) => "FIELDS",
            Grouping::All => "ALL",
            Grouping::Global => "GLOBAL",
            Grouping::None => "NONE",
            Grouping::Direct => "DIRECT",
            Grouping::LocalOrShuffle => "LOCAL_OR_SHUFFLE",
            // Both travel in Storm as serialised objects.
            Grouping::PartialKey(_) | Grouping::Custom(_) => "CUSTOM_SERIALIZED",
        }
    }
}
