//! What the page shows, from what Nimbus says.
//! Pure: no clock, no I/O, no async.

use fulmar_api::spec::ComponentKind;
use fulmar_proto::nimbus as pb;
use serde_json::{Value, json};

use crate::error::Problem;
use crate::storm::stats;

/// The overview.
pub fn cluster(c: &pb::ClusterInfo, now_ms: u64) -> Value {
    json!({
        "now_ms": now_ms,
        "nimbus": {"host": c.nimbus_host, "port": c.nimbus_port, "version": c.version, "uptime_s": c.uptime_secs},
        "supervisors": c.supervisors.iter().map(supervisor).collect::<Vec<_>>(),
        "topologies": c.topologies.iter().map(summary).collect::<Vec<_>>(),
    })
}

fn supervisor(s: &pb::SupervisorSummary) -> Value {
    let slots = s.slots.iter().map(
        |x| json!({"port": x.port, "state": x.state, "topology": x.topology_id, "pid": x.pid}),
    );
    json!({
        "id": s.node_id, "host": s.host, "port": s.port, "uptime_s": s.uptime_secs, "version": s.version,
        "state": state(s), "slots_total": s.slots_total, "slots_used": s.slots_used,
        "slots": slots.collect::<Vec<_>>(),
        "notices": s.notices.iter().map(notice).collect::<Vec<_>>(),
        "instance_type": s.instance_type, "zone": s.zone, "life_cycle": s.life_cycle,
        "memory_mb": s.memory_used_mb, "cpu_percent": s.cpu_used_percent,
    })
}

/// In one word how a node is; the worst comes first.
pub fn state(s: &pb::SupervisorSummary) -> &'static str {
    match s {
        s if !s.alive => "lost",
        s if s.drained => "drained",
        s if s.cordoned && s.slots_used > 0 => "draining",
        s if s.cordoned => "cordoned",
        _ => "ready",
    }
}

fn notice(n: &pb::Notice) -> Value {
    let kind = match n.kind() {
        pb::NoticeKind::Sentence => "termination",
        _ => "advice",
    };
    let deadline = (n.deadline_ms > 0).then_some(n.deadline_ms);
    json!({"kind": kind, "deadline_ms": deadline, "source": n.source})
}

/// Notices of all nodes, the nearest deadline first, advice last.
pub fn notices(c: &pb::ClusterInfo, now_ms: u64) -> Value {
    let all = c
        .supervisors
        .iter()
        .flat_map(|s| s.notices.iter().map(move |n| (s, n)));
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|(_, n)| match n.deadline_ms {
        0 => u64::MAX,
        at => at,
    });
    let row = |(s, n): &(&pb::SupervisorSummary, &pb::Notice)| {
        let mut row = notice(n);
        row["node"] = json!(s.node_id);
        row["host"] = json!(s.host);
        row["state"] = json!(state(s));
        row["remaining_ms"] =
            json!((n.deadline_ms > 0).then(|| n.deadline_ms.saturating_sub(now_ms)));
        row
    };
    json!({"now_ms": now_ms, "notices": all.iter().map(row).collect::<Vec<_>>()})
}

/// One line of the time line.
pub fn event(e: &pb::Event) -> Value {
    json!({"seq": e.seq, "time_ms": e.time_ms, "kind": e.kind, "topology": e.topology,
           "node": e.node_id, "text": e.text})
}

fn summary(t: &pb::TopologySummary) -> Value {
    json!({
        "id": t.id, "name": t.name, "status": t.status().as_str_name(), "uptime_s": t.uptime_secs,
        "tasks": t.tasks, "executors": t.executors, "workers": t.workers,
        "health": t.health, "health_reason": t.health_reason, "endures_losses": t.endures_losses,
    })
}

/// One topology with its graph and rates of the last 10 s.
///
/// # Errors
/// The description cannot be read.
pub fn topology(info: &pb::TopologyInfo, now_ms: u64) -> Result<Value, Problem> {
    let spec = stats::spec(info)?;
    let nodes: Vec<_> = spec
        .components
        .iter()
        .map(|c| {
            let own: Vec<_> = stats::executors(info, &spec, &c.id).collect();
            let kind = match c.kind {
                ComponentKind::Spout => "spout",
                ComponentKind::Bolt => "bolt",
            };
            let mut node = rates(&own);
            node["id"] = json!(c.id);
            node["kind"] = json!(kind);
            node["executors"] = json!(c.parallelism);
            node["tasks"] = json!(c.tasks);
            node
        })
        .collect();
    let edges = info.edges.iter().map(|e| {
        json!({"from": e.from, "stream": e.stream, "to": e.to, "grouping": e.grouping,
               "tuples_per_s": e.tuples_per_s})
    });
    let workers = info.workers.iter().map(worker);
    let errors = info.errors.iter().rev().map(|e| {
        json!({"component": e.component, "task": e.task, "time_ms": e.time_ms, "error": e.error,
               "host": e.host, "port": e.port})
    });
    Ok(json!({
        "now_ms": now_ms,
        "summary": info.summary.as_ref().map(summary),
        "nodes": nodes,
        "edges": edges.collect::<Vec<_>>(),
        "executors": info.executors.iter().filter_map(|e| executor(e, &spec)).collect::<Vec<_>>(),
        "workers": workers.collect::<Vec<_>>(),
        "errors": errors.collect::<Vec<_>>(),
        "assignment_version": info.assignment.as_ref().map(|a| a.version),
    }))
}

/// Rates added up, the busiest executor's capacity, and means of latencies weighted by what ran.
fn rates(own: &[&pb::ExecutorInfo]) -> Value {
    let sum = |f: fn(&pb::ExecutorInfo) -> f64| own.iter().map(|e| f(e)).sum::<f64>();
    let most = |f: fn(&pb::ExecutorStats) -> f64| {
        let all = own.iter().filter_map(|e| e.stats.as_ref());
        all.map(f).fold(0.0, f64::max)
    };
    let mean = |f: fn(&pb::ExecutorStats) -> f64, w: fn(&pb::ExecutorInfo) -> f64| {
        let weights: f64 = own.iter().map(|e| w(e)).sum();
        let all = own.iter().filter_map(|e| Some(f(e.stats.as_ref()?) * w(e)));
        (weights > 0.0).then(|| all.sum::<f64>() / weights)
    };
    json!({
        "capacity": most(|s| s.capacity), "queue_fill": most(|s| s.queue_fill),
        "execute_ms": mean(|s| s.execute_ms, |e| e.executed_rate),
        "process_ms": mean(|s| s.process_ms, |e| e.executed_rate),
        "complete_ms": mean(|s| s.complete_ms, |e| e.acked_rate),
        "emitted_per_s": sum(|e| e.emitted_rate), "executed_per_s": sum(|e| e.executed_rate),
        "acked_per_s": sum(|e| e.acked_rate), "failed_per_s": sum(|e| e.failed_rate),
        "pending": own.iter().filter_map(|e| e.stats.as_ref()).map(|s| s.pending).sum::<u64>(),
    })
}

fn worker(w: &pb::WorkerInfo) -> Value {
    let r = w.worker.clone().unwrap_or_default();
    json!({
        "node": r.node_id, "host": r.host, "port": r.port, "registered": r.incarnation != 0,
        "uptime_s": w.uptime_secs, "memory_mb": w.memory_mb, "cpu_percent": w.cpu_percent,
        "executors": w.executors,
    })
}

fn executor(e: &pb::ExecutorInfo, spec: &fulmar_api::TopologySpec) -> Option<Value> {
    let s = e.stats.as_ref()?;
    let x = s.executor.as_ref()?;
    let (c, _) = spec.component_of(x.first_task)?;
    let w = e.worker.clone().unwrap_or_default();
    Some(json!({
        "component": c.id, "first_task": x.first_task, "last_task": x.last_task,
        "host": w.host, "port": w.port, "node": w.node_id, "uptime_s": s.uptime_secs,
        "capacity": s.capacity, "queue_fill": s.queue_fill, "pending": s.pending,
        "execute_ms": s.execute_ms, "complete_ms": s.complete_ms,
        "emitted_per_s": e.emitted_rate, "executed_per_s": e.executed_rate,
        "acked_per_s": e.acked_rate, "failed_per_s": e.failed_rate,
    }))
}
