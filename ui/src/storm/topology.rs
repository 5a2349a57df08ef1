//! Storm's page of one topology: totals by window, spouts, bolts, workers.
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;

use fulmar_api::TopologySpec;
use fulmar_api::spec::{ComponentKind, ComponentSpec};
use fulmar_proto::nimbus as pb;
use serde_json::{Value, json};

use super::cluster::LOGVIEWER_PORT;
use super::text::{WINDOWS, Window, encoded, float, uptime, window_pretty};
use super::{configuration, stats};
use crate::error::Problem;

/// Storm shows this many characters of a component's last error.
const ERROR_CHARS: usize = 200;

/// What the page is made of.
pub struct Page<'a> {
    /// All that Nimbus knows, with windows.
    pub info: &'a pb::TopologyInfo,
    /// The window that was asked for.
    pub window: &'a Window,
    /// System streams too.
    pub sys: bool,
    /// Nimbus' version.
    pub version: &'a str,
    /// Seconds since the epoch.
    pub now_secs: u64,
}

impl Page<'_> {
    /// The whole page.
    ///
    /// # Errors
    /// The description cannot be read.
    pub fn json(&self) -> Result<Value, Problem> {
        let spec = stats::spec(self.info)?;
        let s = self.info.summary.clone().unwrap_or_default();
        let conf = &self.info.json_conf;
        let mut page = json!({
            "id": s.id, "encodedId": encoded(&s.id), "owner": s.owner, "user": null, "name": s.name,
            "status": s.status().as_str_name(),
            "uptime": uptime(s.uptime_secs), "uptimeSeconds": s.uptime_secs,
            "tasksTotal": s.tasks, "workersTotal": s.workers, "executorsTotal": s.executors,
            "schedulerInfo": null,
            "msgTimeout": configuration::int(conf, "topology.message.timeout.secs", 30),
            "window": self.window.name, "windowHint": self.window.hint,
            "schedulerDisplayResource": false, "replicationCount": 1,
            "topologyVersion": null, "stormVersion": self.version,
            "debug": false, "samplingPct": 10.0,
            "configuration": configuration::topology(&s.name, &s.id, conf),
            "visualizationTable": [],
            "bugtracker-url": null, "central-log-url": null,
            "requestedGenericResources": null, "assignedGenericResources": null,
            "topologyStats": self.totals(&spec),
            "workers": self.info.workers.iter().map(|w| worker_of(self.info, w)).collect::<Vec<_>>(),
            "spouts": self.components(&spec, ComponentKind::Spout),
            "bolts": self.components(&spec, ComponentKind::Bolt),
        });
        for key in MEMORY {
            page[*key] = json!(0.0);
        }
        Ok(page)
    }

    fn totals(&self, spec: &TopologySpec) -> Vec<Value> {
        let row = |(secs, name): &(u32, &str)| {
            let (mut emitted, mut transferred, mut acked, mut failed) = (0, 0, 0, 0);
            for c in &spec.components {
                let own = stats::of(self.info, &c.id, Some(*secs));
                let (e, t) = stats::outputs(own, self.sys);
                let (a, f) = stats::roots(own);
                (emitted, transferred) = (emitted + e, transferred + t);
                (acked, failed) = (acked + a, failed + f);
            }
            json!({
                "window": name, "windowPretty": window_pretty(*secs),
                "emitted": emitted, "transferred": transferred, "acked": acked, "failed": failed,
                "completeLatency": float(stats::complete_ms(self.info, spec, Some(*secs))),
            })
        };
        WINDOWS.iter().map(row).collect()
    }

    /// The rows of one kind; zeros for a window that nothing is kept for, as Storm's.
    fn components(&self, spec: &TopologySpec, kind: ComponentKind) -> Vec<Value> {
        let all = spec.components.iter().filter(|c| c.kind == kind);
        all.map(|c| self.component(spec, c)).collect()
    }

    fn component(&self, spec: &TopologySpec, c: &ComponentSpec) -> Value {
        let own = stats::of(self.info, &c.id, self.window.secs);
        let (emitted, transferred) = stats::outputs(own, self.sys);
        let mut row = json!({
            "executors": c.parallelism, "tasks": c.tasks,
            "emitted": emitted, "transferred": transferred,
            "requestedMemOnHeap": 0.0, "requestedMemOffHeap": 0.0, "requestedCpu": 0.0,
            "requestedGenericResourcesComp": "",
        });
        if c.kind == ComponentKind::Spout {
            let (acked, failed) = stats::roots(own);
            row["spoutId"] = json!(c.id);
            row["encodedSpoutId"] = json!(encoded(&c.id));
            row["completeLatency"] = float(own.map_or(0.0, |s| s.complete_ms));
            (row["acked"], row["failed"]) = (json!(acked), json!(failed));
        } else {
            let (executed, acked, failed) = stats::inputs(own);
            row["boltId"] = json!(c.id);
            row["encodedBoltId"] = json!(encoded(&c.id));
            row["capacity"] = float(stats::capacity(self.info, spec, &c.id));
            row["executeLatency"] = float(own.map_or(0.0, |s| s.execute_ms));
            row["processLatency"] = float(own.map_or(0.0, |s| s.process_ms));
            (row["executed"], row["acked"]) = (json!(executed), json!(acked));
            row["failed"] = json!(failed);
        }
        self.error(&mut row, &c.id);
        row
    }

    /// The fields of a component's last error.
    fn error(&self, row: &mut Value, component: &str) {
        let error = stats::last_error(self.info, component);
        let text = error.map_or(String::new(), |e| {
            e.error.chars().take(ERROR_CHARS).collect()
        });
        let secs = error.map(|e| e.time_ms / 1_000);
        row["lastError"] = json!(text);
        row["errorHost"] = json!(error.map_or("", |e| e.host.as_str()));
        row["errorPort"] = json!(error.map(|e| e.port));
        row["errorTime"] = json!(secs);
        row["errorLapsedSecs"] = json!(secs.map(|at| self.now_secs.saturating_sub(at)));
        row["errorWorkerLogLink"] = json!("");
    }
}

/// Requests and assignments of memory and CPU: nothing is scheduled by them here.
const MEMORY: &[&str] = &[
    "requestedMemOnHeap",
    "requestedMemOffHeap",
    "requestedTotalMem",
    "requestedCpu",
    "assignedMemOnHeap",
    "assignedMemOffHeap",
    "assignedTotalMem",
    "assignedCpu",
    "requestedRegularOnHeapMem",
    "requestedSharedOnHeapMem",
    "requestedRegularOffHeapMem",
    "requestedSharedOffHeapMem",
    "assignedRegularOnHeapMem",
    "assignedSharedOnHeapMem",
    "assignedRegularOffHeapMem",
    "assignedSharedOffHeapMem",
];

/// A worker as Storm lists it, with the tasks that it runs by component.
pub fn worker_of(info: &pb::TopologyInfo, w: &pb::WorkerInfo) -> Value {
    let s = info.summary.clone().unwrap_or_default();
    let r = w.worker.clone().unwrap_or_default();
    json!({
        "supervisorId": r.node_id, "host": r.host, "port": r.port,
        "topologyId": s.id, "topologyName": s.name, "owner": s.owner,
        "executorsTotal": w.executors,
        "assignedMemOnHeap": 0.0, "assignedMemOffHeap": 0.0, "assignedCpu": 0.0,
        "componentNumTasks": tasks_of(info, &r),
        "uptime": uptime(w.uptime_secs), "uptimeSeconds": w.uptime_secs,
        "workerLogLink": "",
    })
}

fn tasks_of(info: &pb::TopologyInfo, worker: &pb::WorkerRef) -> BTreeMap<String, i32> {
    let Ok(spec) = stats::spec(info) else {
        return BTreeMap::new();
    };
    let mut tasks = BTreeMap::new();
    for e in &info.executors {
        let here = e
            .worker
            .as_ref()
            .is_some_and(|w| (&w.node_id, w.port) == (&worker.node_id, worker.port));
        let Some(x) = e
            .stats
            .as_ref()
            .and_then(|s| s.executor.as_ref())
            .filter(|_| here)
        else {
            continue;
        };
        if let Some((c, _)) = spec.component_of(x.first_task) {
            *tasks.entry(c.id.clone()).or_default() += x.last_task - x.first_task + 1;
        }
    }
    tasks
}

/// `topology-workers`: where its workers are.
pub fn workers(info: &pb::TopologyInfo) -> Value {
    let places = info.workers.iter().filter_map(|w| w.worker.as_ref());
    let list: Vec<_> = places
        .map(|w| json!({"host": w.host, "port": w.port}))
        .collect();
    json!({"hostPortList": list, "logviewerPort": LOGVIEWER_PORT, "logviewerScheme": "http"})
}
