//! The fleet on EC2: what `fulmar_spot_plan::fleet` decides, carried out, and what EventBridge says, read from SQS.
//!
//! The only crate that names the AWS clients (docs/decisions/0003-ec2-is-a-leaf.md). It knows Nimbus only by the trait
//! [`Cluster`], so that nothing else of ours is compiled with it.
//!
//! * [`settings`], [`client`], [`error`]: whom to ask, how, and what a refusal means.
//! * [`instances`], [`order`], [`ending`], [`places`], [`held`]: what is there, what comes, what goes, and where;
//!   fleets that somebody else has made.
//! * [`envelope`], [`events`]: what EventBridge says.
//! * [`manager`], [`round`], [`rehearsal`]: the loop, one turn of it, and the turn that only says what it would do.

pub mod client;
pub mod ending;
pub mod envelope;
pub mod error;
pub mod events;
pub mod held;
pub mod instances;
pub mod manager;
pub mod order;
pub mod places;
pub mod rehearsal;
pub mod round;
pub mod settings;

pub use client::Ec2;
pub use error::{Error, Result};
pub use instances::Seen;
pub use manager::{Cluster, Known, NodeState, manage};
pub use settings::Settings;
