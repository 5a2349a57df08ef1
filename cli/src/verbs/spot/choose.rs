//! `fulmar spot choose`: instance types for what topologies were measured to need, with a reason for each.

use std::path::PathBuf;

use fulmar_proto::nimbus as pb;
use fulmar_spot_plan::choose::{Choice, Chosen, choose};
use fulmar_spot_plan::needs::{Component, Demand, Needs};
use fulmar_spot_plan::picture;
use fulmar_spot_plan::policy::Rules;

use super::{files, refused};
use crate::args::{Common, Output};
use crate::client::{Client, block_on};
use crate::failure::{Done, Failure};
use crate::output;

/// Arguments.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  fulmar spot choose wifi aggregation --region us-east-1 --prices prices.csv.gz --types types.csv --advisor bands.csv.gz
  fulmar spot choose --needs needs.json --region us-east-1 --prices prices.csv --types types.csv --picture choice.svg
  fulmar spot choose wifi --times 100 --region us-east-1 --prices prices.csv.gz --types types.csv

needs.json: {\"components\":[{\"name\":\"split\",\"tuples_per_s\":100000,\"cpu_us_per_tuple\":5,\"tasks\":8,
  \"memory_mib_per_task\":64,\"bytes_per_tuple\":120},…]}
Of the needed cores 70 % and of the memory 80 % are planned to be busy.")]
pub struct Args {
    /// Topologies whose needs Nimbus measured.
    #[arg(required_unless_present = "needs", conflicts_with = "needs")]
    topologies: Vec<String>,
    /// Needs from a file instead.
    #[arg(long, value_name = "FILE")]
    needs: Option<PathBuf>,
    /// Plan for so many times the tuples; memory stays as it is.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = times)]
    times: f64,
    /// Region to choose in.
    #[arg(long)]
    region: String,
    /// Only types of this architecture, as the table of types calls it.
    #[arg(long)]
    arch: Option<String>,
    /// Fewest pools.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(2..=24))]
    pools: u16,
    /// Rows to print; 0 for all.
    #[arg(long, default_value_t = 25)]
    rows: usize,
    /// Draw price and risk of every type into this SVG file.
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    #[command(flatten)]
    data: files::Data,
}

fn times(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor > 0.0 && factor <= 1e6 => Ok(factor),
        _ => Err("allowed is above 0, up to 1000000".to_owned()),
    }
}

/// Runs the verb.
pub fn run(common: &Common, args: &Args) -> Done {
    let mut needs: Needs = match &args.needs {
        Some(file) => serde_json::from_str(&files::text(file)?).map_err(|e| {
            Failure::Usage(format!(
                "{}: {e}; `fulmar spot choose --help` shows the form",
                file.display()
            ))
        })?,
        None => block_on(measured(common, &args.topologies))?,
    };
    needs
        .components
        .iter_mut()
        .for_each(|c| c.tuples_per_s *= args.times);
    let demand = needs.demand().map_err(refused)?;
    let mut markets = args.data.markets()?;
    let regions: Vec<String> = markets.iter().map(|m| m.region.clone()).collect();
    let Some(at) = regions.iter().position(|r| *r == args.region) else {
        return Err(Failure::Usage(format!(
            "no prices of region {}; there are {regions:?}",
            args.region
        )));
    };
    let mut market = markets.swap_remove(at);
    if let Some(arch) = &args.arch {
        market.offers.retain(|o| o.arch == *arch);
    }
    let rules = Rules {
        pools_least: usize::from(args.pools),
        ..Rules::default()
    };
    let chosen = choose(&market, &demand, &rules).map_err(refused)?;
    if let Some(file) = &args.picture {
        std::fs::write(file, picture::svg(&chosen)).map_err(|e| {
            Failure::Failed(format!(
                "{}: {e}; name a file that can be written",
                file.display()
            ))
        })?;
    }
    print(common.output, args, &demand, &chosen)
}

/// What Nimbus measured of these topologies.
async fn measured(common: &Common, names: &[String]) -> Result<Needs, Failure> {
    let mut client = Client::connect(common).await?;
    let mut needs = Needs::default();
    for name in names {
        let request = pb::GetTopologyInfoRequest {
            name_or_id: name.clone(),
            without_windows: true,
        };
        let answer = client.nimbus.get_topology_info(request).await;
        needs
            .components
            .extend(of_topology(name, &client.answer(answer)?));
    }
    Ok(needs)
}

/// A topology's components. What the workers' processes used is shared out: memory by tasks, core time by the time
/// that each component's executors were busy, or by tuples where none says so, since a spout's calls are not timed.
fn of_topology(topology: &str, info: &pb::TopologyInfo) -> Vec<Component> {
    let cores: f64 = info.workers.iter().map(|w| w.cpu_percent).sum::<f64>() / 100.0;
    let memory_mib: f64 = info.workers.iter().map(|w| w.memory_mb).sum();
    let mut found: Vec<(Component, f64)> = Vec::new();
    for e in &info.executors {
        let Some(stats) = &e.stats else { continue };
        let at = found
            .iter()
            .position(|f| f.0.name == stats.component)
            .unwrap_or_else(|| {
                let component = Component {
                    name: stats.component.clone(),
                    tuples_per_s: 0.0,
                    cpu_us_per_tuple: 0.0,
                    tasks: 0,
                    memory_mib_per_task: 0.0,
                    bytes_per_tuple: 0.0,
                };
                found.push((component, 0.0));
                found.len() - 1
            });
        let (component, busy) = &mut found[at];
        let tasks = stats
            .executor
            .as_ref()
            .map_or(1, |x| x.last_task - x.first_task + 1);
        component.tasks += tasks.max(1) as u32;
        component.tuples_per_s += if e.executed_rate > 0.0 {
            e.executed_rate
        } else {
            e.emitted_rate
        };
        *busy += stats.capacity;
    }
    let tasks: u32 = found.iter().map(|f| f.0.tasks).sum();
    let busy: f64 = found.iter().map(|f| f.1).sum();
    let tuples: f64 = found.iter().map(|f| f.0.tuples_per_s).sum();
    let share = |c: &Component, b: f64| match (busy > 0.0, tuples > 0.0) {
        // A half by the time in calls, a half by tuples moved: serialising and queues are in no call.
        (true, true) => (b / busy + c.tuples_per_s / tuples) / 2.0,
        (true, false) => b / busy,
        (false, true) => c.tuples_per_s / tuples,
        (false, false) => 0.0,
    };
    let finish = |(mut c, b): (Component, f64)| {
        let of_cores = share(&c, b) * cores;
        c.cpu_us_per_tuple = if c.tuples_per_s > 0.0 {
            of_cores * 1e6 / c.tuples_per_s
        } else {
            0.0
        };
        c.memory_mib_per_task = memory_mib / f64::from(tasks.max(1));
        c.name = format!("{topology}/{}", c.name);
        c
    };
    found.into_iter().map(finish).collect()
}

fn print(form: Output, args: &Args, demand: &Demand, chosen: &Chosen) -> Done {
    let json = serde_json::to_value(chosen).map_err(Failure::here)?;
    if form == Output::Json {
        println!("{json:#}");
        return Ok(());
    }
    println!(
        "{}: {:.1} cores and {:.1} GiB with their reserves ({:.1} GiB a core), {:.0} Mbit/s between machines\n",
        demand.kind.label(),
        chosen.vcpu,
        chosen.memory_gib,
        chosen.memory_gib / chosen.vcpu,
        chosen.network_mbps
    );
    let row = |c: &Choice| {
        vec![
            c.instance_type.clone(),
            if c.nodes > 0 {
                c.nodes.to_string()
            } else {
                "–".to_owned()
            },
            format!("{:.4}", c.usd_per_hour),
            format!("{:.3}", c.usd_for_need),
            format!("{:.0} %", c.saving_percent),
            format!("{:.2}", c.swing),
            c.band.to_owned(),
            c.reason.clone(),
        ]
    };
    let most = if args.rows == 0 {
        usize::MAX
    } else {
        args.rows
    };
    // Those taken are always shown.
    let shown = chosen
        .offers
        .iter()
        .enumerate()
        .filter(|(i, c)| *i < most || c.nodes > 0);
    let rows = shown.map(|(_, c)| row(c)).collect();
    let columns = [
        "type",
        "nodes",
        "usd/h",
        "usd/h for the need",
        "saves",
        "swing of 90 days",
        "taken a month",
        "why",
    ];
    output::print(form, &columns, rows, &json);
    println!(
        "\n{:.3} USD/h in {} pools, {:.0} % of {:.3} USD/h for the cheapest on demand ({})",
        chosen.usd_per_hour,
        chosen.offers.iter().filter(|c| c.nodes > 0).count(),
        100.0 * chosen.usd_per_hour / chosen.on_demand_usd_per_hour,
        chosen.on_demand_usd_per_hour,
        chosen.on_demand_type
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_workers_used_is_shared_out_whole() {
        let executor = |component: &str, tasks: i32, capacity: f64, executed: f64, emitted: f64| {
            pb::ExecutorInfo {
                stats: Some(pb::ExecutorStats {
                    component: component.to_owned(),
                    executor: Some(pb::Executor {
                        first_task: 1,
                        last_task: tasks,
                    }),
                    capacity,
                    ..Default::default()
                }),
                executed_rate: executed,
                emitted_rate: emitted,
                ..Default::default()
            }
        };
        let info = pb::TopologyInfo {
            executors: vec![
                executor("in", 1, 0.0, 0.0, 1_000.0),
                executor("work", 2, 0.5, 600.0, 0.0),
                executor("work", 1, 0.3, 400.0, 0.0),
            ],
            workers: vec![
                pb::WorkerInfo {
                    cpu_percent: 150.0,
                    memory_mb: 800.0,
                    ..Default::default()
                };
                2
            ],
            ..Default::default()
        };
        let components = of_topology("t", &info);
        assert_eq!(components.len(), 2);
        let cores: f64 = components
            .iter()
            .map(|c| c.tuples_per_s * c.cpu_us_per_tuple / 1e6)
            .sum();
        let memory: f64 = components
            .iter()
            .map(|c| f64::from(c.tasks) * c.memory_mib_per_task)
            .sum();
        assert!(
            (cores - 3.0).abs() < 1e-9 && (memory - 1_600.0).abs() < 1e-9,
            "{components:?}"
        );
    }
}
