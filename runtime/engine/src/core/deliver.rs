//! Where what a core's tasks made goes: batches and settles to this core, another one, or another worker.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fulmar_api::TaskId;

use super::Core;
use crate::batch::{Batch, Settle};
use crate::limits::FLUSH_US;
use crate::shared::Msg;
use crate::turn::Turn;

impl Core {
    /// Delivers what the tasks of a turn have made ready.
    pub(super) fn deliver(&mut self, turn: &mut Turn) {
        for batch in std::mem::take(&mut self.held) {
            self.take_in(batch, turn);
        }
        if !turn.ready.is_empty() {
            let mut ready = std::mem::take(&mut turn.ready);
            turn.ready_tuples = 0;
            for batch in ready.drain(..) {
                self.send(batch);
            }
            turn.ready = ready;
        }
        if !turn.settles.is_empty() {
            let mut settles = std::mem::take(&mut turn.settles);
            self.route_some(&mut settles);
            turn.settles = settles;
        }
        self.far |= std::mem::take(&mut turn.far);
        if self.far && self.last_flush.elapsed() >= Duration::from_micros(FLUSH_US) {
            self.flush_far();
        }
    }

    /// Has what was sent to other workers go out now.
    pub(super) fn flush_far(&mut self) {
        if let (true, Some(remote)) = (std::mem::take(&mut self.far), self.shared.remote.get()) {
            remote.flush();
            self.last_flush = Instant::now();
        }
    }

    /// Sends a batch on its way, behind everything that was sent to its task from here before.
    pub(crate) fn send(&mut self, batch: Batch) {
        let to = batch.to;
        if self.shared.cycle_full(&batch) {
            self.shared.drop_tuples("cycle_full", batch.len);
            return self.route_settles(batch.fails(0).collect());
        }
        self.shared.queued[to as usize].fetch_add(batch.len, Ordering::Relaxed);
        let home = if self.owns(to) {
            Some(self.index)
        } else {
            self.shared.core(to)
        };
        match (home, self.shared.remote.get()) {
            (Some(core), _) if core == self.index => self.send_here(batch),
            (Some(core), _) => self.tell(core, Msg::Batch(batch)),
            (None, Some(remote)) => {
                remote.send_batch(batch);
                self.far = true;
            }
            (None, None) => {
                self.shared.unqueue(to, batch.len);
                self.shared.drop_tuples("misrouted", batch.len);
                self.route_settles(batch.fails(0).collect());
            }
        }
    }

    fn send_here(&mut self, batch: Batch) {
        let to = batch.to;
        if let Some(task) = self.task(to) {
            task.inbox.push_back(batch);
        } else if self.moved.contains_key(&to) {
            self.pass_on(to, Msg::Batch(batch));
        } else if self.at.contains_key(&to) {
            self.held.push(batch);
        } else {
            self.early.push(batch);
        }
    }

    /// A batch that came from elsewhere: its task may have gone meanwhile.
    pub(super) fn take_in(&mut self, batch: Batch, turn: &mut Turn) {
        let to = batch.to;
        if let Some(task) = self.task(to) {
            task.inbox.push_back(batch);
        } else if self.moved.contains_key(&to) {
            self.pass_on(to, Msg::Batch(batch));
        } else {
            // Its tuples fail now, so that their spouts emit them again.
            self.shared.drop_tuples("misrouted", batch.len);
            self.route_settles(batch.fails(0).collect());
            turn.executed(batch);
        }
    }

    pub(super) fn route_settles(&mut self, mut settles: Vec<Settle>) {
        self.route_some(&mut settles);
    }

    /// Sends settles to the cores and workers of their spouts, and empties the list.
    fn route_some(&mut self, settles: &mut Vec<Settle>) {
        // Core (none: another worker) → its settles; there are few cores.
        let mut away: Vec<(Option<usize>, Vec<Settle>)> = Vec::new();
        // Settles of one spout follow each other: its place is looked up once, and they move together.
        for run in settles.chunk_by(|a, b| a.spout_task == b.spout_task) {
            let core = self.core_of_spout(run[0].spout_task);
            if core == Some(self.index) {
                self.settles.extend_from_slice(run);
                continue;
            }
            match away.iter_mut().find(|a| a.0 == core) {
                Some(found) => found.1.extend_from_slice(run),
                None => {
                    let mut first = Vec::with_capacity(settles.len());
                    first.extend_from_slice(run);
                    away.push((core, first));
                }
            }
        }
        settles.clear();
        for (core, settles) in away {
            match (core, self.shared.remote.get()) {
                (Some(core), _) => self.tell(core, Msg::Settles(settles)),
                (None, Some(remote)) => {
                    remote.send_settles(settles);
                    self.far = true;
                }
                // Its spout has gone, and the ledger with it.
                (None, None) => {}
            }
        }
    }

    /// Where a spout's ledger is: on this core, another one, or (none) in another worker. One that
    /// this core should have and has not has gone; its settles end where they are applied.
    fn core_of_spout(&self, task: TaskId) -> Option<usize> {
        if self.owns(task) {
            return Some(self.index);
        }
        let moved = self.moved.get(&task).copied();
        moved.or_else(|| self.shared.core(task))
    }

    pub(super) fn apply_settles(&mut self, now_ms: u64) -> bool {
        if self.settles.is_empty() {
            return false;
        }
        let mut settles = std::mem::take(&mut self.settles);
        for part in settles.chunk_by(|a, b| a.spout_task == b.spout_task) {
            let id = part[0].spout_task;
            let Some(task) = self.task(id) else {
                // It may have been left to a core of its own since.
                self.pass_on(id, Msg::Settles(part.to_vec()));
                continue;
            };
            for s in part {
                if s.ok && s.value == 0 {
                    task.ledger.reset_timeout(s.root, now_ms);
                } else {
                    task.ledger.apply(s, &mut task.settled);
                }
            }
        }
        settles.clear();
        self.settles = settles;
        true
    }
}
