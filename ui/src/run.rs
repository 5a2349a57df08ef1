//! The server, on a listener that the caller bound, until it is told to stop.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{any, get};
use fulmar_api::Config;
use tokio::net::TcpListener;

use crate::error::{Error, Problem};
use crate::nimbus::Nimbus;
use crate::proxy::{self, QueryService};
use crate::{answer, bundle, health, own, plain, storm};

/// What the server needs to know.
#[derive(Clone, Debug, Default)]
pub struct UiConfig {
    /// Every Nimbus as `host:port`; the first that answers is asked.
    pub nimbus: Vec<String>,
    /// The query service as `host:port`, if there is one.
    pub query: Option<String>,
    /// The configuration shown by `cluster/configuration`.
    pub conf: Config,
}

/// What all answers share.
#[derive(Clone)]
pub struct Shared {
    /// The door to Nimbus.
    pub nimbus: Nimbus,
    /// The query service.
    pub query: Option<QueryService>,
    /// The configuration.
    pub conf: Arc<Config>,
    /// Requests that came.
    pub requests: Arc<AtomicU64>,
}

/// Whether the built page is part of this program; if not, a plain page is served in its place.
pub fn has_page() -> bool {
    bundle::find("index.html").is_some()
}

/// Runs the server.
///
/// # Errors
/// An address cannot be read, or the listener breaks.
pub async fn run(
    config: UiConfig,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let query = config.query.as_deref().map(QueryService::new).transpose()?;
    let shared = Shared {
        nimbus: Nimbus::new(&config.nimbus)?,
        query,
        conf: Arc::new(config.conf),
        requests: Arc::default(),
    };
    if !has_page() {
        tracing::warn!(
            "built without the web page (ui/web/dist was missing): a plain page is served; `cargo xtask demo` builds it"
        );
    }
    axum::serve(listener, router(shared))
        .with_graceful_shutdown(shutdown)
        .await
        .map_err(|e| Error::Serve(e.to_string()))
}

fn router(shared: Shared) -> Router {
    let storm = storm::routes()
        .method_not_allowed_fallback(async || refused("HTTP 405 Method Not Allowed"));
    Router::new()
        .merge(storm)
        .merge(own::routes())
        .merge(health::routes())
        .route("/api/v1/wifi/{*rest}", any(proxy::wifi))
        .route("/api/v1/fulmar/{*rest}", any(own::nothing))
        .route("/api/{*rest}", any(async || refused("HTTP 404 Not Found")))
        .route("/plain", get(plain::page))
        .fallback(get(bundle::serve))
        .layer(from_fn(answer::headers))
        .layer(from_fn_with_state(shared.clone(), count))
        .with_state(shared)
}

/// As Storm: a path or method that is not there is status 500 too.
fn refused(what: &str) -> Response {
    let what = format!("{what}: docs/operating.md names the paths that are there");
    Problem::Unknown(what).storm()
}

async fn count(State(s): State<Shared>, request: Request, next: Next) -> Response {
    s.requests.fetch_add(1, Ordering::Relaxed);
    next.run(request).await
}
