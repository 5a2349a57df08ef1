//! `fulmar list`: every topology with its status and health.

use fulmar_proto::nimbus as pb;
use serde_json::{Value, json};

use crate::args::Common;
use crate::client::{Client, block_on};
use crate::failure::Done;
use crate::output;

/// Arguments.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  fulmar list --output json")]
pub struct Args {}

/// Runs the verb.
pub fn run(common: &Common) -> Done {
    block_on(async {
        let mut client = Client::connect(common).await?;
        let answer = client
            .nimbus
            .get_cluster_info(pb::GetClusterInfoRequest {})
            .await;
        let info = client.answer(answer)?;
        let rows = info.topologies.iter().map(|t| {
            vec![
                t.name.clone(),
                t.status().as_str_name().to_owned(),
                t.health.clone(),
                t.tasks.to_string(),
                t.executors.to_string(),
                t.workers.to_string(),
                output::uptime(t.uptime_secs),
                if t.health == "ok" {
                    String::new()
                } else {
                    t.health_reason.clone()
                },
            ]
        });
        let columns = [
            "name",
            "status",
            "health",
            "tasks",
            "executors",
            "workers",
            "uptime",
            "reason",
        ];
        let json = info.topologies.iter().map(summary).collect::<Vec<_>>();
        output::print(
            common.output,
            &columns,
            rows.collect(),
            &json!({"topologies": json}),
        );
        Ok(())
    })
}

/// A topology's summary as JSON.
pub fn summary(t: &pb::TopologySummary) -> Value {
    json!({
        "id": t.id, "name": t.name, "status": t.status().as_str_name(), "health": t.health,
        "reason": t.health_reason, "tasks": t.tasks, "executors": t.executors,
        "workers": t.workers, "endures_losses": t.endures_losses, "uptime_secs": t.uptime_secs,
    })
}
