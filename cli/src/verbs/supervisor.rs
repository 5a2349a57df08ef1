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
    after_help = "Examples:\n  fulmar supervisor --insecure --nimbus 10.0.0.5:6629 --host 10.0.0.7 -c supervisor.slots.ports=[6700,6701]\n  fulmar supervisor --pool m5.large/us-east-1a --life-cycle spot --cpu 800 --memory 16384\n  fulmar supervisor -c supervisor.imds.endpoint=http://169.254.169.254"
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
    /// The pool that may be lost as one; default: instance type and zone.
    #[arg(long)]
    pool: Option<String>,
    /// For example m5.large; default: supervisor.instance.type, else what the metadata service says.
    #[arg(long)]
    instance_type: Option<String>,
    /// For example us-east-1a; default: supervisor.zone, else what the metadata service says.
    #[arg(long)]
    zone: Option<String>,
    /// spot, on-demand or unknown; default: supervisor.life.cycle, else what the metadata service says.
    #[arg(long)]
    life_cycle: Option<String>,
    /// CPU points for the resource-aware scheduler, 100 are a core; default: supervisor.cpu.capacity.
    #[arg(long, value_name = "POINTS")]
    cpu: Option<f64>,
    /// Memory for the resource-aware scheduler; default: supervisor.memory.capacity.mb.
    #[arg(long, value_name = "MB")]
    memory: Option<f64>,
    /// Another resource that topologies may ask for, for example gpu.count=2; may be repeated.
    #[arg(long, value_name = "NAME=AMOUNT", value_parser = resource)]
    resource: Vec<(String, f64)>,
    /// End the workers with the supervisor; Storm leaves them, and so is the default.
    #[arg(long)]
    stop_workers: bool,
}

fn resource(text: &str) -> Result<(String, f64), String> {
    let parted = text
        .split_once('=')
        .and_then(|(name, n)| Some((name, n.parse().ok()?)));
    let parted = parted.filter(|(name, _)| !name.is_empty());
    let (name, amount) = parted.ok_or("of the form NAME=AMOUNT, for example gpu.count=2")?;
    Ok((name.to_owned(), amount))
}

/// What the scheduler must know of this node; flags come before the configuration.
fn placement(config: &mut SupervisorConfig, args: &Args) {
    for (own, given) in [
        (&mut config.pool, &args.pool),
        (&mut config.instance_type, &args.instance_type),
        (&mut config.zone, &args.zone),
        (&mut config.life_cycle, &args.life_cycle),
    ] {
        *own = given.clone().or(own.take());
    }
    let cpu = args.cpu.map(|n| ("supervisor.cpu.capacity".to_owned(), n));
    let memory = args
        .memory
        .map(|n| ("supervisor.memory.capacity.mb".to_owned(), n));
    config.resources.extend(cpu.into_iter().chain(memory));
    config.resources.extend(args.resource.iter().cloned());
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
    placement(&mut config, args);
    config.check().map_err(usage)?;
    block_on(async {
        let listener = listen(common, &args.host, args.port).await?;
        fulmar_supervisor::run(config, listener, ended())
            .await
            .map_err(Failure::here)
    })
}
