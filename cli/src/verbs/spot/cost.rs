//! `fulmar spot cost`: what each topology costs on the nodes where it works, and what spot saves.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fulmar_proto::nimbus as pb;
use fulmar_spot_plan::cost::{Cost, Node, Use, costs};
use serde_json::json;

use super::metrics::{self, Metric};
use super::{files, refused};
use crate::args::Common;
use crate::client::{Client, block_on};
use crate::failure::{Done, Failure};
use crate::output;

/// Arguments.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  fulmar spot cost --prices prices.csv.gz --types types.csv
  fulmar spot cost --use use.json --prices prices.csv --types types.csv --output json

use.json: {\"nodes\":[{\"instance_type\":\"m5.large\",\"region\":\"us-east-1\",\"life_cycle\":\"spot\",\"workers\":{\"wifi\":2}},…],
  \"messages_per_s\":{\"wifi\":25000}}
A node's price is shared by the workers on it; a node without any is (idle).")]
pub struct Args {
    /// Use from a file instead of from Nimbus.
    #[arg(long = "use", value_name = "FILE")]
    used: Option<PathBuf>,
    /// Instance type of nodes that do not say theirs, as those outside EC2.
    #[arg(
        long,
        value_name = "TYPE",
        requires = "region",
        conflicts_with = "used"
    )]
    assume: Option<String>,
    /// Region of nodes that do not say their zone.
    #[arg(long, conflicts_with = "used")]
    region: Option<String>,
    /// Write the answer as Prometheus metrics into this file too, for a textfile collector.
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// What all may cost, in US dollars an hour, for the alert on it.
    #[arg(long, value_name = "USD", requires = "metrics")]
    plan: Option<f64>,
    #[command(flatten)]
    data: files::Data,
}

/// Runs the verb.
pub fn run(common: &Common, args: &Args) -> Done {
    let used: Use = match &args.used {
        Some(file) => serde_json::from_str(&files::text(file)?).map_err(|e| {
            Failure::Usage(format!(
                "{}: {e}; `fulmar spot cost --help` shows the form",
                file.display()
            ))
        })?,
        None => block_on(measured(common, args))?,
    };
    let markets = args.data.markets()?;
    let found = costs(&used, &markets).map_err(refused)?;
    if let Some(file) = &args.metrics {
        let each = |c: &Cost| (Some(c.topology.clone()), c.usd_per_hour);
        let costs = Metric {
            name: "usd_per_hour",
            values: found.iter().map(each).collect(),
        };
        let plan = args.plan.map(|usd| Metric {
            name: "plan_usd_per_hour",
            values: vec![(None, usd)],
        });
        metrics::write(
            file,
            &[Some(costs), plan]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>(),
        )?;
    }
    let days = markets.iter().map(|m| m.days).max().unwrap_or(0);
    let row = |c: &Cost| {
        vec![
            c.topology.clone(),
            format!("{:.4}", c.usd_per_hour),
            format!("{:.4}", c.on_demand_usd_per_hour),
            format!("{:.1} %", c.saved_percent),
            format!("{:.0}", c.messages_per_s),
            c.usd_per_billion
                .map_or("–".to_owned(), |usd| format!("{usd:.2}")),
            format!("{:.0} of {:.0}", c.usd_of_series[0], c.usd_of_series[1]),
        ]
    };
    let series = format!("usd of {days} days of prices, of on demand");
    let columns = [
        "topology",
        "usd/h",
        "on demand usd/h",
        "saved",
        "messages/s",
        "usd/billion messages",
        &series,
    ];
    let json = json!({"topologies": found, "days": days});
    output::print(
        common.output,
        &columns,
        found.iter().map(row).collect(),
        &json,
    );
    Ok(())
}

/// Nodes, the workers on them, and what spouts bring in.
async fn measured(common: &Common, args: &Args) -> Result<Use, Failure> {
    let mut client = Client::connect(common).await?;
    let info = client
        .nimbus
        .get_cluster_info(pb::GetClusterInfoRequest {})
        .await;
    let info = client.answer(info)?;
    let mut used = Use::default();
    let mut workers: BTreeMap<String, BTreeMap<String, u32>> = BTreeMap::new();
    for t in &info.topologies {
        let request = pb::GetTopologyInfoRequest {
            name_or_id: t.id.clone(),
            without_windows: true,
        };
        let topology = client.nimbus.get_topology_info(request).await;
        let topology = client.answer(topology)?;
        for worker in topology.workers.iter().filter_map(|w| w.worker.as_ref()) {
            *workers
                .entry(worker.node_id.clone())
                .or_default()
                .entry(t.name.clone())
                .or_default() += 1;
        }
        used.messages_per_s
            .insert(t.name.clone(), messages(&topology));
    }
    for n in info.supervisors.iter().filter(|n| n.alive) {
        let kind = Some(n.instance_type.clone())
            .filter(|k| !k.is_empty())
            .or_else(|| args.assume.clone());
        let zone = n.zone.trim_end_matches(|c: char| c.is_ascii_lowercase());
        let region = Some(zone.to_owned())
            .filter(|z| !z.is_empty())
            .or_else(|| args.region.clone());
        let (Some(instance_type), Some(region)) = (kind, region) else {
            return Err(Failure::Usage(format!(
                "node {} says neither its type nor its zone: name them with --assume TYPE --region REGION",
                n.node_id
            )));
        };
        used.nodes.push(Node {
            instance_type,
            region,
            // A node that does not say how it is paid is taken for the dearer.
            life_cycle: if n.life_cycle == "spot" {
                "spot"
            } else {
                "on-demand"
            }
            .to_owned(),
            workers: workers.remove(&n.node_id).unwrap_or_default(),
        });
    }
    Ok(used)
}

/// What spouts emit: they execute nothing.
fn messages(info: &pb::TopologyInfo) -> f64 {
    let spout = |e: &&pb::ExecutorInfo| {
        e.stats.as_ref().is_some_and(|s| s.inputs.is_empty()) && e.executed_rate <= 0.0
    };
    info.executors
        .iter()
        .filter(spout)
        .map(|e| e.emitted_rate)
        .sum()
}
