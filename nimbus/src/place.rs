//! Laying executors on slots and moving them: losses at once, drains with the replacement first
//! (DESIGN 7 in its plain form).
//!
//! A move has two published versions: in the first the new owner has the executor as standby, in the
//! second (`moves`), once everything is open there, it has the floor.
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use crate::cluster::{Cluster, Why, places};
use crate::event::Command;
use crate::lifecycle::Status;
use crate::limits::SPREAD_AT_ONCE;
use crate::model::{Placed, State, Topology};
use crate::moves;
use crate::scheduler::plan::Plan;
use crate::scheduler::{Executor, Kind, Problem, Solution, solve};
use crate::step::tell;

/// Lays every topology that is due; those of higher priority first, then older ones.
pub fn place_due(state: &mut State, now: u64, out: &mut Vec<Command>) {
    let moving = |state: &State, id: &str| {
        // A task moves again only when its last move has ended.
        let to_alive = |p: &Placed| {
            let alive = p.move_to.as_ref().is_some_and(|(n, _)| state.alive(n, now));
            alive && !moves::is_held(state, p, now)
        };
        state.moving.contains(id)
            && state
                .topologies
                .get(id)
                .is_some_and(|t| t.placed.iter().any(to_alive))
    };
    let mut waiting: BTreeSet<String> = BTreeSet::new();
    let mut cluster: Option<Cluster> = None;
    let mut spread = SPREAD_AT_ONCE;
    while let Some((id, why)) = next_due(state, &waiting) {
        let later = why == Why::Spread && spread == 0;
        if later || moving(state, &id) {
            waiting.insert(id);
            continue;
        }
        state.due.remove(&id);
        spread -= usize::from(why == Why::Spread);
        let cluster = match &mut cluster {
            Some(cluster) => cluster,
            empty => {
                let new = Cluster::new(state, now);
                for intruder in new.intruders(state) {
                    state.lay_again(&intruder, Why::Need);
                }
                empty.insert(new)
            }
        };
        place(state, cluster, &id, why, now, out);
    }
}

/// The next topology that is due.
fn next_due(state: &mut State, waiting: &BTreeSet<String>) -> Option<(String, Why)> {
    let topologies = &state.topologies;
    state.due.retain(|id, _| topologies.contains_key(id));
    let ready = state.due.iter().filter(|(id, _)| !waiting.contains(*id));
    let key = |id: &String| {
        let t = topologies.get(id);
        let priority = state.plans.get(id).map_or(29, |p| p.priority);
        let isolated = t.is_some_and(|t| state.policy.machines.contains_key(&t.name));
        (!isolated, priority, t.map_or(0, |t| t.submitted_ms))
    };
    let first = ready.min_by_key(|(id, why)| (**why == Why::Spread, key(id), *id));
    first.map(|(id, why)| (id.clone(), *why))
}

/// Solves one topology again and notes what must move.
fn place(
    state: &mut State,
    cluster: &mut Cluster,
    id: &str,
    why: Why,
    now: u64,
    out: &mut Vec<Command>,
) {
    let plan = state.plan(id);
    let Some(t) = state.topologies.get(id) else {
        return;
    };
    if why == Why::Spread && matches!(t.status, Status::Killed { .. }) {
        return;
    }
    cluster.lift(t, &plan);
    let mut problem = cluster.problem(t, &plan, why);
    let mut solution = solve(&problem);
    if solution.short {
        let freed = state.quarantine.release(now);
        if !freed.is_empty() {
            cluster.open(&freed);
            tell_released(&freed, id, out);
            problem = cluster.problem(t, &plan, why);
            solution = solve(&problem);
        }
    }
    if solution.short && problem.rules.kind == Kind::Resource {
        solution = evict(state, cluster, id, &plan, why, out).unwrap_or(solution);
    }
    if let Some(ready) = cluster.prepared(&problem).map(|p| solve(&p))
        && !solution.short
        && !ready.short
    {
        solution = ready;
    }
    apply(state, cluster, id, solution, out);
    if let Some(t) = state.topologies.get(id) {
        cluster.lay(t, &plan);
    }
}

fn tell_released(nodes: &[String], id: &str, out: &mut Vec<Command>) {
    for node in nodes {
        let text = format!("the quarantine of {node} ends early: {id} lacks slots");
        tell(out, "released", "", node, text);
    }
}

/// Takes a solution over.
fn apply(
    state: &mut State,
    cluster: &Cluster,
    id: &str,
    solution: Solution,
    out: &mut Vec<Command>,
) {
    let executors = state.plan(id);
    let Some(t) = state.topologies.get_mut(id) else {
        return;
    };
    let missing: Vec<String> = [cluster.unreserved(&t.name), solution.missing.clone()]
        .into_iter()
        .flatten()
        .collect();
    let missing = (!missing.is_empty()).then(|| missing.join("; "));
    t.short = solution.short;
    if t.missing != missing {
        t.missing = missing;
        if let Some(missing) = &t.missing {
            tell(out, "short", id, "", format!("{}: {missing}", t.name));
        }
    }
    let (next, changed) = laid(t, cluster, &executors.executors, &solution);
    if !changed {
        return;
    }
    let touched = touched_nodes(t, &next);
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
        state.moving.insert(id.to_owned());
    }
    out.extend([
        Command::Store(id.to_owned()),
        Command::Publish(id.to_owned()),
    ]);
    out.extend(touched.into_iter().map(Command::Slots));
}

/// The entries that follow from a solution, and whether they differ from what is there.
fn laid(
    t: &Topology,
    cluster: &Cluster,
    executors: &[(Executor, usize)],
    solution: &Solution,
) -> (Vec<Placed>, bool) {
    let olds: FxHashMap<Executor, &Placed> = t.placed.iter().map(|p| (p.executor(), p)).collect();
    let (mut next, mut changed) = (Vec::with_capacity(executors.len()), false);
    for (executor, _) in executors {
        let old = olds.get(executor).copied();
        let Some(slot) = solution.placed.get(executor) else {
            // Nowhere to go: it stays where it is, dead or alive, until there is a slot.
            next.extend(old.cloned());
            continue;
        };
        let placed = match old.filter(|p| cluster.alive(&p.node)) {
            Some(p) if p.node == slot.node && p.port == slot.port => Placed {
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

/// Nodes that get or lose a slot.
fn touched_nodes(t: &Topology, next: &[Placed]) -> BTreeSet<String> {
    let slots = |placed: &'_ [Placed]| -> BTreeSet<(String, u16)> {
        let mut all = BTreeSet::new();
        let mut last = None;
        for (node, port) in placed.iter().flat_map(places) {
            // Neighbours often share a worker.
            if last != Some((node, port)) {
                all.insert((node.to_owned(), port));
            }
            last = Some((node, port));
        }
        all
    };
    let (before, after) = (slots(&t.placed), slots(next));
    let changed = before.symmetric_difference(&after);
    changed.map(|(node, _)| node.clone()).collect()
}

/// Makes room by ending what topologies of lower priority run: the lowest first, then the newest, as few
/// as will do; none if even all would not.
fn evict(
    state: &mut State,
    cluster: &mut Cluster,
    id: &str,
    plan: &Plan,
    why: Why,
    out: &mut Vec<Command>,
) -> Option<Solution> {
    let mut victims: Vec<(i64, u64, String)> = Vec::new();
    let ids: Vec<String> = state.topologies.keys().cloned().collect();
    for other in ids.into_iter().filter(|other| other != id) {
        let priority = state.plan(&other).priority;
        let t = state.topologies.get(&other)?;
        if priority > plan.priority && !t.placed.is_empty() {
            victims.push((priority, t.submitted_ms, other));
        }
    }
    victims.sort();
    let (mut lifted, mut found) = (Vec::new(), None);
    while let Some((_, _, victim)) = victims.pop() {
        let other = state.plan(&victim);
        cluster.lift(state.topologies.get(&victim)?, &other);
        lifted.push(victim);
        let problem: Problem = cluster.problem(state.topologies.get(id)?, plan, why);
        let solution = solve(&problem);
        if !solution.short {
            found = Some(solution);
            break;
        }
    }
    let name = state.topologies.get(id)?.name.clone();
    for victim in lifted {
        let other = state.plan(&victim);
        let Some(t) = state.topologies.get_mut(&victim) else {
            continue;
        };
        if found.is_none() {
            cluster.lay(t, &other);
            continue;
        }
        let text = format!(
            "evicted for \"{name}\" of priority {} (its own is {}): add nodes, or raise its priority",
            plan.priority, other.priority
        );
        let nodes = touched_nodes(t, &[]);
        t.placed.clear();
        t.version += 1;
        (t.missing, t.short) = (Some(text.clone()), true);
        tell(out, "evicted", &victim, "", format!("{}: {text}", t.name));
        out.extend([
            Command::Store(victim.clone()),
            Command::Publish(victim.clone()),
        ]);
        out.extend(nodes.into_iter().map(Command::Slots));
        state.moving.remove(&victim);
        state.due.insert(victim, Why::Need);
    }
    found
}
