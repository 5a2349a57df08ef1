//! The harness of the integration tests: real processes, free ports, waiting with a deadline.
//!
//! The tests themselves are one binary, `tests/tests/it/main.rs`, so that there is one link.

pub mod cluster;
pub mod http;
pub mod moto;
pub mod ports;
pub mod process;
pub mod shape;
pub mod wait;

/// The README's program, compiled and run as a documentation test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
