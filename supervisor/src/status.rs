//! What a supervisor shows of itself: one value, from which pages, metrics and heartbeats are made.
//!
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeMap;
use std::fmt::Write;

use fulmar_proto::nimbus as pb;
use serde::Serialize;

use crate::drill::Drill;
use crate::imds::Identity;
use crate::node::Load;
use crate::notice::Notice;
use crate::slot::Stage;

/// One slot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SlotStatus {
    /// Its port.
    pub port: u16,
    /// Storm's name of its state.
    pub state: &'static str,
    /// The topology, or nothing.
    pub topology_id: Option<String>,
    /// Its name.
    pub topology_name: Option<String>,
    /// The process.
    pub pid: Option<u32>,
    /// The life, as text: it does not fit every JSON reader's numbers.
    #[serde(serialize_with = "as_text")]
    pub incarnation: Option<u64>,
    /// Deaths and failed starts in a row.
    pub failures: u32,
}

fn as_text<S: serde::Serializer>(n: &Option<u64>, out: S) -> Result<S::Ok, S::Error> {
    match n {
        Some(n) => out.collect_str(n),
        None => out.serialize_none(),
    }
}

/// One line of what happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// When, in milliseconds since the epoch.
    pub time_ms: u64,
    /// What, in words.
    pub text: String,
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Worker processes started.
    pub launches: u64,
    /// Starts that failed.
    pub launch_failures: u64,
    /// Worker processes that ended, asked or not.
    pub exits: u64,
    /// Programs that could not be fetched.
    pub blob_failures: u64,
    /// Notices that were told, changes of deadlines included.
    pub notices: u64,
    /// Notices that were taken back or ran out.
    pub retracts: u64,
    /// Reports that found no room while no Nimbus could be reached.
    pub reports_dropped: u64,
    /// Slots that Nimbus gave and this condemned node refused.
    pub refused: u64,
}

/// The whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// The node.
    pub node_id: String,
    /// Its name.
    pub host: String,
    /// Port of this supervisor.
    pub port: u16,
    /// Version of the program.
    pub version: &'static str,
    /// When the supervisor started.
    pub started_ms: u64,
    /// The Nimbus that it is linked to.
    pub nimbus: Option<String>,
    /// Why it is not linked.
    pub nimbus_problem: Option<String>,
    /// A sentence stands: it takes nothing new.
    pub condemned: bool,
    /// Nimbus says that its work has moved away.
    pub drained: bool,
    /// A drill under way.
    pub drill: Option<Drill>,
    /// Version of the newest assignment.
    pub assignment_version: u64,
    /// Notices in force.
    pub notices: Vec<Notice>,
    /// Slots.
    pub slots: Vec<SlotStatus>,
    /// `supervisor.pool`; empty: instance type and zone make the pool.
    pub pool: String,
    /// What it has, by Storm's names.
    pub resources: BTreeMap<String, f64>,
    /// What the metadata service or the configuration says.
    pub identity: Identity,
    /// Memory and processor of the node.
    pub load: Load,
    /// Totals.
    pub totals: Totals,
    /// What happened of late.
    pub story: Vec<Line>,
}

impl Status {
    /// Why it is not ready; `None` when it is.
    pub fn unready(&self) -> Option<String> {
        match (&self.nimbus, &self.nimbus_problem) {
            (Some(_), _) if self.condemned => {
                Some("this node is to end: it takes no new work".to_owned())
            }
            (Some(_), _) => None,
            (None, Some(problem)) => Some(problem.clone()),
            (None, None) => Some("no Nimbus has answered yet".to_owned()),
        }
    }

    /// The heartbeat.
    pub fn heartbeat(&self, now: u64) -> pb::SupervisorHeartbeatRequest {
        let slots = self.slots.iter().map(|s| pb::SlotState {
            port: s.port.into(),
            topology_id: s.topology_id.clone().unwrap_or_default(),
            state: s.state.to_owned(),
            incarnation: s.incarnation.unwrap_or(0),
            pid: s.pid.unwrap_or(0),
        });
        pb::SupervisorHeartbeatRequest {
            node_id: self.node_id.clone(),
            slots: slots.collect(),
            uptime_secs: now.saturating_sub(self.started_ms) / 1_000,
            memory_used_mb: self.load.memory_used_bytes as f64 / 1e6,
            cpu_used_percent: self.load.cpu_used_percent,
        }
    }

    /// What a registration says.
    pub fn registration(&self) -> pb::RegisterSupervisorRequest {
        let running = self.slots.iter().filter_map(|s| {
            Some(pb::WorkerRef {
                node_id: self.node_id.clone(),
                host: self.host.clone(),
                port: s.port.into(),
                incarnation: s.incarnation?,
            })
        });
        pb::RegisterSupervisorRequest {
            node_id: self.node_id.clone(),
            host: self.host.clone(),
            supervisor_port: self.port.into(),
            slot_ports: self.slots.iter().map(|s| s.port.into()).collect(),
            instance_type: self.identity.instance_type.clone(),
            zone: self.identity.zone.clone(),
            life_cycle: match self.identity.life_cycle.as_str() {
                "" => "unknown".to_owned(),
                known => known.to_owned(),
            },
            version: self.version.to_owned(),
            running: running.collect(),
            started_ms: self.started_ms,
            pool: self.pool.clone(),
            resources: self.resources.clone().into_iter().collect(),
            instance_id: self.identity.instance_id.clone(),
        }
    }

    /// Prometheus' text form.
    pub fn metrics(&self, now: u64) -> String {
        let mut out = String::new();
        self.counters(&mut out);
        self.gauges(now, &mut out);
        self.slot_metrics(&mut out);
        out
    }

    fn counters(&self, out: &mut String) {
        let t = &self.totals;
        let counters = [
            ("worker_launches", "Worker processes started", t.launches),
            (
                "worker_launch_failures",
                "Worker processes that could not be started",
                t.launch_failures,
            ),
            ("worker_exits", "Worker processes that ended", t.exits),
            (
                "blob_failures",
                "Programs that could not be fetched",
                t.blob_failures,
            ),
            ("notices", "Termination notices told to Nimbus", t.notices),
            (
                "notice_retracts",
                "Termination notices taken back",
                t.retracts,
            ),
            (
                "reports_dropped",
                "Reports lost for want of a Nimbus",
                t.reports_dropped,
            ),
            (
                "slots_refused",
                "Slots given to this node after its sentence",
                t.refused,
            ),
        ];
        for (name, help, value) in counters {
            let name = format!("fulmar_supervisor_{name}_total");
            metric(out, &name, "counter", help, value as f64);
        }
    }

    fn gauges(&self, now: u64, out: &mut String) {
        let flag = |b: bool| f64::from(u8::from(b));
        let gauges = [
            (
                "nimbus_linked",
                "Whether a Nimbus hears this supervisor",
                flag(self.nimbus.is_some()),
            ),
            (
                "condemned",
                "Whether this node is to end",
                flag(self.condemned),
            ),
            (
                "drained",
                "Whether its work has moved away",
                flag(self.drained),
            ),
            (
                "uptime_seconds",
                "Time since the start",
                now.saturating_sub(self.started_ms) as f64 / 1e3,
            ),
            (
                "node_memory_used_bytes",
                "Memory in use on the node",
                self.load.memory_used_bytes as f64,
            ),
            (
                "node_cpu_used_ratio",
                "Share of all cores in use, 0 to 1",
                self.load.cpu_used_percent / 100.0,
            ),
        ];
        for (name, help, value) in gauges {
            let name = format!("fulmar_supervisor_{name}");
            metric(out, &name, "gauge", help, value);
        }
    }

    fn slot_metrics(&self, out: &mut String) {
        let name = "fulmar_supervisor_slots";
        let _ = writeln!(out, "# HELP {name} Slots by state\n# TYPE {name} gauge");
        for stage in Stage::ALL {
            let state = stage.name();
            let n = self.slots.iter().filter(|s| s.state == state).count();
            let _ = writeln!(out, "{name}{{state=\"{state}\"}} {n}");
        }
    }
}

/// Writing to a string cannot fail.
fn metric(out: &mut String, name: &str, kind: &str, help: &str, value: f64) {
    let _ = writeln!(
        out,
        "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
    );
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
