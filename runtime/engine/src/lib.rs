//! The inside of a worker: how a topology runs (DESIGN 3.3 to 3.9).
//!
//! * [`plan`], [`route`]: who listens to whom, and which task a tuple goes to.
//! * [`batch`], [`outbox`]: tuples on their way; emitting writes only into the task's own outbox.
//! * [`ledger`]: a spout's own acker.
//! * [`task`], [`core`]: author code at a guarded edge, and the loop that runs it.
//! * [`net`]: tuples, settles and credit between workers.
//! * [`worker`], [`shared`]: the cores of one worker and what they share.
//! * [`stats`], [`limits`]: what is counted, and every bound.

pub mod batch;
pub mod core;
pub mod ledger;
pub mod limits;
pub mod net;
pub mod outbox;
pub mod plan;
pub mod route;
pub mod shared;
pub mod stats;
pub mod task;
pub mod worker;

pub use worker::{Worker, WorkerOptions};
