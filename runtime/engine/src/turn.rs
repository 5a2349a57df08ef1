//! What a turn of a core produces: batches and settles on their way out, and the memory for new ones.
//!
//! It goes down a chain of fused calls, so that all of its tasks write to one place and the core
//! delivers once, after the call.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fulmar_api::TaskId;

use crate::adopt::Seat;
use crate::batch::{Batch, Settle};
use crate::limits::{CYCLE_QUEUE_TUPLES, RECYCLED_BATCHES};
use crate::shared::Shared;

/// The way out of the tasks of one core.
pub struct Turn {
    /// The worker.
    pub shared: Arc<Shared>,
    /// Index of the core.
    pub core: usize,
    /// The engine's clock in milliseconds, read once a round.
    pub now_ms: u64,
    /// Batches that are full or flushed, in order.
    pub ready: Vec<Batch>,
    /// Tuples in `ready`.
    pub ready_tuples: usize,
    /// Settles of inputs.
    pub settles: Vec<Settle>,
    /// Emptied batches to use again.
    pub spare: Vec<Batch>,
    /// Something waits for a flush to other workers.
    pub far: bool,
    /// Where the core lies meanwhile.
    seat: Arc<Seat>,
}

impl Turn {
    /// A turn of a core of this worker.
    pub(crate) fn new(shared: Arc<Shared>, core: usize, seat: Arc<Seat>) -> Self {
        Self {
            shared,
            core,
            now_ms: 0,
            ready: Vec::new(),
            ready_tuples: 0,
            settles: Vec::new(),
            spare: Vec::new(),
            far: false,
            seat,
        }
    }

    /// Takes a batch for delivery and leaves an empty one in its place.
    pub fn send(&mut self, batch: &mut Batch) {
        let fresh = self.spare.pop().unwrap_or_default();
        let full = std::mem::replace(batch, fresh);
        batch.len = 0;
        self.ready_tuples += full.len;
        self.ready.push(full);
        if self.ready_tuples > self.shared.overflow {
            self.overflow();
        }
    }

    /// A batch was executed: its credit goes back and its memory is used again.
    pub fn executed(&mut self, mut batch: Batch) {
        self.shared.unqueue(batch.to, batch.len);
        let origin = std::mem::take(&mut batch.origin);
        if origin > 0 {
            if let Some(remote) = self.shared.remote.get() {
                remote.consumed(batch.to, origin, batch.len);
                self.far = true;
            }
        } else if let Some(home) = self.shared.core(batch.from).filter(|c| *c != self.core) {
            // The core that fills batches gets them back; what does not fit is freed.
            let _ = self.shared.cores[home].returned.push(batch);
            return;
        }
        if self.spare.len() < RECYCLED_BATCHES {
            self.spare.push(batch);
        }
    }

    /// Adds a settle; what the turn settled last for the same root becomes one with it.
    #[inline]
    pub fn settle(&mut self, settle: Settle) {
        if let Some(last) = self.settles.last_mut()
            && last.root == settle.root
            && last.spout_task == settle.spout_task
            && last.ok
            && settle.ok
            // A reset of the timeout is told apart by its value 0.
            && last.value != 0
            && settle.value != 0
            && last.value != settle.value
        {
            last.value ^= settle.value;
            last.touched |= settle.touched;
            return;
        }
        self.settles.push(settle);
    }

    /// One call emitted more than its targets can take: it waits here, inside the author's emit,
    /// until they have room. The core's other executors are adopted by another thread meanwhile.
    #[cold]
    fn overflow(&mut self) {
        let room = |shared: &Shared, batch: &Batch| {
            // What closes a cycle is refused when its queue is full, and never waits.
            shared.plan.is_back(batch.edge) || shared.has_room(batch.to)
        };
        let seat = self.seat.clone();
        while self.ready_tuples > self.shared.overflow / 2 && !self.shared.is_ending() {
            // Outside of a turn there is no call to hold back, and the core delivers at once.
            let Some(()) = seat.place.borrow(|core| core.send_on()) else {
                return;
            };
            let mut kept = Vec::with_capacity(self.ready.len());
            let mut held: Vec<TaskId> = Vec::new();
            let before = self.ready_tuples;
            for batch in std::mem::take(&mut self.ready) {
                if held.contains(&batch.to) || !room(&self.shared, &batch) {
                    held.push(batch.to);
                    kept.push(batch);
                } else {
                    self.ready_tuples -= batch.len;
                    seat.place.borrow(|core| core.send(batch));
                }
            }
            self.ready = kept;
            if self.ready_tuples == before {
                std::thread::park_timeout(Duration::from_micros(200));
            }
        }
    }
}

impl Shared {
    /// Whether a batch over an edge that closes a cycle finds its queue full.
    pub fn cycle_full(&self, batch: &Batch) -> bool {
        self.plan.is_back(batch.edge)
            && self.queued[batch.to as usize].load(Ordering::Relaxed) > CYCLE_QUEUE_TUPLES
    }
}
