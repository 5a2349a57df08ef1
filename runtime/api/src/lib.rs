//! What a topology is: the types an author writes against, and the graph they make.
//!
//! This crate knows nothing of threads, sockets or the wire, so that a bolt can be tested with
//! nothing but a [`testing::BoltTester`], and so that Nimbus and the engine agree on one meaning.
//!
//! * [`value`], [`hash`]: what a tuple holds, and Java-equal hashing of it.
//! * [`tuple`], [`token`]: one input as author code sees it, and the right to settle it later.
//! * [`spout`], [`bolt`], [`collector`]: the author's traits and how they emit.
//! * [`context`]: what a task knows about itself and its topology.
//! * [`grouping`], [`topology`], [`builder`], [`validate`], [`spec`]: the graph and its mistakes.
//! * [`config`]: Storm's flat, dotted configuration and the registry of known keys.
//! * [`worker_file`]: what a supervisor tells the program that it starts as a worker.
//! * [`window`], [`timer`]: windows over streams, and what wakes a task when one ends.
//! * [`join`]: streams joined in a window.
//! * [`state`]: state of bolts that outlives failures, and checkpoints.
//! * [`codec`]: values as bytes, for keys and for state on disk.
//! * [`testing`]: a test of a bolt in five lines.

pub mod bolt;
pub mod builder;
#[cfg(test)]
mod builder_tests;
pub mod codec;
pub mod collector;
pub mod config;
pub mod context;
pub mod error;
pub mod grouping;
pub mod hash;
pub mod join;
pub mod object;
pub mod spec;
pub mod spout;
pub mod state;
mod stored;
pub mod testing;
pub mod text;
pub mod timer;
pub mod token;
pub mod topology;
pub mod tuple;
pub mod validate;
pub mod value;
pub mod window;
pub mod worker_file;

pub use bolt::{BasicBolt, Bolt};
pub use builder::TopologyBuilder;
pub use collector::{BoltCollector, Emitter, SpoutCollector};
pub use config::Config;
pub use context::TaskContext;
pub use error::{Error, Result};
pub use grouping::Grouping;
pub use join::JoinBolt;
pub use spec::TopologySpec;
pub use spout::{FailReason, MessageId, Next, Spout};
pub use state::{KeyValueState, Stateful, StatefulBolt, StatefulWindowedBolt};
pub use text::Text;
pub use token::AckToken;
pub use topology::{Outputs, Topology};
pub use tuple::Tuple;
pub use value::Value;
pub use window::{Windowed, WindowedBolt};
pub use worker_file::WorkerFile;

/// The id of a task: 1..n in a topology, assigned by component order; −1 is `__system`.
pub type TaskId = i32;
