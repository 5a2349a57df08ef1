//! Who decides: what lives where, and what becomes of it.
//!
//! * [`lifecycle`]: the life of a topology.
//! * [`scheduler`]: executors on slots, slots on nodes.

pub mod lifecycle;
pub mod scheduler;
