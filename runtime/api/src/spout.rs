//! The source of a topology.

use std::fmt;
use std::time::Instant;

use crate::collector::SpoutCollector;
use crate::config::Config;
use crate::context::TaskContext;
use crate::error::Result;
use crate::topology::Outputs;

/// What a spout calls an emitted root; given back to [`Spout::ack`] or [`Spout::fail`].
pub type MessageId = u64;

/// What [`Spout::next`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Something was emitted: ask again at once.
    Emitted,
    /// Nothing to emit now: ask again after the idle wait (20 µs at first, 10 ms at most), or when
    /// the waker of [`TaskContext::waker`] is called.
    Idle,
    /// Nothing to emit before this time, unless the waker is called.
    IdleUntil(Instant),
}

/// Why a root failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailReason {
    /// A bolt failed it, or could not finish it.
    Failed,
    /// Older than `topology.message.timeout.secs`.
    TimedOut,
    /// A worker that its tree had touched was lost.
    WorkerLost,
}

impl fmt::Display for FailReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FailReason::Failed => "failed",
            FailReason::TimedOut => "timed out",
            FailReason::WorkerLost => "worker lost",
        })
    }
}

/// A source of tuples. All methods run on the executor's own thread, one at a time.
///
/// Life: `open`, then `activate` and `next` in turn with `ack` and `fail`, `deactivate` when the
/// topology is deactivated or the task is about to move, `close` when it ends (not after a kill -9).
pub trait Spout: Send {
    /// Streams and fields. Asked on the client: must connect to nothing.
    fn outputs(&self) -> Outputs;

    /// Configuration of the component that the spout itself brings (Storm's
    /// `getComponentConfiguration`); what the builder is told for the component goes before it.
    fn conf(&self) -> Config {
        Config::new()
    }

    /// Called once in the worker, before anything else. Connect here.
    fn open(&mut self, conf: &Config, ctx: &TaskContext) -> Result<()> {
        let _ = (conf, ctx);
        Ok(())
    }

    /// From now on `next` will be called.
    fn activate(&mut self) -> Result<()> {
        Ok(())
    }

    /// `next` will not be called until the next `activate`; acks and fails still come.
    fn deactivate(&mut self) -> Result<()> {
        Ok(())
    }

    /// Emits what there is to emit, without blocking.
    fn next(&mut self, out: &mut SpoutCollector<'_>) -> Result<Next>;

    /// The tree of this message is complete.
    fn ack(&mut self, id: MessageId) -> Result<()> {
        let _ = id;
        Ok(())
    }

    /// The tree of this message failed; emit it again if it must not be lost.
    fn fail(&mut self, id: MessageId, why: FailReason) -> Result<()> {
        let _ = (id, why);
        Ok(())
    }

    /// The task ends here. Commit what is acked.
    fn close(&mut self) {}
}
