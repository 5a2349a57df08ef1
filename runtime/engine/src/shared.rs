//! What the cores of one worker share, and how other threads speak to a core.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crossbeam::channel::{Receiver, Sender};
use crossbeam::queue::ArrayQueue;
use dashmap::DashMap;
use fulmar_api::context::TaskServices;
use fulmar_api::error::Error;
use fulmar_api::token::AckToken;
use fulmar_api::{Config, TaskId};

use crate::adopt::Seat;
use crate::batch::{Batch, Settle};
use crate::bell::Bell;
use crate::lanes::Cores;
use crate::limits::{
    EMIT_OVERFLOW_TUPLES, ERRORS_KEPT, REMOTE_QUEUE_TUPLES, RETURNED_BATCHES, TASK_QUEUE_TUPLES,
};
use crate::net::frame::NotAFrame;
use crate::net::packed::Packed;
use crate::outbox::Placement;
use crate::plan::Plan;
use crate::stats::TaskStats;
use crate::sync::Consumer;
pub use crate::sync::lock;
use crate::task::NewTask;

/// A task that runs on no core of this worker.
pub const NOWHERE: u32 = u32::MAX;

/// Everything that can reach a core.
pub enum Msg {
    /// Tuples for a task of this core.
    Batch(Batch),
    /// Tuples from another worker, as they came.
    Packed(Box<Packed>),
    /// Settles for spouts of this core.
    Settles(Vec<Settle>),
    /// Somebody called a task's waker.
    Wake(TaskId),
    /// A kept token, settled by another thread.
    Token(TaskId, AckToken, bool),
    /// A new task: made, opened or prepared here; runs when it is given the floor.
    Start(Box<NewTask>),
    /// A standby task becomes the owner.
    Run(TaskId),
    /// A task ends: closed or cleaned up, what it holds fails.
    Stop(TaskId),
    /// Spouts are activated or deactivated.
    Active(bool),
    /// Tasks have other owners now.
    Place(Arc<Placement>),
    /// Incarnations that are lost, by bit.
    Lost(u64),
    /// Bits that belong to living incarnations.
    Live(u64),
    /// The far end of a ring from another core.
    Lane(Consumer<Msg>),
    /// The worker ends.
    Exit,
}

/// Takes what is for other workers.
pub trait Remote: Send + Sync {
    /// Sends a batch to its task's owner; one for a task without an owner is answered by a fail.
    fn send_batch(&self, batch: Batch);
    /// Sends settles to the owners of their spout tasks.
    fn send_settles(&self, settles: Vec<Settle>);
    /// Tuples that came from the worker `origin` for `task` were executed: gives their credit back to whoever
    /// sent them, whoever owns the sending task by now.
    fn consumed(&self, task: TaskId, origin: u64, tuples: usize);
    /// What was sent so far goes out now: the sender has nothing else to do, or has worked for long.
    fn flush(&self);
}

/// The way to one core for threads that are none; cores have rings between them ([`lanes`](crate::lanes)).
pub struct CoreHandle {
    tx: Sender<Msg>,
    pub(crate) bell: Bell,
    /// Batches that this core filled and others emptied.
    pub returned: ArrayQueue<Batch>,
}

impl CoreHandle {
    /// A handle whose core has not started.
    pub fn new(tx: Sender<Msg>) -> Self {
        Self {
            tx,
            bell: Bell::new(),
            returned: ArrayQueue::new(RETURNED_BATCHES),
        }
    }

    /// Sends to the core and wakes it if it sleeps; what is sent to a core that ended is dropped.
    pub fn send(&self, msg: Msg) {
        let _ = self.tx.send(msg);
        self.bell.ring();
    }
}

impl Cores<Msg> for Shared {
    fn introduce(&self, core: usize, end: Consumer<Msg>) {
        self.cores[core].send(Msg::Lane(end));
    }

    fn bell(&self, core: usize) -> &Bell {
        &self.cores[core].bell
    }
}

/// An error of a component, on its way to Nimbus and the page.
#[derive(Clone, Debug)]
pub struct ReportedError {
    /// Component.
    pub component: String,
    /// Task.
    pub task: TaskId,
    /// Milliseconds since the epoch.
    pub time_ms: u64,
    /// What happened.
    pub error: String,
}

/// What the cores of one worker share.
pub struct Shared {
    /// Routing table.
    pub plan: Arc<Plan>,
    /// Tuples on their way to each task, by task id.
    pub queued: Vec<AtomicUsize>,
    /// Core of each task, by task id.
    pub core_of: Vec<AtomicU32>,
    /// Core that each task of this worker is meant for, by task id.
    pub(crate) planned: Vec<AtomicU32>,
    /// Ways to the cores: those that the worker began with, then spare ones for executors that block.
    pub cores: Vec<CoreHandle>,
    /// How many it began with.
    first_cores: usize,
    /// Tuples that one call may emit beyond what its targets take (`topology.emit.overflow.max`).
    pub(crate) overflow: usize,
    /// Receivers of spare cores that no thread runs yet.
    pub(crate) spare: Mutex<Vec<(usize, Receiver<Msg>)>>,
    /// Where the threads of cores leave what others may adopt.
    pub(crate) seats: Mutex<Vec<Arc<Seat>>>,
    /// Threads of cores.
    pub(crate) threads: Mutex<Vec<JoinHandle<()>>>,
    ending: AtomicBool,
    /// Other workers, once they are connected.
    pub remote: OnceLock<Arc<dyn Remote>>,
    /// Newest statistics of each task.
    pub stats: Mutex<HashMap<TaskId, TaskStats>>,
    /// Counters of authors' own: (component, name) → value.
    pub counters: DashMap<(String, &'static str), AtomicU64>,
    /// Tuples dropped, by reason.
    pub dropped: DashMap<&'static str, u64>,
    /// Standby tasks that are open and wait for the floor.
    pub ready: DashMap<TaskId, ()>,
    errors: Mutex<VecDeque<ReportedError>>,
    start: Instant,
}

impl Shared {
    /// The shared state of a worker with these cores.
    pub fn new(plan: Arc<Plan>, cores: Vec<CoreHandle>, first_cores: usize) -> Self {
        let tasks = plan.tasks() + 1;
        Self {
            queued: (0..tasks).map(|_| AtomicUsize::new(0)).collect(),
            core_of: (0..tasks).map(|_| AtomicU32::new(NOWHERE)).collect(),
            planned: (0..tasks).map(|_| AtomicU32::new(NOWHERE)).collect(),
            overflow: overflow(&plan.spec.conf),
            plan,
            cores,
            first_cores,
            spare: Mutex::default(),
            seats: Mutex::default(),
            threads: Mutex::default(),
            ending: AtomicBool::new(false),
            remote: OnceLock::new(),
            stats: Mutex::default(),
            counters: DashMap::new(),
            dropped: DashMap::new(),
            ready: DashMap::new(),
            errors: Mutex::default(),
            start: Instant::now(),
        }
    }

    /// Cores that the worker began with.
    pub(crate) fn first_cores(&self) -> usize {
        self.first_cores
    }

    /// Tells every core; cores that were made later hear it from the one that they came from.
    pub fn broadcast(&self, msg: impl Fn() -> Msg) {
        for core in &self.cores[..self.first_cores] {
            core.send(msg());
        }
    }

    /// The worker ends: nobody waits for room any more.
    pub fn end(&self) {
        self.ending.store(true, Ordering::Release);
        self.broadcast(|| Msg::Exit);
    }

    /// Whether the worker ends.
    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    /// Milliseconds since the worker started, at an instant: the clock of ledgers.
    pub fn ms_at(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_millis() as u64
    }

    /// Microseconds since the worker started, at an instant.
    pub fn us_at(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_micros() as u64
    }

    /// The core that runs a task, if one of this worker does.
    pub fn core(&self, task: TaskId) -> Option<usize> {
        let core = self
            .core_of
            .get(usize::try_from(task).ok()?)?
            .load(Ordering::Acquire);
        (core != NOWHERE).then_some(core as usize)
    }

    /// The core that a task of this worker is meant for.
    pub fn planned(&self, task: TaskId) -> Option<usize> {
        let core = self.planned.get(usize::try_from(task).ok()?)?;
        let core = core.load(Ordering::Relaxed);
        (core != NOWHERE).then_some(core as usize)
    }

    /// Sends to the core of a task; `false` when no core of this worker runs it.
    pub fn send_to_task(&self, task: TaskId, msg: Msg) -> bool {
        let Some(core) = self.core(task) else {
            return false;
        };
        self.cores[core].send(msg);
        true
    }

    /// Takes tuples off a task's queue count. What a lost peer held was taken off already: never below 0.
    pub fn unqueue(&self, task: TaskId, tuples: usize) {
        if let Some(queued) = self.queued.get(task as usize) {
            let take = |n: usize| Some(n.saturating_sub(tuples));
            let _ = queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        }
    }

    /// What is queued for a task, here or on its way, of what may be: 0 to 1.
    pub fn load(&self, task: TaskId) -> f64 {
        let queued = self.queued.get(task as usize);
        let queued = queued.map_or(0, |q| q.load(Ordering::Relaxed));
        (queued as f64 / self.window(task) as f64).min(1.0)
    }

    /// Tuples that may be queued for a task before its senders are held back.
    fn window(&self, task: TaskId) -> usize {
        if self.core(task).is_some() {
            TASK_QUEUE_TUPLES
        } else {
            REMOTE_QUEUE_TUPLES
        }
    }

    /// Whether a task may be sent more.
    #[inline]
    pub fn has_room(&self, task: TaskId) -> bool {
        let queued = self.queued[task as usize].load(Ordering::Relaxed);
        queued < TASK_QUEUE_TUPLES || queued < self.window(task)
    }

    /// A batch that cannot be read, though the peer speaks this version: its roots will time out.
    pub(crate) fn malformed(&self, packed: &Packed, error: &NotAFrame) {
        tracing::error!(peer = packed.origin, task = packed.to, %error, "dropped a batch");
        self.drop_tuples("malformed", packed.len);
        if let Some(remote) = self.remote.get() {
            remote.consumed(packed.to, packed.origin, packed.len);
        }
    }

    /// Counts tuples that were dropped, with the reason.
    pub fn drop_tuples(&self, reason: &'static str, tuples: usize) {
        *self.dropped.entry(reason).or_insert(0) += tuples as u64;
    }

    /// Keeps an error for the next heartbeat.
    pub fn report(&self, component: &str, task: TaskId, error: String) {
        tracing::warn!(component, task, error, "component error");
        let time_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_millis() as u64);
        let mut errors = lock(&self.errors);
        if errors.len() == ERRORS_KEPT {
            errors.pop_front();
        }
        errors.push_back(ReportedError {
            component: component.to_owned(),
            task,
            time_ms,
            error,
        });
    }

    /// Takes the errors reported since the last call.
    pub fn take_errors(&self) -> Vec<ReportedError> {
        lock(&self.errors).drain(..).collect()
    }
}

/// The limit in bytes as a number of tuples of four values and one root, 128 bytes each.
fn overflow(conf: &Config) -> usize {
    let default = 128 * EMIT_OVERFLOW_TUPLES as i64;
    let bytes = conf.int_or("topology.emit.overflow.max", default);
    let bytes = usize::try_from(bytes.unwrap_or(default)).unwrap_or(0);
    (bytes / 128).max(TASK_QUEUE_TUPLES)
}

/// The services of one task.
pub struct Services {
    /// The worker.
    pub shared: Arc<Shared>,
    /// The task.
    pub task: TaskId,
    /// Its component.
    pub component: String,
    /// The core that it was started on.
    pub core: usize,
}

impl TaskServices for Services {
    fn wake(&self) {
        self.shared.cores[self.core].send(Msg::Wake(self.task));
    }

    fn settle(&self, token: AckToken, ok: bool) {
        if token.is_tracked() || token.slot().is_some() {
            self.shared.cores[self.core].send(Msg::Token(self.task, token, ok));
        }
    }

    fn report_error(&self, error: &Error) {
        self.shared
            .report(&self.component, self.task, error.to_string());
    }

    fn count(&self, name: &'static str, n: u64) {
        let key = (self.component.clone(), name);
        self.shared
            .counters
            .entry(key)
            .or_default()
            .fetch_add(n, Ordering::Relaxed);
    }

    fn gauge(&self, name: &'static str, value: f64) {
        metrics::gauge!(name, "component" => self.component.clone(), "task" => self.task.to_string()).set(value);
    }

    fn record(&self, name: &'static str, value: f64) {
        metrics::histogram!(name, "component" => self.component.clone()).record(value);
    }
}
