//! Every integration test, in one binary: through the user's door, with real processes.

mod aggregation;
mod cassandra;
mod cluster;
mod drill;
mod fleet;
mod harness;
mod kafka;
mod pipeline;
mod program;
mod supervisor;
mod ui;
mod wifi;
