//! One task: an instance of the author's code at a guarded edge, with its queue and its outbox.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fulmar_api::bolt::Bolt;
use fulmar_api::collector::{BoltCollector, SpoutCollector};
use fulmar_api::context::TaskContext;
use fulmar_api::error::Result;
use fulmar_api::spout::{FailReason, Next, Spout};
use fulmar_api::token::TokenEntry;
use fulmar_api::topology::Factory;
use fulmar_api::tuple::{Source, Tuple};
use fulmar_api::value::Value;
use fulmar_api::{Config, TaskId};

use crate::batch::Batch;
use crate::ledger::{Ledger, Settled};
use crate::limits::{RESTART_MOST_MS, SPOUT_IDLE_FIRST_US, SPOUT_IDLE_MOST_US, TASK_QUEUE_TUPLES};
use crate::outbox::{BoltOut, InputState, Outbox, SpoutOut};
use crate::plan::TICK_EDGE;
use crate::shared::Shared;
use crate::stats::{TaskStats, Window};

/// What a core needs to start a task.
pub struct NewTask {
    /// Makes the instance.
    pub factory: Factory,
    /// Given to open and prepare.
    pub context: TaskContext,
    /// The component's configuration.
    pub conf: Config,
    /// Where it emits.
    pub outbox: Outbox,
    /// Opened or prepared, but not run until told.
    pub standby: bool,
    /// Spouts run.
    pub active: bool,
    /// First number of the ledger's roots.
    pub first_root: u64,
}

enum Instance {
    Spout(Box<dyn Spout>),
    Bolt(Box<dyn Bolt>),
    /// Could not be made or opened; tried again at this time.
    Broken(Instant),
}

/// A task on its core.
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Where it emits.
    pub outbox: Outbox,
    /// Batches that wait for it.
    pub inbox: VecDeque<Batch>,
    /// Roots of a spout.
    pub ledger: Ledger,
    /// Roots whose end the spout has not been told yet.
    pub settled: Vec<Settled>,
    /// Counts.
    pub stats: TaskStats,
    /// Whether it has the floor.
    pub running: bool,
    /// Its waker was called.
    pub woken: bool,
    instance: Instance,
    new: NewTask,
    active: bool,
    /// The spout itself was told that it is active.
    told_active: bool,
    restarts: u32,
    /// Inputs acked when the instance last panicked.
    acked_at_start: u64,
    window: Window,
    window_start: Instant,
    entries: Vec<TokenEntry>,
    idle_until: Option<Instant>,
    idle_us: u64,
    tick: Option<(Duration, Instant)>,
    tick_source: Source,
    max_pending: usize,
    tracking: bool,
    /// Message timeout in milliseconds, if timeouts are on.
    pub timeout_ms: Option<u64>,
}

impl Task {
    /// Makes and opens a task. An instance that cannot be opened is tried again later.
    pub fn start(mut new: NewTask, shared: &Shared) -> Self {
        let conf = &new.conf;
        let setting = |key: &str| conf.int(key).ok().flatten();
        let tick = conf
            .secs("topology.tick.tuple.freq.secs")
            .ok()
            .flatten()
            .filter(|t| !t.is_zero());
        let timeout = conf.secs("topology.message.timeout.secs").ok().flatten();
        let timeouts_on = conf
            .bool_or("topology.enable.message.timeouts", true)
            .unwrap_or(true);
        let (max_pending, ackers) = (
            setting("topology.max.spout.pending"),
            setting("topology.acker.executors"),
        );
        let (now, id) = (Instant::now(), new.context.task);
        let outbox = std::mem::replace(&mut new.outbox, Outbox::none(&shared.plan));
        let mut task = Self {
            id,
            outbox,
            inbox: VecDeque::new(),
            ledger: Ledger::starting_at(new.first_root),
            settled: Vec::new(),
            stats: TaskStats {
                component: new.context.component.clone(),
                ..TaskStats::default()
            },
            running: !new.standby,
            woken: false,
            instance: Instance::Broken(now),
            active: new.active,
            told_active: false,
            restarts: 0,
            acked_at_start: 0,
            window: Window::default(),
            window_start: now,
            entries: Vec::new(),
            idle_until: None,
            idle_us: SPOUT_IDLE_FIRST_US,
            tick: tick.map(|every| (every, now + every)),
            tick_source: Source {
                component: "__system".to_owned(),
                stream: "__tick".to_owned(),
                fields: vec!["rate_secs".to_owned()],
            },
            max_pending: max_pending.map_or(usize::MAX, |n| n.max(1) as usize),
            tracking: ackers != Some(0),
            timeout_ms: timeout
                .filter(|_| timeouts_on)
                .map(|t| t.as_millis() as u64),
            new,
        };
        task.make(shared);
        task
    }

    /// Whether this is a spout.
    pub fn is_spout(&self) -> bool {
        matches!(self.new.factory, Factory::Spout(_))
    }

    fn make(&mut self, shared: &Shared) {
        let (conf, context) = (&self.new.conf, &self.new.context);
        let made = catch_unwind(AssertUnwindSafe(|| -> Result<Instance> {
            Ok(match &self.new.factory {
                Factory::Spout(make) => {
                    let mut spout = make();
                    spout.open(conf, context)?;
                    Instance::Spout(spout)
                }
                Factory::Bolt(make) => {
                    let mut bolt = make();
                    bolt.prepare(conf, context)?;
                    Instance::Bolt(bolt)
                }
            })
        }));
        self.told_active = false;
        match made {
            Ok(Ok(instance)) => {
                self.instance = instance;
                shared.ready.insert(self.id, ());
            }
            Ok(Err(error)) => self.broke(shared, format!("cannot be opened: {error}")),
            Err(panic) => self.broke(
                shared,
                format!("panicked when opened: {}", panic_text(&*panic)),
            ),
        }
    }

    /// Reports a failure of the instance and plans its next life, later each time.
    fn broke(&mut self, shared: &Shared, what: String) {
        shared.report(&self.stats.component, self.id, what);
        let wait = (50_u64 << self.restarts.min(10)).min(RESTART_MOST_MS);
        self.restarts += 1;
        self.instance = Instance::Broken(Instant::now() + Duration::from_millis(wait));
    }

    /// Makes the instance again when its time has come.
    pub fn mend(&mut self, shared: &Shared, now: Instant) {
        if matches!(self.instance, Instance::Broken(at) if at <= now) {
            self.make(shared);
        }
    }

    /// Lets spouts run or not.
    pub fn set_active(&mut self, active: bool) {
        self.active = active;
        self.idle_until = None;
    }

    /// Tells the spout what it was not told yet: its state, and the ends of its roots.
    pub fn tell_spout(&mut self, shared: &Shared) {
        let want = self.active && self.running;
        let Instance::Spout(spout) = &mut self.instance else {
            self.settled.clear();
            return;
        };
        let (settled, stats, window, now) = (
            &mut self.settled,
            &mut self.stats,
            &mut self.window,
            shared.now_ms(),
        );
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
            for s in settled.drain(..) {
                match s.failed {
                    None => {
                        stats.acked += 1;
                        window.acked += 1;
                        window.complete_ms += now.saturating_sub(s.since);
                        spout.ack(s.id)?;
                    }
                    Some(why) => {
                        *(if why == FailReason::TimedOut {
                            &mut stats.timed_out
                        } else {
                            &mut stats.failed
                        }) += 1;
                        spout.fail(s.id, why)?;
                    }
                }
            }
            Ok(())
        }));
        match result {
            Ok(Ok(())) => {}
            Ok(Err(error)) => shared.report(&self.stats.component, self.id, error.to_string()),
            Err(panic) => self.broke(shared, format!("panicked: {}", panic_text(&*panic))),
        }
    }

    /// Calls the spout's `next` up to `calls` times; answers whether it did anything.
    pub fn run_spout(&mut self, shared: &Shared, calls: usize) -> bool {
        if !self.active || !self.running {
            return false;
        }
        if self.woken {
            (self.woken, self.idle_until) = (false, None);
        }
        let now = Instant::now();
        if self.idle_until.is_some_and(|until| until > now)
            || self.ledger.pending() >= self.max_pending
        {
            return false;
        }
        let Instance::Spout(spout) = &mut self.instance else {
            return false;
        };
        let (outbox, ledger, settled) = (&mut self.outbox, &mut self.ledger, &mut self.settled);
        let (now_ms, tracking, most) = (shared.now_ms(), self.tracking, self.max_pending);
        let (mut did, mut last) = (false, Next::Emitted);
        let result = catch_unwind(AssertUnwindSafe(|| -> Result<()> {
            for _ in 0..calls {
                let mut out = SpoutOut {
                    outbox,
                    ledger,
                    settled,
                    now: now_ms,
                    tracking,
                };
                last = spout.next(&mut SpoutCollector::new(&mut out))?;
                if last != Next::Emitted {
                    break;
                }
                did = true;
                if ledger.pending() >= most {
                    break;
                }
            }
            Ok(())
        }));
        match result {
            Ok(Ok(())) => self.rest(last, now, did),
            Ok(Err(error)) => {
                shared.report(&self.stats.component, self.id, error.to_string());
                self.rest(Next::Idle, now, false);
            }
            Err(panic) => self.broke(shared, format!("panicked: {}", panic_text(&*panic))),
        }
        self.window.busy += now.elapsed();
        did
    }

    /// When an idle spout is asked again: 20 µs later at first, 10 ms at most.
    fn rest(&mut self, last: Next, now: Instant, did: bool) {
        if did || last == Next::Emitted {
            self.idle_us = SPOUT_IDLE_FIRST_US;
        }
        self.idle_until = match last {
            Next::Emitted => None,
            Next::IdleUntil(until) => Some(until),
            Next::Idle => {
                let until = now + Duration::from_micros(self.idle_us);
                self.idle_us = (self.idle_us * 2).min(SPOUT_IDLE_MOST_US);
                Some(until)
            }
        };
    }

    /// Executes one batch. Answers whether it could.
    pub fn run_batch(&mut self, shared: &Shared, batch: &Batch) -> bool {
        let source = match shared.plan.edges.get(batch.edge as usize) {
            Some(edge) => edge.source.clone(),
            None => Arc::new(self.tick_source.clone()),
        };
        let started = Instant::now();
        let mut at = 0;
        while at < batch.len {
            let Instance::Bolt(bolt) = &mut self.instance else {
                return false;
            };
            let (outbox, entries, stats) = (&mut self.outbox, &mut self.entries, &mut self.stats);
            let counts = stats.inputs.entry(batch.edge).or_default();
            let (mut error, unsettled) = (None, &mut stats.unsettled);
            let result = catch_unwind(AssertUnwindSafe(|| {
                while at < batch.len {
                    let (values, anchors) = (batch.values_of(at), batch.anchors_of(at));
                    at += 1;
                    entries.clear();
                    entries.extend(anchors.iter().map(|a| TokenEntry {
                        root: a.root,
                        spout_task: a.spout_task,
                        value: a.edge,
                        touched: 0,
                    }));
                    let tuple = Tuple::new(&source, batch.from, values);
                    let mut out = BoltOut {
                        outbox,
                        input: entries,
                        state: InputState::Open,
                    };
                    let outcome = bolt.execute(&tuple, &mut BoltCollector::new(&mut out));
                    counts.0 += 1;
                    if out.state == InputState::Open {
                        if outcome.is_ok() && batch.edge != TICK_EDGE {
                            *unsettled += 1;
                        }
                        out.state = InputState::Failed;
                        out.settle_input(false);
                    }
                    match out.state {
                        InputState::Acked => counts.1 += 1,
                        InputState::Failed if batch.edge != TICK_EDGE => counts.2 += 1,
                        _ => {}
                    }
                    if let Err(e) = outcome {
                        error = Some(e.to_string());
                        break;
                    }
                }
            }));
            if let Some(error) = error {
                shared.report(&self.stats.component, self.id, error);
            }
            if let Err(panic) = result {
                self.after_panic(shared, &*panic, batch.edge);
                if matches!(self.instance, Instance::Broken(_)) {
                    self.fail_from(batch, at);
                    break;
                }
            }
        }
        self.window.busy += started.elapsed();
        self.window.executed += batch.len as u64;
        true
    }

    /// A panic fails the tuple; the instance starts anew, at once if it had worked since its last
    /// start, else after a pause that grows.
    fn after_panic(&mut self, shared: &Shared, panic: &(dyn std::any::Any + Send), edge: u32) {
        let counts = self.stats.inputs.entry(edge).or_default();
        counts.2 += 1;
        let worked = counts.1 > self.acked_at_start;
        self.acked_at_start = counts.1;
        let mut out = BoltOut {
            outbox: &mut self.outbox,
            input: &mut self.entries,
            state: InputState::Open,
        };
        out.settle_input(false);
        if worked {
            self.restarts = 0;
        }
        self.broke(shared, format!("panicked: {}", panic_text(panic)));
        if worked {
            self.make(shared);
        }
    }

    /// Fails the tuples of a batch from this one on.
    pub fn fail_from(&mut self, batch: &Batch, at: usize) {
        for i in at..batch.len {
            for a in batch.anchors_of(i) {
                self.outbox.settles.push(crate::batch::Settle {
                    spout_task: a.spout_task,
                    root: a.root,
                    value: a.edge,
                    touched: 0,
                    ok: false,
                });
            }
        }
    }

    /// Calls `woken` and ticks when they are due; answers whether anything was done.
    pub fn run_timers(&mut self, shared: &Shared, now: Instant) -> bool {
        let mut did = false;
        if self.running && std::mem::take(&mut self.woken) {
            did = true;
            let Instance::Bolt(bolt) = &mut self.instance else {
                return did;
            };
            let mut out = BoltOut {
                outbox: &mut self.outbox,
                input: &mut self.entries,
                state: InputState::Kept,
            };
            let result = catch_unwind(AssertUnwindSafe(|| {
                bolt.woken(&mut BoltCollector::new(&mut out))
            }));
            match result {
                Ok(Ok(())) => {}
                Ok(Err(error)) => shared.report(&self.stats.component, self.id, error.to_string()),
                Err(panic) => self.broke(shared, format!("panicked: {}", panic_text(&*panic))),
            }
        }
        let due = match &mut self.tick {
            Some((every, next)) if self.running && *next <= now => {
                *next = now + *every;
                Some(every.as_secs())
            }
            _ => None,
        };
        if let Some(secs) = due
            && matches!(self.instance, Instance::Bolt(_))
        {
            let mut batch = Batch::default();
            batch.reset(TICK_EDGE, -1, self.id, 1);
            batch.values.push(Value::Int(secs as i64));
            batch.end_tuple(&[]);
            self.run_batch(shared, &batch);
            did = true;
        }
        did
    }

    /// When the core must look at this task again, if nothing comes for it.
    pub fn next_look(&self, now: Instant) -> Duration {
        let mut wait = Duration::from_millis(100);
        if let Some((_, next)) = self.tick {
            wait = wait.min(next.saturating_duration_since(now));
        }
        if let Instance::Broken(at) = self.instance {
            wait = wait.min(at.saturating_duration_since(now));
        }
        if self.is_spout()
            && self.active
            && self.running
            && self.ledger.pending() < self.max_pending
        {
            let idle = self
                .idle_until
                .map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
            wait = wait.min(idle);
        }
        wait
    }

    /// Whether every target has room, as back-pressure asks before each call.
    pub fn gate_open(&self, shared: &Shared) -> bool {
        self.outbox
            .targets()
            .all(|t| shared.queued[t as usize].load(Ordering::Relaxed) < TASK_QUEUE_TUPLES)
    }

    /// Publishes the counts once a second.
    pub fn publish(&mut self, shared: &Shared, now: Instant) {
        let span = now.duration_since(self.window_start);
        if span < Duration::from_secs(1) {
            return;
        }
        self.window_start = now;
        self.publish_now(shared, span);
    }

    /// Publishes the counts.
    pub fn publish_now(&mut self, shared: &Shared, span: Duration) {
        self.window.close(span, &mut self.stats);
        self.stats.outputs = self
            .outbox
            .counts()
            .map(|(s, e, t)| (s.to_owned(), (e, t)))
            .collect();
        self.stats.pending = self.ledger.pending() as u64;
        let queued = shared.queued[self.id as usize].load(Ordering::Relaxed);
        self.stats.queue_fill = (queued as f64 / TASK_QUEUE_TUPLES as f64).min(1.0);
        crate::shared::lock(&shared.stats).insert(self.id, self.stats.clone());
    }

    /// Ends the task: what it holds fails, its own end is told to the author's code.
    pub fn stop(mut self, shared: &Shared) -> Outbox {
        self.running = false;
        self.active = false;
        while let Some(batch) = self.inbox.pop_front() {
            shared.unqueue(self.id, batch.len);
            self.fail_from(&batch, 0);
        }
        self.tell_spout(shared);
        let closed = catch_unwind(AssertUnwindSafe(|| match &mut self.instance {
            Instance::Spout(spout) => spout.close(),
            Instance::Bolt(bolt) => bolt.cleanup(),
            Instance::Broken(_) => {}
        }));
        if let Err(panic) = closed {
            shared.report(
                &self.stats.component,
                self.id,
                format!("panicked when closed: {}", panic_text(&*panic)),
            );
        }
        self.publish_now(shared, Duration::from_secs(1));
        shared.ready.remove(&self.id);
        self.outbox.flush();
        self.outbox
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}
