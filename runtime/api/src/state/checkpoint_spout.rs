//! The spout that drives checkpoints: Storm's CheckpointSpout.
//!
//! It keeps its transaction in a state of its own. At its start, and after a checkpoint has failed, it
//! brings every task to the same transaction before it goes on.

use std::time::{Duration, Instant};

use crate::collector::SpoutCollector;
use crate::config::Config;
use crate::context::TaskContext;
use crate::error::{Error, Result};
use crate::spout::{FailReason, MessageId, Next, Spout};
use crate::topology::Outputs;

use super::key_value::KeyValueState;
use super::provider::Provider;
use super::transaction::{Phase, Transaction};
use super::{CHECKPOINT_FIELDS, CHECKPOINT_STREAM};

/// Storm's key of the transaction.
const STATE_KEY: &str = "__state";
/// Storm's least interval.
const LEAST_INTERVAL_MS: u64 = 100;

/// Emits checkpoint tuples, one at a time.
#[derive(Default)]
pub struct CheckpointSpout {
    provider: Option<Provider>,
    state: Option<KeyValueState>,
    transaction: Option<Transaction>,
    interval: Duration,
    /// When the last checkpoint began.
    last: Option<Instant>,
    /// Nothing is emitted before: what has just failed would fail again.
    not_before: Option<Instant>,
    recovering: bool,
    /// Number of the step that is under way.
    step: MessageId,
    under_way: bool,
}

impl CheckpointSpout {
    /// The transaction, read from the state the first time.
    fn transaction(&mut self) -> Result<Transaction> {
        if let Some(known) = self.transaction {
            return Ok(known);
        }
        let provider = self.provider.as_ref();
        let provider =
            provider.ok_or_else(|| Error::msg("the checkpoint spout was called before open"))?;
        let state = self.state.insert(provider.open()?);
        match state.get(STATE_KEY)? {
            Some(value) => self.transaction = Some(Transaction::from_value(&value)?),
            None => self.save(Transaction::START)?,
        }
        Ok(self.transaction.unwrap_or(Transaction::START))
    }

    fn save(&mut self, transaction: Transaction) -> Result<()> {
        if let Some(state) = &mut self.state {
            state.put(STATE_KEY, transaction.to_value());
            state.commit_now()?;
        }
        self.transaction = Some(transaction);
        Ok(())
    }

    /// When the next step is due; none while one is under way.
    fn due(&self, now: Instant) -> Option<Instant> {
        if self.under_way {
            return None;
        }
        let step = self.not_before.unwrap_or(now);
        let committed = self.transaction.is_none_or(|t| t.phase == Phase::Committed);
        match self.last {
            Some(last) if committed && !self.recovering => Some(step.max(last + self.interval)),
            _ => Some(step),
        }
    }
}

impl Spout for CheckpointSpout {
    fn outputs(&self) -> Outputs {
        Outputs::none().stream(CHECKPOINT_STREAM, CHECKPOINT_FIELDS)
    }

    fn open(&mut self, conf: &Config, ctx: &TaskContext) -> Result<()> {
        let interval = conf.millis("topology.state.checkpoint.interval.ms")?;
        self.interval = interval
            .unwrap_or_default()
            .max(Duration::from_millis(LEAST_INTERVAL_MS));
        self.provider = Some(Provider::of(conf, ctx)?);
        self.recovering = true;
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next> {
        let now = Instant::now();
        let pause = now + self.interval / 10;
        match self.due(now) {
            Some(due) if due <= now => {}
            due => return Ok(Next::IdleUntil(due.unwrap_or(pause).min(pause))),
        }
        // A state that cannot be opened now is tried again after the pause.
        self.not_before = Some(pause);
        let mut transaction = self.transaction()?;
        self.not_before = None;
        if !self.recovering && transaction.phase == Phase::Committed {
            transaction = transaction.next(false);
            self.save(transaction)?;
            self.last = Some(now);
        }
        let action = transaction.action(self.recovering).to_string();
        self.step += 1;
        let values = (transaction.txid, action);
        out.emit_to(CHECKPOINT_STREAM, Some(self.step), values)?;
        self.under_way = true;
        Ok(Next::Emitted)
    }

    fn ack(&mut self, id: MessageId) -> Result<()> {
        if id != self.step {
            return Ok(());
        }
        self.under_way = false;
        let transaction = self.transaction()?;
        let next = transaction.next(self.recovering);
        if self.recovering && next == transaction {
            self.recovering = false;
            return Ok(());
        }
        self.save(next)
    }

    fn fail(&mut self, id: MessageId, _: FailReason) -> Result<()> {
        if id == self.step {
            self.under_way = false;
            self.recovering = true;
            self.not_before = Some(Instant::now() + self.interval / 10);
        }
        Ok(())
    }
}
