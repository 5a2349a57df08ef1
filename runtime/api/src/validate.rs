//! Every mistake of a graph at once, each naming what to change.
//! Pure: no clock, no I/O, no async.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::config::keys;
use crate::grouping::Grouping;
use crate::spec::{ComponentKind, ComponentSpec, TopologySpec};
use crate::state::{CHECKPOINT_SPOUT, wire};
use crate::window::shape;

/// Most tasks of one topology: 24 bytes of routing for each pair of tasks stays below 2 GiB.
pub const MAX_TASKS: u32 = 65_536;

/// All mistakes; empty means that the topology can run.
pub fn mistakes(spec: &TopologySpec) -> Vec<String> {
    let mut out = Vec::new();
    topology_name(spec, &mut out);
    let mut by_id: HashMap<&str, &ComponentSpec> = HashMap::new();
    for c in &spec.components {
        if by_id.insert(&c.id, c).is_some() {
            out.push(format!(
                "component \"{}\" is declared twice: rename one of them",
                c.id
            ));
        }
        component(c, &mut out);
    }
    for c in &spec.components {
        inputs(c, &by_id, &mut out);
        windows(c, spec, &mut out);
    }
    if !spec
        .components
        .iter()
        .any(|c| c.kind == ComponentKind::Spout)
    {
        out.push("there is no spout: add one with t.spout(..)".to_owned());
    }
    let tasks: u64 = spec
        .components
        .iter()
        .map(|c| u64::from(c.tasks.max(c.parallelism)))
        .sum();
    if tasks > u64::from(MAX_TASKS) {
        out.push(format!(
            "{tasks} tasks in all: the limit is {MAX_TASKS}; lower a parallelism"
        ));
    }
    unreachable(spec, &by_id, &mut out);
    // A graph that was built already: its settings may have changed since.
    if by_id.contains_key(CHECKPOINT_SPOUT) {
        out.extend(wire::setting_mistakes(spec));
    }
    out.extend(
        keys::mistakes(&spec.conf)
            .into_iter()
            .map(|m| format!("topology: {m}")),
    );
    once(&mut out);
    out
}

/// Leaves each mistake in once, where it stands first.
pub fn once(mistakes: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    mistakes.retain(|m| seen.insert(m.clone()));
}

/// Fills in what the author left out, by Storm's rule: tasks are `topology.tasks`, else the
/// parallelism, and at most `topology.max.task.parallelism`; executors are at most the tasks. The
/// component's own keys go before the topology's.
pub fn normalise(spec: &mut TopologySpec) {
    for c in &mut spec.components {
        let setting = |key: &str| {
            let own = c.conf.int(key).ok().flatten();
            let value = own.or_else(|| spec.conf.int(key).ok().flatten());
            value.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0)
        };
        if c.tasks == 0 {
            c.tasks = setting("topology.tasks").unwrap_or(c.parallelism);
        }
        if let Some(most) = setting("topology.max.task.parallelism") {
            c.tasks = c.tasks.min(most);
        }
        c.parallelism = c.parallelism.min(c.tasks);
    }
}

fn topology_name(spec: &TopologySpec, out: &mut Vec<String>) {
    let bad =
        spec.name.is_empty() || spec.name.contains(['/', '.', ':', '\\']) || spec.name.len() > 200;
    if bad {
        out.push(format!(
            "topology name \"{}\": must be 1 to 200 characters without / . : \\ (Storm's rule)",
            spec.name
        ));
    }
    if spec.name.starts_with("__") {
        out.push(format!(
            "topology name \"{}\": names that begin with __ are the system's (Storm's rule); rename it",
            spec.name
        ));
    }
}

/// A name that can stand in a path, in a metric and in a line of a log, and is not the system's.
fn component_name(id: &str, out: &mut Vec<String>) {
    if id.trim().is_empty() {
        out.push(format!(
            "a component has the empty name {id:?}: give it one of letters and digits"
        ));
    } else if id.contains('/') || id.chars().any(char::is_control) {
        out.push(format!(
            "component {id:?}: names hold neither / nor control characters; rename it"
        ));
    }
    // A graph that was built already holds the system's own.
    if id.starts_with("__") || (id.starts_with('$') && id != CHECKPOINT_SPOUT) {
        out.push(format!(
            "component {id:?}: names that begin with __ or $ are the system's; rename it"
        ));
    }
}

fn component(c: &ComponentSpec, out: &mut Vec<String>) {
    component_name(&c.id, out);
    if c.parallelism == 0 {
        out.push(format!(
            "component \"{}\": parallelism 0; the least is 1",
            c.id
        ));
    }
    if c.tasks != 0 && c.tasks < c.parallelism {
        out.push(format!(
            "component \"{}\": {} tasks for {} executors; each executor needs a task: raise tasks({}) or lower parallelism",
            c.id, c.tasks, c.parallelism, c.tasks
        ));
    }
    let mut streams = BTreeSet::new();
    for s in &c.outputs {
        if !streams.insert(&s.name) {
            out.push(format!(
                "component \"{}\" declares stream \"{}\" twice",
                c.id, s.name
            ));
        }
        let mut fields = BTreeSet::new();
        if s.fields.iter().any(|f| f.trim().is_empty()) {
            out.push(format!(
                "component \"{}\", stream \"{}\": a field has an empty name: give it one",
                c.id, s.name
            ));
        }
        for f in s.fields.iter().filter(|f| !fields.insert(f.as_str())) {
            out.push(format!(
                "component \"{}\", stream \"{}\": field \"{f}\" is declared twice",
                c.id, s.name
            ));
        }
    }
    if c.kind == ComponentKind::Bolt && c.inputs.is_empty() {
        out.push(format!(
            "bolt \"{}\" has no input: subscribe it, for example with .shuffle(\"..\")",
            c.id
        ));
    }
    out.extend(
        keys::mistakes(&c.conf)
            .into_iter()
            .map(|m| format!("component \"{}\": {m}", c.id)),
    );
}

fn inputs(c: &ComponentSpec, by_id: &HashMap<&str, &ComponentSpec>, out: &mut Vec<String>) {
    // Storm keeps one subscription for each stream, and silently the last one; two would double every tuple.
    let mut heard: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for i in &c.inputs {
        *heard.entry((&i.component, &i.stream)).or_default() += 1;
    }
    for ((component, stream), times) in heard.into_iter().filter(|(_, n)| *n > 1) {
        out.push(format!(
            "bolt \"{}\" subscribes to stream \"{stream}\" of \"{component}\" {times} times: leave one of them",
            c.id
        ));
    }
    for i in &c.inputs {
        let Some(source) = by_id.get(i.component.as_str()) else {
            let others = by_id.keys().copied().filter(|id| *id != c.id);
            let hint = keys::did_you_mean(&i.component, others);
            out.push(format!(
                "bolt \"{}\" subscribes to unknown component \"{}\"{hint}",
                c.id, i.component
            ));
            continue;
        };
        let Some(stream) = source.outputs.iter().find(|s| s.name == i.stream) else {
            let known: Vec<_> = source.outputs.iter().map(|s| s.name.as_str()).collect();
            out.push(format!(
                "bolt \"{}\" subscribes to stream \"{}\" of \"{}\", which declares {known:?}",
                c.id, i.stream, i.component
            ));
            continue;
        };
        let keys = i.grouping.keys().iter();
        for f in keys.filter(|f| !stream.fields.contains(f)) {
            let hint = keys::did_you_mean(f, stream.fields.iter().map(String::as_str));
            out.push(format!(
                "bolt \"{}\" groups \"{}\" by unknown field \"{f}\"; the stream's fields are {:?}{hint}",
                c.id, i.component, stream.fields
            ));
        }
        if (i.grouping == Grouping::Direct) != stream.direct {
            let (is, needs) = if stream.direct {
                ("direct", "direct")
            } else {
                ("not direct", "another")
            };
            out.push(format!(
                "bolt \"{}\": stream \"{}\" of \"{}\" is {is}, so it needs {needs} grouping",
                c.id, i.stream, i.component
            ));
        }
    }
}

/// A window that the topology's timeout or pending limit cannot hold.
fn windows(c: &ComponentSpec, spec: &TopologySpec, out: &mut Vec<String>) {
    if !shape::is_windowed(&c.conf) {
        return;
    }
    let mut conf = spec.conf.clone();
    conf.merge(&c.conf);
    if let Err(error) = shape::check(&conf) {
        out.push(format!("component \"{}\": {error}", c.id));
    }
}

/// Bolts that no spout can reach: a cycle without a spout, or an island.
fn unreachable(spec: &TopologySpec, by_id: &HashMap<&str, &ComponentSpec>, out: &mut Vec<String>) {
    let mut reached: BTreeSet<&str> = spec
        .components
        .iter()
        .filter(|c| c.kind == ComponentKind::Spout)
        .map(|c| c.id.as_str())
        .collect();
    loop {
        let before = reached.len();
        for c in &spec.components {
            if c.inputs
                .iter()
                .any(|i| reached.contains(i.component.as_str()))
            {
                reached.insert(&c.id);
            }
        }
        if reached.len() == before {
            break;
        }
    }
    let lost: Vec<_> = spec
        .components
        .iter()
        .filter(|c| !reached.contains(c.id.as_str()))
        .filter(|c| {
            c.inputs
                .iter()
                .any(|i| by_id.contains_key(i.component.as_str()))
        })
        .map(|c| c.id.as_str())
        .collect();
    if !lost.is_empty() {
        out.push(format!(
            "no spout reaches {lost:?}: a cycle needs a spout that feeds it"
        ));
    }
}
