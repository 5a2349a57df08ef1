//! What is on its way to one peer: numbered frames, each kept until the peer has confirmed it.
//!
//! After a reconnect the peer says what it has; everything later is sent again.
//! Pure: no clock, no I/O, no async.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use fulmar_api::TaskId;

use crate::batch::{Batch, Settle};
use crate::limits::{SCRATCH_MOST, UNCONFIRMED_FRAMES};
use crate::net::frame::{self, Frame, NEWEST, NotAFrame};
use crate::net::packed;

/// Frames for one peer.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// Number of the newest frame.
    last: u64,
    /// Number of the newest frame that was handed to the socket.
    sent: u64,
    kept: VecDeque<(u64, Bytes)>,
    /// Bytes that were not handed to the socket.
    unsent: usize,
    credit: BTreeMap<TaskId, u32>,
    /// Version that the peer and this worker speak; 0: they have not met.
    protocol: u32,
    /// Scratch memory of the encoder.
    frame: Vec<u8>,
    texts: Vec<u8>,
}

impl Outgoing {
    /// Adds a batch.
    ///
    /// # Errors
    /// It is too large for a frame, or the peer confirms nothing and the limit is reached: the batch
    /// comes back with the reason, to be failed.
    pub fn batch(&mut self, batch: Batch) -> Result<(), Box<(Batch, NotAFrame)>> {
        if self.kept.len() >= UNCONFIRMED_FRAMES {
            return Err(Box::new((
                batch,
                NotAFrame("not taken: the peer has 65,536 frames unconfirmed"),
            )));
        }
        let number = self.last + 1;
        self.frame.clear();
        if self.protocol >= NEWEST {
            let put = packed::put_batch(number, &batch, &mut self.texts, &mut self.frame);
            if let Err(error) = put {
                return Err(Box::new((batch, error)));
            }
            self.keep();
            return Ok(());
        }
        let frame = Frame::Batch(number, batch);
        match (frame::encode(&frame, &mut self.frame), frame) {
            (Err(error), Frame::Batch(_, batch)) => Err(Box::new((batch, error))),
            _ => {
                self.keep();
                Ok(())
            }
        }
    }

    /// Adds settles; they need no credit and are bounded by what is pending.
    pub fn settles(&mut self, settles: &[Settle]) {
        // 41 bytes each at most: 8,192 are far below the frame's limit.
        for part in settles.chunks(8_192) {
            self.frame.clear();
            let number = self.last + 1;
            let put = if self.protocol >= NEWEST {
                packed::put_settles(number, part, &mut self.frame)
            } else {
                frame::encode_settles(number, part, &mut self.frame)
            };
            if put.is_ok() {
                self.keep();
            }
        }
    }

    /// The version that is spoken from now on.
    pub fn speak(&mut self, protocol: u32) {
        self.protocol = protocol;
    }

    /// Bytes that wait for the socket.
    pub fn unsent(&self) -> usize {
        self.unsent
    }

    /// Adds credit; what is for the same task goes out as one frame.
    pub fn credit(&mut self, task: TaskId, tuples: usize) {
        *self.credit.entry(task).or_insert(0) += tuples as u32;
    }

    /// Keeps the frame that was encoded.
    fn keep(&mut self) {
        self.last += 1;
        self.unsent += self.frame.len();
        let bytes = Bytes::copy_from_slice(&self.frame);
        self.kept.push_back((self.last, bytes));
        if self.frame.capacity() > SCRATCH_MOST {
            // One huge frame must not keep its memory for as long as the link lives.
            (self.frame, self.texts) = (Vec::new(), Vec::new());
        }
    }

    /// Takes frames that were not sent yet, about `most` bytes of them.
    pub fn take(&mut self, most: usize, out: &mut Vec<Bytes>) {
        for (task, tuples) in std::mem::take(&mut self.credit) {
            self.frame.clear();
            let credit = Frame::Credit(self.last + 1, task, tuples);
            if frame::encode(&credit, &mut self.frame).is_ok() {
                self.keep();
            }
        }
        let first = self.kept.front().map_or(self.last + 1, |f| f.0);
        let skip = (self.sent + 1).saturating_sub(first) as usize;
        let mut taken = 0;
        for (number, bytes) in self.kept.iter().skip(skip) {
            out.push(bytes.clone());
            taken += bytes.len();
            self.sent = *number;
            if taken >= most {
                break;
            }
        }
        self.unsent = self.unsent.saturating_sub(taken);
    }

    /// The peer has everything up to this number.
    pub fn confirm(&mut self, number: u64) {
        while self.kept.front().is_some_and(|f| f.0 <= number) {
            self.kept.pop_front();
        }
    }

    /// A new connection: the peer has everything up to `received`, the rest is sent again.
    pub fn rewind(&mut self, received: u64) {
        self.confirm(received);
        self.sent = self.kept.front().map_or(self.last, |f| f.0 - 1);
        self.unsent = self.kept.iter().map(|f| f.1.len()).sum();
    }

    /// Everything was sent and confirmed.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.credit.is_empty()
    }

    /// Gives up what is under way and returns its batches, to be failed. Credit stays: a peer that is found again,
    /// and never thought this worker lost, waits for it.
    pub fn give_up(&mut self) -> Vec<Batch> {
        (self.sent, self.unsent) = (self.last, 0);
        let mut batches = Vec::new();
        for (_, bytes) in std::mem::take(&mut self.kept) {
            match frame::decode(&bytes) {
                Ok(Some((Frame::Batch(_, batch), _))) => batches.push(batch),
                Ok(Some((Frame::Packed(_, packed), _))) => {
                    let mut batch = Batch::default();
                    if packed.unpack(&mut batch).is_ok() {
                        batches.push(batch);
                    }
                }
                Ok(Some((Frame::Credit(_, task, tuples), _))) => self.credit(task, tuples as usize),
                _ => {}
            }
        }
        batches
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::frame::OLDEST;
    use proptest::prelude::*;

    fn numbers(frames: &[Bytes]) -> Vec<u64> {
        let bytes = frames.concat();
        let (mut at, mut found) = (0, Vec::new());
        while let Ok(Some((frame, used))) = frame::decode(&bytes[at..]) {
            at += used;
            match frame {
                Frame::Batch(n, _)
                | Frame::Packed(n, _)
                | Frame::Settles(n, _)
                | Frame::Credit(n, ..) => found.push(n),
                _ => {}
            }
        }
        found
    }

    proptest! {
        /// Whatever is cut off and wherever, the peer gets each frame once and in order.
        #[test]
        fn each_frame_arrives_once_and_in_order(
            steps in prop::collection::vec((0_u8..4, 0_usize..5), 1..80),
            protocol in OLDEST..=NEWEST,
        ) {
            let (mut out, mut got, mut wanted) = (Outgoing::default(), Vec::new(), 0_u64);
            out.speak(protocol);
            for (what, n) in steps {
                match what {
                    0 => {
                        let mut batch = Batch::default();
                        batch.reset(0, 1, 2, 0);
                        batch.end_tuple(&[]);
                        out.batch(batch).map_err(|e| e.1).unwrap();
                        wanted += 1;
                    }
                    1 => {
                        let mut bytes = Vec::new();
                        out.take(30 * n, &mut bytes);
                        for number in numbers(&bytes) {
                            if got.last().is_none_or(|l| *l < number) {
                                got.push(number);
                            }
                        }
                    }
                    // A cut: what the socket had taken but the peer never saw is sent again.
                    2 => {
                        got.truncate(got.len().saturating_sub(n).max(confirmed(&out)));
                        out.rewind(got.last().copied().unwrap_or(0));
                    }
                    _ => out.confirm(got.last().copied().unwrap_or(0)),
                }
            }
            let mut bytes = Vec::new();
            out.take(usize::MAX, &mut bytes);
            got.extend(numbers(&bytes));
            prop_assert_eq!(got, (1..=wanted).collect::<Vec<_>>());
        }
    }

    fn confirmed(out: &Outgoing) -> usize {
        out.kept.front().map_or(out.last, |f| f.0 - 1) as usize
    }

    #[test]
    fn what_is_given_up_comes_back_to_be_failed() {
        let mut out = Outgoing::default();
        let mut batch = Batch::default();
        batch.reset(3, 1, 2, 0);
        batch.end_tuple(&[]);
        out.batch(batch).map_err(|e| e.1).unwrap();
        out.settles(&[Settle {
            spout_task: 1,
            root: 1,
            value: 1,
            touched: 0,
            ok: true,
        }]);
        out.credit(4, 10);
        let mut bytes = Vec::new();
        out.take(1, &mut bytes);
        assert_eq!(out.give_up().len(), 1);
        // Credit is owed still, whether it was on its way already or not.
        assert_eq!(out.credit.get(&4), Some(&10));
        assert!(out.kept.is_empty());
    }
}
