//! What the author of a topology depends on: one crate, one prelude.
//!
//! ```
//! use fulmar::prelude::*;
//!
//! struct Split;
//! impl BasicBolt for Split {
//!     fn outputs(&self) -> Outputs { Outputs::fields(["word"]) }
//!     fn execute(&mut self, input: &Tuple, out: &mut Emitter) -> Result<()> {
//!         for word in input.str("sentence")?.split_whitespace() { out.emit([word])?; }
//!         Ok(())
//!     }
//! }
//! ```

pub mod local;
pub mod program;
pub mod worker;

pub use fulmar_api as api;
pub use local::LocalCluster;
pub use program::main;

/// Everything that a topology's source usually names.
pub mod prelude {
    pub use crate::local::LocalCluster;
    pub use fulmar_api::collector::Anchors;
    pub use fulmar_api::join::Selector;
    pub use fulmar_api::object::Registered;
    pub use fulmar_api::state::StatefulCollector;
    pub use fulmar_api::window::{Aggregate, Aggregator, Count, TupleWindow, WindowCollector};
    pub use fulmar_api::{
        AckToken, BasicBolt, Bolt, BoltCollector, Config, Emitter, Error, FailReason, Grouping,
        JoinBolt, KeyValueState, MessageId, Next, Outputs, Result, Spout, SpoutCollector, Stateful,
        StatefulBolt, StatefulWindowedBolt, TaskContext, TaskId, Text, Topology, TopologyBuilder,
        Tuple, Value, Windowed, WindowedBolt,
    };
}
