//! The supervisor's pages: health, metrics, and its status as JSON.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use tokio::sync::watch;

use crate::link::now_ms;
use crate::status::Status;

type Shown = State<watch::Receiver<Status>>;

/// `/healthz`, `/readyz`, `/metrics`, `/api/v1/status`.
pub fn router(status: watch::Receiver<Status>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(show))
        .fallback(missing)
        .with_state(status)
}

async fn ready(State(status): Shown) -> Response {
    match status.borrow().unready() {
        None => "ready\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn metrics(State(status): Shown) -> impl IntoResponse {
    let text = status.borrow().metrics(now_ms());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

async fn show(State(status): Shown) -> Json<Status> {
    Json(status.borrow().clone())
}

async fn missing() -> impl IntoResponse {
    let text = "there are /healthz, /readyz, /metrics and /api/v1/status\n";
    (StatusCode::NOT_FOUND, text)
}
