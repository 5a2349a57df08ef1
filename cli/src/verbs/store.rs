//! `fulmar store`: the embedded store as a process of its own.

use std::path::PathBuf;

use crate::args::Common;
use crate::client::block_on;
use crate::failure::{Done, Failure};
use crate::settings;
use crate::verbs::nimbus::{ended, listen};

/// Arguments.
#[derive(clap::Args)]
#[command(
    after_help = "It speaks to Fulmar's own clients only (wifi.store=embedded://HOST:PORT), on loopback.\n\nExample:\n  fulmar store --dir /tmp/store"
)]
pub struct Args {
    /// Port; 0 is any free one.
    #[arg(long, default_value_t = 9043)]
    port: u16,
    /// Folder of its data; default: below storm.local.dir.
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Runs it until SIGTERM or Ctrl-C.
pub fn run(common: &Common, args: &Args) -> Done {
    let dir = settings::dir(common, &args.dir, "store")?;
    block_on(async {
        let listener = listen("127.0.0.1", args.port).await?;
        let address = listener.local_addr().map_err(Failure::here)?;
        let ready = move || println!("store embedded://{address}");
        fulmar_cassandra::embedded::run_telling(&dir, listener, ended(), ready)
            .await
            .map_err(Failure::here)
    })
}
