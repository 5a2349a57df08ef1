//! Who holds the workers of one node: slots, programs, processes, termination notices.
//!
//! * [`slot`], [`limits`]: the pure heart, a machine for each slot; every bound.

pub mod limits;
pub mod slot;
