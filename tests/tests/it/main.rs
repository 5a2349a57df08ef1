//! Every integration test, in one binary: through the user's door, with real processes.

mod harness;
mod program;
