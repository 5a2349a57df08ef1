//! A group: tasks of one core that may call each other straight, in the order in which tuples flow.
//!
//! A task reaches only those after it, so no call can come back to a task that is running; to the
//! core a group is one executor (DESIGN 3.3).

use std::time::Instant;

use fulmar_api::TaskId;
use fulmar_api::spout::FailReason;

use crate::emit::Reach;
use crate::limits::{BOLT_BATCHES, READY_BATCHES};
use crate::outbox::Fused;
use crate::plan::Plan;
use crate::shared::Shared;
use crate::task::Task;
use crate::turn::Turn;

/// Tasks that run as one.
#[derive(Default)]
pub struct Group {
    /// Upstream ones first.
    pub tasks: Vec<Task>,
}

impl Group {
    /// One turn of each task; answers whether anything was done.
    pub fn turn(&mut self, turn: &mut Turn, now: Instant, sweep: bool) -> bool {
        let mut did = false;
        // Once a turn, not once a task: the count of an Arc is shared by all cores.
        let shared = turn.shared.clone();
        for i in 0..self.tasks.len() {
            let (upto, below) = self.tasks.split_at_mut(i + 1);
            let mut reach = Reach {
                below,
                turn: &mut *turn,
                depth: 0,
            };
            did |= one(&mut upto[i], &shared, &mut reach, now, sweep);
        }
        for task in &mut self.tasks {
            task.outbox.flush(turn);
        }
        did
    }

    /// Whether a task is held back by its targets.
    pub fn held_back(&self, shared: &Shared) -> bool {
        self.tasks.iter().any(|t| t.running && !t.gate_open(shared))
    }
}

fn one(task: &mut Task, shared: &Shared, reach: &mut Reach<'_>, now: Instant, sweep: bool) -> bool {
    let now_ms = reach.turn.now_ms;
    let mut did = false;
    task.mend(shared, now);
    if task.is_spout() {
        if let (true, Some(timeout)) = (sweep, task.timeout_ms) {
            task.ledger.expire(now_ms, timeout, &mut task.settled);
        }
        task.tell_spout(shared, now_ms);
        if task.gate_open(shared) {
            did |= task.run_spout(shared, reach, now);
        }
        task.tell_spout(shared, now_ms);
    } else {
        did |= task.run_timers(reach, now);
        for n in 0..BOLT_BATCHES {
            // What is ready does not count at its targets yet; one batch a turn is always right.
            let enough = n > 0 && reach.turn.ready.len() >= READY_BATCHES;
            if enough || !task.gate_open(shared) || !task.run_next(reach) {
                break;
            }
            did = true;
        }
    }
    task.publish(shared, now);
    did
}

/// Puts the tasks of one core into groups and tells each which targets it may call straight:
/// those over edges that close no cycle, none of the two blocking.
pub fn form(mut tasks: Vec<Task>, plan: &Plan) -> Vec<Group> {
    let rank = |t: TaskId| plan.component_of(t).map_or(0, |c| plan.ranks[c]);
    tasks.sort_by_key(|t| (rank(t.id), t.id));
    let ids: Vec<TaskId> = tasks.iter().map(|t| t.id).collect();
    // A standby task gets nothing: its owner is elsewhere.
    let running: Vec<bool> = tasks.iter().map(|t| t.running).collect();
    let mut links = links(&ids, plan);
    links.retain(|(from, to, _)| running[*from] && running[*to]);
    // Each task's group is named after the lowest position that it is joined to.
    let mut group: Vec<usize> = (0..ids.len()).collect();
    for (from, to, _) in &links {
        let (a, b) = (group[*from], group[*to]);
        let (low, high) = (a.min(b), a.max(b));
        group
            .iter_mut()
            .filter(|g| **g == high)
            .for_each(|g| *g = low);
    }
    // A group keeps the order of ranks, so the way down is the count of members in between.
    let place: Vec<usize> = (0..ids.len())
        .map(|i| (0..i).filter(|j| group[*j] == group[i]).count())
        .collect();
    let mut gates: Vec<Vec<TaskId>> = tasks.iter().map(|t| t.outbox.targets().collect()).collect();
    for from in (0..ids.len()).rev() {
        for (_, to, _) in links.iter().filter(|l| l.0 == from) {
            let below = gates[*to].clone();
            gates[from].extend(below);
        }
        gates[from].sort_unstable();
        gates[from].dedup();
    }
    let at = |task: TaskId| ids.iter().position(|t| *t == task);
    let slots: Vec<Vec<u32>> = tasks
        .iter()
        .map(|t| t.inputs.iter().map(|c| c.edge).collect())
        .collect();
    for (i, task) in tasks.iter_mut().enumerate() {
        task.gate = std::mem::take(&mut gates[i]);
        task.outbox.link(&|edge, target| {
            let to = at(target)?;
            links.iter().find(|l| **l == (i, to, edge))?;
            Some(Fused {
                below: (place[to] - place[i] - 1) as u32,
                slot: slots[to].iter().position(|e| *e == edge)? as u32,
            })
        });
    }
    let mut groups: Vec<(usize, Group)> = Vec::new();
    for (task, name) in tasks.into_iter().zip(group) {
        match groups.iter_mut().find(|g| g.0 == name) {
            Some(found) => found.1.tasks.push(task),
            None => groups.push((name, Group { tasks: vec![task] })),
        }
    }
    groups.into_iter().map(|g| g.1).collect()
}

/// Pairs of positions that an edge joins, upstream first.
fn links(ids: &[TaskId], plan: &Plan) -> Vec<(usize, usize, u32)> {
    let component = |i: usize| plan.component_of(ids[i]);
    let blocking = |c: usize| plan.spec.components[c].blocking;
    let mut links = Vec::new();
    for e in plan.edges.iter().filter(|e| !e.back) {
        if blocking(e.from) || blocking(e.to) {
            continue;
        }
        for from in (0..ids.len()).filter(|i| component(*i) == Some(e.from)) {
            for to in (0..ids.len()).filter(|i| component(*i) == Some(e.to)) {
                links.push((from, to, e.id));
            }
        }
    }
    links
}

impl Group {
    /// Ends every task, for a core that ends.
    pub fn stop(self, turn: &mut Turn) {
        for mut task in self.tasks {
            task.ledger
                .fail_all(FailReason::WorkerLost, &mut task.settled);
            task.stop(turn);
        }
    }
}
