//! Tuples on their way from one task to another: values lie flat, their number known from the edge.

use fulmar_api::TaskId;
use fulmar_api::value::Value;

/// One root that a tuple belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// The root in its spout task's ledger.
    pub root: u64,
    /// Whose ledger.
    pub spout_task: TaskId,
    /// This tuple's random edge id, to be XORed when it is settled.
    pub edge: u64,
}

/// A batch of tuples over one edge between two tasks.
#[derive(Debug, Default)]
pub struct Batch {
    /// Edge of the plan.
    pub edge: u32,
    /// Emitting task.
    pub from: TaskId,
    /// Receiving task.
    pub to: TaskId,
    /// Incarnation of the worker that sent it, to which its credit goes back; 0: this one.
    pub origin: u64,
    /// Values of one tuple.
    pub arity: usize,
    /// Tuples in it (a stream may have no fields).
    pub len: usize,
    /// All values, tuple after tuple.
    pub values: Vec<Value>,
    /// Roots of all tuples, tuple after tuple.
    pub anchors: Vec<Tracked>,
    /// Where each tuple's anchors end; empty when no tuple has any, or each has exactly one.
    pub ends: Vec<u32>,
}

impl Batch {
    /// Empties it for reuse on another edge, keeping its memory.
    pub fn reset(&mut self, edge: u32, from: TaskId, to: TaskId, arity: usize) {
        (self.edge, self.from, self.to, self.arity, self.len) = (edge, from, to, arity, 0);
        self.origin = 0;
        self.values.clear();
        self.anchors.clear();
        self.ends.clear();
    }

    /// Makes room for what the next tuples write: the memory was last read by another core, and fetching it for writing takes as
    /// long as ten emits, but may go on beside them.
    #[inline]
    pub fn fetch_ahead(&self) {
        /// Tuples ahead: about 100 ns of work.
        const AHEAD: usize = 24;
        let value = self.values.len() + AHEAD * self.arity;
        fetch_for_writing(self.values.as_ptr().wrapping_add(value).cast());
        if !self.anchors.is_empty() {
            let anchor = self.anchors.len() + AHEAD;
            fetch_for_writing(self.anchors.as_ptr().wrapping_add(anchor).cast());
        }
    }

    /// Ends the tuple whose values were just appended, with these roots.
    #[inline]
    pub fn end_tuple(&mut self, anchors: &[Tracked]) {
        if anchors.is_empty() && self.anchors.is_empty() && self.ends.is_empty() {
            self.len += 1;
            return;
        }
        let regular = self.ends.is_empty()
            && match anchors.len() {
                0 => self.anchors.is_empty(),
                1 => self.anchors.len() == self.len,
                _ => false,
            };
        if !regular {
            self.mark_ends();
        }
        self.anchors.extend_from_slice(anchors);
        self.len += 1;
        if !regular {
            self.ends.push(self.anchors.len() as u32);
        }
    }

    /// Writes down the ends of the tuples so far, which were regular until now.
    fn mark_ends(&mut self) {
        if self.ends.is_empty() && self.len > 0 {
            let each = self.anchors.len() / self.len;
            self.ends.extend((1..=self.len).map(|i| (i * each) as u32));
        }
    }

    /// The values of tuple `i`.
    #[inline]
    pub fn values_of(&self, i: usize) -> &[Value] {
        &self.values[i * self.arity..(i + 1) * self.arity]
    }

    /// The fails of the tuples from `first` on.
    pub fn fails(&self, first: usize) -> impl Iterator<Item = Settle> {
        let anchors = (first..self.len).flat_map(|i| self.anchors_of(i));
        anchors.map(|a| Settle {
            spout_task: a.spout_task,
            root: a.root,
            value: a.edge,
            touched: 0,
            ok: false,
        })
    }

    /// The roots of tuple `i`.
    #[inline]
    pub fn anchors_of(&self, i: usize) -> &[Tracked] {
        if !self.ends.is_empty() {
            let start = if i == 0 { 0 } else { self.ends[i - 1] as usize };
            return &self.anchors[start..self.ends[i] as usize];
        }
        if self.anchors.is_empty() {
            &[]
        } else {
            &self.anchors[i..=i]
        }
    }
}

/// Asks the processor for a cache line that is to be written. Rust's own hint asks for one that is to be read, unless the whole
/// program is compiled for newer processors.
#[inline(always)]
fn fetch_for_writing(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint: it reads and writes nothing, and an address that is not ours is no fault.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) at, options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// One settle on its way to a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settle {
    /// Whose ledger.
    pub spout_task: TaskId,
    /// The root there.
    pub root: u64,
    /// To be XORed in.
    pub value: u64,
    /// Worker incarnations that the settled tuple's children went to.
    pub touched: u64,
    /// Ack, else fail.
    pub ok: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn anchors_come_back_as_they_went_in(counts in prop::collection::vec(0_usize..4, 1..40)) {
            let mut batch = Batch::default();
            batch.reset(0, 1, 2, 1);
            let mut want: Vec<Vec<Tracked>> = Vec::new();
            for (i, n) in counts.iter().enumerate() {
                let anchors: Vec<_> = (0..*n)
                    .map(|k| Tracked { root: i as u64, spout_task: 1, edge: k as u64 })
                    .collect();
                batch.values.push(Value::Int(i as i64));
                batch.end_tuple(&anchors);
                want.push(anchors);
            }
            for (i, anchors) in want.iter().enumerate() {
                prop_assert_eq!(batch.anchors_of(i), &anchors[..]);
                prop_assert_eq!(batch.values_of(i), &[Value::Int(i as i64)][..]);
            }
        }
    }
}
