//! The life of a topology: Storm's ACTIVE, INACTIVE, KILLED and REBALANCING (storm.md 5.19).
//!
//! Every transition may come twice: the second changes nothing. A wait that was under way when
//! Nimbus stopped is armed again in full, as Storm's new leader does.
//! Pure: no clock, no I/O, no async.

use serde::{Deserialize, Serialize};

/// Where a topology is in its life. Times are milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Spouts emit.
    Active,
    /// Spouts rest; what is under way finishes.
    Inactive,
    /// Spouts rest until `at`, then everything is removed.
    Killed {
        /// When the wait is over.
        at: u64,
    },
    /// Spouts rest until `at`, then the new shape applies and the topology is what it was before.
    Rebalancing {
        /// When the wait is over.
        at: u64,
        /// Whether it was active.
        active: bool,
    },
}

impl Status {
    /// In a word, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive: its spouts rest",
            Self::Killed { .. } => "killed: its spouts rest until it ends",
            Self::Rebalancing { .. } => "rebalancing: its spouts rest until it is spread anew",
        }
    }
}

/// What is asked of a topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Spouts emit.
    Activate,
    /// Spouts rest.
    Deactivate,
    /// The end, after this wait in milliseconds.
    Kill {
        /// Time for what is under way.
        wait: u64,
    },
    /// A new shape, after this wait in milliseconds.
    Rebalance {
        /// Time for what is under way.
        wait: u64,
    },
    /// Time has passed.
    Look,
}

/// What follows from a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing changes.
    Stay,
    /// The status changes.
    To(Status),
    /// The new shape applies now, with this status afterwards.
    Reshape(Status),
    /// Everything of the topology is removed.
    Remove,
    /// It cannot be; the reason and what to do.
    Refuse(&'static str),
}

/// Decides one step.
pub fn step(status: Status, wish: Wish, now: u64) -> Step {
    match (status, wish) {
        (Status::Killed { at }, Wish::Look) if now >= at => Step::Remove,
        (Status::Rebalancing { at, active }, Wish::Look) if now >= at => {
            Step::Reshape(plain(active))
        }
        (_, Wish::Look) => Step::Stay,
        // A second kill may shorten or lengthen the wait.
        (_, Wish::Kill { wait }) => Step::To(Status::Killed { at: now + wait }),
        (Status::Killed { .. }, _) => {
            Step::Refuse("the topology is being killed; submit it again when it is gone")
        }
        (Status::Rebalancing { at, active }, Wish::Activate | Wish::Deactivate) => {
            let wanted = wish == Wish::Activate;
            if wanted == active {
                Step::Stay
            } else {
                Step::To(Status::Rebalancing { at, active: wanted })
            }
        }
        (Status::Rebalancing { active, .. }, Wish::Rebalance { wait }) => {
            Step::To(Status::Rebalancing {
                at: now + wait,
                active,
            })
        }
        (Status::Active, Wish::Activate) | (Status::Inactive, Wish::Deactivate) => Step::Stay,
        (_, Wish::Activate) => Step::To(Status::Active),
        (_, Wish::Deactivate) => Step::To(Status::Inactive),
        (status, Wish::Rebalance { wait }) => Step::To(Status::Rebalancing {
            at: now + wait,
            active: status == Status::Active,
        }),
    }
}

/// The status after a restart of Nimbus: waits begin anew.
pub fn after_restart(status: Status, wait: u64, now: u64) -> Status {
    match status {
        Status::Killed { .. } => Status::Killed { at: now + wait },
        Status::Rebalancing { active, .. } => Status::Rebalancing {
            at: now + wait,
            active,
        },
        other => other,
    }
}

/// Whether spouts emit in this status.
pub fn emits(status: Status) -> bool {
    status == Status::Active
}

fn plain(active: bool) -> Status {
    if active {
        Status::Active
    } else {
        Status::Inactive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_waits_then_removes_and_nothing_else_helps() {
        let killed = Status::Killed { at: 30 };
        assert_eq!(
            step(Status::Active, Wish::Kill { wait: 30 }, 0),
            Step::To(killed)
        );
        assert_eq!(step(killed, Wish::Look, 29), Step::Stay);
        assert_eq!(step(killed, Wish::Look, 30), Step::Remove);
        assert!(matches!(step(killed, Wish::Activate, 5), Step::Refuse(_)));
        assert_eq!(
            step(killed, Wish::Kill { wait: 0 }, 5),
            Step::To(Status::Killed { at: 5 })
        );
    }

    #[test]
    fn a_rebalance_gives_the_old_status_back() {
        let waiting = Status::Rebalancing {
            at: 10,
            active: false,
        };
        assert_eq!(
            step(Status::Inactive, Wish::Rebalance { wait: 10 }, 0),
            Step::To(waiting)
        );
        assert_eq!(
            step(waiting, Wish::Look, 10),
            Step::Reshape(Status::Inactive)
        );
        assert_eq!(
            step(waiting, Wish::Activate, 3),
            Step::To(Status::Rebalancing {
                at: 10,
                active: true
            })
        );
    }

    #[test]
    fn what_is_asked_twice_changes_nothing() {
        assert_eq!(step(Status::Active, Wish::Activate, 0), Step::Stay);
        assert_eq!(step(Status::Inactive, Wish::Deactivate, 0), Step::Stay);
        assert_eq!(step(Status::Active, Wish::Look, 99), Step::Stay);
    }

    #[test]
    fn waits_begin_anew_after_a_restart() {
        assert_eq!(
            after_restart(Status::Killed { at: 5 }, 30, 100),
            Status::Killed { at: 130 }
        );
        assert_eq!(after_restart(Status::Active, 30, 100), Status::Active);
        assert!(emits(Status::Active) && !emits(Status::Killed { at: 0 }));
    }
}
