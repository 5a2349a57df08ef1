//! `fulmar nimbus`: the daemon that decides.

use std::path::PathBuf;

use fulmar_nimbus::NimbusConfig;
use tokio::net::TcpListener;

use crate::args::Common;
use crate::client::block_on;
use crate::failure::{Done, Failure};
use crate::settings;

/// Arguments.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  fulmar nimbus --dir /var/lib/fulmar/nimbus")]
pub struct Args {
    /// Address to listen on; without TLS keep it on loopback or a network that you trust.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// gRPC port.
    #[arg(long, default_value_t = settings::NIMBUS_PORT)]
    port: u16,
    /// Folder of its store and the programs; default: below storm.local.dir.
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Runs the daemon until SIGTERM or Ctrl-C.
pub fn run(common: &Common, args: &Args) -> Done {
    let dir = settings::dir(common, &args.dir, "nimbus")?;
    block_on(async {
        let listener = listen(common, &args.host, args.port).await?;
        let config = NimbusConfig {
            dir,
            host: args.host.clone(),
            conf: settings::load(common)?,
        };
        let managed = fleet(&config.conf, &listener)?;
        let done = fulmar_nimbus::run(config, listener, ended()).await;
        if let Some(managed) = managed {
            managed.abort();
        }
        done.map_err(Failure::here)
    })
}

/// The fleet manager beside Nimbus, where the configuration turns it on. It asks Nimbus as everybody does; should it
/// end, Nimbus does not.
#[cfg(feature = "ec2")]
fn fleet(
    conf: &fulmar_api::Config,
    listener: &TcpListener,
) -> Result<Option<tokio::task::JoinHandle<()>>, Failure> {
    use crate::fleet::start::Fleet;
    if !conf.bool_or("fleet.enable", false)? {
        return Ok(None);
    }
    let own = listener.local_addr().map_err(Failure::here)?;
    // One that listens everywhere listens here.
    let ip = match own.ip().is_unspecified() {
        true => std::net::IpAddr::from([127, 0, 0, 1]),
        false => own.ip(),
    };
    let nimbus = std::net::SocketAddr::new(ip, own.port()).to_string();
    let conf = conf.clone();
    // What is wrong with the configuration is wrong before Nimbus starts.
    crate::fleet::start::check(&conf)?;
    Ok(Some(tokio::spawn(async move {
        let run = async { Fleet::of(&conf, &nimbus).await?.run().await };
        if let Err(error) = run.await {
            tracing::error!(%error, "the fleet manager has ended; Nimbus goes on");
        }
    })))
}

#[cfg(not(feature = "ec2"))]
fn fleet(
    conf: &fulmar_api::Config,
    _: &TcpListener,
) -> Result<Option<tokio::task::JoinHandle<()>>, Failure> {
    match conf.bool_or("fleet.enable", false)? {
        true => Err(crate::fleet::without()),
        false => Ok(None),
    }
}

/// Binds an address that this call may open, or says what to do.
///
/// # Errors
/// It is open to others and nobody said `--insecure`, or as [`bind`].
pub async fn listen(common: &Common, host: &str, port: u16) -> Result<TcpListener, Failure> {
    settings::guarded(common, host)?;
    bind(host, port).await
}

/// Binds, or says what to do.
///
/// # Errors
/// The port is in use, or the address is not this machine's.
pub async fn bind(host: &str, port: u16) -> Result<TcpListener, Failure> {
    TcpListener::bind((host, port)).await.map_err(|e| {
        Failure::Failed(format!(
            "cannot listen on {host}:{port}: {e}; end the process that holds it, or choose another with --port"
        ))
    })
}

/// Ready when the process is told to end.
pub async fn ended() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut term) => {
            tokio::select! {
                _ = term.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
