//! The Wi-Fi topology: telemetry of clients in, estimates of throughput, capacity and coverage out.
//!
//! * [`physics`]: rates and signal of 802.11 (pure).
//! * [`air`]: shares of the channel and of the wire; [`cause`]: which of them is to blame (pure).
//! * [`lack`]: what is assumed where a record says nothing; [`model`]: what is fitted (pure).
//! * [`trees`], [`grow`]: forests and how they grow (pure).
//! * [`estimate`]: the three estimates, each with its classifier (pure).
//! * [`decode`], [`late`]: bytes to telemetry, or the reason why not (pure).
//! * [`bolts`], [`topology`]: the same as a topology; [`clock`]: what it takes for the future.
//! * [`world`]: what any source of telemetry can be asked; [`generator`]: simulated organisations (pure);
//!   [`replay`]: recorded ones.

pub mod air;
pub mod bolts;
pub mod cause;
pub mod clock;
pub mod decode;
pub mod estimate;
#[cfg(test)]
mod estimate_tests;
pub mod generator;
pub mod grow;
pub mod lack;
pub mod late;
pub mod model;
pub mod physics;
pub mod replay;
pub mod topology;
pub mod trees;
pub mod world;

pub use topology::{WifiOptions, topology};
