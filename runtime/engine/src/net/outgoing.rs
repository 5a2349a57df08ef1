//! What is on its way to one peer: numbered frames, each kept until the peer has confirmed it.
//!
//! After a reconnect the peer says what it has; everything later is sent again.
//! Pure: no clock, no I/O, no async.

use std::collections::{BTreeMap, VecDeque};

use fulmar_api::TaskId;

use crate::batch::{Batch, Settle};
use crate::limits::UNCONFIRMED_FRAMES;
use crate::net::frame::{self, Frame, NotAFrame};

/// Frames for one peer.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// Number of the newest frame.
    last: u64,
    /// Number of the newest frame that was handed to the socket.
    sent: u64,
    kept: VecDeque<(u64, Vec<u8>)>,
    credit: BTreeMap<TaskId, u32>,
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
        let frame = Frame::Batch(self.last + 1, batch);
        match self.keep(&frame) {
            Ok(()) => Ok(()),
            Err(error) => match frame {
                Frame::Batch(_, batch) => Err(Box::new((batch, error))),
                _ => Ok(()),
            },
        }
    }

    /// Adds settles; they need no credit and are bounded by what is pending.
    pub fn settles(&mut self, settles: Vec<Settle>) {
        // 29 bytes each: 8,192 are far below the frame's limit.
        for part in settles.chunks(8_192) {
            let _ = self.keep(&Frame::Settles(self.last + 1, part.to_vec()));
        }
    }

    /// Adds credit; what is for the same task goes out as one frame.
    pub fn credit(&mut self, task: TaskId, tuples: usize) {
        *self.credit.entry(task).or_insert(0) += tuples as u32;
    }

    fn keep(&mut self, frame: &Frame) -> Result<(), NotAFrame> {
        // About what it takes, so that a batch's memory is asked for once.
        let mut bytes = Vec::with_capacity(match frame {
            Frame::Batch(_, b) => 64 + 16 * b.values.len() + 20 * b.anchors.len(),
            Frame::Settles(_, s) => 32 + 29 * s.len(),
            _ => 32,
        });
        frame::encode(frame, &mut bytes)?;
        self.last += 1;
        self.kept.push_back((self.last, bytes));
        Ok(())
    }

    /// Appends frames that were not sent yet, about `most` bytes of them.
    pub fn take(&mut self, most: usize, out: &mut Vec<u8>) {
        for (task, tuples) in std::mem::take(&mut self.credit) {
            let _ = self.keep(&Frame::Credit(self.last + 1, task, tuples));
        }
        let first = self.kept.front().map_or(self.last + 1, |f| f.0);
        let skip = (self.sent + 1).saturating_sub(first) as usize;
        for (number, bytes) in self.kept.iter().skip(skip) {
            out.extend_from_slice(bytes);
            self.sent = *number;
            if out.len() >= most {
                break;
            }
        }
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
    }

    /// Everything was sent and confirmed.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.credit.is_empty()
    }

    /// Gives up what is under way and returns its batches, to be failed. Credit stays: a peer that is found again,
    /// and never thought this worker lost, waits for it.
    pub fn give_up(&mut self) -> Vec<Batch> {
        self.sent = self.last;
        let mut batches = Vec::new();
        for (_, bytes) in std::mem::take(&mut self.kept) {
            match frame::decode(&bytes) {
                Ok(Some((Frame::Batch(_, batch), _))) => batches.push(batch),
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
    use proptest::prelude::*;

    fn numbers(bytes: &[u8]) -> Vec<u64> {
        let (mut at, mut found) = (0, Vec::new());
        while let Ok(Some((frame, used))) = frame::decode(&bytes[at..]) {
            at += used;
            match frame {
                Frame::Batch(n, _) | Frame::Settles(n, _) | Frame::Credit(n, ..) => found.push(n),
                _ => {}
            }
        }
        found
    }

    proptest! {
        /// Whatever is cut off and wherever, the peer gets each frame once and in order.
        #[test]
        fn each_frame_arrives_once_and_in_order(
            steps in prop::collection::vec((0_u8..4, 0_usize..5), 1..80)
        ) {
            let (mut out, mut got, mut wanted) = (Outgoing::default(), Vec::new(), 0_u64);
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
        out.settles(vec![Settle {
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
