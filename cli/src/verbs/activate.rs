//! `fulmar activate`: a topology's spouts emit again.

use fulmar_proto::nimbus as pb;
use serde_json::json;

use crate::args::Common;
use crate::client::{Client, block_on};
use crate::failure::Done;
use crate::output;

/// Arguments.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  fulmar activate word-count")]
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
            .activate(pb::TopologyName {
                name: args.name.clone(),
            })
            .await;
        client.answer(answer)?;
        let text = format!("{}: its spouts emit", args.name);
        output::say(
            common.output,
            &text,
            &json!({"name": args.name, "done": "activate"}),
        );
        Ok(())
    })
}
