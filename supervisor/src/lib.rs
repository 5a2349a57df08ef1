//! Who holds the workers of one node: slots, programs, processes, termination notices.
//!
//! * [`slot`], [`notice`], [`time`], [`limits`]: the pure heart, a machine for each slot and one for
//!   the notices; every bound.
//! * [`process`], [`record`], [`logs`], [`localizer`]: processes, and what is kept on disk.

pub mod error;
pub mod limits;
pub mod localizer;
pub mod logs;
pub mod notice;
pub mod process;
pub mod record;
pub mod slot;
pub mod time;

pub use error::Error;
