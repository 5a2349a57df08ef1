//! The main job on one machine, checked end to end: telemetry, estimates, rows, anomalies, a termination warning at half
//! time, and a recount that shares nothing with what it checks.
//!
//! * [`cluster`], [`children`]: the processes; [`world`], [`source`], [`history`]: what goes in.
//! * [`watch`], [`recount`], [`gauge`], [`check`], [`memory`]: what comes out, and whether it is right.
//! * [`report`], [`dump`]: what others get.

mod check;
mod children;
mod cluster;
mod dump;
mod gauge;
mod history;
mod memory;
mod recount;
mod report;
mod run;
mod source;
mod watch;
mod world;

pub use run::{Plan, run};
