//! `fulmar broker`: the embedded Kafka broker as a process of its own.

use fulmar_kafka::broker::Broker;

use crate::client::block_on;
use crate::failure::{Done, Failure};
use crate::verbs::nimbus::ended;

/// Topics of the Wi-Fi pipeline.
pub const TOPICS: [&str; 5] = [
    "wifi.telemetry",
    "wifi.estimates",
    "wifi.aggregates",
    "wifi.anomalies",
    "wifi.rejected",
];

/// Arguments.
#[derive(clap::Args)]
#[command(
    after_help = "It lives in memory and keeps at most 5 MiB or 100,000 messages of each partition.\n\nExample:\n  fulmar broker --partitions 8"
)]
pub struct Args {
    /// Partitions of each topic.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(i32).range(1..=512))]
    partitions: i32,
    /// Topics; default: those of the Wi-Fi pipeline.
    #[arg(long, value_delimiter = ',')]
    topics: Vec<String>,
}

/// Runs it until SIGTERM or Ctrl-C.
pub fn run(args: &Args) -> Done {
    let names: Vec<&str> = if args.topics.is_empty() {
        TOPICS.to_vec()
    } else {
        args.topics.iter().map(String::as_str).collect()
    };
    let topics: Vec<_> = names.into_iter().map(|t| (t, args.partitions)).collect();
    let broker = Broker::start(&topics).map_err(Failure::here)?;
    println!("kafka {}", broker.bootstrap_servers());
    block_on(async {
        ended().await;
        Ok(())
    })
}
