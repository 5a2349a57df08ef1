//! `fulmar kill`: a topology's spouts fall quiet, and after the wait it is gone.

use fulmar_proto::nimbus as pb;
use serde_json::json;

use crate::args::Common;
use crate::client::{Client, block_on};
use crate::failure::Done;
use crate::output;

/// Arguments.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  fulmar kill word-count\n  fulmar kill word-count -w 0")]
pub struct Args {
    /// The topology's name.
    name: String,
    /// Seconds between the end of emitting and the end of the workers; default:
    /// topology.message.timeout.secs.
    #[arg(short = 'w', long = "wait", value_name = "SECS")]
    wait: Option<f64>,
}

/// Runs the verb.
pub fn run(common: &Common, args: &Args) -> Done {
    block_on(async {
        let mut client = Client::connect(common).await?;
        let request = pb::KillTopologyRequest {
            name: args.name.clone(),
            wait_secs: args.wait,
        };
        let answer = client.nimbus.kill_topology(request).await;
        client.answer(answer)?;
        let text = format!("{} is being killed", args.name);
        output::say(
            common.output,
            &text,
            &json!({"name": args.name, "done": "kill"}),
        );
        Ok(())
    })
}
