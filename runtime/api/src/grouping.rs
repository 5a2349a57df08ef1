//! How a stream's tuples choose tasks. Rules: Storm's, as its GrouperFactory applies them.

use serde::{Deserialize, Serialize};

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
}

impl Grouping {
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
        }
    }
}
