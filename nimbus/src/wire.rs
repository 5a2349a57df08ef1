//! From what Nimbus knows to what it says: assignments, slots, summaries.
//! Pure: no clock, no I/O, no async.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fulmar_proto::nimbus as pb;

use crate::cluster;
use crate::lifecycle::Status;
use crate::model::{Node, Notice, Placed, State, Topology};
use crate::scheduler::{Resources, Slot};
use crate::stats::Stats;

/// The status on the wire.
pub fn status(status: Status) -> pb::TopologyStatus {
    match status {
        Status::Active => pb::TopologyStatus::Active,
        Status::Inactive => pb::TopologyStatus::Inactive,
        Status::Killed { .. } => pb::TopologyStatus::Killed,
        Status::Rebalancing { .. } => pb::TopologyStatus::Rebalancing,
    }
}

/// The newest assignment of a topology; empty, with status killed, for one that is gone.
pub fn assignment(state: &State, id: &str) -> pb::Assignment {
    let Some(t) = state.topologies.get(id) else {
        let status = pb::TopologyStatus::Killed.into();
        return pb::Assignment {
            topology_id: id.to_owned(),
            version: u64::MAX,
            status,
            ..Default::default()
        };
    };
    let slots: Vec<Slot> = State::slots_of(t).into_iter().collect();
    let index: BTreeMap<&Slot, u32> = slots.iter().zip(0..).collect();
    let entry = |p: &Placed, slot: &Slot| pb::ExecutorAssignment {
        executor: Some(pb::Executor {
            first_task: p.first,
            last_task: p.last,
        }),
        worker: index.get(slot).copied().unwrap_or(0),
        epoch: p.epoch,
    };
    let workers = slots.iter().map(|s| {
        let worker = state.workers.get(s).filter(|w| w.topology == id);
        let own = worker.map(|w| &w.host).filter(|host| !host.is_empty());
        let host = own.or(state.nodes.get(&s.node).map(|n| &n.host));
        pb::WorkerRef {
            node_id: s.node.clone(),
            host: host.cloned().unwrap_or_default(),
            port: s.port.into(),
            incarnation: worker.map_or(0, |w| w.incarnation),
        }
    });
    pb::Assignment {
        topology_id: id.to_owned(),
        version: t.version,
        status: status(t.status).into(),
        workers: workers.collect(),
        executors: t.placed.iter().map(|p| entry(p, &p.slot())).collect(),
        standby: t
            .placed
            .iter()
            .filter_map(|p| Some(entry(p, &p.target()?)))
            .collect(),
        json_topology: serde_json::to_string(&t.spec).unwrap_or_default(),
        json_conf: t.conf.to_json(),
        lost_incarnations: state.lost.get(id).cloned().unwrap_or_default(),
    }
}

/// All slots of these nodes: one walk over the topologies, however many nodes have news.
pub fn slots(
    state: &State,
    nodes: &BTreeSet<&str>,
    version: u64,
) -> BTreeMap<String, pb::SupervisorAssignment> {
    let mut all: BTreeMap<&str, pb::SupervisorAssignment> = BTreeMap::new();
    for node in nodes {
        let drained = state.nodes.get(*node).is_some_and(|n| n.drained);
        let empty = pb::SupervisorAssignment {
            version,
            slots: Vec::new(),
            drained,
        };
        all.insert(node, empty);
    }
    for t in state.topologies.values() {
        let places = t.placed.iter().flat_map(cluster::places);
        let here: BTreeSet<(&str, u16)> = places.filter(|(node, _)| nodes.contains(node)).collect();
        if here.is_empty() {
            continue;
        }
        let json_conf = t.conf.to_json();
        for (node, port) in here {
            let slot = pb::SlotAssignment {
                port: port.into(),
                topology_id: t.id.clone(),
                topology_name: t.name.clone(),
                blob_key: t.blob_key.clone(),
                program_args: t.program_args.clone(),
                json_conf: json_conf.clone(),
                graph_hash: t.graph_hash.clone(),
            };
            if let Some(of) = all.get_mut(node) {
                of.slots.push(slot);
            }
        }
    }
    all.into_iter()
        .map(|(node, s)| (node.to_owned(), s))
        .collect()
}

/// The slots of one node.
pub fn slots_of(state: &State, node: &str, version: u64) -> pb::SupervisorAssignment {
    slots(state, &BTreeSet::from([node]), version)
        .remove(node)
        .unwrap_or_default()
}

/// A notice on the wire.
pub fn notice(node: &str, n: &Notice) -> pb::Notice {
    let kind = if n.sentence {
        pb::NoticeKind::Sentence
    } else {
        pb::NoticeKind::Advice
    };
    pb::Notice {
        node_id: node.to_owned(),
        kind: kind.into(),
        deadline_ms: n.deadline_ms,
        source: n.source.clone(),
        retracted: false,
    }
}

/// Storm's names of what a node has.
const CPU: &str = "supervisor.cpu.capacity";
const MEMORY: &str = "supervisor.memory.capacity.mb";

/// What a node says that it has; what it leaves out is Storm's default.
///
/// # Errors
/// An amount below 0 or not a number.
pub fn resources(said: &HashMap<String, f64>) -> Result<Resources, tonic::Status> {
    let mut all = Node::default().resources;
    for (name, amount) in said {
        if !(0.0..=1e12).contains(amount) {
            let text = format!("NIM018 resource {name} is {amount}: from 0 to 1e12");
            return Err(tonic::Status::invalid_argument(text));
        }
        match name.as_str() {
            CPU => all.cpu = *amount,
            MEMORY => all.memory = *amount,
            other => drop(all.generic.insert(other.to_owned(), *amount)),
        }
    }
    Ok(all)
}

fn amounts(of: &Resources) -> HashMap<String, f64> {
    let named = [(CPU.to_owned(), of.cpu), (MEMORY.to_owned(), of.memory)];
    named.into_iter().chain(of.generic.clone()).collect()
}

/// What topologies ask for on a node, as far as their plans are known.
fn given(state: &State, node: &str) -> Resources {
    let mut sum = Resources::default();
    for t in state.topologies.values() {
        let Some(plan) = state.plans.get(&t.id) else {
            continue;
        };
        for (p, (_, c)) in t.placed.iter().zip(&plan.executors) {
            if p.node == node
                && let Some(c) = plan.components.get(*c)
            {
                sum.add(&c.demand, 1.0);
            }
        }
    }
    sum
}

/// A node as clients see it.
pub fn supervisor(state: &State, stats: &Stats, n: &Node, now: u64) -> pb::SupervisorSummary {
    let used: BTreeSet<u16> = state
        .topologies
        .values()
        .flat_map(State::slots_of)
        .filter(|s| s.node == n.id)
        .map(|s| s.port)
        .collect();
    pb::SupervisorSummary {
        node_id: n.id.clone(),
        host: n.host.clone(),
        port: n.port.into(),
        uptime_secs: now.saturating_sub(n.started_ms) / 1_000,
        slots_total: n.slots.len() as u32,
        slots_used: used.len() as u32,
        instance_type: n.instance_type.clone(),
        zone: n.zone.clone(),
        life_cycle: n.life_cycle.clone(),
        version: n.version.clone(),
        alive: state.alive(&n.id, now),
        cordoned: n.cordoned,
        drained: n.drained,
        notices: n.notices.iter().map(|x| notice(&n.id, x)).collect(),
        slots: stats.slots_of(&n.id),
        memory_used_mb: n.memory_mb,
        cpu_used_percent: n.cpu_percent,
        pool: n.pool(),
        resources: amounts(&n.resources),
        resources_given: amounts(&given(state, &n.id)),
        quarantined_until_ms: state.quarantine.until(&n.id, now).unwrap_or(0),
    }
}

/// A topology as clients see it, with its health in words.
pub fn summary(state: &State, stats: &Stats, t: &Topology, now: u64) -> pb::TopologySummary {
    let slots: BTreeSet<Slot> = t.placed.iter().map(Placed::slot).collect();
    let ready = slots
        .iter()
        .filter(|s| state.workers.get(s).is_some_and(|w| w.topology == t.id))
        .count();
    let closed = stats.unopened(&t.id);
    let (health, reason) = match (&t.missing, slots.len()) {
        (Some(missing), 0) => ("waiting", missing.clone()),
        (Some(missing), _) => ("degraded", missing.clone()),
        (None, n) if n > 0 && closed.is_some() => ("errors", closed.unwrap_or_default()),
        (None, n) if ready < n => ("waiting", format!("{ready} of {n} workers have registered")),
        (None, _) => ("ok", "every executor has a worker".to_owned()),
    };
    pb::TopologySummary {
        id: t.id.clone(),
        name: t.name.clone(),
        status: status(t.status).into(),
        uptime_secs: now.saturating_sub(t.submitted_ms) / 1_000,
        tasks: t.spec.components.iter().map(|c| c.tasks).sum(),
        executors: t.placed.len() as u32,
        workers: slots.len() as u32,
        health: health.to_owned(),
        health_reason: reason,
        owner: String::new(),
        endures_losses: state.endures.get(&t.id).copied().unwrap_or(0),
    }
}

/// Everything about a topology that clients see.
pub fn topology(
    state: &State,
    stats: &Stats,
    t: &Topology,
    windows: bool,
    now: u64,
) -> pb::TopologyInfo {
    let assignment = assignment(state, &t.id);
    let worker = |w: &pb::WorkerRef| {
        let slot = Slot {
            node: w.node_id.clone(),
            port: u16::try_from(w.port).unwrap_or(0),
        };
        let known = state.workers.get(&slot).filter(|k| k.topology == t.id);
        pb::WorkerInfo {
            worker: Some(w.clone()),
            uptime_secs: known.map_or(0, |k| now.saturating_sub(k.since) / 1_000),
            memory_mb: known.map_or(0.0, |k| k.memory_mb),
            cpu_percent: known.map_or(0.0, |k| k.cpu_percent),
            executors: t.placed.iter().filter(|p| p.slot() == slot).count() as u32,
        }
    };
    pb::TopologyInfo {
        summary: Some(summary(state, stats, t, now)),
        json_topology: serde_json::to_string(&t.spec).unwrap_or_default(),
        json_conf: t.conf.to_json(),
        executors: stats.executors(&t.id, &assignment, windows, now),
        errors: stats.errors(&t.id),
        workers: assignment.workers.iter().map(worker).collect(),
        edges: stats.edges(&t.id, &t.spec, now),
        windows: if windows {
            stats.windows(&t.id, now)
        } else {
            Vec::new()
        },
        assignment: Some(assignment),
    }
}
