//! Live aggregation: estimates become absolute rows of ten-minute event-time windows, several groupings at once.
//!
//! * [`window`], [`groupings`], [`series`], [`fold`], [`seen`]: the words of it (pure).
//! * [`open`], [`partition`]: one partition of the log, folded (pure).
//! * [`merge`]: the parts of all partitions, as rows (pure).
//! * [`partial`], [`rows`], [`topology`]: the same as bolts and a topology.

pub mod error;
pub mod fold;
pub mod groupings;
#[cfg(test)]
mod laws_tests;
pub mod merge;
pub mod open;
pub mod partial;
pub mod partition;
pub mod rows;
pub mod seen;
pub mod series;
pub mod topology;
pub mod window;

pub use error::AggregationError;
pub use topology::{AggregationOptions, topology};
