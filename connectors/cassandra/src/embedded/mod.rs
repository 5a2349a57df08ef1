//! The embedded store: a process of its own in place of Cassandra, for laptops, tests and the demo.
//!
//! Same law as Cassandra (the larger write timestamp stays, equal ones by bytes, TTL), one node, durable on disk.
//! [`merge`] is the law, [`disk`] keeps it in redb, [`writer`] groups writes, [`server`] and [`client`] are the two
//! ends of the wire.

mod client;
pub mod disk;
pub mod merge;
mod server;
#[cfg(test)]
mod tests;
mod writer;

pub use client::EmbeddedStore;
pub use server::{run, run_telling};
