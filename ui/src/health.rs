//! Health and metrics of this server.

use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::run::Shared;

/// `/healthz`, `/readyz`, `/metrics`.
pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// Ready when a Nimbus answers.
async fn ready(State(s): State<Shared>) -> Response {
    match s.nimbus.cluster().await {
        Ok(_) => "ready\n".into_response(),
        Err(problem) => {
            let text = format!("{}\n", problem.message());
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

async fn metrics(State(s): State<Shared>) -> Response {
    let [asked, vain] = [0, 1].map(|i| s.nimbus.counts[i].load(Ordering::Relaxed));
    let served = s.requests.load(Ordering::Relaxed);
    let text = format!(
        "# TYPE fulmar_ui_requests_total counter\nfulmar_ui_requests_total {served}\n\
         # TYPE fulmar_ui_nimbus_calls_total counter\nfulmar_ui_nimbus_calls_total {asked}\n\
         # TYPE fulmar_ui_nimbus_unreachable_total counter\nfulmar_ui_nimbus_unreachable_total {vain}\n"
    );
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
