//! `fulmar deactivate`: a topology's spouts fall quiet, what is under way finishes.

use fulmar_proto::nimbus as pb;
use serde_json::json;

use crate::args::Common;
use crate::client::{Client, block_on};
use crate::failure::Done;
use crate::output;

/// Arguments.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  fulmar deactivate word-count")]
pub struct Args {
    /// The topology's name.
    name: String,
}

/// Runs the verb.
pub fn run(common: &Common, args: &Args) -> Done {
    block_on(async {
        let mut client = Client::connect(common).await?;
        let answer = client
            .nimbus
            .deactivate(pb::TopologyName {
                name: args.name.clone(),
            })
            .await;
        client.answer(answer)?;
        let text = format!(
            "{}: its spouts are quiet, what is under way finishes",
            args.name
        );
        output::say(
            common.output,
            &text,
            &json!({"name": args.name, "done": "deactivate"}),
        );
        Ok(())
    })
}
