//! Storm's page of one component: its windows, streams, executors and errors.
//! Pure: no clock, no I/O, no async.

use fulmar_api::TopologySpec;
use fulmar_api::spec::{ComponentKind, ComponentSpec};
use fulmar_proto::nimbus as pb;
use serde_json::{Value, json};

use super::stats;
use super::text::{WINDOWS, Window, encoded, float, uptime, window_pretty};
use crate::error::Problem;

/// What the page is made of.
pub struct Page<'a> {
    /// All that Nimbus knows, with windows.
    pub info: &'a pb::TopologyInfo,
    /// The component's id.
    pub component: &'a str,
    /// The window that was asked for.
    pub window: &'a Window,
    /// System streams too.
    pub sys: bool,
    /// Seconds since the epoch.
    pub now_secs: u64,
}

impl Page<'_> {
    /// The whole page.
    ///
    /// # Errors
    /// There is no such component, or the description cannot be read.
    pub fn json(&self) -> Result<Value, Problem> {
        let spec = stats::spec(self.info)?;
        let Some(c) = spec.component(self.component) else {
            let known: Vec<_> = spec.components.iter().map(|c| c.id.as_str()).collect();
            return Err(Problem::Unknown(format!(
                "topology {} has no component \"{}\": it has {}",
                spec.name,
                self.component,
                known.join(", ")
            )));
        };
        let s = self.info.summary.clone().unwrap_or_default();
        let spout = c.kind == ComponentKind::Spout;
        let own = stats::of(self.info, &c.id, self.window.secs);
        let mut page = json!({
            "user": null, "id": c.id, "encodedId": encoded(&c.id), "name": s.name,
            "executors": c.parallelism, "tasks": c.tasks,
            "requestedMemOnHeap": 0.0, "requestedMemOffHeap": 0.0, "requestedCpu": 0.0,
            "requestedGenericResources": "", "schedulerDisplayResource": false,
            "topologyId": s.id, "encodedTopologyId": encoded(&s.id),
            "topologyStatus": s.status().as_str_name(),
            "window": self.window.name, "windowHint": self.window.hint,
            "componentType": if spout { "spout" } else { "bolt" },
            "debug": false, "samplingPct": 10.0, "eventLogLink": "",
            "profilingAndDebuggingCapable": false, "profileActionEnabled": false, "profilerActive": [],
            "componentErrors": self.errors(),
            "executorStats": self.executors(&spec, c),
            "outputStats": own.map_or(Vec::new(), |s| stats::output_rows(s, spout, self.sys)),
        });
        if spout {
            page["spoutSummary"] = json!(self.windows(c));
        } else {
            page["boltStats"] = json!(self.windows(c));
            page["inputStats"] = json!(own.map_or(Vec::new(), stats::input_rows));
        }
        Ok(page)
    }

    fn windows(&self, c: &ComponentSpec) -> Vec<Value> {
        let row = |(secs, name): &(u32, &str)| {
            let own = stats::of(self.info, &c.id, Some(*secs));
            let (emitted, transferred) = stats::outputs(own, self.sys);
            let mut row = json!({
                "window": name, "windowPretty": window_pretty(*secs),
                "emitted": emitted, "transferred": transferred,
            });
            if c.kind == ComponentKind::Spout {
                let (acked, failed) = stats::roots(own);
                (row["acked"], row["failed"]) = (json!(acked), json!(failed));
                // A number here, a string everywhere else: Storm's.
                row["completeLatency"] = json!(own.map_or(0.0, |s| s.complete_ms));
                row["lastError"] = json!("");
            } else {
                let (executed, acked, failed) = stats::inputs(own);
                (row["acked"], row["failed"]) = (json!(acked), json!(failed));
                row["executed"] = json!(executed);
                row["executeLatency"] = float(own.map_or(0.0, |s| s.execute_ms));
                row["processLatency"] = float(own.map_or(0.0, |s| s.process_ms));
                row["capacity"] = float(busy(own, *secs));
            }
            row
        };
        WINDOWS.iter().map(row).collect()
    }

    fn executors(&self, spec: &TopologySpec, c: &ComponentSpec) -> Vec<Value> {
        let all = stats::executors(self.info, spec, &c.id);
        all.filter_map(|e| {
            let live = e.stats.as_ref()?;
            let range = live.executor.as_ref()?;
            let id = format!("[{}-{}]", range.first_task, range.last_task);
            let own = stats::of_executor(e, self.window.secs);
            let (emitted, transferred) = stats::outputs(own, self.sys);
            let place = e.worker.clone().unwrap_or_default();
            let mut row = json!({
                "id": id, "encodedId": encoded(&id),
                "uptime": uptime(live.uptime_secs), "uptimeSeconds": live.uptime_secs,
                "host": place.host, "port": place.port, "workerLogLink": "",
                "emitted": emitted, "transferred": transferred,
            });
            if c.kind == ComponentKind::Spout {
                let (acked, failed) = stats::roots(own);
                (row["acked"], row["failed"]) = (json!(acked), json!(failed));
                row["completeLatency"] = float(own.map_or(0.0, |s| s.complete_ms));
            } else {
                let (executed, acked, failed) = stats::inputs(own);
                (row["acked"], row["failed"]) = (json!(acked), json!(failed));
                row["executed"] = json!(executed);
                row["capacity"] = float(live.capacity);
                row["executeLatency"] = float(own.map_or(0.0, |s| s.execute_ms));
                row["processLatency"] = float(own.map_or(0.0, |s| s.process_ms));
            }
            Some(row)
        })
        .collect()
    }

    fn errors(&self) -> Vec<Value> {
        let mut own: Vec<_> = self
            .info
            .errors
            .iter()
            .filter(|e| e.component == self.component)
            .collect();
        own.sort_by_key(|e| e.time_ms);
        let row = |e: &&pb::ComponentError| {
            let secs = e.time_ms / 1_000;
            json!({
                "error": e.error, "errorTime": secs, "errorHost": e.host, "errorPort": e.port,
                "errorLapsedSecs": self.now_secs.saturating_sub(secs), "errorWorkerLogLink": "",
            })
        };
        own.iter().map(row).collect()
    }
}

/// Part of a window that was spent inside execute, all executors together; 0 for all time, whose length
/// is not known.
fn busy(own: Option<&pb::ComponentStats>, secs: u32) -> f64 {
    let (Some(s), true) = (own, secs > 0) else {
        return 0.0;
    };
    let (executed, _, _) = stats::inputs(own);
    s.execute_ms * executed as f64 / (f64::from(secs) * 1e3)
}
