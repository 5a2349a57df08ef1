//! Who decides: what lives where, and what becomes of it.
//!
//! * [`lifecycle`], [`scheduler`], [`step`], [`place`]: the pure heart; `State::step` decides everything.
//! * [`event`], [`model`], [`limits`]: what can happen, what is known, every bound.

pub mod event;
pub mod lifecycle;
pub mod limits;
pub mod model;
pub mod place;
pub mod scheduler;
pub mod step;
#[cfg(test)]
mod step_tests;
