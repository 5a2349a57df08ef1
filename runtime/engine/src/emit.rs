//! What an emit does: it chooses targets, calls those of its own group straight, and puts copies for
//! the others into batches.
//!
//! A straight (fused) call lends the callee a view of the values; nothing is copied. To the XOR
//! ledger it looks as if the caller emitted the callee's children itself: an edge between the two is
//! drawn only when the callee does not ack at once (DESIGN 3.3, 3.6).

use std::sync::atomic::Ordering;

use fulmar_api::TaskId;
use fulmar_api::token::{AckToken, TokenEntry};
use fulmar_api::tuple::Source;
use fulmar_api::value::Value;

use crate::batch::Tracked;
use crate::limits::{BATCH_TUPLES, FUSE_DEPTH, TASK_QUEUE_TUPLES};
use crate::outbox::{Outbox, TargetOut};
use crate::route::{Choice, Random};
use crate::task::{Call, Task};
use crate::turn::Turn;

/// Roots up to which looking at each is quicker than keeping them in order.
const FEW: usize = 8;

/// What an emit is anchored to: any set of roots, each with what must be settled for it.
pub(crate) trait Roots {
    /// Shows each entry.
    fn each(&mut self, f: impl FnMut(&mut TokenEntry));

    /// Draws edges for a copy that travels; several anchors of one root become one edge.
    #[inline]
    fn edges(&mut self, bit: u64, random: &mut Random, out: &mut Vec<Tracked>) {
        self.each(|e| {
            let edge = random.draw();
            e.value ^= edge;
            e.touched |= bit;
            let same = |t: &&mut Tracked| t.root == e.root && t.spout_task == e.spout_task;
            match few(out).iter_mut().find(same) {
                Some(same) => same.edge ^= edge,
                None => out.push(Tracked {
                    root: e.root,
                    spout_task: e.spout_task,
                    edge,
                }),
            }
        });
        if out.len() > FEW {
            merge(
                out,
                |t| (t.spout_task, t.root),
                |t, same| t.edge ^= same.edge,
            );
        }
    }

    /// Writes the roots down for a callee, which adds its own children to them; many are in order.
    #[inline]
    fn lend(&mut self, out: &mut Vec<TokenEntry>) {
        out.clear();
        self.each(|e| {
            let same = |t: &TokenEntry| t.root == e.root && t.spout_task == e.spout_task;
            if !few(out).iter().any(same) {
                out.push(TokenEntry {
                    value: 0,
                    touched: 0,
                    ..*e
                });
            }
        });
        if out.len() > FEW {
            merge(out, |t| (t.spout_task, t.root), |_, _| {});
        }
    }

    /// Takes back what a callee added to what it was lent.
    #[inline]
    fn fold(&mut self, back: &mut [TokenEntry]) {
        self.each(|e| {
            if back.len() > FEW {
                let key = (e.spout_task, e.root);
                if let Ok(at) = back.binary_search_by_key(&key, |b| (b.spout_task, b.root)) {
                    take_back(e, &mut back[at]);
                }
                return;
            }
            for b in &mut *back {
                if b.root == e.root && b.spout_task == e.spout_task {
                    take_back(e, b);
                }
            }
        });
    }
}

/// What is looked through one by one; nothing, once there are many.
#[inline]
fn few<T>(all: &mut [T]) -> &mut [T] {
    if all.len() > FEW { &mut [] } else { all }
}

#[inline]
fn take_back(e: &mut TokenEntry, lent: &mut TokenEntry) {
    e.value ^= std::mem::take(&mut lent.value);
    e.touched |= std::mem::take(&mut lent.touched);
}

/// Sorts, and joins what has the same key.
#[cold]
fn merge<T>(all: &mut Vec<T>, key: impl Fn(&T) -> (TaskId, u64), join: impl Fn(&mut T, &T)) {
    all.sort_unstable_by_key(&key);
    all.dedup_by(|next, first| {
        let same = key(next) == key(first);
        if same {
            join(first, next);
        }
        same
    });
}

/// Nothing: nobody is told of a loss.
impl Roots for () {
    #[inline]
    fn each(&mut self, _: impl FnMut(&mut TokenEntry)) {}
}

/// One root.
impl Roots for TokenEntry {
    #[inline]
    fn each(&mut self, mut f: impl FnMut(&mut TokenEntry)) {
        f(self);
    }
}

/// The roots of an input.
impl Roots for Vec<TokenEntry> {
    #[inline]
    fn each(&mut self, f: impl FnMut(&mut TokenEntry)) {
        self.iter_mut().for_each(f);
    }
}

impl Roots for &mut [AckToken] {
    fn each(&mut self, f: impl FnMut(&mut TokenEntry)) {
        self.iter_mut().flat_map(|t| t.entries_mut()).for_each(f);
    }
}

impl Roots for &mut [&mut AckToken] {
    fn each(&mut self, f: impl FnMut(&mut TokenEntry)) {
        self.iter_mut().flat_map(|t| t.entries_mut()).for_each(f);
    }
}

/// The tasks that a call can reach straight, and the way out of the turn.
pub(crate) struct Reach<'a> {
    /// The tasks after the emitter in its group.
    pub below: &'a mut [Task],
    /// Where batches and settles go.
    pub turn: &'a mut Turn,
    /// Calls that lie on each other.
    pub depth: u32,
}

/// Sends the buffered values, which fit the stream, to every chosen target.
#[inline]
pub(crate) fn put<R: Roots>(
    outbox: &mut Outbox,
    reach: &mut Reach<'_>,
    index: usize,
    direct: Option<TaskId>,
    roots: &mut R,
) {
    let stream = &mut outbox.streams[index];
    stream.emitted += 1;
    if let Some(at) = stream.straight {
        let edge = &stream.edges[0];
        let out = &edge.outs[at];
        if call(out, &edge.source, outbox.task, &outbox.buffer, reach, roots) {
            stream.transferred += 1;
            return outbox.buffer.clear();
        }
    }
    spread(outbox, reach, index, direct, roots);
}

/// Calls a target of the same group, if it is fused and nothing waits before this tuple.
#[inline]
fn call<R: Roots>(
    out: &TargetOut,
    source: &Source,
    from: TaskId,
    values: &[Value],
    reach: &mut Reach<'_>,
    roots: &mut R,
) -> bool {
    let Some(fused) = out.fused else { return false };
    if out.dirty || reach.depth >= FUSE_DEPTH {
        return false;
    }
    let rest = reach.below.get_mut(fused.below as usize..);
    let Some((target, below)) = rest.and_then(|r| r.split_first_mut()) else {
        return false;
    };
    if !target.is_free() {
        return false;
    }
    roots.lend(&mut target.entries);
    let mut under = Reach {
        below,
        turn: reach.turn,
        depth: reach.depth + 1,
    };
    let call = Call {
        slot: fused.slot as usize,
        source,
        from,
        fused: true,
        tick: false,
    };
    target.execute(&mut under, &call, values);
    roots.fold(&mut target.entries);
    true
}

/// Chooses targets edge by edge; those that cannot be called get a copy in their batch.
fn spread<R: Roots>(
    outbox: &mut Outbox,
    reach: &mut Reach<'_>,
    index: usize,
    direct: Option<TaskId>,
    roots: &mut R,
) {
    let Outbox {
        task,
        random,
        streams,
        buffer,
        open_tuples,
        fresh,
        ..
    } = outbox;
    let stream = &mut streams[index];
    let (edges, arity) = (stream.edges.len(), stream.arity);
    for (n, edge) in stream.edges.iter_mut().enumerate() {
        let choice = edge
            .chooser
            .choose(buffer, &edge.targets, *task, direct, random);
        let chosen = match choice {
            Choice::One(_) => 1,
            Choice::All => edge.targets.len(),
            Choice::Picked => edge.chooser.picked.len(),
            Choice::Nobody => 0,
        };
        for i in 0..chosen {
            let at = match choice {
                Choice::One(at) => at,
                Choice::Picked => edge.chooser.picked[i],
                Choice::All | Choice::Nobody => i,
            };
            stream.transferred += 1;
            let out = &mut edge.outs[at];
            if call(out, &edge.source, *task, buffer, reach, roots) {
                continue;
            }
            fresh.clear();
            roots.edges(out.bit, random, fresh);
            let batch = &mut out.open;
            if batch.len == 0 {
                batch.reset(edge.edge, *task, out.task, arity);
            }
            batch.fetch_ahead();
            let last = n + 1 == edges && i + 1 == chosen;
            match (last, buffer.len()) {
                // One value is moved in registers, several by a call.
                (true, 1) => batch.values.extend(buffer.pop()),
                (true, _) => batch.values.append(buffer),
                (false, _) => batch.values.extend_from_slice(buffer),
            }
            batch.end_tuple(fresh);
            out.dirty = true;
            *open_tuples += 1;
            if batch.len >= BATCH_TUPLES {
                *open_tuples -= batch.len;
                full(out, reach);
            }
        }
    }
    buffer.clear();
}

/// A batch is full. A target of the same group executes it at once, behind what waits for it: it
/// could not do so while this call lasts, however much the call emits.
#[cold]
fn full(out: &mut TargetOut, reach: &mut Reach<'_>) {
    let target = out
        .fused
        .and_then(|f| reach.below.get_mut(f.below as usize..)?.split_first_mut());
    let Some((target, below)) = target else {
        return reach.turn.send(&mut out.open);
    };
    let queued = &reach.turn.shared.queued[out.task as usize];
    let fresh = reach.turn.spare.pop().unwrap_or_default();
    let batch = std::mem::replace(&mut out.open, fresh);
    out.open.len = 0;
    if !target.is_open() && queued.load(Ordering::Relaxed) > 2 * TASK_QUEUE_TUPLES {
        reach.turn.shared.drop_tuples("target_broken", batch.len);
        batch.fails(0).for_each(|s| reach.turn.settle(s));
        return;
    }
    queued.fetch_add(batch.len, Ordering::Relaxed);
    target.inbox.push_back(batch);
    // What waits in the inbox keeps later tuples from overtaking it.
    out.dirty = false;
    if reach.depth < FUSE_DEPTH {
        let mut under = Reach {
            below,
            turn: reach.turn,
            depth: reach.depth + 1,
        };
        while target.run_next(&mut under) {}
    }
}

#[cfg(test)]
mod tests;
