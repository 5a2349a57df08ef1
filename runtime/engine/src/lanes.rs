//! What one core sends to the others and hears from them: a ring for each pair, one producer and one
//! consumer each (DESIGN 3.3).
//!
//! A ring is made when its first message is sent; its far end goes to the other core as a message. A
//! full ring blocks nobody: what does not fit waits here, in order, and goes out in a later round.

use std::collections::VecDeque;

use crate::bell::Bell;
use crate::sync::{Consumer, Producer, PushError, RingBuffer};

/// The cores that can be reached.
pub(crate) trait Cores<M> {
    /// Sends the far end of a new ring past all rings, as any thread may.
    fn introduce(&self, core: usize, end: Consumer<M>);
    /// The bell of a core.
    fn bell(&self, core: usize) -> &Bell;
}

/// The rings of one core.
pub(crate) struct Lanes<M> {
    capacity: usize,
    /// Receiving core → the way there, once there is one.
    out: Vec<Option<Lane<M>>>,
    /// Far ends of other cores' rings.
    heard: Vec<Consumer<M>>,
    /// Messages that found their ring full.
    waiting: usize,
}

struct Lane<M> {
    ring: Producer<M>,
    /// What found the ring full, oldest first.
    rest: VecDeque<M>,
}

impl<M> Lanes<M> {
    /// No rings yet; each will hold so many messages.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            out: Vec::new(),
            heard: Vec::new(),
            waiting: 0,
        }
    }

    /// Sends to another core, behind everything that was sent there before.
    pub fn send(&mut self, cores: &impl Cores<M>, core: usize, msg: M) {
        let lane = self.lane(cores, core);
        if !lane.rest.is_empty() {
            lane.rest.push_back(msg);
            self.waiting += 1;
            return;
        }
        match lane.ring.push(msg) {
            Ok(()) => cores.bell(core).ring(),
            Err(PushError::Full(msg)) => {
                lane.rest.push_back(msg);
                self.waiting += 1;
            }
        }
    }

    fn lane(&mut self, cores: &impl Cores<M>, core: usize) -> &mut Lane<M> {
        if self.out.len() <= core {
            self.out.resize_with(core + 1, || None);
        }
        let capacity = self.capacity;
        self.out[core].get_or_insert_with(|| {
            let (ring, end) = RingBuffer::new(capacity);
            cores.introduce(core, end);
            Lane::new(ring)
        })
    }

    /// Sends what found its ring full, as far as there is room now. What is for a core that has ended
    /// is dropped. Answers whether anything was sent.
    pub fn flush(&mut self, cores: &impl Cores<M>) -> bool {
        if self.waiting == 0 {
            return false;
        }
        let before = self.waiting;
        for (core, lane) in self.out.iter_mut().enumerate() {
            let Some(lane) = lane else { continue };
            let had = lane.rest.len();
            if had > 0 && lane.ring.is_abandoned() {
                lane.rest.clear();
            }
            while let Some(msg) = lane.rest.pop_front() {
                if let Err(PushError::Full(msg)) = lane.ring.push(msg) {
                    lane.rest.push_front(msg);
                    break;
                }
            }
            if lane.rest.len() < had {
                self.waiting -= had - lane.rest.len();
                cores.bell(core).ring();
            }
        }
        self.waiting < before
    }

    /// Whether anything waits for room in a ring.
    pub fn is_held_back(&self) -> bool {
        self.waiting > 0
    }

    /// Hears another ring from now on.
    pub fn hear(&mut self, end: Consumer<M>) {
        self.heard.push(end);
    }

    /// Rings that are heard; their numbers change only with [`hear`](Self::hear) and [`forget`](Self::forget).
    pub fn rings(&self) -> usize {
        self.heard.len()
    }

    /// The next message of one ring.
    pub fn next(&mut self, ring: usize) -> Option<M> {
        self.heard[ring].pop().ok()
    }

    /// Forgets the rings of cores that have ended, once they are empty.
    pub fn forget(&mut self) {
        // Abandoned first: what came before the end is seen by the second look.
        self.heard.retain(|r| !r.is_abandoned() || !r.is_empty());
    }

    /// Whether anything lies in a ring for this core.
    pub fn has_news(&self) -> bool {
        self.heard.iter().any(|r| !r.is_empty())
    }

    /// Rings for a part of this core that goes on as a core of its own, one to each core that this one
    /// has sent to. Their far ends are to be sent through this core's own rings, so that nobody hears
    /// the part before everything that it had sent from here.
    pub fn part(&self) -> (Self, Vec<(usize, Consumer<M>)>) {
        let (mut part, mut ends) = (Self::new(self.capacity), Vec::new());
        part.out.resize_with(self.out.len(), || None);
        for core in (0..self.out.len()).filter(|c| self.out[*c].is_some()) {
            let (ring, end) = RingBuffer::new(self.capacity);
            part.out[core] = Some(Lane::new(ring));
            ends.push((core, end));
        }
        (part, ends)
    }
}

impl<M> Lane<M> {
    fn new(ring: Producer<M>) -> Self {
        Self {
            ring,
            rest: VecDeque::new(),
        }
    }
}
