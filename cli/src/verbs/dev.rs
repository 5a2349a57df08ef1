//! `fulmar dev`: Nimbus, supervisors and the page in one process on this machine.

use std::path::{Path, PathBuf};
use std::pin::Pin;

use fulmar_api::Config;
use fulmar_nimbus::NimbusConfig;
use fulmar_supervisor::SupervisorConfig;
use fulmar_ui::UiConfig;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::args::Common;
use crate::client::block_on;
use crate::failure::{Done, Failure};
use crate::settings;
use crate::verbs::nimbus::{bind, ended};
use crate::verbs::ui::plainly;

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
    /// The page's port; default: 8080, or any free one where that is taken.
    #[arg(long)]
    ui_port: Option<u16>,
    /// The query service of the Wi-Fi pipeline, for the Wi-Fi page.
    #[arg(long, value_name = "HOST:PORT")]
    query: Option<String>,
    /// Folder of everything; default: below storm.local.dir.
    #[arg(long)]
    dir: Option<PathBuf>,
}

const HOST: &str = "127.0.0.1";

/// Ready when a daemon is to end.
type Until = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The page's listener: the port that was asked for, else Storm's, else any.
async fn page(asked: Option<u16>) -> Result<TcpListener, Failure> {
    if let Some(port) = asked {
        return TcpListener::bind((HOST, port)).await.map_err(|e| {
            Failure::Failed(format!(
                "cannot listen on {HOST}:{port}: {e}; end the process that holds it, or choose another with --ui-port"
            ))
        });
    }
    match TcpListener::bind((HOST, settings::UI_PORT)).await {
        Ok(listener) => Ok(listener),
        Err(_) => bind(HOST, 0).await,
    }
}

/// Runs everything until SIGTERM or Ctrl-C; the workers end with it.
pub fn run(common: &Common, args: &Args) -> Done {
    let dir = settings::dir(common, &args.dir, "dev")?;
    let conf = settings::load(common)?;
    block_on(async {
        let (stop, stopped) = watch::channel(false);
        let mut daemons = Daemons {
            stopped,
            running: JoinSet::new(),
        };
        let nimbus = format!("{HOST}:{}", args.port);
        let listener = bind(HOST, args.port).await?;
        let config = NimbusConfig {
            dir: dir.join("nimbus"),
            host: HOST.to_owned(),
            conf: conf.clone(),
        };
        daemons.start(|until| fulmar_nimbus::run(config, listener, until));
        println!("nimbus        {nimbus}");
        for n in 0..args.supervisors {
            supervisor(&mut daemons, args, &conf, &dir, &nimbus, n).await?;
        }
        let listener = page(args.ui_port).await?;
        let address = listener.local_addr().map_err(Failure::here)?;
        println!("page          http://{address}/{}", plainly());
        let config = UiConfig {
            nimbus: vec![nimbus.clone()],
            query: args.query.clone(),
            conf,
        };
        daemons.start(|until| fulmar_ui::run(config, listener, until));
        println!("submit with   fulmar submit PROGRAM --nimbus {nimbus}");
        let first = tokio::select! {
            () = ended() => None,
            first = daemons.running.join_next() => first,
        };
        // Nobody listens when all have ended.
        let _ = stop.send(true);
        let mut outcome = Ok(());
        if let Some(Ok(Err(failure))) = first {
            outcome = Err(failure);
        }
        while daemons.running.join_next().await.is_some() {}
        outcome
    })
}

/// What runs in this process, and the word that ends it.
struct Daemons {
    stopped: watch::Receiver<bool>,
    running: JoinSet<Done>,
}

impl Daemons {
    /// Starts one, which is given the future that tells it to end.
    fn start<F, E>(&mut self, daemon: impl FnOnce(Until) -> F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display,
    {
        let mut stopped = self.stopped.clone();
        let until: Until = Box::pin(async move {
            // A sender that is gone means the same.
            let _ = stopped.wait_for(|s| *s).await;
        });
        let daemon = daemon(until);
        self.running
            .spawn(async move { daemon.await.map_err(Failure::here) });
    }
}

/// One node on this machine.
async fn supervisor(
    daemons: &mut Daemons,
    args: &Args,
    conf: &Config,
    dir: &Path,
    nimbus: &str,
    n: u16,
) -> Done {
    let config = SupervisorConfig::from_conf(conf, HOST, vec![nimbus.to_owned()]);
    let mut config = config.map_err(|e| Failure::Usage(e.to_string()))?;
    config.dir = dir.join(format!("supervisor-{}", n + 1));
    let first = args.slot_port + n * args.slots;
    config.slots = (first..first + args.slots).collect();
    config.stop_workers = true;
    config.check().map_err(|e| Failure::Usage(e.to_string()))?;
    let port = args.supervisor_port - n;
    let listener = bind(HOST, port).await?;
    println!(
        "supervisor {}  {HOST}:{port}, slots {first}-{}",
        n + 1,
        first + args.slots - 1
    );
    daemons.start(|until| fulmar_supervisor::run(config, listener, until));
    Ok(())
}
