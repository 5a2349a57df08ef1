//! Anomalies of aggregates, and which part of the network explains them.
//!
//! * [`attribute`]: which entity explains a deviation (pure).
//! * [`attribution`]: which combinations of dimensions explain it, from a cube's leaves (pure).
//! * [`combine`]: combinations among the rows of a window (pure).
//! * [`detect`]: windows judged, incidents followed (pure).
//! * [`series`]: one series judged point by point (pure).
//! * [`bolt`], [`topology`]: the same as a bolt and a topology.

pub mod attribute;
pub mod attribution;
pub mod bolt;
pub mod combine;
pub mod detect;
pub mod series;
pub mod topology;

pub use topology::{AnomalyOptions, topology};
