//! Who gets which slot (README.md has the wanted properties).
//!
//! * [`model`]: problem and answer. [`solve`] answers one problem.
//! * [`even`] and [`lay`]: slots first, executors on them. [`resource`]: executors by what they need.
//! * [`plan`]: what a topology asks for; [`policy`]: what the operator set.
//! * [`isolation`], [`quarantine`]: which nodes are whose, and which are not to be trusted for a while.
//!
//! Pure: no clock, no I/O, no async.

pub mod even;
mod ground;
pub mod isolation;
mod lay;
pub mod model;
pub mod plan;
pub mod policy;
pub mod quarantine;
pub mod resource;
#[cfg(test)]
mod tests;
mod words;

pub use model::{Component, Executor, Kind, Node, Problem, Resources, Rules, Slot, Solution};

/// Solves one topology.
pub fn solve(problem: &Problem) -> Solution {
    match problem.rules.kind {
        Kind::Even => even::solve(problem),
        Kind::Resource => resource::solve(problem),
    }
}
