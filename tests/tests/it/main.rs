//! Every integration test, in one binary: through the user's door, with real processes.

mod cluster;
mod harness;
mod program;
mod supervisor;
mod wifi;
