//! `fulmar supervisor`: the daemon that holds the workers of a node.

use std::path::PathBuf;

use fulmar_supervisor::SupervisorConfig;

use crate::args::Common;
use crate::client::block_on;
use crate::failure::{Done, Failure};
use crate::settings;
use crate::verbs::nimbus::{ended, listen};

/// Arguments.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  fulmar supervisor --nimbus 10.0.0.5:6629 --host 10.0.0.7 -c supervisor.slots.ports=[6700,6701]\n  fulmar supervisor -c supervisor.imds.endpoint=http://169.254.169.254"
)]
pub struct Args {
    /// Address under which others reach this node; without TLS keep it on a network that you trust.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port of the supervisor itself.
    #[arg(long, default_value_t = 6628)]
    port: u16,
    /// Folder of its state, the programs and the workers; default: below storm.local.dir.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Slot ports, for example 6700,6701; default: supervisor.slots.ports.
    #[arg(long, value_delimiter = ',')]
    slots: Vec<u16>,
    /// A file whose appearance is a termination notice, for drills.
    #[arg(long, value_name = "FILE")]
    notice_file: Option<PathBuf>,
    /// Base address of the EC2 metadata service.
    #[arg(long, value_name = "URL")]
    imds: Option<String>,
    /// End the workers with the supervisor; Storm leaves them, and so is the default.
    #[arg(long)]
    stop_workers: bool,
}

/// Runs the daemon until SIGTERM or Ctrl-C.
pub fn run(common: &Common, args: &Args) -> Done {
    let conf = settings::load(common)?;
    let usage = |e: fulmar_supervisor::Error| Failure::Usage(e.to_string());
    let mut config = SupervisorConfig::from_conf(&conf, &args.host, settings::nimbuses(common)?)
        .map_err(usage)?;
    config.dir = settings::dir(common, &args.dir, "supervisor")?;
    if !args.slots.is_empty() {
        config.slots = args.slots.clone();
    }
    config.notice_file = args.notice_file.clone().or(config.notice_file);
    config.imds = args.imds.clone().or(config.imds);
    config.stop_workers |= args.stop_workers;
    config.check().map_err(usage)?;
    block_on(async {
        let listener = listen(&args.host, args.port).await?;
        fulmar_supervisor::run(config, listener, ended())
            .await
            .map_err(Failure::here)
    })
}
