//! The second half of a move: the floor goes to the new owners once they are open; condemned nodes that
//! hold nothing are drained; a rebalance cuts executors anew.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeSet;

use crate::cluster::Why;
use crate::event::Command;
use crate::limits::{DEADLINE_MARGIN_MS, MOVE_MOST_MS};
use crate::model::{Node, Placed, Shape, State, Topology};
use crate::step::tell;

/// Gives up moves to nodes that are dead or are to end: nothing is started there any more, and a move that waits for it holds back
/// all others of its topology. The old owners have everything still; the topology is laid again.
pub fn give_up(state: &mut State, now: u64, out: &mut Vec<Command>) {
    for id in state.moving.clone() {
        let lost = |p: &Placed| {
            p.move_to.as_ref().is_some_and(|(node, _)| {
                !state.alive(node, now) || state.nodes.get(node).is_some_and(Node::is_condemned)
            })
        };
        let Some(t) = state.topologies.get(&id) else {
            continue;
        };
        let given_up: BTreeSet<_> = t
            .placed
            .iter()
            .filter(|p| lost(p))
            .map(Placed::executor)
            .collect();
        if given_up.is_empty() {
            continue;
        }
        let Some(t) = state.topologies.get_mut(&id) else {
            continue;
        };
        t.version += 1;
        let entries = t.placed.iter_mut();
        let targets = entries
            .filter(|p| given_up.contains(&p.executor()))
            .filter_map(|p| p.move_to.take());
        let nodes: BTreeSet<String> = targets.map(|(node, _)| node).collect();
        out.extend([Command::Store(id.clone()), Command::Publish(id.clone())]);
        out.extend(nodes.into_iter().map(Command::Slots));
        state.lay_again(&id, Why::Need);
    }
}

/// Gives the floor to the new owners once all of them are open, or when there is no more time.
pub fn finish_moves(state: &mut State, id: &str, now: u64, out: &mut Vec<Command>) {
    let Some(t) = state.topologies.get(id) else {
        state.moving.remove(id);
        return;
    };
    let (held, moves): (Vec<&Placed>, Vec<&Placed>) = t
        .placed
        .iter()
        .filter(|p| p.move_to.is_some())
        .partition(|p| is_held(state, p, now));
    if moves.is_empty() {
        if held.is_empty() {
            state.moving.remove(id);
        }
        return;
    }
    let waits = !held.is_empty();
    let going: BTreeSet<_> = moves.iter().map(|p| p.executor()).collect();
    let ready = moves.iter().all(|p| {
        let worker = p.target().and_then(|s| state.workers.get(&s));
        worker.is_some_and(|w| w.topology == id && w.ready.contains(&p.executor()))
    });
    if !ready && !may_not_wait(state, &moves, now) {
        return;
    }
    let Some(t) = state.topologies.get_mut(id) else {
        return;
    };
    t.version += 1;
    let (mut moved, mut nodes) = (0, BTreeSet::new());
    for p in t
        .placed
        .iter_mut()
        .filter(|p| going.contains(&p.executor()))
    {
        if let Some((node, port)) = p.move_to.take() {
            nodes.extend([std::mem::replace(&mut p.node, node.clone()), node]);
            (p.port, p.epoch) = (port, t.version);
            moved += 1;
        }
    }
    let how = if ready {
        "ready before they took over"
    } else {
        "not all ready: the time was up"
    };
    tell(
        out,
        "switched",
        id,
        "",
        format!("{}: {moved} executors have moved; {how}", t.name),
    );
    out.extend([
        Command::Store(id.to_owned()),
        Command::Publish(id.to_owned()),
    ]);
    out.extend(nodes.into_iter().map(Command::Slots));
    if !waits {
        state.moving.remove(id);
    }
    // What was left is free for those who lack something; and it may have to move on.
    state.room_changed(None);
    state.lay_again(id, Why::Need);
}

/// Whether moves are made though not all new owners are open: a target that never registered cannot be given
/// anything.
fn may_not_wait(state: &State, moves: &[&Placed], now: u64) -> bool {
    let urgent = moves.iter().any(|p| is_urgent(state, &p.node, now));
    let since = moves
        .iter()
        .filter_map(|p| state.workers.get(&p.target()?))
        .map(|w| w.since)
        .max();
    let overdue = since.is_some_and(|s| now.saturating_sub(s) > MOVE_MOST_MS);
    let registered = moves
        .iter()
        .all(|p| p.target().is_some_and(|s| state.workers.contains_key(&s)));
    registered && (urgent || overdue)
}

/// Whether a replacement is only prepared: its node was advised, not sentenced.
pub fn is_held(state: &State, p: &Placed, now: u64) -> bool {
    let advised = state.nodes.get(&p.node).is_some_and(Node::is_advised);
    p.move_to.is_some() && advised && state.alive(&p.node, now)
}

/// Whether what lies on a node must leave now, ready or not.
fn is_urgent(state: &State, node: &str, now: u64) -> bool {
    let deadline = state.nodes.get(node).and_then(Node::deadline_ms);
    deadline.is_some_and(|d| now + DEADLINE_MARGIN_MS >= d) || !state.alive(node, now)
}

/// Notes the condemned nodes that hold nothing any more.
pub fn note_drained(state: &mut State, out: &mut Vec<Command>) {
    let due = |n: &Node| !n.drained && n.is_condemned();
    if !state.nodes.values().any(due) {
        return;
    }
    let used: BTreeSet<String> = state
        .topologies
        .values()
        .flat_map(State::slots_of)
        .map(|s| s.node)
        .collect();
    for n in state.nodes.values_mut() {
        if due(n) && !used.contains(&n.id) {
            n.drained = true;
            tell(
                out,
                "drained",
                "",
                &n.id,
                format!("{} is drained: nothing of any topology is left there", n.id),
            );
            out.push(Command::Slots(n.id.clone()));
        }
    }
}

/// Applies a rebalance's shape: executors are cut anew, and go on where their first task was.
pub fn reshape(t: &mut Topology, shape: &Shape) {
    if let Some(workers) = shape.workers {
        t.workers = workers;
    }
    for c in &mut t.spec.components {
        if let Some(n) = shape.executors.get(&c.id) {
            c.parallelism = *n;
        }
    }
    let placed = t.spec.executors().into_iter().filter_map(|(first, last)| {
        // Entries are sorted by task.
        let at = t.placed.partition_point(|p| p.last < first);
        let old = t.placed.get(at).filter(|p| p.first <= first)?;
        Some(Placed {
            first,
            last,
            epoch: t.version,
            move_to: None,
            ..old.clone()
        })
    });
    t.placed = placed.collect();
}
