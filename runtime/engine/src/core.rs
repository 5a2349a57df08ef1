//! A core: one event-loop thread that owns a set of tasks and runs them in turn (DESIGN 3.3).
//!
//! Batches between tasks of one core are handed over without atomics beyond the queue count; batches
//! and settles for another core go through a ring ([`lanes`](crate::lanes)), those for another worker to
//! [`Remote`](crate::shared::Remote). Threads that are no cores use the core's channel.

mod deliver;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::Receiver;
use fulmar_api::TaskId;
use fulmar_api::spout::FailReason;
use fulmar_api::token::AckToken;
use rustc_hash::FxBuildHasher;

use crate::adopt::Seat;
use crate::batch::{Batch, Settle};
use crate::group::{Group, form};
use crate::lanes::Lanes;
use crate::limits::{IDLE_SPINS, RETURNED_BATCHES, RING_MESSAGES};
use crate::outbox::Placement;
use crate::shared::{Msg, Shared};
use crate::sink::settle_of;
use crate::sync::Consumer;
use crate::task::{NewTask, Task};
use crate::turn::Turn;

/// One core's state, owned by the thread that runs it.
pub struct Core {
    pub(crate) index: usize,
    shared: Arc<Shared>,
    rx: Receiver<Msg>,
    lanes: Lanes<Msg>,
    pub(crate) groups: Vec<Group>,
    /// Task → its group and its place there.
    at: HashMap<TaskId, (usize, usize), FxBuildHasher>,
    placement: Arc<Placement>,
    /// Batches for tasks whose start is on its way through this core's own channel.
    early: Vec<Batch>,
    /// Batches for tasks of the group whose turn it is, sent while it lasts.
    held: Vec<Batch>,
    /// Settles for spouts of this core, to be applied before the next round.
    settles: Vec<Settle>,
    /// Tasks that blocked their core and were left to a core of their own.
    pub(crate) moved: HashMap<TaskId, usize, FxBuildHasher>,
    /// The cores that they were left to.
    pub(crate) children: Vec<usize>,
    /// Something that was sent to other workers waits for a flush.
    far: bool,
    last_flush: Instant,
    idle_rounds: u32,
    next_sweep: u64,
    exit: bool,
}

impl Core {
    /// A core without tasks.
    pub fn new(index: usize, shared: Arc<Shared>, rx: Receiver<Msg>) -> Self {
        Self {
            index,
            placement: Arc::default(),
            shared,
            rx,
            lanes: Lanes::new(RING_MESSAGES),
            groups: Vec::new(),
            at: HashMap::default(),
            early: Vec::new(),
            held: Vec::new(),
            settles: Vec::new(),
            moved: HashMap::default(),
            children: Vec::new(),
            far: false,
            last_flush: Instant::now(),
            idle_rounds: 0,
            next_sweep: 0,
            exit: false,
        }
    }

    /// Runs until told to exit. While a group has its turn the core lies in the thread's place, from
    /// where another thread may adopt it; then this one goes on with that group alone.
    pub fn run(self) {
        sleep_exactly();
        let seat = Arc::new(Seat::of_this_thread());
        crate::shared::lock(&self.shared.seats).push(seat.clone());
        self.shared.cores[self.index].bell.enter();
        let mut turn = Turn::new(self.shared.clone(), self.index, seat.clone());
        let place = &seat.place;
        let mut core = Box::new(self);
        while !core.exit {
            let mut did = core.receive(&mut turn);
            let now = Instant::now();
            did |= core.begin_round(&mut turn, now);
            let sweep = turn.now_ms >= core.next_sweep;
            if sweep {
                core.next_sweep = turn.now_ms + 20;
                core.lanes.forget();
            }
            let mut next = 0;
            while next < core.groups.len() {
                let mut group = std::mem::take(&mut core.groups[next]);
                place.put(core);
                did |= group.turn(&mut turn, now, sweep);
                core = place.take();
                if turn.core == core.index {
                    core.groups[next] = group;
                    next += 1;
                } else {
                    core.go_on_with(group, &mut turn);
                    next = 1;
                }
                core.deliver(&mut turn);
            }
            if did {
                core.idle_rounds = 0;
            } else {
                core.far |= std::mem::take(&mut turn.far);
                core.flush_far();
                core.idle();
            }
        }
        core.end(&mut turn);
        place.close();
    }

    /// This thread's call lasted so long that its core was adopted: a new one begins with the group.
    fn go_on_with(&mut self, group: Group, turn: &mut Turn) {
        turn.core = self.index;
        self.shared.cores[self.index].bell.enter();
        self.groups = vec![group];
        self.find();
    }

    /// Whether anything but the running group depends on this core's going on.
    pub(crate) fn is_needed(&self) -> bool {
        // The running group was taken out and left an empty one behind.
        self.lanes.is_held_back() || self.far || self.groups.iter().any(|g| !g.tasks.is_empty())
    }

    /// The core that the running group goes on with, and the ends of its rings for others to hear.
    pub(crate) fn part(&mut self, index: usize, rx: Receiver<Msg>) -> (Self, Ends) {
        let mut part = Self::new(index, self.shared.clone(), rx);
        part.held = std::mem::take(&mut self.held);
        let (lanes, ends) = self.lanes.part();
        part.lanes = lanes;
        (part, ends)
    }

    /// The group that is away stays with its thread, on a core of this index.
    pub(crate) fn leave_running(&mut self, index: usize, ends: Ends) {
        for (core, end) in ends {
            self.tell(core, Msg::Lane(end));
        }
        let groups = &self.groups;
        let away = |at: &(usize, usize)| groups[at.0].tasks.is_empty();
        let gone: Vec<TaskId> = self
            .at
            .iter()
            .filter(|(_, at)| away(at))
            .map(|(task, _)| *task)
            .collect();
        self.moved
            .extend(gone.into_iter().map(|task| (task, index)));
        self.children.push(index);
        self.groups.retain(|g| !g.tasks.is_empty());
        self.find();
        if self.exit {
            self.tell(index, Msg::Exit);
        }
    }

    /// Sends to another core.
    fn tell(&mut self, core: usize, msg: Msg) {
        self.lanes.send(&*self.shared, core, msg);
    }

    /// Sends what found its ring full, and what waits for other workers.
    pub(crate) fn send_on(&mut self) {
        self.lanes.flush(&*self.shared);
        self.flush_far();
    }

    fn end(&mut self, turn: &mut Turn) {
        for group in std::mem::take(&mut self.groups) {
            group.stop(turn);
        }
        self.at.clear();
        self.deliver(turn);
        self.flush_far();
        self.settles.clear();
    }

    /// Takes what was sent to this core.
    fn receive(&mut self, turn: &mut Turn) -> bool {
        let (mut did, mut ring) = (false, 0);
        while ring < self.lanes.rings() {
            // As many as fit: a producer that never pauses must not keep this core here.
            for _ in 0..RING_MESSAGES {
                let Some(msg) = self.lanes.next(ring) else {
                    break;
                };
                did = true;
                if let Msg::Batch(batch) = &msg
                    && !self.at.contains_key(&batch.to)
                {
                    // Its start was sent before the batch, but not through this ring.
                    self.receive_others(turn);
                }
                self.handle(msg, turn);
            }
            ring += 1;
        }
        self.receive_others(turn) || did
    }

    /// Takes what threads that are no cores have sent.
    fn receive_others(&mut self, turn: &mut Turn) -> bool {
        let mut did = false;
        while let Ok(msg) = self.rx.try_recv() {
            did = true;
            self.handle(msg, turn);
        }
        did
    }

    fn begin_round(&mut self, turn: &mut Turn, now: Instant) -> bool {
        turn.now_ms = self.shared.ms_at(now);
        while turn.spare.len() < RETURNED_BATCHES
            && let Some(batch) = self.shared.cores[self.index].returned.pop()
        {
            turn.spare.push(batch);
        }
        self.lanes.flush(&*self.shared) | self.apply_settles(turn.now_ms)
    }

    fn handle(&mut self, msg: Msg, turn: &mut Turn) {
        match msg {
            Msg::Batch(batch) => self.take_in(batch, turn),
            Msg::Packed(packed) => {
                let mut batch = turn.spare.pop().unwrap_or_default();
                match packed.unpack(&mut batch) {
                    Ok(()) => self.take_in(batch, turn),
                    Err(error) => {
                        self.shared.unqueue(packed.to, packed.len);
                        self.shared.malformed(&packed, &error);
                        self.far = true;
                    }
                }
            }
            Msg::Settles(settles) => self.route_settles(settles),
            Msg::Wake(task) => match self.task(task) {
                Some(task) => task.woken = true,
                None => self.pass_on(task, Msg::Wake(task)),
            },
            Msg::Token(task, token, ok) => {
                let settles: Vec<_> = token.entries().iter().map(|e| settle_of(e, ok)).collect();
                self.route_settles(settles);
                let Some(slot) = token.slot() else { return };
                match self.task(task) {
                    Some(task) => task.count_settled(slot, ok),
                    None => {
                        let counted = AckToken::default().counted_at(slot);
                        self.pass_on(task, Msg::Token(task, counted, ok));
                    }
                }
            }
            Msg::Start(new) => self.start(*new),
            Msg::Run(task) => match self.task(task) {
                Some(task) => {
                    task.running = true;
                    self.regroup(None);
                }
                None => self.pass_on(task, Msg::Run(task)),
            },
            Msg::Stop(task) => self.stop(task, turn),
            Msg::Active(active) => {
                self.tasks().for_each(|t| t.set_active(active));
                self.tell_children(|| Msg::Active(active));
            }
            Msg::Place(placement) => {
                self.placement = placement.clone();
                self.place(turn);
                self.tell_children(|| Msg::Place(placement.clone()));
            }
            Msg::Lost(bits) => {
                self.tasks()
                    .for_each(|t| t.ledger.lose(bits, &mut t.settled));
                self.tell_children(|| Msg::Lost(bits));
            }
            Msg::Live(bits) => {
                self.tasks().for_each(|t| t.ledger.live(bits));
                self.tell_children(|| Msg::Live(bits));
            }
            Msg::Lane(end) => self.lanes.hear(end),
            Msg::Exit => {
                self.exit = true;
                self.tell_children(|| Msg::Exit);
            }
        }
    }

    fn task(&mut self, task: TaskId) -> Option<&mut Task> {
        let (group, at) = self.at.get(&task)?;
        self.groups[*group].tasks.get_mut(*at)
    }

    /// Whether the task has the floor on this core; a standby one has its owner elsewhere.
    fn owns(&self, task: TaskId) -> bool {
        let at = self.at.get(&task);
        let task = at.and_then(|(group, i)| self.groups[*group].tasks.get(*i));
        task.is_some_and(|t| t.running)
    }

    fn tasks(&mut self) -> impl Iterator<Item = &mut Task> {
        self.groups.iter_mut().flat_map(|g| &mut g.tasks)
    }

    /// To the core that a task was left to.
    fn pass_on(&mut self, task: TaskId, msg: Msg) {
        if let Some(core) = self.moved.get(&task) {
            self.tell(*core, msg);
        }
    }

    fn tell_children(&mut self, msg: impl Fn() -> Msg) {
        for core in self.children.clone() {
            self.tell(core, msg());
        }
    }

    fn start(&mut self, new: NewTask) {
        let id = new.context.task;
        if self.at.contains_key(&id) {
            return;
        }
        let mut task = Task::start(new, &self.shared);
        let shared = self.shared.clone();
        task.outbox.place(&self.placement, &|t| shared.planned(t));
        let (mine, others) = std::mem::take(&mut self.early)
            .into_iter()
            .partition(|b| b.to == id);
        (task.inbox, self.early) = (Vec::into(mine), others);
        self.regroup(Some(task));
    }

    /// Forms the groups anew, with one more task or without.
    fn regroup(&mut self, more: Option<Task>) {
        let groups = std::mem::take(&mut self.groups);
        let tasks = groups.into_iter().flat_map(|g| g.tasks).chain(more);
        self.groups = form(tasks.collect(), &self.shared.plan);
        self.find();
    }

    fn find(&mut self) {
        self.at.clear();
        for (g, group) in self.groups.iter().enumerate() {
            for (i, task) in group.tasks.iter().enumerate() {
                self.at.insert(task.id, (g, i));
            }
        }
    }

    fn place(&mut self, turn: &mut Turn) {
        let (shared, placement) = (self.shared.clone(), self.placement.clone());
        for task in self.tasks() {
            task.outbox.flush(turn);
            task.outbox.place(&placement, &|t| shared.planned(t));
        }
        self.deliver(turn);
        self.regroup(None);
    }

    fn stop(&mut self, id: TaskId, turn: &mut Turn) {
        let Some((group, i)) = self.at.get(&id).copied() else {
            return self.pass_on(id, Msg::Stop(id));
        };
        let mut task = self.groups[group].tasks.remove(i);
        self.regroup(None);
        // What is still open is told to the spout as failed, so that it commits only what is acked.
        task.ledger
            .fail_all(FailReason::WorkerLost, &mut task.settled);
        task.stop(turn);
        self.deliver(turn);
    }

    /// Spins for a while, then sleeps until something is due or sent.
    fn idle(&mut self) {
        self.idle_rounds += 1;
        if self.idle_rounds < IDLE_SPINS || !self.settles.is_empty() {
            return std::hint::spin_loop();
        }
        let now = Instant::now();
        let looks = self.tasks().map(|t| t.next_look(now));
        let mut wait = looks.min().unwrap_or(Duration::from_millis(100));
        if self
            .tasks()
            .any(|t| !t.inbox.is_empty() || t.ledger.pending() > 0)
        {
            // Held back by a gate, or waiting for a timeout.
            wait = wait.min(Duration::from_millis(20));
        }
        if self.lanes.is_held_back() || self.groups.iter().any(|g| g.held_back(&self.shared)) {
            wait = wait.min(Duration::from_micros(50));
        }
        let (bell, rx, lanes) = (&self.shared.cores[self.index].bell, &self.rx, &self.lanes);
        bell.park(wait.max(Duration::from_micros(10)), || {
            !rx.is_empty() || lanes.has_news()
        });
    }
}

/// Far ends of rings, each with the core that is to hear it.
type Ends = Vec<(usize, Consumer<Msg>)>;

/// Linux lets a sleeping thread lie for 50 µs longer than it asked; a spout that waits for its next
/// tuple would be late by as much.
fn sleep_exactly() {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_timerslack(1_000) {
        tracing::debug!(%error, "sleeps stay inexact");
    }
}
