//! The inside of a worker: how a topology runs (DESIGN 3.3 to 3.9).
//!
//! * [`plan`], [`route`], [`balance`]: who listens to whom, and which task a tuple goes to.
//! * [`batch`], [`outbox`], `emit`, `sink`: tuples on their way; emitting writes only into the task's
//!   own outbox, or calls a task of the same group straight.
//! * [`ledger`]: a spout's own acker.
//! * [`task`], [`group`], [`core`], [`turn`]: author code at a guarded edge, and the loop that runs it.
//! * `lanes`, `bell`, `sync`: rings from core to core, and how a sleeping one is woken.
//! * [`spread`], `place`, `adopt`: which core a task is meant for, and what happens when one blocks its core.
//! * [`net`]: tuples, settles and credit between workers.
//! * [`worker`], [`shared`]: the cores of one worker and what they share.
//! * [`stats`], [`limits`]: what is counted, and every bound.

mod adopt;
pub mod balance;
pub mod batch;
mod bell;
pub mod core;
mod emit;
pub mod group;
mod lanes;
pub mod ledger;
pub mod limits;
pub mod net;
pub mod outbox;
mod place;
pub mod plan;
pub mod route;
pub mod shared;
mod sink;
pub mod spread;
pub mod stats;
mod sync;
pub mod task;
pub mod turn;
pub mod worker;

pub use worker::{Worker, WorkerOptions};
