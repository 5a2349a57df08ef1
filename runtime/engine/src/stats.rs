//! What a task counts about itself. Counts are exact; latencies are averages of the last second.

use std::collections::BTreeMap;
use std::time::Duration;

/// Counts of one task since it was started.
#[derive(Clone, Debug, Default)]
pub struct TaskStats {
    /// Component.
    pub component: String,
    /// Stream → (emitted, transferred).
    pub outputs: BTreeMap<String, (u64, u64)>,
    /// Edge → (executed, acked, failed).
    pub inputs: BTreeMap<u32, (u64, u64, u64)>,
    /// Roots acked, failed (timed out not included), timed out.
    pub acked: u64,
    /// Roots failed, by a bolt or by the loss of a worker.
    pub failed: u64,
    /// Roots that were too old.
    pub timed_out: u64,
    /// Inputs that `execute` left unsettled; they failed.
    pub unsettled: u64,
    /// Roots open now.
    pub pending: u64,
    /// Average time of an execute, in milliseconds, over the last second.
    pub execute_ms: f64,
    /// Average time from emit to ack of a root, in milliseconds, over the last second.
    pub complete_ms: f64,
    /// Share of the last second spent in the component's code, 0 to 1.
    pub capacity: f64,
    /// Tuples queued ÷ the limit, 0 to 1.
    pub queue_fill: f64,
}

/// Sums of the running second.
#[derive(Debug, Default)]
pub struct Window {
    /// Time inside the component's code.
    pub busy: Duration,
    /// Executes.
    pub executed: u64,
    /// Sum of complete latencies, in milliseconds.
    pub complete_ms: u64,
    /// Roots acked.
    pub acked: u64,
}

impl Window {
    /// Turns the sums into averages over `span` and starts anew.
    pub fn close(&mut self, span: Duration, stats: &mut TaskStats) {
        let busy = self.busy.as_secs_f64();
        stats.execute_ms = if self.executed > 0 {
            busy * 1e3 / self.executed as f64
        } else {
            0.0
        };
        stats.complete_ms = if self.acked > 0 {
            self.complete_ms as f64 / self.acked as f64
        } else {
            0.0
        };
        stats.capacity = (busy / span.as_secs_f64().max(1e-9)).min(1.0);
        *self = Self::default();
    }
}
