//! Who decides: what lives where, and what becomes of it.
//!
//! * [`lifecycle`], [`scheduler`], [`cluster`], [`place`], [`moves`], [`endure`], [`step`]: the pure heart; `State::step` decides everything.
//! * [`event`], [`model`], [`stored`], [`limits`]: what can happen, what is known, what outlives a start, every bound.
//! * [`notices`]: termination notices, each held until who gave it takes it back or its time is over (pure).
//! * [`stats`]: what workers say about themselves, for the page; soft and bounded.
//! * [`owner`], [`store`], [`blobs`]: the one task that owns the state, and what it writes.
//! * [`messages`]: what happened, told to people by a webhook.
//! * [`door`], [`wire`], [`page`], [`run`]: the gRPC door, health and metrics beside it, the daemon.

pub mod blobs;
pub mod cluster;
pub mod door;
pub mod endure;
pub mod error;
pub mod event;
pub mod lifecycle;
pub mod limits;
pub mod messages;
pub mod model;
pub mod moves;
pub mod notices;
pub mod owner;
pub mod page;
pub mod place;
#[cfg(test)]
mod place_tests;
pub mod run;
pub mod scheduler;
pub mod stats;
pub mod step;
#[cfg(test)]
mod step_tests;
pub mod store;
pub mod stored;
pub mod wire;

pub use run::{NimbusConfig, run};
