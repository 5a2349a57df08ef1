//! `run`: the Nimbus daemon, on a listener that the caller bound, until it is told to stop.

use std::future::{Future, IntoFuture};
use std::path::PathBuf;
use std::time::Duration;

use axum::serve::ListenerExt;
use fulmar_api::Config;
use fulmar_proto::nimbus::nimbus_server::NimbusServer;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tonic::service::Routes;

use crate::blobs::Blobs;
use crate::door::{Door, started};
use crate::error::Error;
use crate::messages::{self, Messages};
use crate::owner::Owner;
use crate::page;
use crate::scheduler::policy::Policy;
use crate::store::Store;

/// What answers under way have at a shutdown.
const LAST: Duration = Duration::from_millis(500);

/// What Nimbus needs to know.
#[derive(Clone, Debug)]
pub struct NimbusConfig {
    /// `storm.local.dir`: the store and the blobs live below it.
    pub dir: PathBuf,
    /// Name of this host, as clients see it.
    pub host: String,
    /// Scheduler, isolation, quarantine: what `scheduler::policy` reads.
    pub conf: Config,
}

/// Runs Nimbus until `shutdown` is ready.
///
/// # Errors
/// The folder cannot be used, or the listener fails.
pub async fn run(
    config: NimbusConfig,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let address = listener.local_addr();
    let port = address.map_err(|e| Error::Serve(e.to_string()))?.port();
    let policy = Policy::read(&config.conf).map_err(Error::Config)?;
    let messages = messages::Settings::read(&config.conf).map_err(Error::Config)?;
    let owner = Owner::new(Store::open(&config.dir)?, policy)?;
    let owner = owner.telling(messages.map(Messages::start));
    let (asks, inbox) = mpsc::channel(1_024);
    let task = tokio::spawn(owner.run(inbox));
    let blobs = Blobs::open(&config.dir.join("blobs"))?;
    let door = Door {
        asks: asks.clone(),
        blobs,
        host: config.host,
        port,
        started_ms: started(),
    };
    tracing::info!(port, "nimbus is ready");
    let router = Routes::new(NimbusServer::new(door))
        .prepare()
        .into_axum_router()
        .merge(page::router(asks));
    let served = serve(listener, router, shutdown).await;
    task.abort();
    // The store is closed when the task has ended, so that another Nimbus can open it.
    let _ = task.await;
    served.map_err(|e| Error::Serve(e.to_string()))
}

/// gRPC and plain HTTP on one listener. After `shutdown` answers that are under way have [`LAST`] to end:
/// supervisors and workers watch for as long as they live, so waiting for all would be for ever.
async fn serve(
    listener: TcpListener,
    router: axum::Router,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let listener = listener.tap_io(|stream| {
        // Small messages must not wait for more; a socket that refuses this is only slower.
        let _ = stream.set_nodelay(true);
    });
    let (stop, mut stopped) = watch::channel(false);
    let graceful = async move {
        // A sender that is gone means the same.
        let _ = stopped.wait_for(|s| *s).await;
    };
    let serving = tokio::spawn(
        axum::serve(listener, router)
            .with_graceful_shutdown(graceful)
            .into_future(),
    );
    let abort = serving.abort_handle();
    tokio::pin!(serving);
    tokio::select! {
        ended = &mut serving => return flat(ended),
        () = shutdown => {}
    }
    stop.send_replace(true);
    match tokio::time::timeout(LAST, &mut serving).await {
        Ok(ended) => flat(ended),
        Err(_) => {
            abort.abort();
            Ok(())
        }
    }
}

fn flat(ended: Result<std::io::Result<()>, tokio::task::JoinError>) -> std::io::Result<()> {
    ended.unwrap_or_else(|e| Err(std::io::Error::other(e)))
}
