//! Who holds the workers of one node: slots, programs, processes, termination notices.
//!
//! * [`slot`], [`notice`], [`time`], [`limits`]: the pure heart, a machine for each slot and one for
//!   the notices; every bound.

pub mod limits;
pub mod notice;
pub mod slot;
pub mod time;
