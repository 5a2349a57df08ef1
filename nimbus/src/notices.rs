//! Termination notices as Nimbus holds them: what a node's own supervisor says, and what EventBridge says of
//! a node that may not be able to speak. Each is keyed by its origin and kind: said again it changes nothing,
//! the earliest deadline holds, and only who gave it takes it back.
//!
//! Pure: no clock, no I/O, no async.

use crate::event::Command;
use crate::limits::{ADVICE_MS, OVERDUE_MS, PLAUSIBLE_MS};
use crate::model::{Node, Notice, State};
use crate::step::tell;

/// The source whose notices nobody takes back: events are told once, so they end by time.
pub const EVENTBRIDGE: &str = "eventbridge";
/// The fleet manager lets a node go: told once too, and over when the node is ended, or was not.
pub const FLEET: &str = "fleet";

/// Whether a notice came from outside the node.
fn from_outside(source: &str) -> bool {
    source == EVENTBRIDGE || source == FLEET
}

/// Whether two notices are the same one.
fn same(a: &Notice, b: &Notice) -> bool {
    let event = |n: &Notice| from_outside(&n.source);
    event(a) == event(b) && a.sentence == b.sentence
}

/// What a notice has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Nothing,
    Earlier,
    New,
}

fn take(held: &mut Vec<Notice>, mut new: Notice, now: u64) -> Change {
    let plausible = (now..=now + PLAUSIBLE_MS).contains(&new.deadline_ms);
    new.since_ms = now;
    new.deadline_ms = match new.sentence {
        false => 0,
        true if plausible => new.deadline_ms,
        true => now,
    };
    match held.iter_mut().find(|n| same(n, &new)) {
        Some(old) if new.deadline_ms < old.deadline_ms => {
            old.deadline_ms = new.deadline_ms;
            Change::Earlier
        }
        Some(_) => Change::Nothing,
        None => {
            held.push(new);
            Change::New
        }
    }
}

/// Removes what has ended by itself: an event's advice, and an event's sentence that was not carried out.
fn expire(held: &mut Vec<Notice>, now: u64) -> bool {
    let before = held.len();
    held.retain(|n| {
        let ends = match n.sentence {
            true => n.deadline_ms + OVERDUE_MS,
            false => n.since_ms + ADVICE_MS,
        };
        !from_outside(&n.source) || now < ends
    });
    held.len() < before
}

impl State {
    /// The node of this id, or the one on this instance.
    pub fn node_of(&self, id: &str) -> Option<&Node> {
        let on = |n: &&Node| !n.instance_id.is_empty() && n.instance_id == id;
        self.nodes.get(id).or_else(|| self.nodes.values().find(on))
    }

    /// A notice for a node, by its id or its instance's; one for a node that nobody knows is nothing to us.
    pub(crate) fn noticed(&mut self, whom: &str, notice: Notice, now: u64, out: &mut Vec<Command>) {
        let Some(id) = self.node_of(whom).map(|n| n.id.clone()) else {
            return;
        };
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        let (sentence, source) = (notice.sentence, notice.source.clone());
        let was = node.is_condemned();
        let change = take(&mut node.notices, notice, now);
        if change == Change::Nothing {
            return;
        }
        node.cordoned = true;
        let ends = node.deadline_ms().unwrap_or(now);
        let text = match sentence {
            true => format!(
                "{id} will be terminated in {:.1} s ({source})",
                ends.saturating_sub(now) as f64 / 1e3
            ),
            false => format!("{id} may be terminated soon ({source}): nothing new is laid there"),
        };
        let kind = if sentence { "notice" } else { "advice" };
        tell(out, kind, "", &id, text);
        if !was || sentence {
            self.room_changed(Some(&id));
        }
    }

    /// Who gave it takes a notice back. Its supervisor takes back all of its own at once and says those
    /// that still stand again.
    pub(crate) fn retracted(&mut self, whom: &str, source: &str, out: &mut Vec<Command>) {
        let Some(id) = self.node_of(whom).map(|n| n.id.clone()) else {
            return;
        };
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        let event = from_outside(source);
        let before = node.notices.len();
        node.notices.retain(|n| from_outside(&n.source) != event);
        if node.notices.len() < before {
            self.relieved(&id, out);
        }
    }

    /// Notices that end by time.
    pub(crate) fn notices_end(&mut self, now: u64, out: &mut Vec<Command>) {
        let over = |n: &mut Node| expire(&mut n.notices, now).then(|| n.id.clone());
        let ended: Vec<String> = self.nodes.values_mut().filter_map(over).collect();
        for id in ended {
            self.relieved(&id, out);
        }
    }

    /// A node has fewer notices than it had.
    fn relieved(&mut self, id: &str, out: &mut Vec<Command>) {
        let Some(node) = self.nodes.get_mut(id) else {
            return;
        };
        if node.is_condemned() {
            return;
        }
        node.drained = false;
        node.cordoned = !node.notices.is_empty();
        let text = match node.cordoned {
            true => format!("the sentence of {id} was taken back: only advice stands"),
            false => format!("the notice for {id} was taken back: it is used again"),
        };
        tell(out, "retracted", "", id, text);
        out.push(Command::Slots(id.to_owned()));
        self.stand_down(id, out);
        self.room_changed(Some(id));
    }

    /// Replacements that were only prepared are given up: their executors stay where they are.
    fn stand_down(&mut self, id: &str, out: &mut Vec<Command>) {
        let mut touched = std::collections::BTreeSet::new();
        for t in self.topologies.values_mut() {
            let before = touched.len();
            for p in t.placed.iter_mut().filter(|p| p.node == id) {
                touched.extend(p.move_to.take().map(|(node, _)| (t.id.clone(), node)));
            }
            if touched.len() > before {
                t.version += 1;
                out.extend([Command::Store(t.id.clone()), Command::Publish(t.id.clone())]);
            }
        }
        out.extend(touched.into_iter().map(|(_, node)| Command::Slots(node)));
    }
}

#[cfg(test)]
#[path = "notices_tests.rs"]
mod tests;
