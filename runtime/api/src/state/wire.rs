//! The graph of a topology with state: the checkpoint spout and the streams that its tuples flow on.
//! Pure: no clock, no I/O, no async.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::grouping::Grouping;
use crate::spec::{ComponentKind, ComponentSpec, InputSpec, StreamSpec, TopologySpec};

use super::{CHECKPOINT_FIELDS, CHECKPOINT_SPOUT, CHECKPOINT_STREAM};

/// What keeps checkpoints from working in this graph.
pub(crate) fn mistakes(spec: &TopologySpec, stateful: &[String]) -> Vec<String> {
    let Some(first) = stateful.first() else {
        return Vec::new();
    };
    let mut out = Vec::new();
    if let Some(at) = in_cycle(spec) {
        out.push(format!(
            "bolt \"{first}\" is stateful and \"{at}\" is in a cycle, where a checkpoint would wait for \
             itself: cut the cycle or keep the state elsewhere"
        ));
    }
    if spec.component(CHECKPOINT_SPOUT).is_some() {
        out.push(format!(
            "component \"{CHECKPOINT_SPOUT}\": the name is the checkpoint spout's; rename it"
        ));
    }
    out.extend(setting_mistakes(spec));
    out
}

/// Settings of a topology with state that keep checkpoints from working.
pub(crate) fn setting_mistakes(spec: &TopologySpec) -> Vec<String> {
    let mut out = Vec::new();
    if spec.conf.int("topology.acker.executors").ok().flatten() == Some(0) {
        out.push(
            "topology.acker.executors is 0 and a bolt is stateful: checkpoints need acks"
                .to_owned(),
        );
    }
    let interval = spec.conf.int("topology.state.checkpoint.interval.ms");
    let timeout = spec.conf.secs("topology.message.timeout.secs");
    let timeouts = spec.conf.bool_or("topology.enable.message.timeouts", true);
    if let (Ok(Some(interval)), Ok(Some(timeout)), Ok(true)) = (interval, timeout, timeouts)
        && interval as f64 >= timeout.as_secs_f64() * 1_000.0
    {
        out.push(format!(
            "topology.state.checkpoint.interval.ms {interval} is not below \
             topology.message.timeout.secs {}: inputs are held until a checkpoint and would time out",
            timeout.as_secs_f64()
        ));
    }
    out
}

/// Adds the checkpoint spout, its stream to every bolt, and the subscriptions: a bolt listens to the
/// spout if it listens to any spout, and to every bolt that it listens to.
pub(crate) fn add_checkpoints(spec: &mut TopologySpec) {
    let spouts: BTreeSet<String> = spec
        .components
        .iter()
        .filter(|c| c.kind == ComponentKind::Spout)
        .map(|c| c.id.clone())
        .collect();
    let bolts = spec.components.iter_mut();
    for c in bolts.filter(|c| c.kind == ComponentKind::Bolt) {
        if !c.outputs.iter().any(|s| s.name == CHECKPOINT_STREAM) {
            c.outputs.push(stream());
        }
        let from = c
            .inputs
            .iter()
            .map(|i| match spouts.contains(&i.component) {
                true => CHECKPOINT_SPOUT.to_owned(),
                false => i.component.clone(),
            });
        let from: BTreeSet<String> = from.collect();
        c.inputs.extend(from.into_iter().map(|component| InputSpec {
            component,
            stream: CHECKPOINT_STREAM.to_owned(),
            grouping: Grouping::All,
        }));
    }
    spec.components.push(ComponentSpec {
        id: CHECKPOINT_SPOUT.to_owned(),
        kind: ComponentKind::Spout,
        parallelism: 1,
        tasks: 1,
        outputs: vec![stream()],
        inputs: Vec::new(),
        conf: Config::default(),
        blocking: false,
    });
}

fn stream() -> StreamSpec {
    StreamSpec {
        name: CHECKPOINT_STREAM.to_owned(),
        fields: CHECKPOINT_FIELDS.map(str::to_owned).to_vec(),
        direct: false,
    }
}

/// A component that can be reached from itself.
fn in_cycle(spec: &TopologySpec) -> Option<&str> {
    spec.components.iter().map(|c| c.id.as_str()).find(|start| {
        let mut upstream = BTreeSet::from([*start]);
        loop {
            let inputs = spec
                .components
                .iter()
                .filter(|c| upstream.contains(c.id.as_str()));
            let inputs = inputs.flat_map(|c| c.inputs.iter().map(|i| i.component.as_str()));
            let more: BTreeSet<&str> = inputs.collect();
            if more.contains(start) {
                return true;
            }
            let before = upstream.len();
            upstream.extend(more);
            if upstream.len() == before {
                return false;
            }
        }
    })
}
