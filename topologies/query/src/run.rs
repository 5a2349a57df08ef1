//! The service, on a listener that the caller bound, until it is told to stop.

use std::future::Future;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use fulmar_cassandra::tables;
use tokio::net::TcpListener;

use crate::api::{self, Sources};
use crate::error::Error;
use crate::feed::Feed;
use crate::ring::Ring;

/// Between two tries of backends that do not answer.
const AGAIN: Duration = Duration::from_secs(2);

/// What the service needs to know.
#[derive(Clone, Debug)]
pub struct QueryConfig {
    /// Kafka's brokers.
    pub bootstrap_servers: String,
    /// Topic of estimates.
    pub estimates: String,
    /// The store: `embedded://host:port` or `cassandra://…`.
    pub store: String,
}

/// Runs the service. It waits for a store and brokers that do not answer yet, and says so; `ready` is called when both
/// have answered.
///
/// # Errors
/// The store or Kafka cannot be used for good, or the listener breaks.
pub async fn run(
    config: QueryConfig,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
    ready: impl FnOnce() + Send,
) -> Result<(), Error> {
    let ring = Arc::new(RwLock::new(Ring::default()));
    let mut shutdown = Box::pin(shutdown);
    let mut told = false;
    let (store, feed) = loop {
        match open(&config, &ring).await {
            Ok(both) => break both,
            Err(error) if error.is_transient() => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!("not ready: {error}; it is tried again until it answers");
                }
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            () = tokio::time::sleep(AGAIN) => {}
        }
    };
    ready();
    let (ready, counted) = (store.clone(), ring.clone());
    let health = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route(
            "/readyz",
            get(move || async move {
                // The answer of the cheapest request that reaches the store.
                let key = fulmar_cassandra::wifi::anomaly_partition("", 0);
                let all = fulmar_cassandra::Range::all();
                match ready.select(&tables::ANOMALIES, &key, &all, 1, true).await {
                    Ok(_) => (StatusCode::OK, "ready\n".to_owned()),
                    Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
                }
            }),
        )
        .route("/metrics", get(move || async move { metrics(&counted) }));
    let app = health.merge(api::routes(Sources { ring, store }));
    let served = axum::serve(listener, app)
        .with_graceful_shutdown(shutdown)
        .await;
    // Its thread ends within a poll.
    drop(feed);
    served.map_err(|e| Error::Serve(e.to_string()))
}

/// Both backends, each of which has answered once.
async fn open(
    config: &QueryConfig,
    ring: &Arc<RwLock<Ring>>,
) -> Result<(Arc<dyn fulmar_cassandra::Store>, Feed), Error> {
    let store = fulmar_cassandra::connect(&config.store).await?;
    store.ensure(&tables::ALL).await?;
    let (servers, topic, filled) = (
        config.bootstrap_servers.clone(),
        config.estimates.clone(),
        ring.clone(),
    );
    let started = tokio::task::spawn_blocking(move || Feed::start(&servers, &topic, filled)).await;
    let feed = started.map_err(|e| Error::Serve(e.to_string()))??;
    Ok((store, feed))
}

fn metrics(ring: &RwLock<Ring>) -> impl axum::response::IntoResponse + use<> {
    let ring = ring.read().unwrap_or_else(|e| e.into_inner());
    let text = format!(
        "# TYPE fulmar_query_estimates_kept gauge\nfulmar_query_estimates_kept {}\n# TYPE fulmar_query_estimates_dropped_total counter\nfulmar_query_estimates_dropped_total {}\n",
        ring.len(),
        ring.dropped
    );
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}
