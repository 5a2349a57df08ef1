//! A spout's turn: it is told what became of its roots, and asked for more.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use fulmar_api::collector::SpoutCollector;
use fulmar_api::error::Result;
use fulmar_api::spout::{FailReason, Next, Spout};

use super::{Instance, Task, panic_text};
use crate::emit::Reach;
use crate::ledger::Settled;
use crate::limits::{
    READY_BATCHES, SPOUT_CALLS_MOST, SPOUT_IDLE_FIRST_US, SPOUT_IDLE_MOST_US, TOLD_AT_ONCE, TURN_US,
};
use crate::shared::Shared;
use crate::sink::SpoutOut;
use crate::stats::{TaskStats, Window};

impl Task {
    /// Tells the spout what it was not told yet: its state, and the ends of its roots.
    pub fn tell_spout(&mut self, shared: &Shared, now_ms: u64) {
        let want = self.active && self.running;
        if self.settled.is_empty() && want == self.told_active {
            return;
        }
        let Instance::Spout(spout) = &mut self.instance else {
            self.settled.clear();
            return;
        };
        let (settled, stats, window) = (&mut self.settled, &mut self.stats, &mut self.window);
        let told = &mut self.told_active;
        let result = catch_unwind(AssertUnwindSafe(|| -> Result<()> {
            if want != *told {
                *told = want;
                if want {
                    spout.activate()?
                } else {
                    spout.deactivate()?
                }
            }
            tell_ends(&mut **spout, settled, stats, window, now_ms)
        }));
        match result {
            Ok(Ok(())) => {}
            Ok(Err(error)) => shared.report(&self.stats.component, self.id, error.to_string()),
            Err(panic) => self.broke(shared, format!("panicked: {}", panic_text(&*panic))),
        }
    }

    /// Calls the spout's `next` until its share of the core is used, it has nothing, or its tuples
    /// must be delivered; answers whether it did anything.
    pub(crate) fn run_spout(
        &mut self,
        shared: &Shared,
        reach: &mut Reach<'_>,
        now: Instant,
    ) -> bool {
        if !self.active || !self.running {
            return false;
        }
        if self.woken {
            (self.woken, self.idle_until) = (false, None);
        }
        let full = self.ledger.pending() + self.settled.len() >= self.max_pending;
        if full || self.idle_until.is_some_and(|until| until > now) {
            return false;
        }
        let (tracking, most, started) = (self.tracking, self.max_pending, Instant::now());
        let Instance::Spout(spout) = &mut self.instance else {
            return false;
        };
        let (mut last, mut emitted) = (Next::Emitted, 0);
        let calls = self.calls;
        let mut out = SpoutOut {
            outbox: &mut self.outbox,
            reach,
            ledger: &mut self.ledger,
            settled: &mut self.settled,
            tracking,
        };
        let result = catch_unwind(AssertUnwindSafe(|| -> Result<()> {
            while emitted < calls {
                last = spout.next(&mut SpoutCollector::new(&mut out))?;
                if last != Next::Emitted {
                    break;
                }
                emitted += 1;
                if out.reach.turn.ready.len() >= READY_BATCHES
                    || out.settled.len() >= TOLD_AT_ONCE
                    || out.ledger.pending() + out.settled.len() >= most
                {
                    break;
                }
            }
            Ok(())
        }));
        let took = started.elapsed();
        self.window.busy += took;
        match result {
            Ok(Ok(())) => self.rest(last, now, emitted > 0, shared),
            Ok(Err(error)) => {
                shared.report(&self.stats.component, self.id, error.to_string());
                self.rest(Next::Idle, now, false, shared);
            }
            Err(panic) => self.broke(shared, format!("panicked: {}", panic_text(&*panic))),
        }
        if took.as_micros() > TURN_US {
            self.calls = (self.calls / 2).max(1);
        } else if emitted == calls && took.as_micros() * 2 < TURN_US {
            self.calls = (self.calls * 2).min(SPOUT_CALLS_MOST);
        }
        emitted > 0
    }

    /// When an idle spout is asked again: 20 µs later at first, 10 ms at most. Those that have been
    /// idle for long are asked at the same time, so that their core wakes up once for all of them.
    fn rest(&mut self, last: Next, now: Instant, did: bool, shared: &Shared) {
        if did || last == Next::Emitted {
            self.idle_us = SPOUT_IDLE_FIRST_US;
        }
        self.idle_until = match last {
            Next::Emitted => None,
            Next::IdleUntil(until) => Some(until),
            Next::Idle => {
                let wait = if self.idle_us < SPOUT_IDLE_MOST_US {
                    self.idle_us
                } else {
                    SPOUT_IDLE_MOST_US - shared.us_at(now) % SPOUT_IDLE_MOST_US
                };
                self.idle_us = (self.idle_us * 2).min(SPOUT_IDLE_MOST_US);
                Some(now + Duration::from_micros(wait))
            }
        };
    }
}

/// Tells all ends; an error of one keeps no other from being told. Answers the first error.
fn tell_ends(
    spout: &mut dyn Spout,
    settled: &mut Vec<Settled>,
    stats: &mut TaskStats,
    window: &mut Window,
    now_ms: u64,
) -> Result<()> {
    let mut first = None;
    for s in settled.drain(..) {
        let told = match s.failed {
            None => {
                stats.acked += 1;
                window.acked += 1;
                window.complete_ms += now_ms.saturating_sub(s.since);
                spout.ack(s.id)
            }
            Some(why) => {
                *(if why == FailReason::TimedOut {
                    &mut stats.timed_out
                } else {
                    &mut stats.failed
                }) += 1;
                spout.fail(s.id, why)
            }
        };
        // Looked at by reference: copying a whole result for each end would cost more than the call.
        if let Err(error) = told {
            first.get_or_insert(error);
        }
    }
    first.map_or(Ok(()), Err)
}
