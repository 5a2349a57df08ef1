//! `fulmar dev`: Nimbus and supervisors in one process on this machine.

use std::path::PathBuf;

use fulmar_nimbus::NimbusConfig;
use fulmar_supervisor::SupervisorConfig;
use tokio::sync::watch;

use crate::args::Common;
use crate::client::block_on;
use crate::failure::{Done, Failure};
use crate::settings;
use crate::verbs::nimbus::{ended, listen};

/// Arguments.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  fulmar dev\n  fulmar dev --supervisors 2 --slots 2")]
pub struct Args {
    /// Supervisors.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    supervisors: u16,
    /// Slots of each supervisor.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=32))]
    slots: u16,
    /// Nimbus' gRPC port.
    #[arg(long, default_value_t = settings::NIMBUS_PORT)]
    port: u16,
    /// First supervisor's port; the next ones follow downwards.
    #[arg(long, default_value_t = 6628)]
    supervisor_port: u16,
    /// First slot port; the next ones follow.
    #[arg(long, default_value_t = 6700)]
    slot_port: u16,
    /// Folder of everything; default: below storm.local.dir.
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Runs everything until SIGTERM or Ctrl-C; the workers end with it.
pub fn run(common: &Common, args: &Args) -> Done {
    let dir = settings::dir(common, &args.dir, "dev")?;
    let conf = settings::load(common)?;
    const HOST: &str = "127.0.0.1";
    block_on(async {
        let (stop, stopped) = watch::channel(false);
        let told = |mut stopped: watch::Receiver<bool>| async move {
            // A sender that is gone means the same.
            let _ = stopped.wait_for(|s| *s).await;
        };
        let nimbus = format!("{HOST}:{}", args.port);
        let listener = listen(HOST, args.port).await?;
        let config = NimbusConfig {
            dir: dir.join("nimbus"),
            host: HOST.to_owned(),
            conf: conf.clone(),
        };
        let mut tasks = tokio::task::JoinSet::new();
        let until = told(stopped.clone());
        tasks.spawn(async move {
            fulmar_nimbus::run(config, listener, until)
                .await
                .map_err(Failure::here)
        });
        println!("nimbus        {nimbus}");
        for n in 0..args.supervisors {
            let config = SupervisorConfig::from_conf(&conf, HOST, vec![nimbus.clone()]);
            let mut config = config.map_err(|e| Failure::Usage(e.to_string()))?;
            config.dir = dir.join(format!("supervisor-{}", n + 1));
            let first = args.slot_port + n * args.slots;
            config.slots = (first..first + args.slots).collect();
            config.stop_workers = true;
            config.check().map_err(|e| Failure::Usage(e.to_string()))?;
            let port = args.supervisor_port - n;
            let listener = listen(HOST, port).await?;
            println!(
                "supervisor {}  {HOST}:{port}, slots {first}-{}",
                n + 1,
                first + args.slots - 1
            );
            let until = told(stopped.clone());
            tasks.spawn(async move {
                fulmar_supervisor::run(config, listener, until)
                    .await
                    .map_err(Failure::here)
            });
        }
        println!("submit with   fulmar submit PROGRAM --nimbus {nimbus}");
        let first = tokio::select! {
            () = ended() => None,
            first = tasks.join_next() => first,
        };
        // Nobody listens when all have ended.
        let _ = stop.send(true);
        let mut outcome = Ok(());
        if let Some(Ok(Err(failure))) = first {
            outcome = Err(failure);
        }
        while tasks.join_next().await.is_some() {}
        outcome
    })
}
