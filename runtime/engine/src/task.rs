//! One task: an instance of the author's code at a guarded edge, with its queue and its outbox.

mod bolt;
mod spout;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fulmar_api::bolt::Bolt;
use fulmar_api::context::TaskContext;
use fulmar_api::error::Result;
use fulmar_api::spout::Spout;
use fulmar_api::token::TokenEntry;
use fulmar_api::topology::Factory;
use fulmar_api::tuple::Source;
use fulmar_api::{Config, TaskId};

use crate::batch::Batch;
use crate::ledger::{Ledger, Settled};
use crate::limits::{RESTART_MOST_MS, SPOUT_CALLS, SPOUT_IDLE_FIRST_US};
use crate::outbox::Outbox;
use crate::shared::Shared;
use crate::stats::{Counted, TaskStats, Window};
use crate::turn::Turn;

pub(crate) use bolt::Call;

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
    /// Tasks whose queues hold it and what it calls straight back.
    pub(crate) gate: Vec<TaskId>,
    /// Roots of the running input.
    pub(crate) entries: Vec<TokenEntry>,
    /// Counts of its inputs, one for each edge that leads here.
    pub(crate) inputs: Vec<Counted>,
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
    idle_until: Option<Instant>,
    idle_us: u64,
    /// Calls of a spout in one turn.
    calls: usize,
    tick: Option<(Duration, Instant)>,
    tick_source: Arc<Source>,
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
        let none = Outbox::new(shared.plan.clone(), -1, 0);
        let mut task = Self {
            id,
            outbox: std::mem::replace(&mut new.outbox, none),
            inbox: VecDeque::new(),
            ledger: Ledger::starting_at(new.first_root),
            settled: Vec::new(),
            stats: TaskStats {
                component: new.context.component.clone(),
                ..TaskStats::default()
            },
            running: !new.standby,
            woken: false,
            gate: Vec::new(),
            entries: Vec::new(),
            inputs: Counted::of(&shared.plan, id),
            instance: Instance::Broken(now),
            active: new.active,
            told_active: false,
            restarts: 0,
            acked_at_start: 0,
            window: Window::default(),
            window_start: now,
            idle_until: None,
            idle_us: SPOUT_IDLE_FIRST_US,
            calls: SPOUT_CALLS,
            tick: tick.map(|every| (every, now + every)),
            tick_source: Arc::new(Source {
                component: "__system".to_owned(),
                stream: "__tick".to_owned(),
                fields: vec!["rate_secs".to_owned()],
            }),
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

    /// Whether it can execute.
    pub(crate) fn is_open(&self) -> bool {
        self.running && matches!(self.instance, Instance::Bolt(_))
    }

    /// Whether a straight call may go ahead of everything: it can execute, and nothing waits.
    #[inline]
    pub(crate) fn is_free(&self) -> bool {
        self.inbox.is_empty() && self.is_open()
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
        shared.ready.remove(&self.id);
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

    /// Whether every target, and every target of what it calls straight, has room.
    pub fn gate_open(&self, shared: &Shared) -> bool {
        self.gate.iter().all(|t| shared.has_room(*t))
    }

    /// Publishes the counts once a second.
    pub fn publish(&mut self, shared: &Shared, now: Instant) {
        let span = now.duration_since(self.window_start);
        if span < Duration::from_secs(1) {
            return;
        }
        self.window_start = now;
        self.publish_now(shared, span);
        self.outbox.refresh(&|t| shared.load(t));
    }

    /// Publishes the counts.
    pub fn publish_now(&mut self, shared: &Shared, span: Duration) {
        self.stats.unsettled = self.inputs.iter().map(|c| c.unsettled).sum();
        let executed = self.inputs.iter().map(|c| c.executed).sum();
        self.window.close(span, executed, &mut self.stats);
        let seen = self.inputs.iter().filter(|c| c.executed > 0);
        self.stats.inputs = seen.map(Counted::told).collect();
        self.stats.outputs = self
            .outbox
            .counts()
            .map(|(s, e, t)| (s.to_owned(), (e, t)))
            .collect();
        self.stats.pending = self.ledger.pending() as u64;
        self.stats.queue_fill = shared.load(self.id);
        crate::shared::lock(&shared.stats).insert(self.id, self.stats.clone());
    }

    /// Ends the task: what it holds fails, its own end is told to the author's code.
    pub fn stop(mut self, turn: &mut Turn) {
        self.running = false;
        self.active = false;
        let shared = turn.shared.clone();
        while let Some(batch) = self.inbox.pop_front() {
            shared.unqueue(self.id, batch.len);
            batch.fails(0).for_each(|s| turn.settle(s));
        }
        self.tell_spout(&shared, turn.now_ms);
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
        self.publish_now(&shared, Duration::from_secs(1));
        shared.ready.remove(&self.id);
        self.outbox.flush(turn);
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}
