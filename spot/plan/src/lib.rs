//! Pools, prices, endurance: the sums behind living on spot (docs/spot.md).
//!
//! Nothing here reads a file, a clock or a network: texts and times come in as values, and chance comes from
//! a seed, so that every answer can be repeated.
//!
//! * [`chance`], [`error`], [`table`]: seeds, what is refused, CSV texts.
//! * [`pools`], [`trace`], [`bands`], [`losses`]: what the nodes stand in, and what takes them.
//! * [`models`], [`replay`], [`whatif`]: how many nodes more a target needs, by three models.
//! * [`bursts`], [`market`], [`policy`], [`ledger`]: how losses cluster, what types cost, which pools to buy, what came of it.
//! * [`needs`], [`choose`], [`picture`], [`cost`]: what work needs, which types fit it and why, drawn; what it costs.
//! * [`fleet`]: which nodes are ordered and which are let go.
//! * [`drill`]: whom a rehearsed loss takes.
//! * [`topologies`]: which losses each topology of a cluster bears.

pub mod bands;
pub mod bursts;
pub mod chance;
pub mod choose;
pub mod cost;
pub mod drill;
pub mod error;
pub mod fleet;
pub mod ledger;
pub mod losses;
pub mod market;
pub mod models;
pub mod needs;
pub mod picture;
pub mod policy;
pub mod pools;
pub mod replay;
pub mod table;
pub mod topologies;
pub mod trace;
pub mod whatif;

#[cfg(test)]
mod laws_tests;
#[cfg(test)]
mod money_tests;
#[cfg(test)]
mod shared_tests;

pub use error::{Error, Result};
