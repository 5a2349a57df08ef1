//! Who holds the workers of one node: slots, programs, processes, termination notices.
//!
//! * [`slot`], [`notice`], [`said`], [`time`], [`status`], [`limits`]: the pure heart, a machine for
//!   each slot and one for the notices; what is read and shown; every bound.
//! * [`owner`], [`act`], [`event`]: the one task that owns the state, and what it does.
//! * [`process`], [`record`], [`logs`], [`localizer`], [`node`]: processes, /proc, what is on disk.
//! * [`link`], [`sources`], [`imds`], [`http`]: the doors to Nimbus, to notices and to people.
//! * [`config`], [`run`]: the daemon.

pub mod act;
pub mod config;
pub mod drill;
pub mod ending;
pub mod error;
pub mod event;
pub mod http;
pub mod imds;
pub mod limits;
pub mod link;
pub mod localizer;
pub mod logs;
pub mod node;
pub mod notice;
pub mod owner;
pub mod process;
pub mod record;
pub mod run;
pub mod said;
pub mod slot;
pub mod sources;
pub mod status;
pub mod time;

pub use config::SupervisorConfig;
pub use error::Error;
pub use run::run;
