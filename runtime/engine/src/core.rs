//! A core: one event-loop thread that owns a set of tasks and runs them in turn (DESIGN 3.3).
//!
//! Batches between tasks of one core are handed over without atomics beyond the queue count; batches
//! for another core go through its channel, batches for another worker to [`Remote`](crate::shared::Remote).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam::channel::Receiver;
use fulmar_api::TaskId;
use fulmar_api::spout::FailReason;
use rustc_hash::FxBuildHasher;

use crate::batch::{Batch, Settle};
use crate::limits::{BOLT_BATCHES, CYCLE_QUEUE_TUPLES, IDLE_SPINS, RECYCLED_BATCHES, SPOUT_CALLS};
use crate::outbox::settle_of;
use crate::shared::{Msg, Shared};
use crate::task::{NewTask, Task};

/// One core's state, owned by its thread.
pub struct Core {
    index: usize,
    shared: Arc<Shared>,
    rx: Receiver<Msg>,
    tasks: Vec<Task>,
    at: HashMap<TaskId, usize, FxBuildHasher>,
    spare: Vec<Batch>,
    /// Settles for spouts of this core, to be applied before the next round.
    settles: Vec<Settle>,
    idle_rounds: u32,
    next_sweep: u64,
    exit: bool,
}

impl Core {
    /// A core without tasks.
    pub fn new(index: usize, shared: Arc<Shared>, rx: Receiver<Msg>) -> Self {
        Self {
            index,
            shared,
            rx,
            tasks: Vec::new(),
            at: HashMap::default(),
            spare: Vec::new(),
            settles: Vec::new(),
            idle_rounds: 0,
            next_sweep: 0,
            exit: false,
        }
    }

    /// Runs until told to exit.
    pub fn run(mut self) {
        self.shared.cores[self.index].enter();
        while !self.exit {
            let mut did = self.receive();
            did |= self.round();
            if did {
                self.idle_rounds = 0;
            } else {
                self.idle();
            }
        }
        let all: Vec<_> = self.tasks.iter().map(|t| t.id).collect();
        for task in all {
            self.stop(task);
        }
        self.settles.clear();
    }

    /// Takes what was sent to this core.
    fn receive(&mut self) -> bool {
        let mut did = false;
        while let Ok(msg) = self.rx.try_recv() {
            did = true;
            self.handle(msg);
        }
        did
    }

    fn handle(&mut self, msg: Msg) {
        match msg {
            Msg::Batch(batch) => self.take_in(batch),
            Msg::Settles(settles) => self.settles.extend(settles),
            Msg::Wake(task) => {
                if let Some(i) = self.at.get(&task) {
                    self.tasks[*i].woken = true;
                }
            }
            Msg::Token(token, ok) => {
                let settles: Vec<_> = token.entries().iter().map(|e| settle_of(e, ok)).collect();
                self.route_settles(settles);
            }
            Msg::Start(new) => self.start(*new),
            Msg::Run(task) => {
                if let Some(i) = self.at.get(&task) {
                    self.tasks[*i].running = true;
                }
            }
            Msg::Stop(task) => self.stop(task),
            Msg::Active(active) => self.tasks.iter_mut().for_each(|t| t.set_active(active)),
            Msg::Place(placement) => {
                for i in 0..self.tasks.len() {
                    self.tasks[i].outbox.place(&placement);
                    self.deliver_from(i);
                }
            }
            Msg::Lost(bits) => {
                for task in &mut self.tasks {
                    task.ledger.lose(bits, &mut task.settled);
                }
            }
            Msg::Live(bits) => self.tasks.iter_mut().for_each(|t| t.ledger.live(bits)),
            Msg::Exit => self.exit = true,
        }
    }

    fn start(&mut self, new: NewTask) {
        let id = new.context.task;
        if self.at.contains_key(&id) {
            return;
        }
        let task = Task::start(new, &self.shared);
        self.at.insert(id, self.tasks.len());
        self.tasks.push(task);
    }

    fn stop(&mut self, id: TaskId) {
        let Some(i) = self.at.remove(&id) else { return };
        let mut task = self.tasks.swap_remove(i);
        if let Some(moved) = self.tasks.get(i) {
            self.at.insert(moved.id, i);
        }
        // What is still open is told to the spout as failed, so that it commits only what is acked.
        task.ledger
            .fail_all(FailReason::WorkerLost, &mut task.settled);
        let mut outbox = task.stop(&self.shared);
        for batch in outbox.ready.drain(..) {
            self.deliver(batch);
        }
        let settles = std::mem::take(&mut outbox.settles);
        self.route_settles(settles);
    }

    /// One turn of every task.
    fn round(&mut self) -> bool {
        let mut did = self.apply_settles();
        let (now, now_ms) = (Instant::now(), self.shared.now_ms());
        let sweep = now_ms >= self.next_sweep;
        if sweep {
            self.next_sweep = now_ms + 20;
        }
        for i in 0..self.tasks.len() {
            did |= self.turn(i, now, now_ms, sweep);
        }
        did
    }

    fn turn(&mut self, i: usize, now: Instant, now_ms: u64, sweep: bool) -> bool {
        let (task, shared) = (&mut self.tasks[i], &self.shared);
        let mut did = false;
        task.mend(shared, now);
        if task.is_spout() {
            if let (true, Some(timeout)) = (sweep, task.timeout_ms) {
                task.ledger.expire(now_ms, timeout, &mut task.settled);
            }
            task.tell_spout(shared);
            if task.gate_open(shared) {
                did |= task.run_spout(shared, SPOUT_CALLS);
            }
            task.tell_spout(shared);
        } else {
            did |= task.run_timers(shared, now);
            did |= self.run_bolt(i);
        }
        let task = &mut self.tasks[i];
        task.publish(&self.shared, now);
        task.outbox.flush();
        self.deliver_from(i);
        did
    }

    fn run_bolt(&mut self, i: usize) -> bool {
        let mut did = false;
        for _ in 0..BOLT_BATCHES {
            let (task, shared) = (&mut self.tasks[i], &self.shared);
            if !task.running || !task.gate_open(shared) {
                break;
            }
            let Some(batch) = task.inbox.pop_front() else {
                break;
            };
            if !task.run_batch(shared, &batch) {
                task.inbox.push_front(batch);
                break;
            }
            did = true;
            self.executed(batch);
            self.deliver_from(i);
        }
        did
    }

    /// A batch was executed: its credit goes back and its memory is used again.
    fn executed(&mut self, batch: Batch) {
        self.shared.unqueue(batch.to, batch.len);
        if self.shared.core(batch.from).is_none()
            && let Some(remote) = self.shared.remote.get()
        {
            remote.consumed(batch.to, batch.from, batch.len);
        }
        if self.spare.len() < RECYCLED_BATCHES {
            self.spare.push(batch);
        }
    }

    /// Delivers what a task has made ready.
    fn deliver_from(&mut self, i: usize) {
        if self.tasks[i].outbox.ready.is_empty() && self.tasks[i].outbox.settles.is_empty() {
            return;
        }
        let mut ready = std::mem::take(&mut self.tasks[i].outbox.ready);
        for batch in ready.drain(..) {
            self.deliver(batch);
        }
        let outbox = &mut self.tasks[i].outbox;
        outbox.ready = ready;
        while outbox.spare.len() < 8
            && let Some(spare) = self.spare.pop()
        {
            outbox.spare.push(spare);
        }
        let settles = std::mem::take(&mut outbox.settles);
        self.route_settles(settles);
    }

    fn deliver(&mut self, batch: Batch) {
        let edge = self.shared.plan.edges.get(batch.edge as usize);
        let queued = &self.shared.queued[batch.to as usize];
        if edge.is_some_and(|e| e.back) && queued.load(Ordering::Relaxed) > CYCLE_QUEUE_TUPLES {
            self.shared.drop_tuples("cycle_full", batch.len);
            return self.fail(&batch);
        }
        queued.fetch_add(batch.len, Ordering::Relaxed);
        match self.shared.core(batch.to) {
            Some(core) if core == self.index => self.queue(batch),
            Some(core) => self.shared.cores[core].send(Msg::Batch(batch)),
            None => match self.shared.remote.get() {
                Some(remote) => remote.send_batch(batch),
                None => self.misrouted(batch),
            },
        }
    }

    /// A batch that came through the channel: its task may have moved meanwhile.
    fn take_in(&mut self, batch: Batch) {
        if self.at.contains_key(&batch.to) {
            self.queue(batch)
        } else {
            self.misrouted(batch)
        }
    }

    fn queue(&mut self, batch: Batch) {
        match self.at.get(&batch.to) {
            Some(i) => self.tasks[*i].inbox.push_back(batch),
            // Its start is on its way through this core's own channel: the batch waits behind it.
            None => self.shared.cores[self.index].send(Msg::Batch(batch)),
        }
    }

    /// The task is not here: its tuples fail now, so that their spouts emit them again.
    fn misrouted(&mut self, batch: Batch) {
        self.shared.unqueue(batch.to, batch.len);
        self.shared.drop_tuples("misrouted", batch.len);
        if self.shared.core(batch.from).is_none()
            && let Some(remote) = self.shared.remote.get()
        {
            remote.consumed(batch.to, batch.from, batch.len);
        }
        self.fail(&batch);
    }

    fn fail(&mut self, batch: &Batch) {
        let failed = batch.anchors.iter().map(|a| Settle {
            spout_task: a.spout_task,
            root: a.root,
            value: a.edge,
            touched: 0,
            ok: false,
        });
        let failed: Vec<_> = failed.collect();
        self.route_settles(failed);
    }

    /// Sends settles to the cores and workers of their spouts.
    fn route_settles(&mut self, settles: Vec<Settle>) {
        if settles.is_empty() {
            return;
        }
        let home = self.shared.core(settles[0].spout_task);
        if settles
            .iter()
            .all(|s| s.spout_task == settles[0].spout_task)
        {
            return self.send_settles(home, settles);
        }
        let mut by_core: HashMap<Option<usize>, Vec<Settle>> = HashMap::new();
        for s in settles {
            by_core
                .entry(self.shared.core(s.spout_task))
                .or_default()
                .push(s);
        }
        for (core, settles) in by_core {
            self.send_settles(core, settles);
        }
    }

    fn send_settles(&mut self, core: Option<usize>, settles: Vec<Settle>) {
        match core {
            Some(core) if core == self.index => self.settles.extend(settles),
            Some(core) => self.shared.cores[core].send(Msg::Settles(settles)),
            // Without other workers the spout is gone, and its ledger with it.
            None => {
                if let Some(remote) = self.shared.remote.get() {
                    remote.send_settles(settles);
                }
            }
        }
    }

    fn apply_settles(&mut self) -> bool {
        if self.settles.is_empty() {
            return false;
        }
        let now = self.shared.now_ms();
        for s in self.settles.drain(..) {
            let Some(i) = self.at.get(&s.spout_task) else {
                continue;
            };
            let task = &mut self.tasks[*i];
            if s.ok && s.value == 0 {
                task.ledger.reset_timeout(s.root, now);
            } else {
                task.ledger.apply(&s, &mut task.settled);
            }
        }
        true
    }

    /// Spins for a while, then sleeps until something is due or sent.
    fn idle(&mut self) {
        self.idle_rounds += 1;
        if self.idle_rounds < IDLE_SPINS {
            return std::hint::spin_loop();
        }
        let now = Instant::now();
        let looks = self.tasks.iter().map(|t| t.next_look(now));
        let mut wait = looks.min().unwrap_or(Duration::from_millis(100));
        if self
            .tasks
            .iter()
            .any(|t| !t.inbox.is_empty() || t.ledger.pending() > 0)
        {
            // Held back by a gate, or waiting for a timeout.
            wait = wait.min(Duration::from_millis(20));
        }
        if self
            .tasks
            .iter()
            .any(|t| t.running && !t.gate_open(&self.shared))
        {
            wait = wait.min(Duration::from_micros(50));
        }
        let (handle, rx) = (&self.shared.cores[self.index], &self.rx);
        handle.park(wait.max(Duration::from_micros(10)), || !rx.is_empty());
    }
}
