//! Storm's answers about the whole cluster: summary, Nimbus, supervisors, owners, topologies, history.
//!
//! Memory and CPU are what was measured; capacities and requests are 0, since nothing here is scheduled by
//! them (`schedulerDisplayResource` is false, so Storm's clients hide them). Log links are empty: there is no
//! log viewer to link to.
//! Pure: no clock, no I/O, no async.

use std::collections::{BTreeMap, BTreeSet};

use fulmar_proto::nimbus as pb;
use serde_json::{Value, json};

use super::text::{encoded, uptime};
use super::topology::worker_of;
use crate::error::Problem;

/// `logviewer.port`'s default, which Storm names beside its log links.
pub const LOGVIEWER_PORT: u16 = 8_000;

/// `cluster/summary`.
pub fn summary(c: &pb::ClusterInfo) -> Value {
    let total: u32 = c.supervisors.iter().map(|s| s.slots_total).sum();
    let used: u32 = c.supervisors.iter().map(|s| s.slots_used).sum();
    json!({
        "user": null,
        "stormVersion": c.version,
        "stormVersionInfo": {"version": c.version, "revision": "Unknown", "branch": "Unknown", "date": "Unknown", "srcChecksum": "Unknown"},
        "supervisors": c.supervisors.len(),
        "topologies": c.topologies.len(),
        "slotsTotal": total, "slotsUsed": used, "slotsFree": total.saturating_sub(used),
        "executorsTotal": c.topologies.iter().map(|t| t.executors).sum::<u32>(),
        "tasksTotal": c.topologies.iter().map(|t| t.tasks).sum::<u32>(),
        "totalMem": 0.0, "totalCpu": 0.0, "availMem": 0.0, "availCpu": 0.0,
        "fragmentedMem": 0.0, "fragmentedCpu": 0.0,
        "memAssignedPercentUtil": "0.000", "cpuAssignedPercentUtil": "0.000",
        "schedulerDisplayResource": false,
        "bugtracker-url": null, "central-log-url": null,
        "availGenerics": "", "totalGenerics": "",
    })
}

/// `nimbus/summary`: the one Nimbus that answered.
pub fn nimbuses(c: &pb::ClusterInfo) -> Value {
    json!({"nimbuses": [{
        "host": c.nimbus_host, "port": c.nimbus_port, "status": "Leader", "version": c.version,
        "nimbusUpTime": uptime(c.uptime_secs), "nimbusUpTimeSeconds": c.uptime_secs, "nimbusLogLink": "",
    }]})
}

/// `supervisor/summary`.
pub fn supervisors(c: &pb::ClusterInfo) -> Value {
    json!({
        "supervisors": c.supervisors.iter().map(supervisor).collect::<Vec<_>>(),
        "schedulerDisplayResource": false,
        "logviewerPort": LOGVIEWER_PORT, "logviewerScheme": "http",
    })
}

/// One supervisor; `blacklisted` means that nothing new is laid there.
fn supervisor(s: &pb::SupervisorSummary) -> Value {
    json!({
        "id": s.node_id, "host": s.host, "version": s.version,
        "uptime": uptime(s.uptime_secs), "uptimeSeconds": s.uptime_secs,
        "blacklisted": s.cordoned || !s.alive,
        "slotsTotal": s.slots_total, "slotsUsed": s.slots_used,
        "slotsFree": s.slots_total.saturating_sub(s.slots_used),
        "totalMem": 0.0, "usedMem": s.memory_used_mb, "availMem": 0.0,
        "totalCpu": 0.0, "usedCpu": s.cpu_used_percent, "availCpu": 0.0,
        "totalGenericResources": "", "usedGenericResources": null, "availGenericResources": "",
        "logLink": "",
    })
}

/// The supervisors that `id`, or else `host`, means.
///
/// # Errors
/// Neither is given, or there is no such supervisor.
pub fn chosen(
    c: &pb::ClusterInfo,
    id: Option<&String>,
    host: Option<&String>,
) -> Result<Vec<pb::SupervisorSummary>, Problem> {
    let all = c.supervisors.iter();
    let (found, asked): (Vec<_>, _) = match (id, host) {
        (Some(id), _) => (all.filter(|s| s.node_id == *id).cloned().collect(), id),
        (None, Some(host)) => (all.filter(|s| s.host == *host).cloned().collect(), host),
        (None, None) => {
            let why = "neither a supervisor's id nor its host is given: add id=… or host=…";
            return Err(Problem::Refused(why.to_owned()));
        }
    };
    if found.is_empty() {
        return Err(Problem::Unknown(format!(
            "there is no supervisor \"{asked}\": /api/v1/supervisor/summary shows those that are"
        )));
    }
    Ok(found)
}

/// `supervisor`: these supervisors and their workers.
pub fn supervisor_page(chosen: &[pb::SupervisorSummary], infos: &[pb::TopologyInfo]) -> Value {
    let ids: BTreeSet<&str> = chosen.iter().map(|s| s.node_id.as_str()).collect();
    let mut workers = Vec::new();
    for info in infos {
        let own = info.workers.iter().filter(|w| {
            w.worker
                .as_ref()
                .is_some_and(|r| ids.contains(r.node_id.as_str()))
        });
        workers.extend(own.map(|w| worker_of(info, w)));
    }
    json!({
        "supervisors": chosen.iter().map(supervisor).collect::<Vec<_>>(),
        "workers": workers,
        "schedulerDisplayResource": false,
        "logviewerPort": LOGVIEWER_PORT, "logviewerScheme": "http",
    })
}

/// `topology/summary`.
pub fn topologies(c: &pb::ClusterInfo) -> Value {
    let all: Vec<_> = c
        .topologies
        .iter()
        .map(|t| topology(t, &c.version))
        .collect();
    json!({"topologies": all, "schedulerDisplayResource": false})
}

fn topology(t: &pb::TopologySummary, version: &str) -> Value {
    json!({
        "id": t.id, "encodedId": encoded(&t.id), "owner": t.owner, "name": t.name,
        "status": t.status().as_str_name(),
        "uptime": uptime(t.uptime_secs), "uptimeSeconds": t.uptime_secs,
        "tasksTotal": t.tasks, "workersTotal": t.workers, "executorsTotal": t.executors,
        "replicationCount": 1, "schedulerInfo": null,
        "requestedMemOnHeap": 0.0, "requestedMemOffHeap": 0.0, "requestedTotalMem": 0.0,
        "requestedCpu": 0.0, "requestedGenericResources": "",
        "assignedMemOnHeap": 0.0, "assignedMemOffHeap": 0.0, "assignedTotalMem": 0.0,
        "assignedCpu": 0.0, "assignedGenericResources": "",
        "topologyVersion": null, "stormVersion": version,
    })
}

/// `owner-resources`.
pub fn owners(c: &pb::ClusterInfo) -> Value {
    let mut by: BTreeMap<&str, Vec<&pb::TopologySummary>> = BTreeMap::new();
    for t in &c.topologies {
        by.entry(&t.owner).or_default().push(t);
    }
    let owners: Vec<_> = by.iter().map(|(name, own)| owner(name, own)).collect();
    json!({"owners": owners, "schedulerDisplayResource": false})
}

/// `owner-resources/OWNER`; an owner of nothing is answered with zeros, as by Storm.
pub fn owner_page(c: &pb::ClusterInfo, name: &str) -> Value {
    let own: Vec<_> = c.topologies.iter().filter(|t| t.owner == name).collect();
    let mut page = owner(name, &own);
    let listed: Vec<_> = own.iter().map(|t| topology(t, &c.version)).collect();
    page["topologies"] = json!(listed);
    page["schedulerDisplayResource"] = json!(false);
    page
}

fn owner(name: &str, own: &[&pb::TopologySummary]) -> Value {
    let sum = |f: fn(&pb::TopologySummary) -> u32| own.iter().map(|t| f(t)).sum::<u32>();
    json!({
        "owner": name,
        "totalTopologies": own.len(), "totalExecutors": sum(|t| t.executors),
        "totalWorkers": sum(|t| t.workers), "totalTasks": sum(|t| t.tasks),
        "totalMemoryUsage": 0.0, "totalCpuUsage": 0.0,
        "totalReqOnHeapMem": 0.0, "totalReqOffHeapMem": 0.0, "totalReqMem": 0.0, "totalReqCpu": 0.0,
        "totalAssignedOnHeapMem": 0.0, "totalAssignedOffHeapMem": 0.0,
        "memoryGuarantee": "N/A", "cpuGuarantee": "N/A",
        "memoryGuaranteeRemaining": "N/A", "cpuGuaranteeRemaining": "N/A",
        "isolatedNodes": -1,
    })
}

/// `history/summary`: ids of what runs and of what ran since Nimbus keeps events, sorted.
pub fn history(c: &pb::ClusterInfo, events: &[pb::Event]) -> Value {
    let mut ids: BTreeSet<&str> = c.topologies.iter().map(|t| t.id.as_str()).collect();
    ids.extend(
        events
            .iter()
            .map(|e| e.topology.as_str())
            .filter(|id| !id.is_empty()),
    );
    json!({"topo-history": ids})
}
