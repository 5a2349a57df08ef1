//! `fulmar rebalance`: a topology spread anew, with other numbers if wanted.

use std::collections::HashMap;

use fulmar_proto::nimbus as pb;
use serde_json::json;

use crate::args::Common;
use crate::client::{Client, block_on};
use crate::failure::{Done, Failure};
use crate::output;

/// Arguments.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  fulmar rebalance word-count -w 0 -n 4\n  fulmar rebalance word-count -e split=4 -e count=2"
)]
pub struct Args {
    /// The topology's name.
    name: String,
    /// Seconds to wait with quiet spouts first.
    #[arg(short = 'w', long = "wait", value_name = "SECS")]
    wait: Option<f64>,
    /// Number of workers.
    #[arg(short = 'n', long = "workers")]
    workers: Option<u32>,
    /// Executors of a component; may be repeated.
    #[arg(short = 'e', long = "executors", value_name = "COMPONENT=N")]
    executors: Vec<String>,
}

/// Runs the verb.
pub fn run(common: &Common, args: &Args) -> Done {
    let executors = args
        .executors
        .iter()
        .map(|e| pair(e))
        .collect::<Result<HashMap<_, _>, _>>()?;
    block_on(async {
        let mut client = Client::connect(common).await?;
        let request = pb::RebalanceRequest {
            name: args.name.clone(),
            wait_secs: args.wait,
            workers: args.workers,
            executors,
        };
        let answer = client.nimbus.rebalance(request).await;
        client.answer(answer)?;
        let text = format!("{} is being rebalanced", args.name);
        output::say(
            common.output,
            &text,
            &json!({"name": args.name, "done": "rebalance"}),
        );
        Ok(())
    })
}

fn pair(text: &str) -> Result<(String, u32), Failure> {
    let parsed = text
        .split_once('=')
        .and_then(|(c, n)| Some((c.to_owned(), n.parse().ok()?)));
    parsed.ok_or_else(|| {
        Failure::Usage(format!(
            "-e {text}: write COMPONENT=N, for example -e split=4"
        ))
    })
}
