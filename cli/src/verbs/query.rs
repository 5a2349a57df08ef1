//! `fulmar query`: the query service of the Wi-Fi pipeline.

use fulmar_query::QueryConfig;

use crate::client::block_on;
use crate::failure::{Done, Failure};
use crate::verbs::nimbus::{ended, listen};

/// Arguments.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  fulmar query --bootstrap localhost:9092 --store cassandra://localhost:9042\n  curl 'localhost:8081/api/v1/wifi/anomalies?org=acme'"
)]
pub struct Args {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port; 0 is any free one.
    #[arg(long, default_value_t = 8081)]
    port: u16,
    /// Kafka's brokers.
    #[arg(long, default_value = "localhost:9092")]
    bootstrap: String,
    /// Topic of estimates.
    #[arg(long, default_value = "wifi.estimates")]
    topic: String,
    /// The store: cassandra://… or embedded://host:port.
    #[arg(long, default_value = "cassandra://localhost:9042")]
    store: String,
}

/// Runs it until SIGTERM or Ctrl-C.
pub fn run(args: &Args) -> Done {
    block_on(async {
        let listener = listen(&args.host, args.port).await?;
        let address = listener.local_addr().map_err(Failure::here)?;
        let config = QueryConfig {
            bootstrap_servers: args.bootstrap.clone(),
            estimates: args.topic.clone(),
            store: args.store.clone(),
        };
        let ready = move || println!("query http://{address}/api/v1/wifi/");
        fulmar_query::run(config, listener, ended(), ready)
            .await
            .map_err(Failure::here)
    })
}
