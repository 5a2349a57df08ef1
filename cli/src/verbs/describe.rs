//! `fulmar describe`: one topology with its components, where its tasks are, and its errors.

use std::collections::BTreeMap;

use fulmar_api::TopologySpec;
use fulmar_proto::nimbus as pb;
use serde_json::{Value, json};

use crate::args::{Common, Output};
use crate::client::{Client, block_on};
use crate::failure::{Done, Failure};
use crate::output;
use crate::verbs::list::summary;

/// Arguments.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  fulmar describe word-count --output json")]
pub struct Args {
    /// The topology's name or id.
    name: String,
}

/// Runs the verb.
pub fn run(common: &Common, args: &Args) -> Done {
    block_on(async {
        let mut client = Client::connect(common).await?;
        let request = pb::GetTopologyInfoRequest {
            without_windows: true,
            name_or_id: args.name.clone(),
        };
        let answer = client.nimbus.get_topology_info(request).await;
        let info = client.answer(answer)?;
        let spec: TopologySpec =
            serde_json::from_str(&info.json_topology).map_err(Failure::here)?;
        match common.output {
            Output::Json => println!("{:#}", document(&info, &spec)),
            Output::Table => table(&info, &spec),
        }
        Ok(())
    })
}

/// Worker (host:port) → its tasks.
fn placement(info: &pb::TopologyInfo) -> BTreeMap<String, Vec<i32>> {
    let Some(assignment) = &info.assignment else {
        return BTreeMap::new();
    };
    let mut tasks: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for e in &assignment.executors {
        let (Some(w), Some(x)) = (assignment.workers.get(e.worker as usize), &e.executor) else {
            continue;
        };
        let name = format!("{}:{}", w.host, w.port);
        tasks
            .entry(name)
            .or_default()
            .extend(x.first_task..=x.last_task);
    }
    tasks
}

fn document(info: &pb::TopologyInfo, spec: &TopologySpec) -> Value {
    let errors = info.errors.iter().map(|e| {
        json!({"component": e.component, "task": e.task, "time_ms": e.time_ms, "error": e.error})
    });
    let executors = info.executors.iter().filter_map(|e| {
        let s = e.stats.as_ref()?;
        Some(json!({
            "component": s.component, "emitted_per_s": e.emitted_rate, "executed_per_s": e.executed_rate,
            "acked": s.spout_acked, "failed": s.spout_failed, "capacity": s.capacity,
        }))
    });
    json!({
        "summary": info.summary.as_ref().map(summary),
        "topology": spec,
        "workers": placement(info),
        "executors": executors.collect::<Vec<_>>(),
        "errors": errors.collect::<Vec<_>>(),
    })
}

fn table(info: &pb::TopologyInfo, spec: &TopologySpec) {
    if let Some(s) = &info.summary {
        let (status, up) = (s.status().as_str_name(), output::uptime(s.uptime_secs));
        println!(
            "{} ({}): {status}, {} {}, up {up}\n",
            s.name, s.id, s.health, s.health_reason
        );
    }
    let rows = spec
        .components
        .iter()
        .zip(spec.task_ranges())
        .map(|(c, (first, last))| {
            let from: Vec<_> = c.inputs.iter().map(|i| i.component.as_str()).collect();
            vec![
                c.id.clone(),
                c.parallelism.to_string(),
                format!("{first}-{last}"),
                from.join(", "),
            ]
        });
    output::print(
        Output::Table,
        &["component", "executors", "tasks", "from"],
        rows.collect(),
        &Value::Null,
    );
    println!();
    let rows = placement(info).into_iter().map(|(worker, tasks)| {
        let tasks: Vec<_> = tasks.iter().map(ToString::to_string).collect();
        vec![worker, tasks.join(" ")]
    });
    output::print(
        Output::Table,
        &["worker", "tasks"],
        rows.collect(),
        &Value::Null,
    );
    for e in &info.errors {
        println!("\n{} (task {}): {}", e.component, e.task, e.error);
    }
}
