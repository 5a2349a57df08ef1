//! State of bolts, kept over failures: Storm's stateful bolts and checkpoints.
//!
//! A graph with a stateful bolt gets a checkpoint spout. Its tuples flow through every component: first
//! PREPARE, which makes what was written since the last checkpoint durable apart, then COMMIT, which makes
//! it the state and acks the inputs that it came from. Inputs are held unacked until then, so that what a
//! loss takes away comes again. This is Storm's unaligned form: a task acts when every upstream task
//! has sent the checkpoint, and goes on working on faster inputs meanwhile, so after a loss some inputs
//! may be counted twice, never lost. Barriers that align channels and restore every task at once are the
//! engine's to add; they would replace [`align`] and [`checkpoint_spout`], not what authors write.
//!
//! * [`key_value`]: [`KeyValueState`], and [`Store`](key_value::Store) under it.
//! * [`memory`], [`folder`], [`provider`]: where state is kept, and which by configuration.
//! * [`stateful`], [`held`]: [`StatefulBolt`], the bolt that runs one, and its way out.
//! * [`windows`]: the trait [`StatefulWindowedBolt`].
//! * [`transaction`], [`checkpoint_spout`], [`align`], [`forward`], [`wire`]: checkpoints.

pub mod align;
pub mod checkpoint_spout;
pub mod folder;
pub mod forward;
pub mod held;
pub mod key_value;
pub mod memory;
pub mod provider;
pub mod stateful;
#[cfg(test)]
mod tests;
pub mod transaction;
pub mod windows;
pub mod wire;

pub use held::StatefulCollector;
pub use key_value::KeyValueState;
pub use stateful::{Stateful, StatefulBolt};
pub use windows::StatefulWindowedBolt;

/// Stream of checkpoints (Storm's name).
pub const CHECKPOINT_STREAM: &str = "$checkpoint";
/// Component that emits them (Storm's name).
pub const CHECKPOINT_SPOUT: &str = "$checkpointspout";
/// Fields of the stream: number of the transaction, and what to do.
pub const CHECKPOINT_FIELDS: [&str; 2] = ["txid", "action"];
