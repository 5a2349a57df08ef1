//! A spout task's own ledger: Storm's XOR acker without the acker (DESIGN 3.6, 3.7).
//!
//! Roots are numbered in the order in which they were emitted, so the ledger is a ring indexed by
//! number: no hashing. A root is complete when the XOR of everything that its tree reported is 0
//! and the emit itself is closed. Open roots that far younger ones have overtaken move to a map, so
//! that one slow tree does not keep the ring long. Whoever was lost is remembered by incarnation, as one bit of 64:
//! two that share a bit fail too many roots, never too few.
//! Pure: no clock, no I/O, no async.

use std::collections::{HashMap, VecDeque};

use fulmar_api::spout::{FailReason, MessageId};
use rustc_hash::FxBuildHasher;

use crate::batch::Settle;
use crate::limits::LEDGER_SPARSE;

/// One open root.
#[derive(Clone, Copy, Debug)]
struct Root {
    id: MessageId,
    /// XOR of edge ids.
    value: u64,
    /// Incarnations that the tree is known to have touched.
    touched: u64,
    /// Milliseconds on the engine's clock.
    since: u64,
    open: bool,
    /// Its clock was started anew, so it may be younger than its number says.
    reset: bool,
}

/// The end of a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// What the spout called it.
    pub id: MessageId,
    /// When it was emitted, on the caller's clock in milliseconds.
    pub since: u64,
    /// `None` when acked.
    pub failed: Option<FailReason>,
}

/// The ledger of one spout task.
#[derive(Debug, Default)]
pub struct Ledger {
    roots: VecDeque<Root>,
    /// Number of the first root in `roots`.
    first: u64,
    /// Open roots before `first`.
    old: HashMap<u64, Root, FxBuildHasher>,
    pending: usize,
    lost: u64,
    /// Bits of incarnations that were lost and found again, and the first root emitted since: an older
    /// one that touched it fails, also when that is told only now.
    found: Vec<(u64, u64)>,
    /// All bits in `found`.
    suspect: u64,
    /// Settles for roots that were settled already.
    pub late: u64,
}

impl Ledger {
    /// Starts a ledger whose roots are numbered from here; a restarted task begins far above its
    /// predecessor, so that what is on its way to the old one cannot settle a new root.
    pub fn starting_at(first: u64) -> Self {
        Self {
            first,
            ..Self::default()
        }
    }

    /// Open roots.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Number that the next root gets.
    pub fn next_root(&self) -> u64 {
        self.first + self.roots.len() as u64
    }

    /// Enters a root. `value` is the XOR of the edges of all its first tuples, never 0 while any
    /// of them is under way.
    pub fn open(
        &mut self,
        id: MessageId,
        value: u64,
        touched: u64,
        now: u64,
        out: &mut Vec<Settled>,
    ) -> u64 {
        let number = self.next_root();
        self.roots.push_back(Root {
            id,
            value,
            touched,
            since: now,
            open: true,
            reset: false,
        });
        self.pending += 1;
        self.judge(number, out);
        if self.roots.len() >= LEDGER_SPARSE {
            self.thin();
        }
        number
    }

    /// Applies a settle.
    pub fn apply(&mut self, settle: &Settle, out: &mut Vec<Settled>) {
        let Some(root) = self.get(settle.root) else {
            self.late += 1;
            return;
        };
        if !settle.ok {
            self.close(settle.root, Some(FailReason::Failed), out);
            return self.trim_from(settle.root);
        }
        root.value ^= settle.value;
        root.touched |= settle.touched;
        self.judge(settle.root, out);
    }

    /// Starts a root's timeout anew.
    pub fn reset_timeout(&mut self, number: u64, now: u64) {
        if let Some(root) = self.get(number) {
            (root.since, root.reset) = (now, true);
        }
    }

    /// These incarnations are lost: every root that touched one fails now, acks that come later
    /// included.
    pub fn lose(&mut self, incarnations: u64, out: &mut Vec<Settled>) {
        self.lost |= incarnations;
        for number in self.numbers() {
            self.judge(number, out);
        }
    }

    /// These bits belong to living incarnations (again). What they dropped while they were lost belongs
    /// to roots that have been emitted before.
    pub fn live(&mut self, incarnations: u64) {
        let mut again = self.lost & incarnations;
        self.lost &= !incarnations;
        self.suspect |= again;
        self.found.retain(|(bit, _)| bit & again == 0);
        while again != 0 {
            let bit = again & again.wrapping_neg();
            self.found.push((bit, self.next_root()));
            again &= !bit;
        }
    }

    /// Whether a root that touched these incarnations has lost something.
    fn has_lost(&self, number: u64, touched: u64) -> bool {
        let before = |(bit, first): &(u64, u64)| touched & bit != 0 && number < *first;
        touched & self.lost != 0 || self.found.iter().any(before)
    }

    /// Fails every root older than `timeout` milliseconds.
    pub fn expire(&mut self, now: u64, timeout: u64, out: &mut Vec<Settled>) {
        let too_old = |root: &Root| now.saturating_sub(root.since) >= timeout;
        let mut due: Vec<u64> = self
            .old
            .iter()
            .filter(|(_, r)| too_old(r))
            .map(|(n, _)| *n)
            .collect();
        due.sort_unstable();
        for (i, root) in self.roots.iter().enumerate().filter(|(_, r)| r.open) {
            if too_old(root) {
                due.push(self.first + i as u64);
            } else if !root.reset {
                // Numbers follow the clock: what comes after is younger still.
                break;
            }
        }
        for number in due {
            self.close(number, Some(FailReason::TimedOut), out);
        }
        self.trim();
    }

    /// Fails everything that is open, for a task that ends.
    pub fn fail_all(&mut self, why: FailReason, out: &mut Vec<Settled>) {
        for number in self.numbers() {
            self.close(number, Some(why), out);
        }
        self.trim();
    }

    /// Numbers of all roots that may be open, in order.
    fn numbers(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self.old.keys().copied().collect();
        all.sort_unstable();
        all.extend(self.first..self.next_root());
        all
    }

    #[inline]
    fn get(&mut self, number: u64) -> Option<&mut Root> {
        if number < self.first {
            return self.old.get_mut(&number);
        }
        let index = usize::try_from(number - self.first).ok()?;
        self.roots.get_mut(index).filter(|r| r.open)
    }

    fn judge(&mut self, number: u64, out: &mut Vec<Settled>) {
        let Some(root) = self.get(number) else { return };
        let (touched, value) = (root.touched, root.value);
        if touched & (self.lost | self.suspect) != 0 && self.has_lost(number, touched) {
            self.close(number, Some(FailReason::WorkerLost), out);
        } else if value == 0 {
            self.close(number, None, out);
        }
        self.trim_from(number);
    }

    fn close(&mut self, number: u64, failed: Option<FailReason>, out: &mut Vec<Settled>) {
        if let Some(root) = self.get(number) {
            root.open = false;
            out.push(Settled {
                id: root.id,
                since: root.since,
                failed,
            });
            self.pending -= 1;
            if number < self.first {
                self.old.remove(&number);
            }
        }
    }

    /// Shortens a ring of which most is closed: the open roots in front move to the map.
    #[cold]
    fn thin(&mut self) {
        let open = self.pending - self.old.len();
        if self.roots.len() < 4 * open {
            return;
        }
        // Each root that moves stands for at least four that were emitted since.
        while self.roots.len() > 2 * open + LEDGER_SPARSE / 2 {
            let Some(root) = self.roots.pop_front() else {
                break;
            };
            if root.open {
                self.old.insert(self.first, root);
            }
            self.first += 1;
        }
        self.trim();
    }

    /// Forgets settled roots, if this one was at the front.
    fn trim_from(&mut self, number: u64) {
        if number == self.first {
            self.trim();
        }
    }

    /// Forgets the settled roots at the front.
    fn trim(&mut self) {
        while self.roots.front().is_some_and(|r| !r.open) {
            self.roots.pop_front();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests;
