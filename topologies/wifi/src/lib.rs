//! The Wi-Fi topology: telemetry of clients in, estimates of throughput, capacity and coverage out.
//!
//! * [`physics`]: rates, signal and efficiency of 802.11 (pure).
//! * [`estimate`]: the three estimates, each with its classifier (pure).
//! * [`decode`]: bytes to telemetry, or the reason why not (pure).
//! * [`bolts`], [`topology`]: the same as a topology.
//! * [`world`]: what any source of telemetry can be asked; [`generator`]: simulated organisations (pure);
//!   [`replay`]: recorded ones.

pub mod bolts;
pub mod decode;
pub mod estimate;
pub mod generator;
pub mod physics;
pub mod replay;
pub mod topology;
pub mod world;

pub use topology::{WifiOptions, topology};
