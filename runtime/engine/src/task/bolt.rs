//! A bolt's inputs: one at a time, each at a guarded edge, whether it comes in a batch or straight
//! from an emit.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use fulmar_api::TaskId;
use fulmar_api::collector::BoltCollector;
use fulmar_api::error::Error;
use fulmar_api::token::TokenEntry;
use fulmar_api::tuple::{Source, Tuple};
use fulmar_api::value::Value;

use super::{Instance, Task, panic_text};
use crate::batch::Batch;
use crate::emit::Reach;
use crate::sink::{BoltOut, InputState, settle_of};

/// Where an input comes from.
pub(crate) struct Call<'a> {
    /// Which of the task's counters is its edge's.
    pub slot: usize,
    /// Names of component, stream and fields.
    pub source: &'a Source,
    /// Emitting task.
    pub from: TaskId,
    /// Lent by a straight call: the roots go back to the caller.
    pub fused: bool,
    /// Needs no ack.
    pub tick: bool,
}

impl Task {
    /// Executes one input whose roots are in `entries`.
    #[inline]
    pub(crate) fn execute(&mut self, reach: &mut Reach<'_>, call: &Call<'_>, values: &[Value]) {
        let Instance::Bolt(bolt) = &mut self.instance else {
            return;
        };
        let counts = &mut self.inputs[call.slot];
        let timed = (call.fused && counts.executed >= counts.next_sample).then(Instant::now);
        counts.executed += 1;
        let mut out = BoltOut {
            outbox: &mut self.outbox,
            reach: &mut *reach,
            input: &mut self.entries,
            state: InputState::Open,
            fused: call.fused,
            counts: &mut self.inputs,
            slot: call.slot,
        };
        let tuple = Tuple::new(call.source, call.from, values);
        let result = catch_unwind(AssertUnwindSafe(|| {
            bolt.execute(&tuple, &mut BoltCollector::new(&mut out))
        }));
        let state = out.state;
        if let (InputState::Acked, Ok(Ok(()))) = (state, &result) {
            self.inputs[call.slot].acked += 1;
            if !call.fused {
                for e in self.entries.drain(..) {
                    reach.turn.settle(settle_of(&e, true));
                }
            }
        } else {
            self.unusual(reach, call, state, result);
        }
        if let Some(started) = timed {
            self.inputs[call.slot].sample(started.elapsed(), &mut self.window.busy);
        }
    }

    /// An input that was kept was settled from another thread.
    pub(crate) fn count_settled(&mut self, slot: usize, ok: bool) {
        if let Some(counts) = self.inputs.get_mut(slot) {
            counts.settled(ok);
        }
    }

    /// What is not a plain ack: kept, failed, forgotten, an error or a panic.
    #[cold]
    fn unusual(
        &mut self,
        reach: &mut Reach<'_>,
        call: &Call<'_>,
        state: InputState,
        result: Result<Result<(), Error>, Box<dyn Any + Send>>,
    ) {
        let counts = &mut self.inputs[call.slot];
        match state {
            InputState::Kept => {}
            InputState::Acked => {
                counts.acked += 1;
                if !call.fused {
                    for e in self.entries.drain(..) {
                        reach.turn.settle(settle_of(&e, true));
                    }
                }
            }
            InputState::Open | InputState::Failed => {
                if !call.tick {
                    counts.failed += 1;
                    let forgotten = state == InputState::Open && matches!(result, Ok(Ok(())));
                    counts.unsettled += u64::from(forgotten);
                }
                for e in &mut self.entries {
                    reach.turn.settle(settle_of(e, false));
                    // The caller's edge to this task, which is never acked.
                    (e.value, e.touched) = (self.outbox.random.draw(), 0);
                }
            }
        }
        match result {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let shared = &reach.turn.shared;
                shared.report(&self.stats.component, self.id, error.to_string());
            }
            Err(panic) => self.after_panic(reach, &*panic, call.slot),
        }
    }

    /// The instance starts anew after a panic, at once if it had worked since its last start, else
    /// after a pause that grows.
    fn after_panic(&mut self, reach: &Reach<'_>, panic: &(dyn Any + Send), slot: usize) {
        let acked = self.inputs[slot].acked;
        let worked = acked > self.acked_at_start;
        self.acked_at_start = acked;
        if worked {
            self.restarts = 0;
        }
        let shared = &reach.turn.shared;
        self.broke(shared, format!("panicked: {}", panic_text(panic)));
        if worked {
            self.make(shared);
        }
    }

    /// Executes the next batch of the inbox. Answers whether there was one and it could.
    pub(crate) fn run_next(&mut self, reach: &mut Reach<'_>) -> bool {
        if !self.is_open() {
            return false;
        }
        let Some(batch) = self.inbox.pop_front() else {
            return false;
        };
        self.run_batch(reach, &batch);
        reach.turn.executed(batch);
        true
    }

    /// Executes one batch; what comes after an input at which the instance broke fails.
    fn run_batch(&mut self, reach: &mut Reach<'_>, batch: &Batch) {
        let shared = reach.turn.shared.clone();
        let Some(edge) = shared.plan.edges.get(batch.edge as usize) else {
            return;
        };
        let call = Call {
            slot: self.slot(batch.edge),
            source: &edge.source,
            from: batch.from,
            fused: false,
            tick: false,
        };
        let started = Instant::now();
        for i in 0..batch.len {
            if !matches!(self.instance, Instance::Bolt(_)) {
                batch.fails(i).for_each(|s| reach.turn.settle(s));
                break;
            }
            self.entries.clear();
            let entries = batch.anchors_of(i).iter().map(|a| TokenEntry {
                root: a.root,
                spout_task: a.spout_task,
                value: a.edge,
                touched: 0,
            });
            self.entries.extend(entries);
            self.execute(reach, &call, batch.values_of(i));
        }
        self.window.busy += started.elapsed();
    }

    /// Which counter an edge uses; the last is that of ticks.
    pub(crate) fn slot(&self, edge: u32) -> usize {
        let found = self.inputs.iter().position(|c| c.edge == edge);
        found.unwrap_or(self.inputs.len() - 1)
    }

    /// Calls `woken` and ticks when they are due; answers whether anything was done.
    pub(crate) fn run_timers(&mut self, reach: &mut Reach<'_>, now: Instant) -> bool {
        if !self.running || !matches!(self.instance, Instance::Bolt(_)) {
            return false;
        }
        let woken = std::mem::take(&mut self.woken);
        if woken {
            self.wake_bolt(reach);
        }
        let due = match &mut self.tick {
            Some((every, next)) if *next <= now => {
                *next = now + *every;
                every.as_secs()
            }
            _ => return woken,
        };
        let source = self.tick_source.clone();
        let call = Call {
            slot: self.inputs.len() - 1,
            source: &source,
            from: -1,
            fused: false,
            tick: true,
        };
        self.entries.clear();
        let started = Instant::now();
        self.execute(reach, &call, &[Value::Int(due as i64)]);
        self.window.busy += started.elapsed();
        true
    }

    fn wake_bolt(&mut self, reach: &mut Reach<'_>) {
        let Instance::Bolt(bolt) = &mut self.instance else {
            return;
        };
        self.entries.clear();
        let mut out = BoltOut {
            outbox: &mut self.outbox,
            reach,
            input: &mut self.entries,
            state: InputState::Kept,
            fused: false,
            counts: &mut self.inputs,
            slot: 0,
        };
        let result = catch_unwind(AssertUnwindSafe(|| {
            bolt.woken(&mut BoltCollector::new(&mut out))
        }));
        let shared = &out.reach.turn.shared.clone();
        match result {
            Ok(Ok(())) => {}
            Ok(Err(error)) => shared.report(&self.stats.component, self.id, error.to_string()),
            Err(panic) => self.broke(shared, format!("panicked: {}", panic_text(&*panic))),
        }
    }
}
