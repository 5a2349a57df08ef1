//! The fleet manager's decisions: which nodes to order, which to let go, given what is there and what is wanted.
//!
//! `step(look, now) → commands`. What is there is told anew at each look, by the instances' own tags, so that a
//! manager that was killed goes on where it was; only what waits for an answer and what was refused of late is kept
//! in between, and losing that costs time, never nodes.
//!
//! * `model`: pools, instances, orders, limits. `rooms`: what is missing, and where it may come from.
//! * `wish`: how much is wanted, and in which types. `risk`: whether spot is to be trusted now.
//! * `step`: orders and their answers. `excess`: what is let go.
//!
//! Pure: no clock, no I/O, no async.

mod excess;
mod model;
mod risk;
mod rooms;
mod step;
#[cfg(test)]
mod tests;
mod wish;

pub use model::{Command, Instance, Life, Limits, Look, Order, Pool, Refused};
pub use risk::Risk;
pub use step::Fleet;
pub use wish::{Wish, wish};
