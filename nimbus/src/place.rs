//! Laying executors on slots and moving them: losses at once, drains with the replacement first
//! (DESIGN 7 in its plain form).
//!
//! A move has two published versions: in the first the new owner has the executor as standby, in the
//! second, once everything is open there, it has the floor.
//! Pure: no clock, no I/O, no async.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::Command;
use crate::limits::{DEADLINE_MARGIN_MS, MOVE_MOST_MS};
use crate::model::{Placed, Shape, State, Topology};
use crate::scheduler::{Node, Problem, Slot, Solution, solve};
use crate::step::{executors, placed_of, tell};

/// Solves one topology again and notes what must move.
pub fn place(state: &mut State, id: &str, now: u64, out: &mut Vec<Command>) {
    let Some(t) = state.topologies.get(id) else {
        return;
    };
    if t.placed
        .iter()
        .any(|p| p.move_to.as_ref().is_some_and(|(n, _)| state.alive(n, now)))
    {
        // A task moves again only when its last move has ended.
        return;
    }
    let alive: BTreeSet<&str> = t
        .placed
        .iter()
        .map(|p| p.node.as_str())
        .filter(|n| state.alive(n, now))
        .collect();
    let problem = problem(state, t, &alive, now);
    let solution = solve(&problem);
    let (next, changed) = laid(t, &alive, &solution);
    let touched = touched_nodes(t, &next);
    let Some(t) = state.topologies.get_mut(id) else {
        return;
    };
    if t.missing != solution.missing {
        t.missing = solution.missing;
        if let Some(missing) = &t.missing {
            tell(out, "short", id, "", format!("{}: {missing}", t.name));
        }
    }
    if !changed {
        return;
    }
    let moving = next.iter().filter(|p| p.move_to.is_some()).count();
    t.placed = next;
    t.version += 1;
    if moving > 0 {
        tell(
            out,
            "moving",
            id,
            "",
            format!("{}: {moving} executors get a replacement first", t.name),
        );
    }
    out.extend([
        Command::Store(id.to_owned()),
        Command::Publish(id.to_owned()),
    ]);
    out.extend(touched.into_iter().map(Command::Slots));
}

/// The entries that follow from a solution, and whether they differ from what is there.
fn laid(t: &Topology, alive: &BTreeSet<&str>, solution: &Solution) -> (Vec<Placed>, bool) {
    let (mut next, mut changed) = (Vec::new(), false);
    for (executor, _) in executors(t) {
        let old = t.placed.iter().find(|p| p.executor() == executor);
        let Some(slot) = solution.placed.get(&executor) else {
            // Nowhere to go: it stays where it is, dead or alive, until there is a slot.
            next.extend(old.cloned());
            continue;
        };
        let placed = match old.filter(|p| alive.contains(p.node.as_str())) {
            Some(p) if p.slot() == *slot => Placed {
                move_to: None,
                ..p.clone()
            },
            Some(p) => Placed {
                move_to: Some((slot.node.clone(), slot.port)),
                ..p.clone()
            },
            None => Placed {
                first: executor.0,
                last: executor.1,
                node: slot.node.clone(),
                port: slot.port,
                epoch: t.version + 1,
                move_to: None,
            },
        };
        changed |= old != Some(&placed);
        next.push(placed);
    }
    (next, changed)
}

fn problem(state: &State, t: &Topology, alive: &BTreeSet<&str>, now: u64) -> Problem {
    let others: BTreeSet<Slot> = state
        .topologies
        .values()
        .filter(|o| o.id != t.id)
        .flat_map(State::slots_of)
        .collect();
    let nodes = state.nodes.values().map(|n| Node {
        id: n.id.clone(),
        ports: n
            .slots
            .iter()
            .copied()
            .filter(|p| {
                !others.contains(&Slot {
                    node: n.id.clone(),
                    port: *p,
                })
            })
            .collect(),
        usable: !n.cordoned && state.alive(&n.id, now),
    });
    let mut nodes: Vec<Node> = nodes.collect();
    // Nodes that have not reported since a restart keep what they have.
    for id in alive.iter().filter(|id| !state.nodes.contains_key(**id)) {
        let ports: BTreeSet<u16> = t
            .placed
            .iter()
            .filter(|p| p.node == **id)
            .map(|p| p.port)
            .collect();
        nodes.push(Node {
            id: (*id).to_owned(),
            ports: ports.into_iter().collect(),
            usable: true,
        });
    }
    let current = executors(t)
        .into_iter()
        .filter_map(|(e, _)| placed_of(t, e.0).map(|p| (e, p.slot())))
        .filter(|(_, s)| alive.contains(s.node.as_str()))
        .collect::<BTreeMap<_, _>>();
    Problem {
        executors: executors(t),
        workers: t.workers,
        nodes,
        current,
    }
}

fn touched_nodes(t: &Topology, next: &[Placed]) -> BTreeSet<String> {
    let of = |p: &Placed| {
        [
            Some(p.node.clone()),
            p.move_to.as_ref().map(|m| m.0.clone()),
        ]
    };
    t.placed.iter().chain(next).flat_map(of).flatten().collect()
}

/// Gives the floor to the new owners once all of them are open, or when there is no more time.
pub fn finish_moves(state: &mut State, id: &str, now: u64, out: &mut Vec<Command>) {
    let Some(t) = state.topologies.get(id) else {
        return;
    };
    let moves: Vec<&Placed> = t.placed.iter().filter(|p| p.move_to.is_some()).collect();
    if moves.is_empty() {
        return;
    }
    let ready = moves.iter().all(|p| {
        let worker = p.target().and_then(|s| state.workers.get(&s));
        worker.is_some_and(|w| w.topology == id && w.ready.contains(&p.executor()))
    });
    let urgent = moves.iter().any(|p| {
        let deadline = state.nodes.get(&p.node).and_then(|n| {
            n.notices
                .iter()
                .filter(|n| n.sentence)
                .map(|n| n.deadline_ms)
                .min()
        });
        deadline.is_some_and(|d| now + DEADLINE_MARGIN_MS >= d) || !state.alive(&p.node, now)
    });
    let since = moves
        .iter()
        .filter_map(|p| state.workers.get(&p.target()?))
        .map(|w| w.since)
        .max();
    let overdue = since.is_some_and(|s| now.saturating_sub(s) > MOVE_MOST_MS);
    // A target that never registered cannot be given anything.
    let registered = moves
        .iter()
        .all(|p| p.target().is_some_and(|s| state.workers.contains_key(&s)));
    if !(ready || registered && (urgent || overdue)) {
        return;
    }
    let Some(t) = state.topologies.get_mut(id) else {
        return;
    };
    t.version += 1;
    let (mut moved, mut nodes) = (0, BTreeSet::new());
    for p in &mut t.placed {
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
}

/// Notes the condemned nodes that hold nothing any more.
pub fn note_drained(state: &mut State, out: &mut Vec<Command>) {
    let used: BTreeSet<String> = state
        .topologies
        .values()
        .flat_map(State::slots_of)
        .map(|s| s.node)
        .collect();
    for n in state.nodes.values_mut() {
        let condemned = n.notices.iter().any(|notice| notice.sentence);
        if condemned && !n.drained && !used.contains(&n.id) {
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
        let old = placed_of(t, first)?;
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
