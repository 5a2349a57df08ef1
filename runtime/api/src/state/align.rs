//! When a task acts on a checkpoint: when every upstream task has sent it.
//!
//! Storm counts arrivals; here the senders are counted, so that a checkpoint sent again after a failure
//! is not taken for the missing one of another task.
//! Pure: no clock, no I/O, no async.

use std::collections::{BTreeMap, BTreeSet};

use crate::TaskId;

use super::transaction::Action;

/// What to do with a checkpoint tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Others have not sent it yet: ack it.
    Wait,
    /// All have, but a later transaction was acted on: ack it.
    Old,
    /// All have: act, and pass it on.
    Act,
}

/// The checkpoints that a task has seen.
#[derive(Clone, Debug)]
pub struct Alignment {
    senders: usize,
    seen: BTreeMap<(i64, Action), BTreeSet<TaskId>>,
    last: i64,
}

impl Alignment {
    /// A task with this many upstream tasks that send checkpoints.
    pub fn new(senders: usize) -> Self {
        Self {
            senders,
            seen: BTreeMap::new(),
            last: i64::MIN,
        }
    }

    /// A checkpoint tuple came from this task.
    pub fn arrive(&mut self, from: TaskId, action: Action, txid: i64) -> Verdict {
        let senders = self.seen.entry((txid, action)).or_default();
        senders.insert(from);
        if senders.len() < self.senders {
            return Verdict::Wait;
        }
        self.seen.remove(&(txid, action));
        // A checkpoint spout that lost its state begins with small numbers again: everybody follows.
        if txid >= self.last || action == Action::InitState {
            Verdict::Act
        } else {
            Verdict::Old
        }
    }

    /// The task has acted. What was half seen of older transactions will never be whole.
    pub fn acted(&mut self, action: Action, txid: i64) {
        self.last = match action {
            Action::Rollback => txid - 1,
            _ => txid,
        };
        match action {
            Action::Rollback | Action::InitState => self.seen.clear(),
            _ => self.seen.retain(|(seen, _), _| *seen >= txid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_acts_when_all_have_sent_and_ignores_what_is_old() {
        let mut align = Alignment::new(2);
        assert_eq!(align.arrive(1, Action::Prepare, 5), Verdict::Wait);
        assert_eq!(align.arrive(1, Action::Prepare, 5), Verdict::Wait);
        assert_eq!(align.arrive(2, Action::Prepare, 5), Verdict::Act);
        align.acted(Action::Prepare, 5);
        align.arrive(1, Action::Prepare, 4);
        assert_eq!(align.arrive(2, Action::Prepare, 4), Verdict::Old);
    }

    #[test]
    fn numbers_may_begin_anew_with_the_state() {
        let mut align = Alignment::new(1);
        align.acted(Action::Commit, 57);
        assert_eq!(align.arrive(1, Action::Prepare, 0), Verdict::Old);
        assert_eq!(align.arrive(1, Action::InitState, -1), Verdict::Act);
        align.acted(Action::InitState, -1);
        assert_eq!(align.arrive(1, Action::Prepare, 0), Verdict::Act);
    }

    #[test]
    fn a_rollback_forgets_the_half_seen() {
        let mut align = Alignment::new(2);
        align.arrive(1, Action::Prepare, 5);
        align.arrive(1, Action::Rollback, 5);
        assert_eq!(align.arrive(2, Action::Rollback, 5), Verdict::Act);
        align.acted(Action::Rollback, 5);
        assert_eq!(align.arrive(2, Action::Prepare, 5), Verdict::Wait);
        assert_eq!(align.arrive(1, Action::Prepare, 5), Verdict::Act);
    }
}
