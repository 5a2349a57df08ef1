//! `run`: the Nimbus daemon, on a listener that the caller bound, until it is told to stop.

use std::future::Future;
use std::path::PathBuf;

use fulmar_proto::nimbus::nimbus_server::NimbusServer;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

use crate::blobs::Blobs;
use crate::door::{Door, started};
use crate::error::Error;
use crate::owner::Owner;
use crate::store::Store;

/// What Nimbus needs to know.
#[derive(Clone, Debug)]
pub struct NimbusConfig {
    /// `storm.local.dir`: the store and the blobs live below it.
    pub dir: PathBuf,
    /// Name of this host, as clients see it.
    pub host: String,
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
    let serve = |e: &dyn std::error::Error| Error::Serve(e.to_string());
    let port = listener.local_addr().map_err(|e| serve(&e))?.port();
    let owner = Owner::new(Store::open(&config.dir)?)?;
    let (asks, inbox) = mpsc::channel(1_024);
    let task = tokio::spawn(owner.run(inbox));
    let blobs = Blobs::open(&config.dir.join("blobs"))?;
    let door = Door {
        asks,
        blobs,
        host: config.host,
        port,
        started_ms: started(),
    };
    tracing::info!(port, "nimbus is ready");
    let served = Server::builder()
        .add_service(NimbusServer::new(door))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), shutdown)
        .await;
    task.abort();
    // The store is closed when the task has ended, so that another Nimbus can open it.
    let _ = task.await;
    served.map_err(|e| serve(&e))
}
