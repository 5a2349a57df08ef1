//! What a task with windows has at run time: the queue, the tokens of what is in it, and its alarms.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::collector::BoltCollector;
use crate::config::Config;
use crate::context::{Completions, TaskContext};
use crate::error::Result;
use crate::state::CHECKPOINT_STREAM;
use crate::stored::{Sources, Stored};
use crate::timer::Timer;
use crate::token::AckToken;
use crate::tuple::Tuple;
use crate::value::Value;

use super::clock::{Clock, ManualClock};
use super::machine::Machine;
use super::shape::{self, Shape};
use super::watermark::Watermarks;

/// What a prepared task has.
pub(super) struct Running {
    pub machine: Machine<Stored>,
    /// The right to settle each item of the queue, in its order.
    pub tokens: VecDeque<AckToken>,
    pub event_time: Option<EventTime>,
    sources: Sources,
    shape: Shape,
    clock: Clock,
    ctx: TaskContext,
    completions: Completions,
    timer: Option<Arc<Timer>>,
    /// When the timer will wake the task.
    alarm: Option<Instant>,
}

pub(super) struct EventTime {
    pub marks: Watermarks,
    pub interval_ms: i64,
    /// When the watermark moves on; set while a stream has moved.
    pub next: Option<i64>,
    pub late_stream: Option<String>,
}

impl EventTime {
    /// What event time needs, from the component's whole configuration.
    ///
    /// # Errors
    /// A key has a value of the wrong kind.
    pub fn new(conf: &Config, ctx: &TaskContext) -> Result<Self> {
        let component = ctx.topology.component(&ctx.component);
        let inputs = component.map(|c| c.inputs.iter()).into_iter().flatten();
        let inputs = inputs
            .filter(|i| i.stream != CHECKPOINT_STREAM)
            .map(|i| (i.component.clone(), i.stream.clone()));
        Ok(Self {
            marks: Watermarks::new(inputs, conf.int_or(shape::LAG_MS, 0)?),
            interval_ms: conf.int_or(shape::WATERMARK_MS, shape::WATERMARK_DEFAULT_MS)?,
            next: None,
            late_stream: conf.str(shape::LATE_STREAM)?,
        })
    }
}

impl Running {
    /// A task without tuples.
    ///
    /// # Errors
    /// The timer's thread cannot be started.
    pub fn new(
        shape: Shape,
        event_time: Option<EventTime>,
        clock: Option<ManualClock>,
        ctx: &TaskContext,
    ) -> Result<Self> {
        let timer = match clock {
            Some(_) => None,
            None => Some(Timer::of(ctx)?),
        };
        let clock = clock.map_or_else(Clock::system, Clock::Manual);
        Ok(Self {
            machine: Machine::new(shape, event_time.is_some(), clock.now_ms()),
            tokens: VecDeque::new(),
            event_time,
            sources: Sources::default(),
            shape,
            clock,
            ctx: ctx.clone(),
            completions: ctx.completions(),
            timer,
            alarm: None,
        })
    }

    /// Time of arrival, in milliseconds since the epoch.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// What windows are due by: the clock, or in event time a watermark that has just moved on.
    pub fn time(&mut self, now: i64) -> Option<i64> {
        let Some(event_time) = &mut self.event_time else {
            return Some(now);
        };
        if event_time.next.is_none_or(|next| next > now) {
            return None;
        }
        event_time.next = None;
        event_time.marks.advance()
    }

    /// Enters a tuple with its time; it stays unacked.
    pub fn add(&mut self, input: &Tuple<'_>, ts: i64, out: &mut BoltCollector<'_>) {
        let stored = self.sources.store(input);
        // The token goes in first, at the end: what leaves at the front never passes it.
        self.tokens.push_back(out.keep(input));
        let before = self.machine.items().len();
        let at = self.machine.add(ts, stored);
        if self.event_time.is_some() && at != before {
            let token = self.tokens.pop_back().unwrap_or_default();
            self.tokens.insert(at, token);
        }
        self.ack_left(out);
    }

    /// Enters a tuple by its timestamp, or sends it away when it is late.
    pub fn add_timed(
        &mut self,
        input: &Tuple<'_>,
        ts: i64,
        now: i64,
        out: &mut BoltCollector<'_>,
    ) -> Result<()> {
        let Some(event_time) = &mut self.event_time else {
            return Ok(());
        };
        let in_time = event_time.marks.track(input.source(), ts);
        if event_time.marks.has_moved() && event_time.next.is_none() {
            event_time.next = Some(now.saturating_add(event_time.interval_ms));
        }
        if in_time && !self.machine.is_past(ts) {
            self.add(input, ts, out);
            return Ok(());
        }
        self.ctx.count("window_late_tuples", 1);
        if let Some(stream) = &event_time.late_stream {
            let fields = input.source().fields.iter().map(|f| f.as_str().into());
            let map = fields.zip(input.values().iter().cloned()).collect();
            out.emit_to(stream, input, [Value::Map(Arc::new(map))])?;
        }
        out.ack(input);
        Ok(())
    }

    /// Acks what has expired.
    pub fn ack_left(&mut self, out: &mut BoltCollector<'_>) {
        for _ in 0..self.machine.take_left() {
            if let Some(token) = self.tokens.pop_front() {
                out.ack_token(token);
            }
        }
    }

    /// Counts what expired unseen.
    pub fn count_not_shown(&mut self) {
        let n = self.machine.take_not_shown();
        if n > 0 {
            self.ctx.count("window_expired_not_shown", n);
        }
    }

    /// Fails every tuple held and begins anew.
    pub fn fail_all(&mut self, out: &mut BoltCollector<'_>) {
        self.tokens
            .drain(..)
            .for_each(|token| out.fail_token(token));
        let now = self.clock.now_ms();
        self.machine = Machine::new(self.shape, self.event_time.is_some(), now);
        if let Some(event_time) = &mut self.event_time {
            // The tuples come again: they must not be late then.
            event_time.marks.start_again();
            event_time.next = None;
        }
    }

    /// Has the task woken when a window ends or the watermark moves on.
    pub fn set_alarm(&mut self) {
        let next = match &self.event_time {
            Some(event_time) => event_time.next,
            None => self.machine.next_due(),
        };
        let at = next.and_then(|ms| self.clock.instant_of(ms));
        let (Some(at), Some(timer)) = (at, &self.timer) else {
            return;
        };
        let set = self.alarm.filter(|alarm| *alarm > Instant::now());
        if set.is_none_or(|alarm| at < alarm) {
            timer.wake_at(at, self.ctx.waker());
            self.alarm = Some(at);
        }
    }
}

impl Drop for Running {
    /// What is still held fails at once instead of timing out.
    fn drop(&mut self) {
        for token in self.tokens.drain(..).filter(AckToken::is_tracked) {
            self.completions.fail(token);
        }
    }
}
