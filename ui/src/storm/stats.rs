//! Sums over what Nimbus counted, as Storm's pages need them: by component, by window, by stream.
//! Pure: no clock, no I/O, no async.

use fulmar_api::TopologySpec;
use fulmar_api::spec::ComponentKind;
use fulmar_proto::nimbus as pb;
use serde_json::{Value, json};

use super::text::{encoded, float, is_system};
use crate::error::Problem;

/// The graph of a topology.
///
/// # Errors
/// Nimbus' description cannot be read: it is of another version.
pub fn spec(info: &pb::TopologyInfo) -> Result<TopologySpec, Problem> {
    serde_json::from_str(&info.json_topology).map_err(|e| {
        Problem::Refused(format!(
            "the topology's description cannot be read: {e}; is Nimbus of the same version as this server?"
        ))
    })
}

/// A component's counts over a window; nothing where the window is none that is kept.
pub fn of<'a>(
    info: &'a pb::TopologyInfo,
    component: &str,
    secs: Option<u32>,
) -> Option<&'a pb::ComponentStats> {
    let secs = secs?;
    let all = info.windows.iter().filter(|w| w.secs == secs);
    all.filter_map(|w| w.stats.as_ref())
        .find(|s| s.component == component)
}

/// An executor's counts over a window.
pub fn of_executor(e: &pb::ExecutorInfo, secs: Option<u32>) -> Option<&pb::ComponentStats> {
    let secs = secs?;
    e.windows
        .iter()
        .find(|w| w.secs == secs)
        .and_then(|w| w.stats.as_ref())
}

/// Emitted and transferred over a component's streams; system streams only with `sys`.
pub fn outputs(stats: Option<&pb::ComponentStats>, sys: bool) -> (u64, u64) {
    let all = stats.into_iter().flat_map(|s| &s.outputs);
    all.filter(|o| sys || !is_system(&o.stream))
        .fold((0, 0), |(e, t), o| (e + o.emitted, t + o.transferred))
}

/// Executed, acked and failed over a bolt's inputs.
pub fn inputs(stats: Option<&pb::ComponentStats>) -> (u64, u64, u64) {
    let all = stats.into_iter().flat_map(|s| &s.inputs);
    all.fold((0, 0, 0), |(e, a, f), i| {
        (e + i.executed, a + i.acked, f + i.failed)
    })
}

/// A spout's acked and failed roots; a root that timed out has failed, as in Storm.
pub fn roots(stats: Option<&pb::ComponentStats>) -> (u64, u64) {
    stats.map_or((0, 0), |s| {
        (s.spout_acked, s.spout_failed + s.spout_timed_out)
    })
}

/// Mean of the spouts' complete latency in ms, weighted by what they acked.
pub fn complete_ms(info: &pb::TopologyInfo, spec: &TopologySpec, secs: Option<u32>) -> f64 {
    let spouts = spec
        .components
        .iter()
        .filter(|c| c.kind == ComponentKind::Spout);
    let (sum, acked) =
        spouts
            .filter_map(|c| of(info, &c.id, secs))
            .fold((0.0, 0.0), |(sum, acked), s| {
                let n = s.spout_acked as f64;
                (sum + s.complete_ms * n, acked + n)
            });
    if acked > 0.0 { sum / acked } else { 0.0 }
}

/// The executors of a component.
pub fn executors<'a>(
    info: &'a pb::TopologyInfo,
    spec: &'a TopologySpec,
    component: &'a str,
) -> impl Iterator<Item = &'a pb::ExecutorInfo> {
    info.executors.iter().filter(move |e| {
        let first = e.stats.as_ref().and_then(|s| s.executor.as_ref());
        first
            .and_then(|x| spec.component_of(x.first_task))
            .is_some_and(|(c, _)| c.id == component)
    })
}

/// The busiest executor's share of time inside execute, 0..1.
pub fn capacity(info: &pb::TopologyInfo, spec: &TopologySpec, component: &str) -> f64 {
    executors(info, spec, component)
        .filter_map(|e| e.stats.as_ref())
        .map(|s| s.capacity)
        .fold(0.0, f64::max)
}

/// A component's newest error.
pub fn last_error<'a>(
    info: &'a pb::TopologyInfo,
    component: &str,
) -> Option<&'a pb::ComponentError> {
    info.errors.iter().rfind(|e| e.component == component)
}

/// `outputStats` of a component's page.
pub fn output_rows(s: &pb::ComponentStats, spout: bool, sys: bool) -> Vec<Value> {
    let all = s.outputs.iter().filter(|o| sys || !is_system(&o.stream));
    all.map(|o| {
        let mut row =
            json!({"stream": o.stream, "emitted": o.emitted, "transferred": o.transferred});
        if spout {
            // Roots are counted by spout, not by stream.
            let (acked, failed) = roots(Some(s));
            row["completeLatency"] = float(s.complete_ms);
            row["acked"] = json!(acked);
            row["failed"] = json!(failed);
        }
        row
    })
    .collect()
}

/// `inputStats` of a bolt's page.
pub fn input_rows(s: &pb::ComponentStats) -> Vec<Value> {
    let row = |i: &pb::InputCount| {
        json!({
            "component": i.component, "encodedComponentId": encoded(&i.component), "stream": i.stream,
            "executeLatency": float(s.execute_ms), "processLatency": float(s.process_ms),
            "executed": i.executed, "acked": i.acked, "failed": i.failed,
        })
    };
    s.inputs.iter().map(row).collect()
}
