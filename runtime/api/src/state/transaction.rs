//! The steps of a checkpoint: Storm's CheckPointState.
//! Pure: no clock, no I/O, no async.

use std::fmt;

use crate::error::{Error, Result};
use crate::value::Value;

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Everybody has it.
    Committed,
    /// Everybody is asked to prepare.
    Preparing,
    /// Everybody has prepared and is asked to commit.
    Committing,
}

/// What a checkpoint tuple asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Make what was written since the last checkpoint durable, apart from the state.
    Prepare,
    /// Make it the state.
    Commit,
    /// Back to the last committed state.
    Rollback,
    /// Give bolts their state, if they do not have it yet.
    InitState,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Prepare => "PREPARE",
            Action::Commit => "COMMIT",
            Action::Rollback => "ROLLBACK",
            Action::InitState => "INITSTATE",
        })
    }
}

impl Action {
    /// Reads the field of a checkpoint tuple.
    ///
    /// # Errors
    /// Another word.
    pub fn parse(word: &str) -> Result<Self> {
        let all = [
            Action::Prepare,
            Action::Commit,
            Action::Rollback,
            Action::InitState,
        ];
        let found = all.into_iter().find(|a| a.to_string() == word);
        found.ok_or_else(|| Error::msg(format!("\"{word}\" is no action of a checkpoint")))
    }
}

/// A transaction and its phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Its number; −1 before the first.
    pub txid: i64,
    /// How far it is.
    pub phase: Phase,
}

impl Transaction {
    /// Before the first checkpoint.
    pub const START: Self = Self {
        txid: -1,
        phase: Phase::Committed,
    };

    /// What comes when everybody has done what was asked. Recovery ends when it stays the same.
    pub fn next(self, recovering: bool) -> Self {
        let (txid, phase) = match (self.phase, recovering) {
            (Phase::Preparing, true) => (self.txid - 1, Phase::Committed),
            (Phase::Preparing, false) => (self.txid, Phase::Committing),
            (Phase::Committing, _) => (self.txid, Phase::Committed),
            (Phase::Committed, true) => (self.txid, Phase::Committed),
            (Phase::Committed, false) => (self.txid + 1, Phase::Preparing),
        };
        Self { txid, phase }
    }

    /// What to ask for in this phase.
    pub fn action(self, recovering: bool) -> Action {
        match (self.phase, recovering) {
            (Phase::Preparing, true) => Action::Rollback,
            (Phase::Preparing, false) => Action::Prepare,
            (Phase::Committing, _) => Action::Commit,
            (Phase::Committed, true) => Action::InitState,
            (Phase::Committed, false) => Action::Prepare,
        }
    }

    /// As it is stored.
    pub fn to_value(self) -> Value {
        let phase = match self.phase {
            Phase::Committed => "COMMITTED",
            Phase::Preparing => "PREPARING",
            Phase::Committing => "COMMITTING",
        };
        Value::List([Value::Int(self.txid), phase.into()].into())
    }

    /// Reads what [`Transaction::to_value`] wrote.
    ///
    /// # Errors
    /// It is something else.
    pub fn from_value(value: &Value) -> Result<Self> {
        let parts = value.as_list().unwrap_or_default();
        let txid = parts.first().and_then(Value::as_int);
        let phase = match parts.get(1).and_then(Value::as_str) {
            Some("COMMITTED") => Some(Phase::Committed),
            Some("PREPARING") => Some(Phase::Preparing),
            Some("COMMITTING") => Some(Phase::Committing),
            _ => None,
        };
        match (txid, phase) {
            (Some(txid), Some(phase)) => Ok(Self { txid, phase }),
            _ => Err(Error::msg(format!(
                "{value} is not the state of a checkpoint; delete the state or restore a copy"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_prepares_then_commits_and_a_failed_one_is_rolled_back() {
        let mut tx = Transaction::START;
        let mut asked = Vec::new();
        for _ in 0..3 {
            if tx.phase == Phase::Committed {
                tx = tx.next(false);
            }
            asked.push((tx.txid, tx.action(false)));
            tx = tx.next(false);
        }
        let want = [
            (0, Action::Prepare),
            (0, Action::Commit),
            (1, Action::Prepare),
        ];
        assert_eq!(asked, want);
        assert_eq!(
            (tx.phase, tx.action(true)),
            (Phase::Committing, Action::Commit)
        );
        let preparing = Transaction {
            txid: 7,
            phase: Phase::Preparing,
        };
        assert_eq!(preparing.action(true), Action::Rollback);
        let back = preparing.next(true);
        assert_eq!((back.txid, back.action(true)), (6, Action::InitState));
        assert_eq!(back.next(true), back);
    }

    #[test]
    fn what_is_stored_is_read() {
        for phase in [Phase::Committed, Phase::Preparing, Phase::Committing] {
            let tx = Transaction { txid: 42, phase };
            assert_eq!(Transaction::from_value(&tx.to_value()).unwrap(), tx);
        }
        assert!(Transaction::from_value(&Value::Int(1)).is_err());
        assert_eq!(Action::parse("INITSTATE").unwrap(), Action::InitState);
        assert!(Action::parse("initstate").is_err());
    }
}
