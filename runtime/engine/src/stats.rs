//! What a task counts about itself. Counts are exact; latencies are averages of the last second, and
//! of straight calls only some are timed: a look at the clock costs more than such a call.

use std::collections::BTreeMap;
use std::time::Duration;

use fulmar_api::TaskId;

use crate::plan::{Plan, TICK_EDGE};

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
    /// Share of the last second spent in the component's code, 0 to 1. What a task calls straight
    /// is part of its own time.
    pub capacity: f64,
    /// Tuples queued ÷ the limit, 0 to 1.
    pub queue_fill: f64,
}

/// Counts of the inputs that come over one edge.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    pub edge: u32,
    pub executed: u64,
    pub acked: u64,
    pub failed: u64,
    /// Of the failed: neither acked nor failed nor kept by the bolt.
    pub unsettled: u64,
    /// The straight call with this number is timed.
    pub next_sample: u64,
    /// Straight calls that the next sample stands for.
    every: u64,
}

impl Counted {
    /// One for each edge that leads to a task, and one for ticks.
    pub fn of(plan: &Plan, task: TaskId) -> Vec<Self> {
        let edges = plan.edges.iter().filter(|e| e.targets.contains(&task));
        let ids = edges.map(|e| e.id).chain([TICK_EDGE]);
        ids.map(|edge| Self {
            edge,
            every: 1,
            ..Self::default()
        })
        .collect()
    }

    /// Adds a timed call. The shorter calls are, the fewer of them are timed, so that timing takes
    /// less than a hundredth of them.
    pub fn sample(&mut self, took: Duration, busy: &mut Duration) {
        *busy += took * self.every as u32;
        self.every = match took.as_micros() {
            0..2 => 1_024,
            2..20 => 64,
            _ => 1,
        };
        self.next_sample = self.executed + self.every - 1;
    }

    /// An input that was kept is settled.
    pub fn settled(&mut self, ok: bool) {
        if ok {
            self.acked += 1;
        } else {
            self.failed += 1;
        }
    }

    /// As the statistics show it.
    pub fn told(&self) -> (u32, (u64, u64, u64)) {
        (self.edge, (self.executed, self.acked, self.failed))
    }
}

/// Sums of the running second.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// Time inside the component's code.
    pub busy: Duration,
    /// Executes up to the last second's end.
    executed: u64,
    /// Sum of complete latencies, in milliseconds.
    pub complete_ms: u64,
    /// Roots acked.
    pub acked: u64,
}

impl Window {
    /// Turns the sums into averages over `span` and starts anew.
    pub fn close(&mut self, span: Duration, executed: u64, stats: &mut TaskStats) {
        let busy = self.busy.as_secs_f64();
        let calls = executed - self.executed;
        stats.execute_ms = if calls > 0 {
            busy * 1e3 / calls as f64
        } else {
            0.0
        };
        stats.complete_ms = if self.acked > 0 {
            self.complete_ms as f64 / self.acked as f64
        } else {
            0.0
        };
        stats.capacity = (busy / span.as_secs_f64().max(1e-9)).min(1.0);
        *self = Self {
            executed,
            ..Self::default()
        };
    }
}
