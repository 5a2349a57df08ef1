//! `fulmar events`: the story that Nimbus tells.

use fulmar_proto::nimbus as pb;
use serde_json::json;

use crate::args::Common;
use crate::client::{Client, block_on};
use crate::failure::Done;
use crate::output;

/// Arguments.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  fulmar events --limit 50")]
pub struct Args {
    /// Only what came after this number.
    #[arg(long, default_value_t = 0)]
    since: u64,
    /// At most so many.
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

/// Runs the verb.
pub fn run(common: &Common, args: &Args) -> Done {
    block_on(async {
        let mut client = Client::connect(common).await?;
        let request = pb::GetEventsRequest {
            since_seq: args.since,
            limit: args.limit,
        };
        let answer = client.nimbus.get_events(request).await;
        let events = client.answer(answer)?.events;
        let rows = events.iter().map(|e| {
            let of_day = e.time_ms / 1000 % 86_400;
            let time = format!(
                "{:02}:{:02}:{:02}.{:03}",
                of_day / 3600,
                of_day / 60 % 60,
                of_day % 60,
                e.time_ms % 1000
            );
            vec![e.seq.to_string(), time, e.kind.clone(), e.text.clone()]
        });
        let json = events.iter().map(|e| {
            json!({"seq": e.seq, "time_ms": e.time_ms, "kind": e.kind, "topology": e.topology,
                   "node": e.node_id, "text": e.text})
        });
        let json = json!({"events": json.collect::<Vec<_>>()});
        output::print(
            common.output,
            &["seq", "time (UTC)", "kind", "what"],
            rows.collect(),
            &json,
        );
        Ok(())
    })
}
