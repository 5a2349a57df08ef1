//! Storm's graph of a topology, with the colons in its keys, and the table of streams beside it.
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeSet;

use fulmar_api::spec::{ComponentKind, ComponentSpec};
use fulmar_api::{Grouping, TopologySpec};
use fulmar_proto::nimbus as pb;
use serde_json::{Map, Value, json};

use super::stats;
use super::text::{WINDOWS, Window, encoded, is_system, sanitised};
use crate::error::Problem;

/// Streams in a row of the table.
const ROW: usize = 4;

/// `visualization`: every component with its inputs and what its executors transferred.
///
/// # Errors
/// The description cannot be read.
pub fn graph(info: &pb::TopologyInfo, window: &Window, sys: bool) -> Result<Value, Problem> {
    let spec = stats::spec(info)?;
    let mut all = Map::new();
    for c in &spec.components {
        all.insert(c.id.clone(), component(info, &spec, c, window, sys));
    }
    Ok(Value::Object(all))
}

fn component(
    info: &pb::TopologyInfo,
    spec: &TopologySpec,
    c: &ComponentSpec,
    window: &Window,
    sys: bool,
) -> Value {
    let id = info.summary.as_ref().map_or("", |s| s.id.as_str());
    let own = stats::of(info, &c.id, window.secs);
    let spout = c.kind == ComponentKind::Spout;
    let latency = own.map(|s| if spout { s.complete_ms } else { s.process_ms });
    let capacity = match spout {
        true => json!(0),
        false => json!(stats::capacity(info, spec, &c.id)),
    };
    let inputs = c.inputs.iter().map(|i| {
        json!({
            ":component": i.component, ":stream": i.stream, ":sani-stream": sanitised(&i.stream),
            ":grouping": grouping(&i.grouping),
        })
    });
    let executors = stats::executors(info, spec, &c.id).filter_map(|e| {
        let uptime = e.stats.as_ref()?.uptime_secs;
        let place = e.worker.as_ref()?;
        Some(json!({
            ":host": place.host, ":port": place.port, ":uptime_secs": uptime,
            ":transferred": transferred(e, sys),
        }))
    });
    json!({
        ":type": if spout { "spout" } else { "bolt" },
        ":capacity": capacity,
        ":latency": latency,
        ":transferred": own.map(|s| stats::outputs(Some(s), sys).1),
        ":stats": executors.collect::<Vec<_>>(),
        ":link": format!("/component.html?id={}&topology_id={}", encoded(&c.id), encoded(id)),
        ":inputs": inputs.collect::<Vec<_>>(),
    })
}

/// Window → stream → tuples, of one executor.
fn transferred(e: &pb::ExecutorInfo, sys: bool) -> Value {
    let mut windows = Map::new();
    for (secs, name) in WINDOWS {
        let Some(own) = stats::of_executor(e, Some(secs)) else {
            continue;
        };
        let streams = own.outputs.iter().filter(|o| sys || !is_system(&o.stream));
        let counts: Map<_, _> = streams
            .map(|o| (sanitised(&o.stream), json!(o.transferred)))
            .collect();
        windows.insert(name.to_owned(), Value::Object(counts));
    }
    Value::Object(windows)
}

/// The field of Thrift's union; Storm's global grouping is one by no fields.
fn grouping(g: &Grouping) -> String {
    match g {
        Grouping::Global => "fields".to_owned(),
        other => other.name().to_ascii_lowercase(),
    }
}

/// `visualization-init`: the streams of the graph, four in a row; system streams are not checked.
///
/// # Errors
/// The description cannot be read.
pub fn table(info: &pb::TopologyInfo, sys: bool) -> Result<Value, Problem> {
    let spec = stats::spec(info)?;
    let streams: BTreeSet<&str> = spec
        .components
        .iter()
        .flat_map(|c| &c.inputs)
        .map(|i| i.stream.as_str())
        .filter(|s| sys || !is_system(s))
        .collect();
    let boxes: Vec<_> = streams
        .into_iter()
        .map(|s| json!({"stream": s, "sani-stream": sanitised(s), "checked": !is_system(s)}))
        .collect();
    let rows: Vec<_> = boxes.chunks(ROW).collect();
    Ok(json!({"visualizationTable": rows}))
}
