//! Anomalies of aggregates, and which part of the network explains them.
//!
//! * [`baseline`]: what is usual for a series at an hour (pure).
//! * [`attribute`]: which entity explains a deviation (pure).
//! * [`detect`]: windows judged, incidents followed (pure).
//! * [`bolt`], [`topology`]: the same as a bolt and a topology.

pub mod attribute;
pub mod baseline;
pub mod bolt;
pub mod detect;
pub mod topology;

pub use topology::{AnomalyOptions, topology};
