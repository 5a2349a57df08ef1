//! The running cluster's endurance: what Nimbus says of nodes, topologies and events, put to the planner, and its
//! verdict tried on Nimbus' own scheduler.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use fulmar_proto::nimbus as pb;
use fulmar_spot_plan::bands::{self, Band};
use fulmar_spot_plan::losses::Losses;
use fulmar_spot_plan::pools::Pool;
use fulmar_spot_plan::topologies::{Endurance, Node, Topology, Wanted, endurance};
use fulmar_spot_plan::whatif::{Answer, Events, Question};
use serde_json::json;

use super::metrics::{self, Metric};
use super::{files, refused, rehearse};
use crate::args::{Common, Output};
use crate::client::{Client, block_on};
use crate::failure::{Done, Failure};
use crate::{output, settings};

const TARGET: f64 = 0.9999;
/// Where nothing was measured: a notice's two minutes, in which a replacement starts.
const ASSUMED: Duration = Duration::from_secs(120);

/// What the running cluster does not say by itself.
#[derive(clap::Args)]
pub struct Options {
    /// From a loss until its replacement serves, as 90s or 2m; default: measured from the cluster's events.
    #[arg(long, value_parser = settings::duration, conflicts_with = "what_if")]
    window: Option<Duration>,
    /// Events that take a pool, on a day; default: from the bands.
    #[arg(long, value_name = "EVENTS", conflicts_with = "what_if")]
    per_pool_per_day: Option<f64>,
    /// Interruption bands, region,os,instance_type,band; default: every type counts as the worst band.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["what_if", "per_pool_per_day"])]
    advisor: Option<PathBuf>,
    /// Region of the bands; default: the zones of the nodes without their last letter.
    #[arg(long, requires = "advisor")]
    region: Option<String>,
    /// Write the answer as Prometheus metrics into this file too, for a textfile collector.
    #[arg(long, value_name = "FILE", conflicts_with = "what_if")]
    metrics: Option<PathBuf>,
}

/// Nodes, topologies and events of the cluster.
pub struct Cluster {
    /// Nodes that may hold work.
    pub nodes: Vec<pb::SupervisorSummary>,
    /// Topologies in the order in which they are served: `topology.priority`, then age.
    pub topologies: Vec<pb::TopologyInfo>,
    events: Vec<pb::Event>,
}

/// Runs the verb.
pub fn run(common: &Common, options: &Options, target: Option<f64>, seed: Option<u64>) -> Done {
    let cluster = block_on(Cluster::ask(common))?;
    if cluster.nodes.is_empty() {
        return Err(Failure::NotFound(
            "no supervisor may hold work: all are dead or cordoned; start one with `fulmar supervisor`".to_owned(),
        ));
    }
    let (pools, nodes) = cluster.pools();
    let (window, how) = match (options.window, measured(&cluster.events)) {
        (Some(window), _) => (window, "as given"),
        (None, Some(window)) => (
            window,
            "measured: the slowest replacement that the events know",
        ),
        (None, None) => (ASSUMED, "assumed: the events know of no replaced node yet"),
    };
    let losses = losses(options, &pools)?;
    let wanted = Wanted {
        losses: &losses,
        window_s: window.as_secs_f64(),
        target: target.unwrap_or(TARGET),
        seed: seed.unwrap_or(0),
    };
    let topologies: Vec<Topology> = cluster.topologies.iter().map(topology).collect();
    let found = endurance(&nodes, pools.len(), &topologies, &wanted);
    let tried = rehearse::verdicts(&cluster, &found);
    let slots: u32 = nodes.iter().map(|n| n.slots).sum();
    let workers: u32 = topologies.iter().map(|t| t.workers).sum();
    let per_node = f64::from(slots) / nodes.len() as f64;
    let question = Question {
        nodes: None,
        pools,
        needed: ((f64::from(workers) / per_node.max(1e-9)).ceil() as u32).max(1),
        window_s: wanted.window_s,
        target: wanted.target,
        // The losses are handed over as they are, since pools differ in their rates.
        events: Events::Rate {
            per_pool_per_day: 0.0,
            shares: vec![1.0],
        },
        seed: wanted.seed,
    };
    let answer = question.answer(&losses).map_err(refused)?;
    if let Some(file) = &options.metrics {
        metrics::write(file, &as_metrics(&found, question.target))?;
    }
    show(common.output, &question, how, &found, &tried, &answer)
}

impl Cluster {
    /// Asks Nimbus.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn ask(common: &Common) -> Result<Self, Failure> {
        let mut client = Client::connect(common).await?;
        let info = client
            .nimbus
            .get_cluster_info(pb::GetClusterInfoRequest {})
            .await;
        let info = client.answer(info)?;
        let mut topologies = Vec::new();
        for t in info.topologies {
            let request = pb::GetTopologyInfoRequest {
                name_or_id: t.id,
                without_windows: true,
            };
            let info = client.nimbus.get_topology_info(request).await;
            topologies.push(client.answer(info)?);
        }
        topologies.sort_by_key(|t| {
            let up = t.summary.as_ref().map_or(0, |s| s.uptime_secs);
            (conf(t, "topology.priority").unwrap_or(29), u64::MAX - up)
        });
        let request = pb::GetEventsRequest {
            since_seq: 0,
            limit: 10_000,
        };
        let events = client.nimbus.get_events(request).await;
        Ok(Self {
            nodes: info
                .supervisors
                .into_iter()
                .filter(|n| n.alive && !n.cordoned)
                .collect(),
            topologies,
            events: client.answer(events)?.events,
        })
    }

    /// A cluster without events.
    #[cfg(test)]
    pub fn of(nodes: Vec<pb::SupervisorSummary>, topologies: Vec<pb::TopologyInfo>) -> Self {
        Self {
            nodes,
            topologies,
            events: Vec::new(),
        }
    }

    /// The pools, and the nodes with the index of theirs.
    pub fn pools(&self) -> (Vec<Pool>, Vec<Node>) {
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        self.nodes
            .iter()
            .for_each(|n| *counts.entry(name(n)).or_default() += 1);
        let names: Vec<&String> = counts.keys().collect();
        let node = |n: &pb::SupervisorSummary| Node {
            pool: names.binary_search(&&name(n)).unwrap_or(0),
            slots: n.slots_total,
        };
        let nodes = self.nodes.iter().map(node).collect();
        (
            counts
                .into_iter()
                .map(|(name, nodes)| Pool { name, nodes })
                .collect(),
            nodes,
        )
    }
}

/// A node's pool. Nodes that do not say where they are count as one: nothing shows that they fall apart.
fn name(n: &pb::SupervisorSummary) -> String {
    let or = |text: &str| {
        if text.is_empty() {
            "unknown".to_owned()
        } else {
            text.to_owned()
        }
    };
    format!("{}/{}", or(&n.instance_type), or(&n.zone))
}

fn conf(t: &pb::TopologyInfo, key: &str) -> Option<u64> {
    let conf: serde_json::Value = serde_json::from_str(&t.json_conf).ok()?;
    conf.get(key)?.as_u64()
}

/// A number of a topology's configuration.
#[cfg(any(feature = "ec2", test))]
pub fn number(t: &pb::TopologyInfo, key: &str) -> Option<f64> {
    let conf: serde_json::Value = serde_json::from_str(&t.json_conf).ok()?;
    conf.get(key)?.as_f64()
}

/// A topology as the planner sees it.
pub fn topology(t: &pb::TopologyInfo) -> Topology {
    Topology {
        name: t
            .summary
            .as_ref()
            .map_or_else(String::new, |s| s.name.clone()),
        workers: workers(t),
    }
}

/// Workers that it wants: those it was given, or more where it is short of slots.
pub fn workers(t: &pb::TopologyInfo) -> u32 {
    let given = t.summary.as_ref().map_or(0, |s| s.workers);
    let executors = t
        .assignment
        .as_ref()
        .map_or(0, |a| a.executors.len() as u64);
    let wanted = conf(t, "topology.workers")
        .unwrap_or(1)
        .clamp(1, executors.max(1));
    given.max(wanted as u32)
}

/// The longest time from a node's loss or notice to the next node that came, each node that came standing for one loss.
fn measured(events: &[pb::Event]) -> Option<Duration> {
    let mut open: Vec<(&str, u64)> = Vec::new();
    let mut longest = None;
    for e in events {
        match e.kind.as_str() {
            "notice" | "node_lost" if !open.iter().any(|(n, _)| *n == e.node_id) => {
                open.push((&e.node_id, e.time_ms))
            }
            "retracted" => open.retain(|(n, _)| *n != e.node_id),
            "supervisor" if !open.is_empty() => {
                let (_, since) = open.remove(0);
                longest = longest.max(Some(e.time_ms.saturating_sub(since)));
            }
            _ => {}
        }
    }
    longest.map(|ms| Duration::from_millis(ms.max(1)))
}

fn losses(options: &Options, pools: &[Pool]) -> Result<Losses, Failure> {
    let shares = vec![1.0];
    if let Some(per_day) = options.per_pool_per_day {
        if !(0.0..=10_000.0).contains(&per_day) {
            return Err(Failure::Usage(format!(
                "--per-pool-per-day is {per_day}; allowed is 0 to 10000"
            )));
        }
        return Ok(Losses::Rate {
            per_s: vec![per_day / 86_400.0],
            shares,
        });
    }
    let bands = match &options.advisor {
        Some(file) => {
            bands::parse(&file.display().to_string(), &files::text(file)?).map_err(refused)?
        }
        None => Default::default(),
    };
    let band = |p: &Pool| {
        let (kind, zone) = p.name.split_once('/').unwrap_or((&p.name, ""));
        let region = zone.trim_end_matches(|c: char| c.is_ascii_lowercase());
        let region = options.region.clone().unwrap_or_else(|| region.to_owned());
        bands
            .get(&(region, kind.to_owned()))
            .copied()
            .unwrap_or(Band::WORST)
    };
    let per_s = pools.iter().map(|p| band(p).events_per_s(1.0)).collect();
    Ok(Losses::Rate { per_s, shares })
}

fn as_metrics(found: &[Endurance], target: f64) -> [Metric; 4] {
    let each = |name, value: &dyn Fn(&Endurance) -> f64| Metric {
        name,
        values: found
            .iter()
            .map(|e| (Some(e.topology.clone()), value(e)))
            .collect(),
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    [
        each("endures_nodes", &|e| f64::from(e.any_nodes)),
        each("served_ratio", &|e| e.pool),
        each("target_ratio", &|_| target),
        Metric {
            name: "endured_time_seconds",
            values: vec![(None, now.map_or(0.0, |t| t.as_secs() as f64))],
        },
    ]
}

fn show(
    form: Output,
    question: &Question,
    how: &str,
    found: &[Endurance],
    tried: &[String],
    answer: &Answer,
) -> Done {
    let json = json!({
        "window_s": question.window_s, "window_how": how, "target": question.target, "pools": question.pools,
        "topologies": found.iter().zip(tried).map(|(e, tried)| json!({"endures": e, "scheduler": tried}))
            .collect::<Vec<_>>(),
        "cluster": answer,
    });
    if form == Output::Json {
        println!("{json:#}");
        return Ok(());
    }
    let rows = found.iter().zip(tried).map(|(e, tried)| {
        let fatal: Vec<&str> = e
            .fatal_pools
            .iter()
            .map(|p| question.pools[*p].name.as_str())
            .collect();
        vec![
            e.topology.clone(),
            e.any_nodes.to_string(),
            e.random_nodes.to_string(),
            e.any_pools.to_string(),
            if fatal.is_empty() {
                "none".to_owned()
            } else {
                fatal.join(" ")
            },
            format!("{:.5} %", 100.0 * e.pool),
            tried.clone(),
        ]
    });
    let columns = [
        "topology",
        "any nodes",
        "random nodes",
        "any pools",
        "pools it needs",
        "served",
        "scheduler says",
    ];
    output::print(form, &columns, rows.collect(), &json);
    println!(
        "\nuntil a replacement serves: {} s, {how}\n",
        question.window_s
    );
    super::endure::print(form, question, answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_the_slowest_replacement() {
        let event = |kind: &str, node: &str, time_ms| pb::Event {
            kind: kind.to_owned(),
            node_id: node.to_owned(),
            time_ms,
            ..Default::default()
        };
        assert_eq!(measured(&[event("supervisor", "a", 5)]), None);
        let events = [
            event("notice", "a", 1_000),
            event("node_lost", "a", 9_000),
            event("node_lost", "b", 10_000),
            event("advice", "c", 10_000),
            event("supervisor", "d", 41_000),
            event("supervisor", "e", 70_000),
            event("notice", "f", 80_000),
            event("retracted", "f", 81_000),
            event("supervisor", "g", 900_000),
        ];
        assert_eq!(measured(&events), Some(Duration::from_secs(60)));
    }
}
