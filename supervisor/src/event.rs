//! What the tasks of a supervisor tell its owner, and what the owner gives to the link.

use std::path::PathBuf;

use fulmar_proto::nimbus as pb;
use tokio::sync::oneshot;

use crate::drill::{Drill, Order};
use crate::imds::Identity;
use crate::notice::{Kind, Said};

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// Nimbus says what is wanted.
    Assignment(pb::SupervisorAssignment),
    /// The link is up, to this Nimbus.
    Linked(String),
    /// The link is down, and why.
    Unlinked(String),
    /// A program is here, or why not.
    Localized(String, Result<PathBuf, String>),
    /// A worker's process has ended: slot, incarnation, how.
    Exited(u16, u64, String),
    /// A worker has answered: slot, incarnation.
    Heard(u16, u64),
    /// A source of notices has spoken.
    Said {
        /// Which one.
        source: &'static str,
        /// Of which kind of notice.
        kind: Kind,
        /// What.
        said: Said,
    },
    /// A drill is ordered, or taken back by `None`; where the answer goes.
    Drill(
        Option<Order>,
        oneshot::Sender<Result<Option<Drill>, String>>,
    ),
    /// The metadata service has said who this instance is.
    Identity(Identity),
}

/// What Nimbus must hear, in this order, however long it takes to reach one.
#[derive(Clone, Debug)]
pub enum Report {
    /// A worker has ended.
    Exit(pb::WorkerExit),
    /// A notice, or its end.
    Notice(pb::Notice),
}
