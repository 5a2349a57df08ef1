//! What collectors write into: a spout's call with its ledger, a bolt's call with its input's roots.

use fulmar_api::TaskId;
use fulmar_api::collector::{Anchors, BoltSink, DEFAULT_STREAM, SpoutSink};
use fulmar_api::error::Result;
use fulmar_api::spout::MessageId;
use fulmar_api::token::{AckToken, TokenEntries, TokenEntry};
use fulmar_api::value::Value;

use crate::batch::Settle;
use crate::emit::{Reach, put};
use crate::ledger::{Ledger, Settled};
use crate::outbox::Outbox;
use crate::stats::Counted;

/// A spout's call: its outbox and its ledger.
pub(crate) struct SpoutOut<'a, 'b> {
    /// Where tuples go.
    pub outbox: &'a mut Outbox,
    /// The fused tasks and the turn.
    pub reach: &'a mut Reach<'b>,
    /// Where roots are entered.
    pub ledger: &'a mut Ledger,
    /// Roots that settled within the call.
    pub settled: &'a mut Vec<Settled>,
    /// `topology.acker.executors` is not 0.
    pub tracking: bool,
}

impl SpoutOut<'_, '_> {
    #[inline]
    fn go(&mut self, index: usize, id: Option<MessageId>, task: Option<TaskId>) {
        let Some(id) = id else {
            return put(self.outbox, self.reach, index, task, &mut ());
        };
        let since = self.reach.turn.now_ms;
        let done = Settled {
            id,
            since,
            failed: None,
        };
        if !self.tracking {
            put(self.outbox, self.reach, index, task, &mut ());
            return self.settled.push(done);
        }
        let mut root = TokenEntry {
            root: self.ledger.next_root(),
            spout_task: self.outbox.task,
            value: 0,
            touched: 0,
        };
        put(self.outbox, self.reach, index, task, &mut root);
        // Nothing of the tree is outside of this call: its number was told to nobody.
        if root.value == 0 {
            return self.settled.push(done);
        }
        self.ledger
            .open(id, root.value, root.touched, since, self.settled);
    }
}

impl SpoutSink for SpoutOut<'_, '_> {
    #[inline]
    fn buffer(&mut self) -> &mut Vec<Value> {
        &mut self.outbox.buffer
    }

    fn emit(&mut self, stream: &str, id: Option<MessageId>, task: Option<TaskId>) -> Result<()> {
        let index = self.outbox.stream(stream);
        self.outbox.check(index, stream, task.is_some())?;
        self.go(index, id, task);
        Ok(())
    }

    #[inline]
    fn emit_default(&mut self, id: Option<MessageId>) -> Result<()> {
        let index = self.outbox.default;
        self.outbox.check(index, DEFAULT_STREAM, false)?;
        self.go(index, id, None);
        Ok(())
    }

    fn pending(&self) -> usize {
        self.ledger.pending() + self.settled.len()
    }
}

/// What became of a bolt's running input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputState {
    /// Not settled yet.
    Open,
    /// Acked by the bolt.
    Acked,
    /// Failed by the bolt.
    Failed,
    /// Its token was taken out.
    Kept,
}

/// A bolt's call: its outbox and the roots of the running input.
pub(crate) struct BoltOut<'a, 'b> {
    /// Where tuples go.
    pub outbox: &'a mut Outbox,
    /// The fused tasks and the turn.
    pub reach: &'a mut Reach<'b>,
    /// One entry for each root of the running input.
    pub input: &'a mut Vec<TokenEntry>,
    /// What became of it.
    pub state: InputState,
    /// The input was lent by a straight call: its entries go back there.
    pub fused: bool,
    /// The task's counters, and which of them is the input's.
    pub counts: &'a mut [Counted],
    pub slot: usize,
}

/// The settle of one token entry.
#[inline]
pub(crate) fn settle_of(e: &TokenEntry, ok: bool) -> Settle {
    Settle {
        spout_task: e.spout_task,
        root: e.root,
        value: e.value,
        touched: e.touched,
        ok,
    }
}

impl BoltOut<'_, '_> {
    #[inline]
    fn go(&mut self, index: usize, anchors: Anchors<'_>, task: Option<TaskId>) {
        let (outbox, reach) = (&mut *self.outbox, &mut *self.reach);
        match anchors {
            // What is settled anchors nothing.
            Anchors::Input if self.state == InputState::Open => {
                put(outbox, reach, index, task, self.input)
            }
            Anchors::None | Anchors::Input => put(outbox, reach, index, task, &mut ()),
            Anchors::Tokens(mut tokens) => put(outbox, reach, index, task, &mut tokens),
            Anchors::TokenRefs(mut tokens) => put(outbox, reach, index, task, &mut tokens),
        }
    }
}

impl BoltSink for BoltOut<'_, '_> {
    #[inline]
    fn buffer(&mut self) -> &mut Vec<Value> {
        &mut self.outbox.buffer
    }

    fn emit(&mut self, stream: &str, anchors: Anchors<'_>, task: Option<TaskId>) -> Result<()> {
        let index = self.outbox.stream(stream);
        self.outbox.check(index, stream, task.is_some())?;
        self.go(index, anchors, task);
        Ok(())
    }

    #[inline]
    fn emit_default(&mut self, anchors: Anchors<'_>) -> Result<()> {
        let index = self.outbox.default;
        self.outbox.check(index, DEFAULT_STREAM, false)?;
        self.go(index, anchors, None);
        Ok(())
    }

    #[inline]
    fn ack_input(&mut self) {
        if self.state == InputState::Open {
            self.state = InputState::Acked;
        }
    }

    fn fail_input(&mut self) {
        if self.state == InputState::Open {
            self.state = InputState::Failed;
        }
    }

    fn keep_input(&mut self) -> AckToken {
        if self.state != InputState::Open {
            return AckToken::default();
        }
        self.state = InputState::Kept;
        let mut kept = self.input.clone();
        if self.fused {
            // Now there is an edge between caller and callee, and the token holds it.
            for (mine, lent) in kept.iter_mut().zip(&mut *self.input) {
                let edge = self.outbox.random.draw();
                mine.value ^= edge;
                (lent.value, lent.touched) = (edge, mine.touched);
            }
        } else {
            self.input.clear();
        }
        AckToken::from_entries(match kept.len() {
            0 => TokenEntries::None,
            1 => TokenEntries::One(kept[0]),
            _ => TokenEntries::Many(kept),
        })
        .counted_at(self.slot)
    }

    fn settle(&mut self, token: AckToken, ok: bool) {
        if let Some(counts) = token.slot().and_then(|s| self.counts.get_mut(s)) {
            counts.settled(ok);
        }
        for e in token.entries() {
            self.reach.turn.settle(settle_of(e, ok));
        }
    }

    fn reset_timeout(&mut self) {
        // A settle that changes nothing but the root's clock is told apart by its value 0.
        for e in self.input.iter() {
            let touch = TokenEntry {
                value: 0,
                touched: 0,
                ..*e
            };
            self.reach.turn.settle(settle_of(&touch, true));
        }
    }
}
